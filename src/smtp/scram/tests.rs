//! The exchange of RFC 7677 §3, one of our own with a client written for the test, and each way to fail.

use super::*;
use proptest::prelude::*;

/// The client's half, for tests here and of the session: gives `client-final-message`.
pub(crate) fn client_final(first: &str, server_first: &str, password: &str, binding: &[u8]) -> String {
    let header = format!("{},", first.splitn(3, ',').take(2).collect::<Vec<_>>().join(","));
    let bare = &first[header.len()..];
    let field = |name: &str| server_first.split(',').find_map(|field| field.strip_prefix(name)).unwrap();
    let salt = BASE64.decode(field("s=").as_bytes()).unwrap().try_into().unwrap();
    let salted = salted(password, &salt, field("i=").parse().unwrap());
    let bound = [header.as_bytes(), binding].concat();
    let without_proof = format!("c={},r={}", BASE64.encode(&bound), field("r="));
    let client_key = hmac(&salted, b"Client Key");
    let stored_key: [u8; KEY] = Sha256::digest(client_key).into();
    let signature = hmac(&stored_key, format!("{bare},{server_first},{without_proof}").as_bytes());
    let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, mask)| key ^ mask).collect();
    format!("{without_proof},p={}", BASE64.encode(&proof))
}

fn answered(first: &str, binding: Binding) -> Result<ServerFirst, ScramFault> {
    let verifier = Verifier::derive("pencil", [7; SALT], 10);
    ClientFirst::parse(first, binding).map(|first| first.answer(verifier, [1; NONCE]))
}

