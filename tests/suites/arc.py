#!/usr/bin/env python3
"""Runs the public ARC suite (arc-draft-validation-tests.yml of arc_test_suite) against the program's own check.

    tests/suites/arc.py FILE [--binary target/debug/anshin]

The file is not kept here. The keys are served by a name server on loopback, and `anshin senders check` is asked whether the
chain holds. Prints every case that differs, then passed/total; exit status 1 if one differs. Needs PyYAML (Debian:
python3-yaml).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import yaml
import zone


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--binary", default="target/debug/anshin")
    arguments = parser.parse_args()
    server = zone.Server()
    environment = {
        **os.environ,
        "ANSHIN__PROFILE": "development",
        "ANSHIN__SENDERS__TRUSTED_NETWORKS": "[]",
        "ANSHIN__DNS__SERVERS": f"127.0.0.1:{server.port}",
    }
    passed = total = 0
    with open(arguments.file, "rb") as file:
        scenarios = list(yaml.safe_load_all(file))
    for scenario in scenarios:
        server.zone = {name.lower(): [("TXT", text)] for name, text in (scenario.get("txt-records") or {}).items()}
        for name, case in scenario["tests"].items():
            with tempfile.NamedTemporaryFile() as mail:
                mail.write(case["message"].encode().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
                mail.flush()
                command = [arguments.binary, "--json", "senders", "check", "--ip", "192.0.2.1", "--message", mail.name]
                run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
            total += 1
            try:
                result = json.loads(run.stdout)["arc_chain"]
            except (ValueError, KeyError):
                result = (run.stdout + run.stderr).strip()
            expected = (case["cv"] or "none").lower()
            if result == expected:
                passed += 1
            else:
                print(f"{scenario['description']}: {name}: {result}, expected {expected} ({case.get('description')})")
    print(f"{passed}/{total}")
    return passed != total


if __name__ == "__main__":
    sys.exit(main())
