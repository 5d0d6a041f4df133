//! Digests by which links name people: MD5 (RFC 1321), SHA-1 and SHA-256 (FIPS 180-4), in hexadecimal digits. They protect nothing here:
//! pictures of people are called by the digest of an address, and whoever knows the address knows it again.
//!
//! When it fails: never.

use data_encoding::HEXLOWER;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The digests of a text, each in small hexadecimal digits: of 32, 40 and 64 digits.
#[must_use]
pub fn digests(text: &[u8]) -> [String; 3] {
    [
        HEXLOWER.encode(&Md5::digest(text)),
        HEXLOWER.encode(&Sha1::digest(text)),
        HEXLOWER.encode(&Sha256::digest(text)),
    ]
}

#[cfg(test)]
mod tests {
    use super::digests;

    #[test]
    fn digests_are_those_that_everybody_computes() {
        let long = b"x".repeat(200);
        for (text, md5, sha1, sha256) in [
            (
                b"".as_slice(),
                "d41d8cd98f00b204e9800998ecf8427e",
                "da39a3ee5e6b4b0d3255bfef95601890afd80709",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            (
                b"abc",
                "900150983cd24fb0d6963f7d28e17f72",
                "a9993e364706816aba3e25717850c26c9cd0d89d",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                &long,
                "30a83621ce5422fbdfdd539777458c78",
                "94218caae9904e93a3d7bf578bf4791926fc5e82",
                "aa20c23e3201834050679e1d88941b9a6fed0557c9a705cb2c315e2e63fd486d",
            ),
        ] {
            assert_eq!(digests(text), [md5, sha1, sha256], "{}", text.escape_ascii());
        }
    }
}
