"""Signs mails with dkimpy, changes some on the way, and prints them: a JSON list of [name, mail in base64, what must be found].

Arguments: an RSA key in PEM. What must be found is a list of DKIM results in the order of the signatures, or the chain's.
"""

import base64
import json
import re
import sys

import dkim

KEY = sys.argv[1].encode()
DOMAIN, SELECTOR = b"mail.test", b"own"
HEADERS = [b"from", b"to", b"subject", b"date", b"message-id"]
HEAD = (b"From: Hana <hana@mail.test>\r\nTo: mise@shop.test\r\nSubject: A  question\r\n\tabout  an order \r\n"
        b"Date: Mon, 5 Oct 2026 10:00:00 +0900\r\nMessage-ID: <1@mail.test>\r\n")
FORMS = [(header, body) for header in (b"simple", b"relaxed") for body in (b"simple", b"relaxed")]
BODIES = {
    "a text": b"Hello,\r\n\r\nis it there?\r\n",
    "no body": b"",
    "an empty line": b"\r\n",
    "many empty lines": b"\r\n" * 40,
    "empty lines at the end": b"x\r\n" + b"\r\n" * 600,
    "blanks alone": b" \t\r\n\t\r\n  \r\n",
    "blanks at the ends and within": b"\ta \t b\t\r\n  c  \r\n \r\n",
    "no end of the last line": b"a\r\nb",
    "eight bits": "ご注文\r\n".encode("shift_jis") + "花\r\n".encode(),
    "a long line": b"x" * 9000 + b" \r\ny\r\n",
    "dots": b".\r\n..\r\n.x\r\n",
    "looks like a header": b"From: eve@mail.test\r\n\r\nx\r\n",
}
cases = []


def case(name, mail, found):
    cases.append([name, base64.b64encode(mail).decode(), found])


def signed(mail, forms=(b"relaxed", b"relaxed"), headers=HEADERS, **more):
    return dkim.sign(mail, SELECTOR, DOMAIN, KEY, canonicalize=forms, include_headers=headers, **more) + mail


def resigned(text, mail, forms=(b"relaxed", b"relaxed"), headers=HEADERS):
    """A signature that says `text` more than dkimpy writes, signed anew over all of it."""
    original = dkim.DKIM.gen_header

    def gen_header(self, fields, *rest, **more):
        if any(name == b"b" for name, _ in fields):
            fields = [field for field in fields if field[0] not in {name for name, _ in text}]
            at = [name for name, _ in fields].index(b"b")
            fields[at:at] = text
        return original(self, fields, *rest, **more)

    dkim.DKIM.gen_header = gen_header
    try:
        return signed(mail, forms, headers)
    finally:
        dkim.DKIM.gen_header = original


# Whatever is signed passes, in each form.
for forms in FORMS:
    for name, body in BODIES.items():
        case(f"{name}, {forms}", signed(HEAD + b"\r\n" + body, forms), ["pass"])
    header, body = forms
    mail = HEAD + b"\r\na  b\t\r\nc\r\n"

    def changed(what, old, new, passes, forms=forms, mail=mail):
        assert old in mail, what
        after = signed(mail, forms).replace(mail, mail.replace(old, new, 1))
        case(f"{what}, {forms}", after, ["pass" if passes else "fail"])

    changed("empty lines at the end are added", b"c\r\n", b"c\r\n\r\n\r\n", True)
    changed("blanks at the end of a line go", b"b\t\r\n", b"b\r\n", body == b"relaxed")
    changed("blanks become one", b"a  b", b"a b", body == b"relaxed")
    changed("a blank comes where none was", b"c\r\n", b" c\r\n", False)
    changed("all blanks go", b"a  b", b"ab", False)
    changed("a line comes", b"c\r\n", b"c\r\nd\r\n", False)
    changed("a line is folded otherwise", b"A  question\r\n\tabout  an order \r\n", b"A question about\r\n an order\r\n",
            header == b"relaxed")
    changed("a name in other letters", b"Subject:", b"SUBJECT:", header == b"relaxed")
    changed("no blank behind the colon", b"Subject: ", b"Subject:", header == b"relaxed")
    changed("a word changes", b"question", b"Question", False)
    changed("a signed field goes", b"Message-ID: <1@mail.test>\r\n", b"", False)
    changed("an unsigned field comes", b"Date:", b"X-Seen: yes\r\nDate:", True)

BODY = b"\r\nx\r\n"
MAIL = HEAD + BODY

# Fields by name: from the last one up, and none beyond those that there are.
twice = b"X-Note: one\r\nX-Note: two\r\n" + MAIL
case("the last of two is signed", signed(twice, headers=HEADERS + [b"x-note"]), ["pass"])
case("the first of two changes", signed(twice, headers=HEADERS + [b"x-note"]).replace(b": one", b": 1"), ["pass"])
case("the last of two changes", signed(twice, headers=HEADERS + [b"x-note"]).replace(b": two", b": 2"), ["fail"])
case("two are signed", signed(twice, headers=HEADERS + [b"x-note", b"x-note"]), ["pass"])
case("two change their places", signed(twice, headers=HEADERS + [b"x-note", b"x-note"])
     .replace(b"X-Note: one\r\nX-Note: two", b"X-Note: two\r\nX-Note: one"), ["fail"])
none = resigned([(b"h", b"from : to : subject : date : message-id : x-note")], MAIL, headers=HEADERS + [b"x-note"])
case("a field is signed that is not there", none, ["pass"])
case("and comes later", b"X-Note: eve\r\n" + none, ["fail"])
over = HEADERS + [b"subject"]
over = resigned([(b"h", b" : ".join(over))], MAIL, headers=over)
case("a subject too many is signed", over, ["pass"])
case("and comes later", b"Subject: eve\r\n" + over, ["fail"])
own = resigned([(b"h", b" : ".join(HEADERS + [b"dkim-signature"]))], MAIL)
case("signatures are signed, and there is none but this", own, ["pass"])

