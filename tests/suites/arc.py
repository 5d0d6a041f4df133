#!/usr/bin/env python3
"""Runs the public ARC suite (arc-draft-validation-tests.yml of arc_test_suite) against the program.

    tests/suites/arc.py FILE [--server] [--binary target/debug/anshin]

The file is not kept here. The keys are served by a name server on loopback, and `anshin senders check` is asked whether the
chain holds. With --server a running relay that trusts the suite's sealers gets each mail at port 25 instead, and its record says
whether the chain held; there, who is not known by a seal is nobody, so "fail" and "none" are one. Prints every
case that differs, then passed/total. Those that are known to differ, and why, stand in `KNOWN`; exit status 1 if another
one differs. Needs PyYAML (Debian: python3-yaml).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import server
import yaml
import zone

UNSAID = "the suite names no result here; RFC 8617 \u00a75.2 says fail"
KNOWN = {
    "cv_fail_i1_as_cv_fail": UNSAID,
    "cv_fail_i2_as2_fail": UNSAID,
    "cv_fail_i2_as1_fail": UNSAID,
    "ams_fields_c_na": "without c= it is simple/simple (RFC 8617 \u00a74.1.2, RFC 6376 \u00a73.5), and was signed as relaxed/relaxed",
    "ams_fields_h_empty": "h= needs a name, and From must be signed (RFC 6376 \u00a73.5, \u00a75.4)",
}


def results_by_check(arguments, names, mails):
    environment = {
        **os.environ,
        "ANSHIN__PROFILE": "development",
        "ANSHIN__SENDERS__TRUSTED_NETWORKS": "[]",
        "ANSHIN__DNS__SERVERS": f"127.0.0.1:{names.port}",
    }
    for text in mails:
        with tempfile.NamedTemporaryFile() as mail:
            mail.write(text)
            mail.flush()
            command = [arguments.binary, "--json", "senders", "check", "--ip", "192.0.2.1", "--message", mail.name]
            run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
        try:
            yield json.loads(run.stdout)["arc_chain"]
        except (ValueError, KeyError):
            yield (run.stdout + run.stderr).strip()


def results_by_server(arguments, names, mails):
    sealers = sorted({name.partition("._domainkey.")[2] for name in names.zone} - {""})
    with server.Relay(arguments.binary, names.port, sealers) as relay:
        sent = [relay.send("192.0.2.1", "mx.elsewhere.test", "x@elsewhere.test", mail) for mail in mails]
        found = relay.found()
        for told in sent:
            # Of a mail that was refused before its sender was asked for there is nothing.
            proof = found[told] or {"arc": None} if told in found else {"arc": {"result": f"({told})"}}
            yield proof["arc"]["result"] if proof["arc"] else "none"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--server", action="store_true")
    parser.add_argument("--binary", default="target/debug/anshin")
    arguments = parser.parse_args()
    names = zone.Server()
    passed = total = wrong = 0
    with open(arguments.file, "rb") as file:
        scenarios = list(yaml.safe_load_all(file))
    results_of = results_by_server if arguments.server else results_by_check
    for scenario in scenarios:
        names.zone = {name.lower(): [("TXT", text)] for name, text in (scenario.get("txt-records") or {}).items()}
        cases = scenario["tests"]
        mails = [case["message"].encode().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for case in cases.values()]
        for (name, case), result in zip(cases.items(), results_of(arguments, names, mails)):
            expected = (case["cv"] or "none").lower()
            total += 1
            if result == expected or arguments.server and "pass" not in (result, expected) and result in ("fail", "none"):
                passed += 1
            else:
                wrong += name not in KNOWN
                why = KNOWN.get(name, case.get("description"))
                print(f"{scenario['description']}: {name}: {result}, expected {expected} ({why})")
    print(f"{passed}/{total}")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
