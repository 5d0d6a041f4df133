//! Trees of parts, sound and broken, with a hole for the part that holds the secret.
//!
//! In a template `{LEAF}` is that part, `{C}` a part that must keep its octets, `{C*n}` many of them, `{B64[…]}` and
//! `{QP[…]}` what stands inside, encoded.

use super::transfer::Transfer;

/// A tree of parts.
pub struct Structure {
    pub name: String,
    pub template: String,
    /// Fields of the message before the template.
    pub mime_version: &'static str,
}

/// A message filled into a structure.
pub struct Filled {
    pub octets: Vec<u8>,
    /// What must be found again, in this order, octet for octet.
    pub clean: Vec<Vec<u8>>,
}

const MIXED: &str = "Content-Type: multipart/mixed; boundary=\"out\"\r\n\r\n";

const TEMPLATES: &[(&str, &str)] = &[
    ("alone", "{LEAF}"),
    ("mixed, alone", "{MIXED}--out\r\n{LEAF}\r\n--out--\r\n"),
    ("mixed, first", "{MIXED}--out\r\n{LEAF}\r\n--out\r\n{C}\r\n--out--\r\n"),
    ("mixed, last", "{MIXED}--out\r\n{C}\r\n--out\r\n{LEAF}\r\n--out--\r\n"),
    ("mixed, between", "{MIXED}--out\r\n{C}\r\n--out\r\n{LEAF}\r\n--out\r\n{C}\r\n--out--\r\n"),
    (
        "alternative, first",
        "Content-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n{LEAF}\r\n--in\r\n{C}\r\n--in--\r\n",
    ),
    (
        "alternative, last",
        "Content-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n{C}\r\n--in\r\n{LEAF}\r\n--in--\r\n",
    ),
    (
        "related",
        "Content-Type: multipart/related; boundary=in; type=\"text/html\"\r\n\r\n--in\r\n{LEAF}\r\n--in\r\n{C}\r\n--in--\r\n",
    ),
    (
        "mixed of alternative",
        "{MIXED}--out\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n{C}\r\n--in\r\n{LEAF}\r\n--in--\r\n\r\n--out\r\n{C}\r\n--out--\r\n",
    ),
    (
        "mixed of related of alternative",
        "{MIXED}--out\r\nContent-Type: multipart/related; boundary=mid\r\n\r\n--mid\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n{C}\r\n--in\r\n{LEAF}\r\n--in--\r\n\r\n--mid\r\n{C}\r\n--mid--\r\n\r\n--out\r\n{C}\r\n--out--\r\n",
    ),
    (
        "parallel",
        "Content-Type: multipart/parallel; boundary=in\r\n\r\n--in\r\n{C}\r\n--in\r\n{LEAF}\r\n--in--\r\n",
    ),
    (
        "multipart of an unknown kind",
        "Content-Type: multipart/x-new; boundary=in\r\n\r\n--in\r\n{C}\r\n--in\r\n{LEAF}\r\n--in--\r\n",
    ),
    (
        "form data",
        "Content-Type: multipart/form-data; boundary=in\r\n\r\n--in\r\n{C}\r\n--in\r\n{LEAF}\r\n--in--\r\n",
    ),
    (
        "appledouble",
        "{MIXED}--out\r\nContent-Type: multipart/appledouble; boundary=in\r\n\r\n--in\r\n{C}\r\n--in\r\n{LEAF}\r\n--in--\r\n\r\n--out--\r\n",
    ),
    (
        "digest",
        "Content-Type: multipart/digest; boundary=in\r\n\r\n--in\r\n\r\nSubject: a\r\n{LEAF}\r\n--in\r\n\r\nSubject: b\r\n\r\nb\r\n--in--\r\n",
    ),
    (
        "message",
        "{MIXED}--out\r\n{C}\r\n--out\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nMIME-Version: 1.0\r\n{LEAF}\r\n--out--\r\n",
    ),
    (
        "message of mixed",
        "{MIXED}--out\r\n{C}\r\n--out\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n{C}\r\n--in\r\n{LEAF}\r\n--in--\r\n\r\n--out--\r\n",
    ),
    (
        "message in base64",
        "{MIXED}--out\r\n{C}\r\n--out\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{B64[Subject: inner\r\nMIME-Version: 1.0\r\n{LEAF}]}\r\n--out--\r\n",
    ),
    (
        "message in quoted-printable",
        "{MIXED}--out\r\n{C}\r\n--out\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{QP[Subject: inner\r\nMIME-Version: 1.0\r\n{LEAF}]}\r\n--out--\r\n",
    ),
    (
        "message of mixed in base64",
        "{MIXED}--out\r\n{C}\r\n--out\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{B64[Subject: inner\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n{LEAF}\r\n--in--\r\n]}\r\n--out--\r\n",
    ),
    (
        "base64 in base64",
        "{MIXED}--out\r\n{C}\r\n--out\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{B64[Subject: a\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{B64[Subject: b\r\n{LEAF}]}]}\r\n--out--\r\n",
    ),
    (
        "three messages deep",
        "Content-Type: message/rfc822\r\n\r\nSubject: a\r\nContent-Type: message/rfc822\r\n\r\nSubject: b\r\nContent-Type: message/rfc822\r\n\r\nSubject: c\r\n{LEAF}",
    ),
    (
        "message/global",
        "{MIXED}--out\r\n{C}\r\n--out\r\nContent-Type: message/global\r\n\r\nSubject: inner\r\n{LEAF}\r\n--out--\r\n",
    ),
    (
        "message from a folder",
        "{MIXED}--out\r\n{C}\r\n--out\r\nContent-Type: message/rfc822\r\n\r\nFrom x@y.example Sun Nov 22 09:00:00 2026\r\nSubject: inner\r\n{LEAF}\r\n--out--\r\n",
    ),
    (
        "message as a file",
        "{MIXED}--out\r\n{C}\r\n--out\r\nContent-Type: application/octet-stream; name=a.eml\r\nContent-Disposition: attachment; filename=a.eml\r\n\r\nSubject: inner\r\n{LEAF}\r\n--out--\r\n",
    ),
    (
        "message as a file in base64",
        "{MIXED}--out\r\n{C}\r\n--out\r\nContent-Type: application/octet-stream; name=a.eml\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=a.eml\r\n\r\n{B64[Subject: inner\r\n{LEAF}]}\r\n--out--\r\n",
    ),
    (
        "report",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x.example\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--out\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n{LEAF}\r\n--out--\r\n",
    ),
    (
        "report without status",
        "Content-Type: multipart/report; report-type=x; boundary=out\r\n\r\n--out\r\n{LEAF}\r\n--out\r\n{C}\r\n--out--\r\n",
    ),
    (
        "signed, S/MIME",
        "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=out\r\n\r\n--out\r\n{LEAF}\r\n--out\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\nMIIB\r\n--out--\r\n",
    ),
    (
        "signed mixed, S/MIME",
        "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=out\r\n\r\n--out\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n{C}\r\n--in\r\n{LEAF}\r\n--in--\r\n\r\n--out\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\nMIIB\r\n--out--\r\n",
    ),
    (
        "signed, PGP",
        "Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; micalg=pgp-sha256; boundary=out\r\n\r\n--out\r\n{LEAF}\r\n--out\r\nContent-Type: application/pgp-signature; name=signature.asc\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\niQEz\r\n-----END PGP SIGNATURE-----\r\n\r\n--out--\r\n",
    ),
    (
        "signed inside mixed",
        "{MIXED}--out\r\n{C}\r\n--out\r\nContent-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=in\r\n\r\n--in\r\n{LEAF}\r\n--in\r\nContent-Type: application/pgp-signature\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\niQEz\r\n-----END PGP SIGNATURE-----\r\n\r\n--in--\r\n\r\n--out--\r\n",
    ),
    (
        "encrypted",
        "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=out\r\n\r\n--out\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--out\r\n{LEAF}\r\n--out--\r\n",
    ),
    (
        "beside a key",
        "{MIXED}--out\r\n{LEAF}\r\n--out\r\nContent-Type: application/pgp-keys; name=key.asc\r\n\r\n-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n\r\nmQEN\r\n-----END PGP PUBLIC KEY BLOCK-----\r\n\r\n--out--\r\n",
    ),
    (
        "beside a pointer elsewhere",
        "{MIXED}--out\r\n{LEAF}\r\n--out\r\nContent-Type: message/external-body; access-type=URL; URL=\"http://x.example/\"\r\n\r\nContent-Type: text/plain\r\n\r\n\r\n--out--\r\n",
    ),
    ("no close", "{MIXED}--out\r\n{C}\r\n--out\r\n{LEAF}"),
    (
        "no inner close",
        "{MIXED}--out\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n{C}\r\n--in\r\n{LEAF}\r\n--out\r\n{C}\r\n--out--\r\n",
    ),
    (
        "preamble and epilogue",
        "{MIXED}This is a message in several parts.\r\n--out\r\n{C}\r\n--out\r\n{LEAF}\r\n--out--\r\nThe end.\r\n",
    ),
    ("part behind the close", "{MIXED}--out\r\n{C}\r\n--out--\r\n\r\n--out\r\n{LEAF}\r\n--out--\r\n"),
    (
        "odd boundary",
        "Content-Type: multipart/mixed; boundary=\"=_a'()+,./:=? b\"\r\n\r\n--=_a'()+,./:=? b\r\n{C}\r\n--=_a'()+,./:=? b\r\n{LEAF}\r\n--=_a'()+,./:=? b--\r\n",
    ),
    (
        "boundary that begins like another",
        "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=ab\r\n\r\n--ab\r\n{C}\r\n--ab\r\n{LEAF}\r\n--ab--\r\n\r\n--a\r\n{C}\r\n--a--\r\n",
    ),
    ("blanks behind delimiters", "{MIXED}--out \t\r\n{C}\r\n--out  \r\n{LEAF}\r\n--out-- \r\n"),
    (
        "boundary in pieces",
        "Content-Type: multipart/mixed; boundary*0=\"ou\"; boundary*1=\"t\"\r\n\r\n--out\r\n{C}\r\n--out\r\n{LEAF}\r\n--out--\r\n",
    ),
    (
        "two boundaries",
        "Content-Type: multipart/mixed; boundary=out; boundary=other\r\n\r\n--out\r\n{C}\r\n--other\r\n{LEAF}\r\n--out--\r\n",
    ),
    ("no boundary", "Content-Type: multipart/mixed\r\n\r\n--out\r\n{C}\r\n--out\r\n{LEAF}\r\n--out--\r\n"),
    (
        "boundary that occurs nowhere",
        "Content-Type: multipart/mixed; boundary=nowhere\r\n\r\n--out\r\n{C}\r\n--out\r\n{LEAF}\r\n--out--\r\n",
    ),
    (
        "two types that agree",
        "{MIXED}--out\r\n{C}\r\n--out\r\nContent-Type: multipart/mixed; boundary=in\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n{LEAF}\r\n--in--\r\n\r\n--out--\r\n",
    ),
    (
        "two types",
        "{MIXED}--out\r\n{C}\r\n--out\r\nContent-Type: application/octet-stream\r\n{LEAF}\r\n--out--\r\n",
    ),
    (
        "two types, the other last",
        "Content-Type: multipart/mixed; boundary=out\r\nContent-Type: text/plain\r\n\r\n--out\r\n{C}\r\n--out\r\n{LEAF}\r\n--out--\r\n",
    ),
    (
        "two encodings",
        "{MIXED}--out\r\n{C}\r\n--out\r\nContent-Transfer-Encoding: x-other\r\n{LEAF}\r\n--out--\r\n",
    ),
    (
        "encoding on a multipart",
        "Content-Type: multipart/mixed; boundary=out\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n--out\r\n{C}\r\n--out\r\n{LEAF}\r\n--out--\r\n",
    ),
    ("part without a header", "{MIXED}--out\r\n{C}\r\n--out\r\n\r\nx\r\n--out\r\n{LEAF}\r\n--out--\r\n"),
    (
        "field before the type",
        "{MIXED}--out\r\n{C}\r\n--out\r\nX-Before: 1\r\nContent-ID: <1>\r\n{LEAF}\r\n--out--\r\n",
    ),
    ("line that is no field in a part", "{MIXED}--out\r\n{C}\r\n--out\r\nno field\r\n{LEAF}\r\n--out--\r\n"),
    (
        "empty lines before the delimiter",
        "{MIXED}\r\n\r\n--out\r\n{C}\r\n\r\n\r\n--out\r\n{LEAF}\r\n\r\n--out--\r\n\r\n\r\n",
    ),
    ("twelve parts", "{MIXED}{C*5}--out\r\n{LEAF}\r\n{C*6}--out--\r\n"),
    ("hundred parts", "{MIXED}{C*60}--out\r\n{LEAF}\r\n{C*39}--out--\r\n"),
];