#[test]
fn the_exchange_of_the_standard_comes_to_its_signature() {
    let salt = BASE64.decode(b"W22ZaJ0SNY7soEsUEjb6gQ==").unwrap().try_into().unwrap();
    let verifier = Verifier::derive("pencil", salt, 4096);
    let verifier = Verifier::from_stored(&verifier.to_stored()).unwrap();
    let first = ClientFirst::parse("n,,n=user,r=rOprNGfwEbeRWgbNEkqO", Binding::None { offered: true });
    let mut server = first.unwrap().answer(verifier, [0; NONCE]);
    // The standard's nonce is not base64 of 18 octets.
    let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    server.text = server.text.replace(&server.nonce, nonce);
    server.nonce = nonce.to_owned();
    assert_eq!(server.text(), format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"));
    let last = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    match server.check(&last) {
        Ok(Checked::Right { name, server_final }) => {
            assert_eq!(name, "user");
            assert_eq!(server_final, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        }
        _ => panic!("the proof is wrong"),
    }
}

#[test]
fn both_mechanisms_are_gone_through_with_the_right_and_the_wrong_password() {
    let bound: ChannelBinding = [9; KEY];
    for (first, binding, octets) in [
        ("n,,n=0123,r=abc", Binding::None { offered: true }, &b""[..]),
        ("n,a=0123,n=0123,r=abc", Binding::None { offered: false }, b""),
        ("y,,n=0123,r=abc,x=extension", Binding::None { offered: false }, b""),
        ("p=tls-exporter,,n=0123,r=abc", Binding::Exporter(bound), &bound),
    ] {
        for password in ["pencil", "pencils", ""] {
            let server = answered(first, binding).ok().unwrap();
            let last = client_final(first, server.text(), password, octets);
            let right = matches!(server.check(&last), Ok(Checked::Right { name, .. }) if name == "0123");
            assert_eq!(right, password == "pencil", "{first} {password}");
        }
    }
    let nobody = Verifier::of_nobody([7; SALT], [3; KEY]);
    let first = "n,,n=x,r=abc";
    let server = ClientFirst::parse(first, Binding::None { offered: true }).ok().unwrap();
    let server = server.answer(nobody, [1; NONCE]);
    let last = client_final(first, server.text(), "pencil", b"");
    assert!(matches!(server.check(&last), Ok(Checked::Wrong { name }) if name == "x"));
}

#[test]
fn each_bad_first_message_is_refused_for_its_reason() {
    use ScramFault::{Binding as Channel, Malformed, OtherIdentity};
    let (none, offered) = (Binding::None { offered: false }, Binding::None { offered: true });
    let plus = Binding::Exporter([9; KEY]);
    let long = format!("n,,n=a,r={}", "b".repeat(1025));
    for (text, binding, fault) in [
        ("", none, Malformed),
        ("n,", none, Malformed),
        ("n,,", none, Malformed),
        ("x,,n=a,r=b", none, Malformed),
        ("n,,n=a", none, Malformed),
        ("n,,r=b,n=a", none, Malformed),
        ("n,,m=x,n=a,r=b", none, Malformed),
        ("n,,n=,r=b", none, Malformed),
        ("n,,n=a=b,r=b", none, Malformed),
        ("n,,n=a=2c,r=b", none, Malformed),
        ("n,,n=a,r=", none, Malformed),
        ("n,,n=a,r=b c", none, Malformed),
        ("n,,n=a,r=あ", none, Malformed),
        ("n,,n=a,r=b,", none, Malformed),
        ("n,b=a,n=a,r=b", none, Malformed),
        ("n,a=,n=a,r=b", none, Malformed),
        (&long, none, Malformed),
        ("n,a=other,n=a,r=b", none, OtherIdentity),
        ("p=tls-exporter,,n=a,r=b", offered, Channel),
        ("p=tls-unique,,n=a,r=b", plus, Channel),
        ("p=tls-server-end-point,,n=a,r=b", plus, Channel),
        ("y,,n=a,r=b", offered, Channel),
        ("n,,n=a,r=b", plus, Channel),
        ("y,,n=a,r=b", plus, Channel),
    ] {
        assert_eq!(ClientFirst::parse(text, binding).err(), Some(fault), "{text}");
    }
    let named = ClientFirst::parse("n,,n=a=2Cb=3D=3D,r=c", none);
    assert_eq!(named.ok().unwrap().name(), "a,b==");
}

#[test]
fn each_bad_last_message_is_refused_and_another_nonce_or_channel_proves_nothing() {
    let first = "n,,n=a,r=b";
    let server = || answered(first, Binding::None { offered: true }).ok().unwrap();
    let good = client_final(first, server().text(), "pencil", b"");
    assert!(matches!(server().check(&good), Ok(Checked::Right { .. })));
    let elsewhere = good.replacen("c=biws", &format!("c={}", BASE64.encode(b"y,,")), 1);
    assert_eq!(server().check(&elsewhere).err(), Some(ScramFault::Binding));
    let other_nonce = good.replacen("r=b", "r=c", 1);
    assert!(matches!(server().check(&other_nonce), Ok(Checked::Wrong { .. })));
    let extended = client_final(first, server().text(), "pencil", b"").replace(",p=", ",x=y,p=");
    assert!(matches!(server().check(&extended), Ok(Checked::Wrong { .. })), "the proof covers extensions");
    for text in
        ["", "c=biws", "c=biws,p=", "p=AAAA", "r=b,c=biws,p=AAAA", "c=*,r=b,p=AAAA", "c=biws,r=b,p=AAAA"]
    {
        assert_eq!(server().check(text).err(), Some(ScramFault::Malformed), "{text}");
    }
}

#[test]
fn what_is_stored_is_read_back_and_nothing_else_is_a_verifier() {
    let stored = Verifier::derive("a", [1; SALT], 2).to_stored();
    assert!(Verifier::from_stored(&stored).is_some());
    assert!(Verifier::from_stored(&stored[1..]).is_none() && Verifier::from_stored(b"").is_none());
}

proptest! {
    #[test]
    fn no_text_breaks_an_exchange(first in ".*", last in ".*") {
        let _ = answered(&first, Binding::None { offered: true });
        let server = answered("n,,n=a,r=b", Binding::None { offered: true }).ok().unwrap();
        let is_right = matches!(server.check(&last), Ok(Checked::Right { .. }));
        prop_assert!(!is_right);
    }
}
