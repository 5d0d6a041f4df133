//! What opens where, and with which keys.

use super::super::class::{Class, ClassKeys};
use super::super::purpose::Purpose;
use super::super::ring::ring_for_tests;
use super::*;
use crate::mail::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

/// Whole, or what a process has that holds public halves alone.
enum Half {
    Whole,
    Public,
}

fn seal_keys(half: Half) -> SealKeys {
    let ring = ring_for_tests();
    let secrets = match half {
        Half::Whole => ring.keys(Purpose::Seal, NOW).unwrap(),
        Half::Public => Vec::new(),
    };
    SealKeys::new(&ring.publics(Purpose::Seal, NOW), &secrets, None)
}

fn class_keys(class: Class, half: Half) -> ClassKeys {
    let ring = ring_for_tests();
    let secrets = match half {
        Half::Whole => ring.keys(class.purpose(), NOW).unwrap(),
        Half::Public => Vec::new(),
    };
    ClassKeys::new(class.purpose(), &ring.publics(class.purpose(), NOW), &secrets)
}

#[test]
fn a_value_opens_only_in_its_own_place() {
    let keys = seal_keys(Half::Whole);
    let (key, wrapped) = keys.new_data_key(7);
    let place = Place::new("delivery", "recipient", 42);
    let sealed = key.seal(place, "花子".as_bytes());
    assert_eq!(key.open(place, &sealed).unwrap().as_slice(), "花子".as_bytes());
    let again = keys.unwrap_data_key(7, &wrapped).unwrap();
    assert!(again.open(place, &sealed).is_ok());
    for elsewhere in [
        Place::new("delivery", "recipient", 43),
        Place::new("delivery", "status", 42),
        Place::new("message", "recipient", 42),
    ] {
        assert!(key.open(elsewhere, &sealed).is_err(), "{elsewhere:?}");
    }
    assert!(keys.unwrap_data_key(8, &wrapped).is_err());
    assert!(keys.new_data_key(7).0.open(place, &sealed).is_err());
}

#[test]
fn no_altered_or_shortened_value_opens() {
    let keys = seal_keys(Half::Whole);
    let (key, _) = keys.new_data_key(1);
    let place = Place::new("t", "c", 1);
    let (segment, _) = class_keys(Class::Headers, Half::Whole).new_segment(Class::Headers, 3, 20_000);
    let boxed = keys.seal_boxed(place, b"text").into_stored();
    let in_class = key.seal_in(&segment, nonce(), place, b"text").into_stored();
    for stored in [key.seal(place, b"text").into_stored(), in_class, boxed] {
        let opens = |stored: Vec<u8>| {
            let sealed = Sealed::from_stored(stored);
            key.open(place, &sealed).is_ok()
                || key.open_in(&segment, place, &sealed).is_ok()
                || keys.open_boxed(place, &sealed).is_ok()
        };
        assert!(opens(stored.clone()));
        for i in 0..stored.len() {
            let mut altered = stored.clone();
            altered[i] ^= 1;
            assert!(!opens(altered), "octet {i}");
            assert!(!opens(stored[..i].to_vec()), "length {i}");
        }
    }
}

#[test]
fn what_a_public_half_sealed_opens_with_the_secret_alone_and_is_made_cheap_by_wrapping_anew() {
    let (whole, public) = (seal_keys(Half::Whole), seal_keys(Half::Public));
    let (key, wrapped) = public.new_data_key(5);
    let place = Place::new("conversation", "customer", 1);
    let sealed = key.seal(place, b"text");
    assert!(matches!(public.unwrap_data_key(5, &wrapped), Err(VaultError::NotHeld { purpose: "seal", .. })));
    assert!(whole.unwrap_data_key(5, &wrapped).unwrap().open(place, &sealed).is_ok());
    assert!(whole.unwrap_data_key(6, &wrapped).is_err());
    let anew = whole.rewrap(5, &wrapped).unwrap().unwrap();
    assert!(anew.len() < wrapped.len());
    assert!(whole.unwrap_data_key(5, &anew).unwrap().open(place, &sealed).is_ok());
    assert_eq!(whole.rewrap(5, &anew).unwrap(), None);
    let boxed = public.seal_boxed(place, b"text");
    assert!(public.open_boxed(place, &boxed).is_err());
    assert_eq!(whole.open_boxed(place, &boxed).unwrap().as_slice(), b"text");
    assert!(whole.open_boxed(Place::new("conversation", "customer", 2), &boxed).is_err());
}

