#!/usr/bin/env python3
"""Runs the public SPF suite (rfc7208-tests.yml) against the program.

    tests/suites/spf.py FILE [--server] [--binary target/debug/anshin]

The file is in the source package of pyspf; it is not kept here. Each scenario's zone is served by a name server on loopback,
and `anshin senders check` is asked, with `[dns] servers` pointing there. With --server a running relay gets a mail for each case
at port 25 instead, and what it found is read from its record. Prints every case that differs, then passed/total. Those that
are known to differ, and why, stand in `KNOWN`; exit status 1 if another one differs. Needs PyYAML (Debian: python3-yaml).
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import server
import yaml
import zone

REFUSED = "no address"
NO_ADDRESS = "the reverse-path is no address, so SMTP refuses it before SPF is asked"
KNOWN = {
    "toolonglabel": NO_ADDRESS,
    "emptylabel": NO_ADDRESS,
    "nolocalpart": NO_ADDRESS,
    "dorky-sentinel": NO_ADDRESS,
    "invalid-hello-macro": "with --server: the name in EHLO has a blank, so SMTP refuses it",
    "null-text": "a TXT record without a string is no DNS (RFC 1035 \u00a73.3.14), so the answer is none",
}
MAIL = "From: {author}\r\nTo: x@shop.anshin.test\r\nSubject: x\r\nAuto-Submitted: auto-replied\r\n\r\nx"


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


def check(arguments, names, case):
    command = [arguments.binary, "--json", "senders", "check", "--ip", case["host"], "--helo", str(case.get("helo") or "")]
    if case.get("mailfrom"):
        command += ["--mail-from", case["mailfrom"]]
    environment = {
        **os.environ,
        "ANSHIN__PROFILE": "development",
        "ANSHIN__SENDERS__TRUSTED_NETWORKS": "[]",
        "ANSHIN__DNS__SERVERS": f"127.0.0.1:{names.port}",
    }
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    try:
        document = json.loads(run.stdout)
        return document["spf"]["result"] if "spf" in document else REFUSED
    except (ValueError, KeyError):
        return f"({(run.stdout + run.stderr).strip()})"


def results_by_check(arguments, names, cases):
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda case: check(arguments, names, case), cases))


def results_by_server(arguments, names, cases):
    """What a running relay finds; a new one for each scenario, since it remembers answers."""
    with server.Relay(arguments.binary, names.port) as relay:
        sent = []
        for case in cases:
            path = case.get("mailfrom") or ""
            mail = MAIL.format(author=path or "x@author.test").encode()
            sent.append(relay.send(case["host"], str(case.get("helo") or ""), path, mail))
        found = relay.found()
        return [found[told]["spf"]["result"] if told in found else refused(told) for told in sent]


def refused(told):
    return REFUSED if told.startswith("501 5.1.7") else f"({told})"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--server", action="store_true")
    parser.add_argument("--binary", default="target/debug/anshin")
    arguments = parser.parse_args()
    results_of = results_by_server if arguments.server else results_by_check
    names = zone.Server()
    passed = total = wrong = 0
    with open(arguments.file, "rb") as file:
        scenarios = list(yaml.safe_load_all(file))
    for scenario in scenarios:
        names.zone = {name.lower(): records_of(entries) for name, entries in scenario["zonedata"].items()}
        cases = scenario["tests"]
        for (name, case), result in zip(cases.items(), results_of(arguments, names, cases.values())):
            expected = case["result"]
            expected = expected if isinstance(expected, list) else [expected]
            total += 1
            if result in expected:
                passed += 1
            else:
                wrong += name not in KNOWN
                why = KNOWN.get(name, case.get("spec"))
                print(f"{scenario['description']}: {name}: {result}, expected {' or '.join(expected)} ({why})")
    print(f"{passed}/{total}")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
