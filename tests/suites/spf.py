#!/usr/bin/env python3
"""Runs the public SPF suite (rfc7208-tests.yml) against the program's own check.

    tests/suites/spf.py FILE [--binary target/debug/anshin]

The file is in the source package of pyspf; it is not kept here. Each scenario's zone is served by a name server on loopback,
and `anshin senders check` is asked, with `[dns] servers` pointing there. Prints every case that differs, then passed/total. Of
those that differ four have a reverse-path that is no address, so that SMTP refuses it before SPF is asked, and one a TXT
record without any string, which no name server can say. Exit status 1 if another one differs. Needs PyYAML (Debian: python3-yaml).
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import yaml
import zone


REFUSED = "no address"
# As served they are no DNS.
UNSERVABLE = {"null-text"}


def records_of(entries):
    """The suite's records; what is said of SPF alone goes for TXT as well."""
    has_txt = any(isinstance(entry, dict) and "TXT" in entry for entry in entries)
    records = []
    for entry in entries:
        if entry == zone.TIMEOUT:
            records.append(zone.TIMEOUT)
            continue
        for kind, value in entry.items():
            if kind == "SPF":
                if has_txt:
                    continue
                kind = "TXT"
            if value != "NONE":
                records.append((kind, value))
    return records


def check(arguments, server, case):
    command = [arguments.binary, "--json", "senders", "check", "--ip", case["host"], "--helo", str(case.get("helo") or "")]
    if case.get("mailfrom"):
        command += ["--mail-from", case["mailfrom"]]
    environment = {
        **os.environ,
        "ANSHIN__PROFILE": "development",
        "ANSHIN__SENDERS__TRUSTED_NETWORKS": "[]",
        "ANSHIN__DNS__SERVERS": f"127.0.0.1:{server.port}",
    }
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    try:
        document = json.loads(run.stdout)
        return document["spf"]["result"] if "spf" in document else REFUSED
    except (ValueError, KeyError):
        return f"({(run.stdout + run.stderr).strip()})"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--binary", default="target/debug/anshin")
    arguments = parser.parse_args()
    server = zone.Server()
    passed = total = wrong = 0
    with open(arguments.file, "rb") as file:
        scenarios = list(yaml.safe_load_all(file))
    for scenario in scenarios:
        server.zone = {name.lower(): records_of(entries) for name, entries in scenario["zonedata"].items()}
        cases = scenario["tests"]
        with ThreadPoolExecutor(2) as pool:
            results = pool.map(lambda case: check(arguments, server, case), cases.values())
        for (name, case), result in zip(cases.items(), results):
            expected = case["result"]
            expected = expected if isinstance(expected, list) else [expected]
            total += 1
            if result in expected:
                passed += 1
            else:
                wrong += result != REFUSED and name not in UNSERVABLE
                print(f"{scenario['description']}: {name}: {result}, expected {' or '.join(expected)} ({case.get('spec')})")
    print(f"{passed}/{total}")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
