//! Messages as programs sign them, made here by a small writer, in DER and in BER, whole and broken off.

use super::*;
use crate::mime::transfer::Encoding;
use proptest::prelude::*;

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let head = match content.len() {
        0..=127 => vec![tag, length[3]],
        128..=0xffff => vec![tag, 0x82, length[2], length[3]],
        _ => vec![tag, 0x84, length[0], length[1], length[2], length[3]],
    };
    [&head[..], content].concat()
}

fn indefinite(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, 0x80][..], content, &[0, 0]].concat()
}

const CONTENT: &[u8] = b"Content-Type: text/plain\r\n\r\nsigned\r\n";

/// A string as Exchange writes it: in segments, one of them in segments itself.
fn segmented(content: &[u8]) -> Vec<u8> {
    let (head, tail) = content.split_at(10);
    let inner = indefinite(0x24, &[tlv(4, &tail[..3]), tlv(4, &tail[3..])].concat());
    indefinite(0x24, &[tlv(4, head), inner].concat())
}

type Write = fn(u8, &[u8]) -> Vec<u8>;

fn content_info_of(kind: &[u8], content: &[u8], write: Write) -> Vec<u8> {
    write(0x30, &[tlv(6, kind), write(0xa0, content)].concat())
}

fn signed(kind: &[u8], string: Option<&[u8]>, write: Write) -> Vec<u8> {
    let string = string.map(|s| write(0xa0, s)).unwrap_or_default();
    let encapsulated = write(0x30, &[tlv(6, kind), string].concat());
    let algorithms = tlv(0x31, &tlv(0x30, &tlv(6, &[0x60, 0x86, 0x48])));
    let certificates = write(0xa0, &tlv(0x30, b"certificate of merchant@shop.example"));
    let signers = tlv(0x31, &tlv(0x30, &[2, 1, 1]));
    let content = write(0x30, &[tlv(2, &[1]), algorithms, encapsulated, certificates, signers].concat());
    content_info_of(oid::SIGNED, &content, write)
}

#[test]
fn the_content_comes_out_of_every_form_without_its_signature() {
    for (name, message) in [
        ("DER", signed(oid::DATA, Some(&tlv(4, CONTENT)), tlv)),
        ("BER", signed(oid::DATA, Some(&segmented(CONTENT)), indefinite)),
        ("DER with segments", signed(oid::DATA, Some(&tlv(0x24, &tlv(4, CONTENT))), tlv)),
    ] {
        let base64 = Encoding::Base64.encode(&message);
        let armoured = [b"-----BEGIN PKCS7-----\r\n", &base64[..], b"-----END PKCS7-----\r\n"].concat();
        for form in [&message, &base64, &armoured] {
            assert_eq!(kind(form), Some(CmsKind::Signed), "{name}");
            assert_eq!(signed_content(form).as_deref(), Some(CONTENT), "{name}");
        }
    }
}

#[test]
fn other_kinds_are_told_apart_and_have_no_content() {
    let content = tlv(0x30, &tlv(2, &[0]));
    for (message, expected) in [
        (content_info_of(oid::ENVELOPED, &content, tlv), Some(CmsKind::Enveloped)),
        (content_info_of(oid::ENVELOPED, &content, indefinite), Some(CmsKind::Enveloped)),
        (content_info_of(oid::AUTH_ENVELOPED, &content, tlv), Some(CmsKind::AuthEnveloped)),
        (content_info_of(oid::COMPRESSED, &content, tlv), Some(CmsKind::Compressed)),
        (content_info_of(oid::ENCRYPTED, &content, tlv), Some(CmsKind::Encrypted)),
        (content_info_of(oid::DATA, &content, tlv), None),
        (signed(oid::DATA, None, tlv), Some(CmsKind::CertsOnly)),
        (signed(oid::DATA, None, indefinite), Some(CmsKind::CertsOnly)),
        (b"0 is no sequence".to_vec(), None),
        (b"Hello Bob".to_vec(), None),
        (Vec::new(), None),
    ] {
        assert_eq!(kind(&message), expected, "{message:02x?}");
        assert_eq!(signed_content(&message), None);
    }
    let enveloped = signed(oid::ENVELOPED, Some(&tlv(4, CONTENT)), tlv);
    assert_eq!(
        (kind(&enveloped), signed_content(&enveloped)),
        (Some(CmsKind::Signed), None),
        "no MIME entity is within"
    );
}

#[test]
fn a_content_that_breaks_off_gives_nothing_and_a_signature_that_does_no_harm() {
    for message in [
        signed(oid::DATA, Some(&tlv(4, CONTENT)), tlv),
        signed(oid::DATA, Some(&segmented(CONTENT)), indefinite),
    ] {
        let end = memchr::memmem::find(&message, b"signed\r\n").unwrap() + 8;
        let behind = memchr::memmem::find(&message, b"merchant").unwrap();
        assert_eq!(signed_content(&message[..end - 1]), None);
        assert_eq!(signed_content(&message[..behind]).as_deref(), Some(CONTENT));
    }
}

#[test]
fn strings_in_strings_without_end_are_given_up() {
    let mut string = tlv(4, CONTENT);
    for _ in 0..MAX_DEPTH + 1 {
        string = indefinite(0x24, &string);
    }
    assert_eq!(signed_content(&signed(oid::DATA, Some(&string), indefinite)), None);
    assert_eq!(signed_content(&[[0x30, 0x80].repeat(100_000), vec![6]].concat()), None);
}

proptest! {
    #[test]
    fn damage_does_no_harm(at in 0usize..400, with in any::<u8>(), cut in 0usize..400, long in any::<bool>()) {
        let string = segmented(CONTENT);
        let mut message =
            if long { signed(oid::DATA, Some(&string), indefinite) } else { signed(oid::DATA, Some(&string), tlv) };
        let at = at % message.len();
        message[at] = with;
        for message in [&message[..], &message[..cut.min(message.len())]] {
            let content = signed_content(message);
            prop_assert!(content.is_none_or(|content| content.len() <= message.len()));
            prop_assert!(kind(message).is_none_or(|kind| kind != CmsKind::Compressed || at > 0));
        }
    }

    #[test]
    fn arbitrary_octets_do_no_harm(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let message = content_info_of(oid::SIGNED, &octets, indefinite);
        prop_assert!(signed_content(&message).is_none_or(|content| content.len() <= octets.len()));
        prop_assert_eq!(signed_content(&octets).is_some() && kind(&octets) != Some(CmsKind::Signed), false);
    }
}