/// All structures.
pub fn structures() -> Vec<Structure> {
    let mut all: Vec<Structure> = TEMPLATES
        .iter()
        .map(|(name, template)| Structure {
            name: (*name).to_owned(),
            template: template.replace("{MIXED}", MIXED),
            mime_version: "MIME-Version: 1.0\r\n",
        })
        .collect();
    all.push(Structure {
        name: "no MIME-Version".into(),
        template: all[4].template.clone(),
        mime_version: "",
    });
    all.push(Structure {
        name: "MIME-Version with a comment".into(),
        template: all[4].template.clone(),
        mime_version: "Mime-Version: 1.0 (by x)\r\n",
    });
    for depth in [3, 8, 20] {
        let mut template = "{LEAF}".to_owned();
        for level in 0..depth {
            template = format!(
                "Content-Type: multipart/mixed; boundary=\"level{level:02}\"\r\n\r\n--level{level:02}\r\n{{C}}\r\n--level{level:02}\r\n{template}\r\n--level{level:02}--\r\n"
            );
        }
        all.push(Structure {
            name: format!("{depth} levels"),
            template,
            mime_version: "MIME-Version: 1.0\r\n",
        });
    }
    all
}

impl Structure {
    /// The tree with `leaf` in its hole.
    pub fn fill(&self, leaf: &[u8]) -> Filled {
        fill(&self.template, leaf)
    }
}

