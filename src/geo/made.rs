//! Writes databases in MaxMind's format, as tests need them (MaxMind DB file format 2.0): IPv4 and IPv6 in one tree, records of
//! 28 bits are not used.

use std::net::IpAddr;

/// A value of a record.
#[derive(Debug, Clone)]
pub enum Value {
    Text(String),
    Number(u32),
    Short(u16),
    Long(u64),
    Nothing,
    Map(Vec<(String, Value)>),
}

impl Value {
    pub fn text(text: &str) -> Self {
        Value::Text(text.to_owned())
    }

    pub fn map<const N: usize>(fields: [(&str, Value); N]) -> Self {
        Value::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Text(text) => {
                assert!(text.len() < 29 + 256);
                match text.len() {
                    short @ 0..29 => out.push(0x40 | short as u8),
                    long => out.extend([0x40 | 29, (long - 29) as u8]),
                }
                out.extend(text.as_bytes());
            }
            Value::Short(number) => {
                out.push(0xa2);
                out.extend(number.to_be_bytes());
            }
            Value::Long(number) => {
                out.extend([0x08, 0x02]);
                out.extend(number.to_be_bytes());
            }
            // An array of none.
            Value::Nothing => out.extend([0x00, 0x04]),
            Value::Number(number) => {
                out.push(0xc4);
                out.extend(number.to_be_bytes());
            }
            Value::Map(fields) => {
                assert!(fields.len() < 29);
                out.push(0xe0 | fields.len() as u8);
                for (name, value) in fields {
                    Value::Text(name.clone()).write(out);
                    value.write(out);
                }
            }
        }
    }
}

/// A database that was built at `built` (seconds since 1970) with these networks, none of which lies within another.
pub fn mmdb(built: u32, networks: &[(&str, Value)]) -> Vec<u8> {
    const NONE: usize = usize::MAX;
    // A child: a node, or beyond `NONE / 2` a place among the data.
    let mut nodes: Vec<[usize; 2]> = vec![[NONE; 2]];
    let mut data = Vec::new();
    for (network, value) in networks {
        let (address, length) = network.split_once('/').unwrap();
        let length: usize = length.parse().unwrap();
        let (bits, length) = match address.parse().unwrap() {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()), length + 96),
            IpAddr::V6(v6) => (v6.to_bits(), length),
        };
        let place = data.len();
        value.write(&mut data);
        let mut node = 0;
        for depth in 0..length {
            let side = (bits >> (127 - depth) & 1) as usize;
            if depth + 1 == length {
                nodes[node][side] = NONE / 2 + place;
            } else {
                if nodes[node][side] == NONE {
                    nodes.push([NONE; 2]);
                    nodes[node][side] = nodes.len() - 1;
                }
                node = nodes[node][side];
            }
        }
    }
    let mut out = Vec::new();
    let count = nodes.len();
    for child in nodes.iter().flatten() {
        let record = match *child {
            NONE => count,
            data if data >= NONE / 2 => count + 16 + (data - NONE / 2),
            node => node,
        };
        out.extend(u32::try_from(record).unwrap().to_be_bytes());
    }
    out.extend([0; 16]);
    out.extend(data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    Value::map([
        ("node_count", Value::Number(u32::try_from(count).unwrap())),
        ("record_size", Value::Short(32)),
        ("ip_version", Value::Short(6)),
        ("database_type", Value::text("Made-For-Tests")),
        ("languages", Value::Nothing),
        ("binary_format_major_version", Value::Short(2)),
        ("binary_format_minor_version", Value::Short(0)),
        ("build_epoch", Value::Long(built.into())),
        ("description", Value::map([])),
    ])
    .write(&mut out);
    out
}
