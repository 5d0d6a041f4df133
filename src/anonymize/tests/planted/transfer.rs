//! Transfer encodings as programs write them, well and badly.

use data_encoding::BASE64;

/// A way to put octets on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transfer {
    /// As they are, declared 8bit or 7bit.
    Clear,
    /// As they are, nothing declared.
    Undeclared,
    Binary,
    QuotedPrintable,
    /// Every second octet encoded, soft breaks with blanks in every line.
    QuotedPrintableOdd,
    Base64,
    /// Lines of odd lengths.
    Base64Odd,
    /// Characters between that are none of base64.
    Base64Stray,
    /// Padding in the middle, as two texts joined.
    Base64Joined,
    /// The label in another case, with a comment.
    Base64Comment,
    Uuencode,
}

/// All of them, in the order of the table.
pub const TRANSFERS: [Transfer; 11] = [
    Transfer::Clear,
    Transfer::Undeclared,
    Transfer::Binary,
    Transfer::QuotedPrintable,
    Transfer::QuotedPrintableOdd,
    Transfer::Base64,
    Transfer::Base64Odd,
    Transfer::Base64Stray,
    Transfer::Base64Joined,
    Transfer::Base64Comment,
    Transfer::Uuencode,
];

impl Transfer {
    /// For the table and for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clear => "7bit, 8bit",
            Self::Undeclared => "none declared",
            Self::Binary => "binary",
            Self::QuotedPrintable => "quoted-printable",
            Self::QuotedPrintableOdd => "quoted-printable, odd",
            Self::Base64 => "base64",
            Self::Base64Odd => "base64, odd lines",
            Self::Base64Stray => "base64, stray octets",
            Self::Base64Joined => "base64, padding inside",
            Self::Base64Comment => "base64, with comment",
            Self::Uuencode => "uuencode",
        }
    }

    /// The column of the table.
    pub fn column(self) -> usize {
        match self {
            Self::Clear | Self::Undeclared | Self::Binary => 0,
            Self::QuotedPrintable | Self::QuotedPrintableOdd => 1,
            Self::Base64 | Self::Base64Odd | Self::Base64Comment => 2,
            Self::Base64Stray | Self::Base64Joined | Self::Uuencode => 3,
        }
    }

    /// The field with its line end; empty for none.
    pub fn field(self, ascii: bool) -> &'static str {
        match self {
            Self::Clear if ascii => "Content-Transfer-Encoding: 7bit\r\n",
            Self::Clear => "Content-Transfer-Encoding: 8bit\r\n",
            Self::Undeclared => "",
            Self::Binary => "Content-Transfer-Encoding: binary\r\n",
            Self::QuotedPrintable => "Content-Transfer-Encoding: quoted-printable\r\n",
            Self::QuotedPrintableOdd => "Content-Transfer-Encoding: Quoted-Printable\r\n",
            Self::Base64 | Self::Base64Odd | Self::Base64Stray | Self::Base64Joined => {
                "Content-Transfer-Encoding: base64\r\n"
            }
            Self::Base64Comment => "Content-Transfer-Encoding: BASE64 (so it is)\r\n",
            Self::Uuencode => "Content-Transfer-Encoding: x-uuencode\r\n",
        }
    }

    /// The octets on the wire, ending with a line end; `None` where they cannot stand so.
    pub fn encode(self, octets: &[u8]) -> Option<Vec<u8>> {
        Some(match self {
            Self::Clear | Self::Undeclared | Self::Binary => {
                let bare = memchr::memchr(0, octets).is_some();
                let mut out = octets.to_vec();
                if !out.ends_with(b"\r\n") {
                    out.extend_from_slice(b"\r\n");
                }
                return (!bare).then_some(out);
            }
            Self::QuotedPrintable => quoted_printable(octets),
            Self::QuotedPrintableOdd => quoted_printable_odd(octets),
            Self::Base64 | Self::Base64Comment => lines(&BASE64.encode(octets), 76),
            Self::Base64Odd => lines(&BASE64.encode(octets), 61),
            Self::Base64Stray => {
                let text = String::from_utf8(lines(&BASE64.encode(octets), 40)).ok()?;
                text.replace("\r\n", " !\r\n*").trim_end_matches('*').as_bytes().to_vec()
            }
            Self::Base64Joined => {
                let (first, second) = octets.split_at(octets.len() / 3 / 3 * 3 + 1);
                let mut out = lines(&BASE64.encode(first), 76);
                out.extend(lines(&BASE64.encode(second), 76));
                out
            }
            Self::Uuencode => uuencode(octets),
        })
    }
}

fn lines(text: &str, width: usize) -> Vec<u8> {
    text.as_bytes().chunks(width).flat_map(|line| [line, b"\r\n"].concat()).collect()
}

fn quoted_printable(octets: &[u8]) -> Vec<u8> {
    let (mut out, mut column) = (Vec::new(), 0);
    let mut at = 0;
    while let Some(octet) = octets.get(at) {
        if octets[at..].starts_with(b"\r\n") {
            out.extend_from_slice(b"\r\n");
            (column, at) = (0, at + 2);
            continue;
        }
        let before_end = octets.get(at + 1).is_none_or(|b| *b == b'\r');
        let literal = matches!(octet, b'!'..=b'<' | b'>'..=b'~') || (*octet == b' ' && !before_end);
        let piece = if literal { vec![*octet] } else { format!("={octet:02X}").into_bytes() };
        if column + piece.len() > 75 {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        column += piece.len();
        out.extend(piece);
        at += 1;
    }
    out.extend_from_slice(b"\r\n");
    out
}

fn quoted_printable_odd(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (i, octet) in octets.iter().enumerate() {
        let literal = octet.is_ascii_alphanumeric() && i % 2 == 0;
        out.extend(if literal { vec![*octet] } else { format!("={octet:02x}").into_bytes() });
        if i % 17 == 16 {
            out.extend_from_slice(b"= \t\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

fn uuencode(octets: &[u8]) -> Vec<u8> {
    let mut out = b"begin 644 file.txt\r\n".to_vec();
    for line in octets.chunks(45) {
        out.push(b' ' + u8::try_from(line.len()).unwrap());
        for three in line.chunks(3) {
            let octet = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
            let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
            for shift in [18, 12, 6, 0] {
                let six = u8::try_from(bits >> shift & 0x3f).unwrap();
                out.push(if six == 0 { b'`' } else { six + b' ' });
            }
        }
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"`\r\nend\r\n");
    out
}
