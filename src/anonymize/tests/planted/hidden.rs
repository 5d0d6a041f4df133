//! Places that no parser calls a part or a field, reports, and files that hold texts. `{LEAF}` is the secret.

/// A place with its message, from its first MIME field on.
pub const PLACES: &[(&str, &str)] = &[
    (
        "preamble",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\nfor {LEAF}\r\n--out\r\n{C}\r\n--out--\r\n",
    ),
    (
        "epilogue",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out--\r\nfor {LEAF}\r\n",
    ),
    (
        "text behind the last delimiter",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out--\r\n--out\r\n\r\nfor {LEAF}\r\n--out--\r\n",
    ),
    (
        "epilogue of an inner multipart",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n{C}\r\n--in--\r\nfor {LEAF}\r\n--out\r\n{C}\r\n--out--\r\n",
    ),
    (
        "text behind a delimiter",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out {LEAF}\r\n\r\nx\r\n--out--\r\n",
    ),
    (
        "boundary",
        "Content-Type: multipart/mixed; boundary=\"=_{LEAF}_1\"\r\n\r\n--=_{LEAF}_1\r\n{C}\r\n--=_{LEAF}_1--\r\n",
    ),
    (
        "line that is no field",
        "no field but {LEAF}\r\nSubject: x\r\nContent-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out--\r\n",
    ),
    ("line that is no field, at the end", "Subject: x\r\nno field but {LEAF}\r\n\r\nx\r\n"),
    (
        "line that is no field in a part",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\nContent-Type: text/plain\r\nno field but {LEAF}\r\n\r\nx\r\n--out--\r\n",
    ),
    (
        "line that is no field in a message inside",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\nno field but {LEAF}\r\n\r\nx\r\n--out--\r\n",
    ),
    (
        "part of a header without text",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\nContent-Type: text/plain\r\nX-A: {LEAF}\r\n--out--\r\n",
    ),
    ("name of a field", "X-{LEAF}: 1\r\nContent-Type: text/plain\r\n\r\nx\r\n"),
    (
        "envelope line of a mail folder",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\nContent-Type: message/rfc822\r\n\r\nFrom {LEAF} Sun Nov 22 09:00:00 2026\r\nSubject: x\r\n\r\nx\r\n--out--\r\n",
    ),
    (
        "type of a part",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\nContent-Type: {LEAF}\r\n\r\nx\r\n--out--\r\n",
    ),
    (
        "media subtype",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\nContent-Type: application/x-{LEAF}\r\n\r\nx\r\n--out--\r\n",
    ),
    (
        "transfer encoding of a part",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\nContent-Transfer-Encoding: {LEAF}\r\n\r\nx\r\n--out--\r\n",
    ),
    (
        "name of a parameter",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\nContent-Type: text/plain; {LEAF}=1\r\n\r\nx\r\n--out--\r\n",
    ),
    (
        "text in base64 without a declaration",
        "Content-Type: text/plain\r\n\r\n{B64[the address is {LEAF}, thank you]}\r\n",
    ),
    (
        "text behind base64",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n\r\n-- {LEAF} --\r\n--out--\r\n",
    ),
    (
        "source of a mail as text",
        "Content-Type: text/plain\r\n\r\n> Content-Type: text/plain\r\n> Content-Transfer-Encoding: base64\r\n>\r\n{B64[the address is {LEAF}, thank you]}\r\n",
    ),
    (
        "delivery status",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x.example\r\n\r\nFinal-Recipient: rfc822; {LEAF}\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--out--\r\n",
    ),
    (
        "delivery status, diagnostic",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x.example\r\n\r\nAction: failed\r\nDiagnostic-Code: smtp; 550 <{LEAF}> unknown\r\n\r\n--out--\r\n",
    ),
    (
        "disposition notification",
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\nContent-Type: message/disposition-notification\r\n\r\nFinal-Recipient: rfc822;{LEAF}\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n\r\n--out--\r\n",
    ),
    (
        "feedback report",
        "Content-Type: multipart/report; report-type=feedback-report; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nOriginal-Rcpt-To: {LEAF}\r\n\r\n--out--\r\n",
    ),
    (
        "message in pieces",
        "Content-Type: message/partial; id=\"1@x.example\"; number=1; total=2\r\n\r\nSubject: x\r\n\r\nfor {LEAF}\r\n",
    ),
    (
        "pointer elsewhere",
        "Content-Type: message/external-body; access-type=mail-server; server=\"{LEAF}\"\r\n\r\nContent-Type: text/plain\r\n\r\n",
    ),
    (
        "message of an unknown kind",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\nContent-Type: message/http\r\n\r\nGET / {LEAF}\r\n--out--\r\n",
    ),
    (
        "signed, opaque",
        "Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n{B64[0\u{7f}Content-Type: text/plain\r\n\r\nfor {LEAF}\r\n]}\r\n",
    ),
    (
        "clear-signed, PGP",
        "Content-Type: text/plain\r\n\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nfor {LEAF}\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\niQEz\r\n-----END PGP SIGNATURE-----\r\n",
    ),
    (
        "certificate",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\n{B64[0\u{7f}E={LEAF}]}\r\n--out--\r\n",
    ),
    (
        "key",
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n{C}\r\n--out\r\nContent-Type: application/pgp-keys\r\n\r\n-----BEGIN PGP PUBLIC KEY BLOCK-----\r\nComment: {LEAF}\r\n\r\nmQEN\r\n-----END PGP PUBLIC KEY BLOCK-----\r\n--out--\r\n",
    ),
];