# Tags.
for name, text, found in [
    ("i= below", [(b"i", b"hana@news.mail.test")], "pass"),
    ("i= without a local part", [(b"i", b"@mail.test")], "pass"),
    ("i= with a local part in other letters", [(b"i", b"a=3Db=20c@mail.test")], "pass"),
    ("i= of another", [(b"i", b"@xmail.test")], "fail"),
    ("t= in the future", [(b"t", b"9999999999")], "pass"),
    ("x= in the future", [(b"t", b"1"), (b"x", b"9999999999")], "pass"),
    ("x= in the past", [(b"t", b"1"), (b"x", b"2")], "neutral"),
    ("x= before t=", [(b"t", b"9999999999"), (b"x", b"9999999998")], "neutral"),
    ("x= of the longest kind", [(b"x", b"999999999999")], "pass"),
    ("l= of all", [(b"l", b"3")], "neutral"),
    ("l= of nothing", [(b"l", b"0")], "neutral"),
    ("q= as it is", [(b"q", b"dns/txt")], "pass"),
    ("q= with something new", [(b"q", b"dns/future:dns/txt")], "pass"),
    ("q= that is unknown", [(b"q", b"http/get")], "neutral"),
    ("v= of the future", [(b"v", b"2")], "neutral"),
    ("a tag that nobody knows", [(b"zz", b"x")], "pass"),
    ("z= with copied fields", [(b"z", b"From:eve@mail.test|Subject:x")], "pass"),
    ("From is not signed", [(b"h", b"to : subject : date : message-id")], "neutral"),
]:
    case(name, resigned(text, MAIL), [found])
for selector, found in [
    (b"deep.down", "pass"), (b"strict", "pass"), (b"trial", "policy"), (b"revoked", "permerror"), (b"none", "permerror"),
    (b"sha1", "permerror"), (b"tls", "permerror"), (b"two", "pass"), (b"ed", "fail"), (b"late", "permerror"),
    (b"pieces", "pass"), (b"odd", "pass"),
]:
    case(f"the key {selector.decode()}", dkim.sign(MAIL, selector, DOMAIN, KEY, include_headers=HEADERS) + MAIL, [found])
SELECTOR = b"strict"
case("i= below, where the key is strict", resigned([(b"i", b"@news.mail.test")], MAIL), ["fail"])
SELECTOR = b"own"

# Several.
first = signed(MAIL)
DOMAIN = b"list.test"
case("a second one above", signed(first), ["pass", "pass"])
case("the text changes between the two", signed(first.replace(BODY, b"\r\ny\r\n")), ["fail", "pass"])
case("twelve, of which ten count", signed(MAIL)[:-len(MAIL)] * 11 + first, ["pass"] * 10)
DOMAIN = b"mail.test"
broken = re.sub(rb"b=[^;]*$", b"b=AAAA", signed(MAIL)[:-len(MAIL)].rstrip()) + b"\r\n"
case("a broken one above", broken + first, ["fail", "pass"])
case("a field that is none above", b"DKIM-Signature: x\r\n" + first, ["pass", "neutral"])
case("two readers, two mails", first.replace(b"\r\nDate:", b"\nX: y\r\nDate:"), [])
case("two From", b"From: eve@mail.test\r\n" + first, [])


# ARC: three forwarders.
def sealed(mail, cv):
    results = b"Authentication-Results: list.test; arc=" + cv + b"; dkim=pass header.d=mail.test\r\n"
    fields = dkim.arc_sign(results + mail, b"own", b"list.test", KEY, b"list.test", include_headers=HEADERS)
    return b"".join(fields) + mail


sets = [signed(MAIL)]
for cv in (b"none", b"pass", b"pass"):
    sets.append(sealed(sets[-1], cv))
chain = sets[3]


def without(mail, number, names=(b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results")):
    for name in names:
        mail, count = re.subn(rb"(?m)^" + name + rb":[ \t\r\n]*i=%d;(.*\r\n[ \t])*.*\r\n" % number, b"", mail)
        assert count == 1, (number, name, mail)
    return mail


case("no chain", MAIL, "none")
for number in (1, 2, 3):
    case(f"a chain of {number}", sets[number], "pass")
    case(f"set {number} of three is gone", without(chain, number), "pass" if number == 3 else "fail")
    for name in (b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results"):
        case(f"{name.decode()} {number} is gone", without(chain, number, [name]), "fail")
    gap = re.sub(rb"(?m)(^ARC-[A-Za-z-]+:[ \t\r\n]*i=)%d;" % number, rb"\g<1>%d;" % (number + 3), chain)
    case(f"set {number} is counted as {number + 3}", gap, "fail")
case("the text changed behind the last", chain.replace(BODY, b"\r\ny\r\n"), "fail")
case("a result of the first forwarder changed", re.sub(rb"(i=1; list\.test;[^;]*;\s*dkim=)pass", rb"\1fail", chain), "fail")
case("an unsigned field came", b"Received: from x by y\r\n" + chain, "pass")
case("a set stands twice", chain[:len(chain) - len(sets[2])] + chain, "fail")
text = sets[2].replace(BODY, b"\r\ny\r\n")
failed = sealed(text, b"fail")
case("the text changed before the third, which says so", failed, "fail")
case("a fourth believes it", failed.replace(b"cv=fail", b"cv=pass"), "fail")
case("the first says that it passed", sets[1].replace(b"cv=none", b"cv=pass"), "fail")
case("two From", b"From: eve@mail.test\r\n" + chain, "none")

json.dump(cases, sys.stdout)