/// A template with `leaf` in its holes.
pub fn fill(template: &str, leaf: &[u8]) -> Filled {
    let mut filled = Filled { octets: Vec::new(), clean: Vec::new() };
    expand(template, leaf, &mut filled.octets, &mut filled.clean);
    filled
}

fn expand(template: &str, leaf: &[u8], out: &mut Vec<u8>, clean: &mut Vec<Vec<u8>>) {
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at..];
        if let Some(tail) = rest.strip_prefix("{LEAF}") {
            out.extend_from_slice(leaf);
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix("{C}") {
            clean.push(clean_part(clean.len()));
            out.extend_from_slice(clean.last().unwrap());
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix("{C*") {
            let (count, tail) = tail.split_once('}').unwrap();
            for _ in 0..count.parse().unwrap() {
                expand("--out\r\n{C}\r\n", leaf, out, clean);
            }
            rest = tail;
        } else if rest.starts_with("{B64[") || rest.starts_with("{QP[") {
            let transfer =
                if rest.starts_with("{B64[") { Transfer::Base64 } else { Transfer::QuotedPrintable };
            let open = rest.find('[').unwrap() + 1;
            let end = rest.rfind("]}").unwrap();
            let mut inner = Vec::new();
            expand(&rest[open..end], leaf, &mut inner, &mut Vec::new());
            let encoded = transfer.encode(&inner).unwrap();
            out.extend_from_slice(encoded.strip_suffix(b"\r\n").unwrap());
            rest = &rest[end + 2..];
        } else {
            out.push(b'{');
            rest = &rest[1..];
        }
    }
    out.extend_from_slice(rest.as_bytes());
}

