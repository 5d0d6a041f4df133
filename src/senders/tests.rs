//! Whatever a mail or a record holds, reading it ends, and proves nothing that was not said.

use super::*;
use proptest::prelude::*;

/// Pieces of which broken mails are made.
const PIECES: [&str; 16] = [
    "From: hana@mail.example\r\n",
    "from:hana@mail.example\r\n",
    "From: =?utf-8?B?6Iqx?= <hana@mail.example>\r\n",
    "DKIM-Signature: v=1; a=rsa-sha256; d=mail.example; s=k; h=from; bh=AAAA; b=AAAA\r\n",
    "DKIM-Signature: v=1; a=rsa-sha256; d=mail.example; s=k; h=from; bh=AAAA; b=AAAA; l=5; x=1; t=2\r\n",
    "DKIM-Signature: v=1; a=ed25519-sha256;\r\n\td=;;=; s=k\r\n",
    "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=x; s=y; b=AA==\r\n",
    "ARC-Message-Signature: i=1; a=rsa-sha256; d=x; s=y; h=from; bh=AA==; b=AA==\r\n",
    "ARC-Authentication-Results: i=1; x; dmarc=pass header.from=mail.example\r\n",
    "Subject: a\u{200b}b\r\n",
    " folded\r\n",
    "no colon\r\n",
    "\r\n",
    "\n",
    "\r",
    "body\0\r\n.\r\n",
];

proptest! {
    #[test]
    fn no_mail_is_too_broken_to_be_read(picks in prop::collection::vec(0..PIECES.len(), 0..24), cut in 0..400_usize) {
        let text: String = picks.iter().map(|pick| PIECES[*pick]).collect();
        let bytes = &text.as_bytes()[cut.min(text.len())..];
        let author = RealAddress::parse("hana@mail.example").unwrap();
        let message = Message::read(bytes, Some(&author));
        prop_assert!(message.claims().len() <= 10);
        for claim in message.claims() {
            let _ = (claim.key_name(&message, Timestamp::now()), claim.check(&message, &[b"p=AAAA".to_vec()]));
        }
        let _ = (message.last_sealer(), message.chain().is_ok());
    }

    #[test]
    fn no_value_is_too_odd_to_be_read(value in "[a-z=;:()\"\\\\%{}./ \\r\\n@\u{3042}]{0,80}") {
        let _ = results::passed(value.as_bytes());
        let mail = format!("From: a@b.example\r\nDKIM-Signature: {value}\r\n\r\n");
        let _ = Message::read(mail.as_bytes(), None).claims().len();
        let _ = spf::reads(format!("v=spf1 {value}").as_bytes());
        let _ = Network::parse(&value);
    }
}

#[test]
fn a_mail_that_two_readers_read_differently_has_no_signature() {
    let author = RealAddress::parse("hana@mail.example").unwrap();
    let signature = PIECES[3];
    let read = |mail: &str| Message::read(mail.as_bytes(), Some(&author)).claims().len();
    assert_eq!(read(&format!("{signature}From: hana@mail.example\r\n\r\nx\r\n")), 1);
    for mail in [
        format!("{signature}From: hana@mail.example\r\nFrom: eve@mail.example\r\n\r\nx\r\n"),
        format!("{signature}From: hana@mail.example\r\nno field\r\n\r\nx\r\n"),
        format!("{signature}From: hana@mail.example\r\nX: y\n\nFrom: eve@x.example\r\n\r\nx\r\n"),
        format!("{signature}From: hana@mail.example\rFrom: eve@x.example\r\n\r\nx\r\n"),
    ] {
        assert_eq!(read(&mail), 0, "{mail:?}");
    }
}
