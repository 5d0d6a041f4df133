"""A name server for the suites: it serves records held in memory on one loopback port, over UDP and TCP.

Names are compared without regard to case; an alias is followed within the zone; a name that is said to time out gets
SERVFAIL, which means the same to whoever asks and costs no time. Everything that is not there is NXDOMAIN, or no data, with
an SOA, as RFC 2308 wants it.
"""

import socket
import struct
import threading

TYPES = {"A": 1, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
TIMEOUT = "TIMEOUT"


def name_bytes(name):
    out = b""
    for label in name.rstrip(".").split("."):
        raw = label.encode("utf-8")
        if label:
            out += bytes([len(raw)]) + raw
    return out + b"\0"


def rdata(kind, value):
    if kind == "A":
        return socket.inet_aton(value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if kind in ("CNAME", "PTR"):
        return name_bytes(value)
    if kind == "MX":
        preference, host = value
        return struct.pack("!H", int(preference)) + name_bytes(host)
    strings = [value] if isinstance(value, str) else list(value)
    out = b""
    for text in strings:
        raw = text.encode("utf-8")
        pieces = [raw[i:i + 255] for i in range(0, len(raw), 255)] or [b""]
        out += b"".join(bytes([len(piece)]) + piece for piece in pieces)
    return out


class Server:
    """Serves `zone`: a dictionary of lower-case names, each with a list of (type, value), or TIMEOUT."""

    def __init__(self):
        self.zone = {}
        self.tcp = socket.socket()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp.bind(("127.0.0.1", 0))
        self.port = self.tcp.getsockname()[1]
        self.udp.bind(("127.0.0.1", self.port))
        self.tcp.listen(16)
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def serve_udp(self):
        while True:
            query, peer = self.udp.recvfrom(4096)
            reply = self.answer(query)
            if len(reply) > 1200:
                reply = reply[:2] + bytes([reply[2] | 2]) + reply[3:4] + query[4:6] + b"\0" * 6 + self.question(query)
            self.udp.sendto(reply, peer)

    def serve_tcp(self):
        while True:
            stream, _ = self.tcp.accept()
            threading.Thread(target=self.serve_stream, args=(stream,), daemon=True).start()

    def serve_stream(self, stream):
        with stream, stream.makefile("rwb") as wire:
            while True:
                head = wire.read(2)
                if len(head) < 2:
                    return
                reply = self.answer(wire.read(struct.unpack("!H", head)[0]))
                wire.write(struct.pack("!H", len(reply)) + reply)
                wire.flush()

    @staticmethod
    def question(query):
        at = 12
        while query[at]:
            at += query[at] + 1
        return query[12:at + 5]

    def answer(self, query):
        question = self.question(query)
        labels, at = [], 0
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode("utf-8", "replace"))
            at += question[at] + 1
        wanted = struct.unpack("!H", question[at + 1:at + 3])[0]
        code, answers = self.look_up(".".join(labels).lower(), wanted)
        records = b"".join(
            name_bytes(owner) + struct.pack("!HHIH", TYPES[kind], 1, 60, len(data)) + data
            for owner, kind, data in answers
        )
        soa = b""
        if not answers and code in (0, 3):
            data = b"\0\0" + struct.pack("!IIIII", 1, 60, 60, 60, 60)
            soa = b"\0" + struct.pack("!HHIH", TYPES["SOA"], 1, 60, len(data)) + data
        counts = struct.pack("!HHHH", 1, len(answers), 1 if soa else 0, 0)
        return query[:2] + struct.pack("!H", 0x8580 | code) + counts + question + records + soa

    def look_up(self, name, wanted):
        answers = []
        for _ in range(8):
            records = self.zone.get(name)
            if records is None:
                return (2 if name.startswith("error.") else 3), answers
            alias = None
            seen = False
            for record in records:
                if record == TIMEOUT:
                    # It times out for every type of which nothing was said before.
                    if not seen:
                        return 2, []
                    continue
                kind, value = record
                if kind == "CNAME":
                    alias = value
                if TYPES.get(kind) != wanted:
                    continue
                seen = True
                if value == TIMEOUT:
                    return 2, []
                answers.append((name, kind, rdata(kind, value)))
            if alias is None or seen:
                return 0, answers
            answers.append((name, "CNAME", rdata("CNAME", alias)))
            name = alias.rstrip(".").lower()
        return 0, answers
