//! Signatures and seals of another author's program (dkimpy), in every form and with odd texts, whole and changed on the way,
//! beyond the public suites (`tests/suites`): `signatures.py` makes them and says of each what must be found. NSD publishes
//! the keys, `anshin senders check` looks.

use super::process::{On, Setup};
use super::watch::Watch;
use crate::peer::nsd::Nsd;
use crate::peer::{HOW_TO_RUN, dkimpy};
use serde_json::Value;
use std::fs;
use std::process::Command;
use std::sync::Arc;

/// The records of the keys that sign; all are one key, but for `ed`.
fn zone(p: &str) -> String {
    // At most 255 octets in a string (RFC 1035 §3.3).
    let (head, tail) = p.split_at(p.len() / 2);
    let key = |name: &str, before: &str, after: &str| {
        format!("{name}._domainkey.mail TXT \"{before}p={head}\" \"{tail}{after}\"\n")
    };
    let pieces = p.as_bytes().chunks(9).map(|piece| format!("\"{}\"", String::from_utf8_lossy(piece)));
    let pieces = pieces.collect::<Vec<_>>().join(" ");
    [
        key("own", "v=DKIM1; k=rsa; ", ""),
        key("own", "v=DKIM1; k=rsa; ", "").replace(".mail ", ".list "),
        key("deep.down", "", ""),
        key("strict", "v=DKIM1; t=s; ", ""),
        key("trial", "v=DKIM1; ", "; t=s:y"),
        key("sha1", "v=DKIM1; h=sha1; ", ""),
        key("tls", "v=DKIM1; s=tlsrpt; ", ""),
        key("two", "v=DKIM1; ", ""),
        "two._domainkey.mail TXT \"v=spf1 -all\"\n".to_owned(),
        key("late", "", "; v=DKIM1"),
        key("odd", "v = DKIM1 ;; g=*; h=sha1 : sha256; n=a=3Db; zz=; ", " ;; s = email ; "),
        format!("pieces._domainkey.mail TXT \"v=DKIM1; p=\" {pieces}\n"),
        "revoked._domainkey.mail TXT \"v=DKIM1; p=\"\n".to_owned(),
        "ed._domainkey.mail TXT \"k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n".to_owned(),
    ]
    .concat()
}

#[test]
fn every_signed_mail_proves_what_its_signer_signed_and_nothing_that_was_changed() {
    let (key, p) = dkimpy::rsa_key(2048);
    let dns = Nsd::start(&[("test", Some(&zone(&p)))]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/relay/signatures.py");
    // Debian's own Python has Debian's modules.
    let output = Command::new("/usr/bin/python3").args([script, &key]).output();
    let output = output.unwrap_or_else(|fault| panic!("/usr/bin/python3: {fault}; {HOW_TO_RUN}"));
    assert!(output.status.success(), "{}; {HOW_TO_RUN}", String::from_utf8_lossy(&output.stderr));
    let cases: Vec<(String, String, Value)> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(cases.len() > 150, "{}", cases.len());
    let relay = Setup::new(On::Sqlite)
        .key("dns.servers", &format!("'{}'", dns.address()))
        .key("senders.trusted_networks", "[]")
        .prepare(&Arc::new(Watch::default()));
    let file = relay.config().with_file_name("mail.eml");
    let mut wrong = Vec::new();
    for (name, mail, wanted) in cases {
        fs::write(&file, data_encoding::BASE64.decode(mail.as_bytes()).unwrap()).unwrap();
        let arguments = ["senders", "check", "--ip", "192.0.2.1", "--message", file.to_str().unwrap()];
        let output = relay.binary().args(arguments).output().unwrap();
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = match &wanted {
            Value::Array(_) => {
                let all = found["dkim"].as_array().unwrap();
                all.iter().map(|signature| signature["result"].clone()).collect()
            }
            _ => found["arc_chain"].clone(),
        };
        if found != wanted {
            wrong.push(format!("{name}: {found}, not {wanted}"));
        }
    }
    fs::remove_file(file).unwrap();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