#[test]
fn a_value_of_a_class_takes_the_subjects_key_and_the_classs() {
    let (whole, public) = (class_keys(Class::Log, Half::Whole), class_keys(Class::Log, Half::Public));
    let (key, _) = seal_keys(Half::Whole).new_data_key(1);
    let (other, _) = seal_keys(Half::Whole).new_data_key(1);
    let place = Place::new("record", "detail", 9);
    let (segment, wrapped) = public.new_segment(Class::Log, 3, 20_000);
    let sealed = key.seal_in(&segment, nonce(), place, b"text");
    assert_eq!(sealed.segment(), Some(3));
    let broken = public.open_segment(Class::Log, 3, 20_000, &wrapped).err();
    assert_eq!(broken, Some(VaultError::NotHeld { purpose: "log", name: 'a' }));
    let opened = whole.open_segment(Class::Log, 3, 20_000, &wrapped).unwrap();
    assert_eq!(key.open_in(&opened, place, &sealed).unwrap().as_slice(), b"text");
    assert!(key.open(place, &sealed).is_err());
    assert!(other.open_in(&opened, place, &sealed).is_err());
    assert!(key.open_in(&opened, Place::new("record", "headers", 9), &sealed).is_err());
    assert!(whole.open_segment(Class::Log, 4, 20_000, &wrapped).is_err());
    assert!(whole.open_segment(Class::Log, 3, 20_001, &wrapped).is_err());
    // A day's keys of one class are no other's, also under the same key of the ring.
    assert!(whole.open_segment(Class::Headers, 3, 20_000, &wrapped).is_err());
    assert!(class_keys(Class::Body, Half::Whole).open_segment(Class::Body, 3, 20_000, &wrapped).is_err());
    let destroyed = whole.open_segment(Class::Log, 3, 20_000, &[]).err();
    assert_eq!(destroyed, Some(VaultError::Destroyed { table: "segment", id: 3 }));
}

#[test]
fn the_newest_ring_key_wraps_and_an_older_one_still_opens() {
    let ring = ring_for_tests();
    let both = ring.keys(Purpose::Seal, NOW).unwrap();
    let (newest, oldest) = (both[0], both[1]);
    let keys = |keys: &[&NamedKey]| SealKeys::new(keys, keys, None);
    assert_eq!(keys(&[newest, oldest]).new_data_key(1).1.first(), Some(&b'b'));
    let (_, wrapped) = keys(&[oldest]).new_data_key(1);
    assert!(keys(&[newest, oldest]).unwrap_data_key(1, &wrapped).is_ok());
    assert_eq!(
        keys(&[newest]).unwrap_data_key(1, &wrapped).err(),
        Some(VaultError::NotHeld { purpose: "seal", name: 'a' })
    );
    let anew = keys(&[newest, oldest]).rewrap(1, &wrapped).unwrap().unwrap();
    assert!(keys(&[newest]).unwrap_data_key(1, &anew).is_ok());
}

#[test]
fn a_remembered_key_opens_only_by_the_wrapped_form_that_stands_in_the_database() {
    let keys = seal_keys(Half::Whole);
    let (_, wrapped) = keys.new_data_key(1);
    let first = keys.unwrap_data_key(1, &wrapped).unwrap();
    assert!(Arc::ptr_eq(&first, &keys.unwrap_data_key(1, &wrapped).unwrap()));
    let destroyed = Some(VaultError::Destroyed { table: "data_key", id: 1 });
    assert_eq!(keys.unwrap_data_key(1, &[]).err(), destroyed);
    let mut altered = wrapped.clone();
    *altered.last_mut().unwrap() ^= 1;
    assert!(keys.unwrap_data_key(1, &altered).is_err());
}

#[test]
fn a_segment_remembers_ciphers_where_it_seals_and_not_where_it_was_opened() {
    let keys = class_keys(Class::Body, Half::Whole);
    let (own, wrapped) = keys.new_segment(Class::Body, 1, 20_000);
    let opened = keys.open_segment(Class::Body, 1, 20_000, &wrapped).unwrap();
    let same =
        |segment: &Segment| Arc::ptr_eq(&segment.cipher_for(1, &[7; 32]), &segment.cipher_for(1, &[7; 32]));
    assert!(same(&own) && !same(&opened));
}