/// A part that nobody has a reason to touch. Each is another one.
fn clean_part(number: usize) -> Vec<u8> {
    let encoded = |octets: &[u8]| Transfer::Base64.encode(octets).unwrap();
    let (fields, body): (&str, Vec<u8>) = match number % 6 {
        0 => (
            "Content-Type: text/plain; charset=Shift_JIS\r\nContent-Transfer-Encoding: Base64",
            encoded(&[b"\x83\x5c\x95\x5c ", number.to_string().as_bytes(), b"\r\n"].concat()),
        ),
        1 => (
            "Content-Type: text/html; charset=\"utf-8\"\r\nContent-Transfer-Encoding: quoted-printable",
            format!("<p>=E8=A1=A8 {number} a@b.example=\r\n</p>\r\n").into_bytes(),
        ),
        2 => (
            "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <1>",
            encoded(&[b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", number.to_string().as_bytes()].concat()),
        ),
        3 => (
            "Content-Type: text/plain; charset=iso-2022-jp\r\nContent-Transfer-Encoding: 7bit",
            format!("\x1b$B%=%I\x1b(B {number}\r\n").into_bytes(),
        ),
        4 => (
            "Content-Type: text/plain; charset=us-ascii; format=flowed",
            format!("{number} lines \r\nthat flow\r\n> and are quoted\r\n").into_bytes(),
        ),
        _ => (
            "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64",
            encoded(&[b"\0\x01\x02\xff", number.to_string().as_bytes()].concat()),
        ),
    };
    [fields.as_bytes(), b"\r\n\r\n", body.strip_suffix(b"\r\n").unwrap()].concat()
}