/// Files that are no texts: name of the place, type, file name, and what makes the file of the secret.
/// Name, type, file name, and what makes the file.
type File = (&'static str, &'static str, &'static str, fn(&str) -> Vec<u8>);

pub const FILES: &[File] = &[
    ("file of an unknown type", "application/octet-stream", "a.bin", |s| {
        format!("\0\u{1}for {s}\0").into_bytes()
    }),
    ("file of text, unknown type", "application/octet-stream", "a.txt", |s| {
        format!("for {s}\r\n").into_bytes()
    }),
    ("file of text in UTF-16", "application/octet-stream", "a.txt", |s| {
        [0xff, 0xfe]
            .into_iter()
            .chain(format!("for {s}\r\n").encode_utf16().flat_map(u16::to_le_bytes))
            .collect()
    }),
    ("file of text in UTF-16, big-endian", "application/octet-stream", "a.dat", |s| big_endian(s, 2)),
    ("file of text in UTF-32, big-endian", "application/octet-stream", "a.dat", |s| big_endian(s, 4)),
    ("PNG text", "image/png", "a.png", png),
    ("JPEG comment", "image/jpeg", "a.jpg", jpeg),
    ("GIF comment", "image/gif", "a.gif", |s| {
        [b"GIF89a\x01\0\x01\0\0\0\0!\xfe", &[u8::try_from(s.len()).unwrap()][..], s.as_bytes(), b"\0;"]
            .concat()
    }),
    ("PDF text", "application/pdf", "a.pdf", |s| {
        format!("%PDF-1.4\n1 0 obj\n<</Length 60>>\nstream\nBT ({s}) Tj ET\nendstream\nendobj\n%%EOF\n")
            .into_bytes()
    }),
    ("PDF metadata", "application/pdf", "a.pdf", |s| {
        format!("%PDF-1.4\n1 0 obj\n<</Author ({s})>>\nendobj\ntrailer <</Info 1 0 R>>\n%%EOF\n").into_bytes()
    }),
    ("ZIP, stored member", "application/zip", "a.zip", |s| {
        zip(&[("a.txt", format!("for {s}\r\n").as_bytes())])
    }),
    ("ZIP, member in UTF-16, big-endian", "application/zip", "a.zip", |s| {
        zip(&[("a.txt", &big_endian(s, 2))])
    }),
    ("ZIP, member in UTF-32, big-endian", "application/zip", "a.zip", |s| {
        zip(&[("a.txt", &big_endian(s, 4))])
    }),
    ("ZIP, name of a member", "application/x-zip-compressed", "a.zip", |s| {
        zip(&[(&format!("{s}.txt"), b"x")])
    }),
    (
        "docx, stored member",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "a.docx",
        |s| {
            zip(&[
                ("[Content_Types].xml", b"<Types/>"),
                (
                    "docProps/core.xml",
                    format!("<cp:coreProperties><dc:creator>{s}</dc:creator></cp:coreProperties>").as_bytes(),
                ),
                ("word/document.xml", b"<w:document><w:t>x</w:t></w:document>"),
            ])
        },
    ),
    (
        "docx, text in runs",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "a.docx",
        |s| {
            let (first, second) = s.split_at(s.len() / 2);
            zip(&[(
                "word/document.xml",
                format!("<w:document><w:t>{first}</w:t></w:r><w:r><w:t>{second}</w:t></w:document>")
                    .as_bytes(),
            )])
        },
    ),
];

/// The secret with a letter before it and one behind it that could be letters of ASCII in the other order.
fn big_endian(secret: &str, size: usize) -> Vec<u8> {
    format!("\u{feff}前{secret}で")
        .chars()
        .flat_map(|c| u32::from(c).to_be_bytes().into_iter().skip(4 - size))
        .collect()
}

fn crc32(octets: &[u8]) -> u32 {
    !octets.iter().fold(u32::MAX, |crc, b| {
        (0..8)
            .fold(crc ^ u32::from(*b), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

fn png(secret: &str) -> Vec<u8> {
    let chunk = |kind: &[u8], content: &[u8]| {
        let body = [kind, content].concat();
        [&u32::try_from(content.len()).unwrap().to_be_bytes()[..], &body, &crc32(&body).to_be_bytes()]
            .concat()
    };
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", b"\0\0\0\x01\0\0\0\x01\x08\0\0\0\0"),
        chunk(b"tEXt", &[b"Author\0", secret.as_bytes()].concat()),
        chunk(b"IDAT", b"\x78\x9c\x63\x60\0\0\0\x02\0\x01"),
        chunk(b"IEND", b""),
    ]
    .concat()
}

fn jpeg(secret: &str) -> Vec<u8> {
    let length = u16::try_from(secret.len() + 2).unwrap().to_be_bytes();
    [b"\xff\xd8\xff\xfe", &length[..], secret.as_bytes(), b"\xff\xd9"].concat()
}

/// A ZIP file whose members are stored as they are (APPNOTE 6.3.10 §4.3).
pub fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let size = u32::try_from(content.len()).unwrap().to_le_bytes();
        let at = u32::try_from(out.len()).unwrap().to_le_bytes();
        let name_length = u16::try_from(name.len()).unwrap().to_le_bytes();
        let common = [
            b"\x0a\0\0\x08\0\0\0\0\x21\0",
            &crc32(content).to_le_bytes()[..],
            &size,
            &size,
            &name_length,
            b"\0\0",
        ]
        .concat();
        out.extend([b"PK\x03\x04", &common[..], name.as_bytes(), content].concat());
        directory.extend(
            [b"PK\x01\x02\x14\0", &common[..], b"\0\0\0\0\0\0\0\0\0\0", &at, name.as_bytes()].concat(),
        );
    }
    let count = u16::try_from(members.len()).unwrap().to_le_bytes();
    let (size, at) = (u32::try_from(directory.len()).unwrap(), u32::try_from(out.len()).unwrap());
    out.extend_from_slice(&directory);
    out.extend(
        [b"PK\x05\x06\0\0\0\0", &count[..], &count, &size.to_le_bytes(), &at.to_le_bytes(), b"\0\0"].concat(),
    );
    out
}
