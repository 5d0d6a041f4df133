"""A running relay for the suites: `anshin serve` on loopback with a name server of the suite's, a store and an order.

A mail is handed to port 25 as from any address, by the header that balancers send (PROXY protocol), and what the relay found
of its sender is read from the sealed record. `senders.unproven` is "refuse", so that nothing is kept but the records.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

LOOK = ["--actor", "suite", "--purpose", "audit", "--case", "suite"]


class Relay:
    """Starts the relay; use it in a `with` statement."""

    def __init__(self, binary, dns_port, forwarders=()):
        self.binary = binary
        self.dir = tempfile.mkdtemp(prefix="anshin-suite-")
        self.number = 0
        keys = {
            "profile": "development", "hostname": "relay.anshin.test",
            "domains.customer": "fw.anshin.test", "domains.merchant": "shop.anshin.test",
            "ingress.mx.listen": "127.0.0.1:0", "ingress.submission.listen": "127.0.0.1:0",
            "ingress.submission.tls_listen": "127.0.0.1:0", "web.listen": "127.0.0.1:0",
            "ingress.tls.certificate": "state/certificate.pem", "ingress.tls.key": "state/key.pem",
            "ingress.mx.proxy_protocol_from": "127.0.0.0/8", "egress.dkim.dir": "state/dkim", "keys.dir": "state/keys",
            "storage.url": "sqlite:state/anshin.db", "dns.servers": f"127.0.0.1:{dns_port}",
            "senders.trusted_networks": [], "senders.trusted_forwarders": list(forwarders), "senders.unproven": "refuse",
            "limits.exempt": ["0.0.0.0/0", "::/0"],
        }
        os.mkdir(f"{self.dir}/state")
        with open(f"{self.dir}/anshin.toml", "w") as file:
            file.writelines(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        self.log = open(f"{self.dir}/log", "w+")
        self.process = subprocess.Popen([binary, "--config", f"{self.dir}/anshin.toml", "--json", "serve"],
                                        stdout=self.log, stderr=self.log)
        self.port = self.wait_for_port()
        self.anshin("merchant", "add", "--store-id", "suite", "--name", "Suite", "--address", "suite@store.test")
        order = self.anshin("order", "open", "--store-id", "suite", "--order-no", "1", "--customer", "nobody@customer.test")
        self.alias = order["merchant_alias"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.dir)

    def wait_for_port(self):
        until = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < until:
            with open(f"{self.dir}/log") as log:
                found = re.search(r'"mx":"\[127\.0\.0\.1:(\d+)\]"', log.read())
            if found:
                return int(found[1])
            try:
                self.process.wait(0.05)
            except subprocess.TimeoutExpired:
                pass
        with open(f"{self.dir}/log") as log:
            raise SystemExit(f"the relay does not start:\n{log.read()}")

    def anshin(self, *arguments):
        command = [self.binary, "--config", f"{self.dir}/anshin.toml", "--json", *arguments]
        run = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if run.returncode:
            raise SystemExit(f"{command}: {run.stdout}{run.stderr}")
        return json.loads(run.stdout)

    def send(self, ip, helo, reverse_path, mail):
        """Hands a mail over. Its number in `found`, or the reply that refused HELO, the reverse-path or the recipient."""
        family, own = ("TCP6", "::1") if ":" in ip else ("TCP4", "127.0.0.1")
        with socket.create_connection(("127.0.0.1", self.port), 60) as stream, stream.makefile("rb") as replies:
            def reply():
                while True:
                    line = replies.readline()
                    if line[3:4] != b"-":
                        return line.decode().strip()

            def say(line):
                stream.sendall(line.encode() + b"\r\n")
                return reply()

            stream.sendall(f"PROXY {family} {ip} {own} 4000 25\r\n".encode())
            reply()
            for command in [f"EHLO {helo}", f"MAIL FROM:<{reverse_path}>", f"RCPT TO:<{self.alias}>", "DATA"]:
                told = say(command)
                if told[:1] not in "23":
                    return told
            mail = f"X-Case: {self.number + 1}\r\n".encode() + mail
            stream.sendall(re.sub(rb"(?m)^\.", b"..", mail) + b"\r\n.\r\n")
            reply()
            say("QUIT")
        self.number += 1
        return self.number

    def found(self):
        """What was found of the sender of each mail, by its number."""
        rows = self.anshin("log", "trace", "--store-id", "suite", "--order-no", "1", *LOOK)
        rows = [row for row in rows if row["event"] in ("refused", "accepted") and "proof" in row["detail"]]
        if len(rows) != self.number:
            raise SystemExit(f"{self.number} mails were sent, and {len(rows)} are in the record")
        return {int(re.search(r"X-Case: (\d+)", row["headers"])[1]): row["detail"]["proof"] for row in rows}
