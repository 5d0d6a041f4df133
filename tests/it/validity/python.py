"""What Python's email package sees in mails: one JSON line a file: kinds of parts, defects, leaves by hash.

Usage: python.py FILE...
"""

import email
import email.policy
import hashlib
import json
import sys


def look(path):
    with open(path, "rb") as file:
        mail = email.message_from_binary_file(file, policy=email.policy.default)
    tree, defects, leaves = [], [], []

    def walk(part, depth):
        tree.append("%d %s" % (depth, part.get_content_type()))
        defects.extend(type(defect).__name__ for defect in part.defects)
        for _, value in part.items():
            defects.extend(type(defect).__name__ for defect in value.defects)
        if part.is_multipart():
            for child in part.get_payload():
                walk(child, depth + 1)
        else:
            octets = part.get_payload(decode=True) or b""
            leaves.append(hashlib.sha256(octets.rstrip(b"\r\n")).hexdigest()[:16])

    walk(mail, 0)
    return {"tree": tree, "defects": sorted(set(defects)), "leaves": leaves}


for path in sys.argv[1:]:
    try:
        seen = look(path)
    except Exception as fault:  # A parser that gives up is a defect too.
        seen = {"tree": [], "defects": ["raises " + type(fault).__name__], "leaves": []}
    print(json.dumps(seen))
