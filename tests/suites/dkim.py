#!/usr/bin/env python3
"""Runs public DKIM corpora against the program: Mail::DKIM's (`t` in its source) or mail-auth's (`resources/dkim`).

    tests/suites/dkim.py DIRECTORY [--binary target/debug/anshin]

Neither is kept here. The keys are served by a name server on loopback, and `anshin senders check` is asked what each signature
proves. What a corpus calls good must pass, unless the standard has made it worthless since (SHA-1 and RSA below 1024 bits
by RFC 8301, no v=1 by RFC 6376) or it has expired; then it must not. What it calls bad must not pass. Mails with DomainKeys alone are left out. Prints every case
that differs, then passed/total and how many of these had to pass; exit status 1 if one differs.
"""

import argparse
import base64
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import zone

SHORT = 150  # Octets of DER; a public key of 1024 bits has 162, or 140 as RSAPublicKey alone.


def of_mail_dkim(path):
    """Names of mails, what the corpus's own test says of each, and the zone."""
    records = {}
    for line in (path / "FAKE_DNS.dat").read_text().splitlines():
        if not line.strip() or line.lstrip()[0] in "#;":
            continue
        name, value = line.split(None, 1)
        if value.startswith("~~"):
            records[name.lower()] = [zone.TIMEOUT]
        elif value != "NXDOMAIN":
            records[name.lower()] = [("TXT", value)]
    said = re.findall(r'test_email\(\s*"([^"]+)",\s*"([^"]+)"', (path / "verifier.t").read_text())
    # Older than the standard, and skipped there too; DomainKeys are another thing.
    said = [(name, result) for name, result in said if "dk_" not in name and "ietf00" not in name]
    return [(name, (path / "corpus" / name).read_bytes(), result) for name, result in said], records


def of_mail_auth(path):
    """Each file has its keys in front; all of them are good."""
    records, mails = {}, []
    for file in sorted(path.glob("*.txt")):
        keys, mail = re.split(rb"\r?\n\r?\n", file.read_bytes(), maxsplit=1)
        for line in keys.decode().splitlines():
            name, value = line.split(None, 1)
            records[name.lower()] = [("TXT", value)]
        mails.append((file.name, mail, "pass"))
    return mails, records


def tags(text):
    return {name.strip(): re.sub(r"\s", "", value) for name, _, value in (tag.partition("=") for tag in text.split(";"))}


def why_worthless(mail, records):
    """Why none of its signatures can count; nothing if one can."""
    header = re.split(rb"\r?\n\r?\n", mail, maxsplit=1)[0].decode("latin-1")
    reasons = []
    for field in re.findall(r"(?im)^dkim-signature[ \t]*:((?:.*\n[ \t])*.*)$", header):
        signature = tags(field)
        key = records.get(f"{signature.get('s')}._domainkey.{signature.get('d')}".lower(), [("TXT", "")])[0]
        public = tags(key[1]).get("p", "") if key != zone.TIMEOUT else ""
        short = SHORT - 22 if not public.startswith("MIG") or "MIGJ" == public[:4] else SHORT
        if signature.get("v") != "1":
            reasons.append("no v=1 (RFC 6376 \u00a73.5)")
        elif signature.get("a", "").endswith("sha1"):
            reasons.append("SHA-1")
        elif signature.get("a") == "rsa-sha256" and len(base64.b64decode(public + "==")) < short:
            reasons.append("a short key")
        elif int(signature.get("x", 1 << 60)) <= time.time():
            reasons.append("expired")
        else:
            return None
    return ", ".join(sorted(set(reasons)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--binary", default="target/debug/anshin")
    arguments = parser.parse_args()
    is_mail_dkim = (arguments.directory / "FAKE_DNS.dat").exists()
    mails, records = (of_mail_dkim if is_mail_dkim else of_mail_auth)(arguments.directory)
    names = zone.Server()
    names.zone = records
    environment = {
        **os.environ,
        "ANSHIN__PROFILE": "development",
        "ANSHIN__SENDERS__TRUSTED_NETWORKS": "[]",
        "ANSHIN__DNS__SERVERS": f"127.0.0.1:{names.port}",
    }
    passed = total = had_to_pass = 0
    for name, mail, said in mails:
        with tempfile.NamedTemporaryFile() as file:
            file.write(mail.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
            file.flush()
            command = [arguments.binary, "--json", "senders", "check", "--ip", "192.0.2.1", "--message", file.name]
            run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
        try:
            results = [signature["result"] for signature in json.loads(run.stdout)["dkim"]]
        except (ValueError, KeyError):
            results = [(run.stdout + run.stderr).strip()]
        worthless = why_worthless(mail, records) if said == "pass" else None
        must_pass = said == "pass" and not worthless
        total += 1
        had_to_pass += must_pass
        if ("pass" in results) == must_pass and all(" " not in result for result in results):
            passed += 1
        else:
            print(f"{name}: {' '.join(results)}, said to be {said}{f' ({worthless})' if worthless else ''}")
    print(f"{passed}/{total}, {had_to_pass} of them good")
    return passed != total


if __name__ == "__main__":
    sys.exit(main())
