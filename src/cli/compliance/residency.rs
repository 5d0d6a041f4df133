//! `anshin compliance residency`: the report, the officer's key, and statements about sites.

use super::Attest;
use super::page::{Page, time};
use crate::cli::arguments::Common;
use crate::cli::output::{Failure, print, table};
use crate::cli::{process, residency};
use crate::config::{self, Config, Network};
use crate::ledger::{Signer, Signs};
use crate::mail::Timestamp;
use crate::residency::{Checker, Finding, Report, Staff, Statement, Told};
use crate::store::Store;
use crate::vault::FileKeys;
use serde_json::json;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use zeroize::Zeroizing;

/// Looks at every place and says what was found, in a page too.
pub(super) async fn report(out: Option<&Path>, common: &Common) -> Result<(), Failure> {
    let path = process::config_path(common);
    let config = Config::load_before_set_up(path.as_deref(), config::environment())
        .map_err(process::config_failure)?;
    let checker = Checker::new(&config)?;
    let mut found = checker.look(&Told::default(), Timestamp::now()).await;
    // Nobody connects to a place that is not allowed, not even to ask who copies it.
    if config.storage.url.host().is_some() && found.refused(config.profile).next().is_none() {
        let store = Store::open(&config.storage.url.connect_url(), &FileKeys::default()).await?;
        found = checker.look(&residency::told(&store).await?, Timestamp::now()).await;
    }
    let is_refused = |finding: &Finding| found.refused(config.profile).any(|refused| refused == finding);
    let rows: Vec<Vec<String>> = found
        .findings
        .iter()
        .map(|finding| {
            let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            vec![
                word(json!(finding.standing)),
                word(json!(finding.purpose)),
                finding.place.clone(),
                finding.key.clone(),
                finding.evidence.clone(),
            ]
        })
        .collect();
    let refused: Vec<_> = found.findings.iter().filter(|finding| is_refused(finding)).collect();
    let at = found.at.to_rfc3339();
    let now = Timestamp::now();
    let staff = Staff::new(&config, checker.geo().as_ref().clone());
    let warnings: Vec<String> =
        checker.geo().data_files().iter().filter_map(|file| file.warning(now)).collect();
    let document = json!({
        "at": at, "ok": refused.is_empty(), "findings": found.findings, "staff": staff.to_json(), "warnings": warnings,
    });
    let end = match refused.as_slice() {
        [] => "Nothing here stops a start.".to_owned(),
        some => {
            let cure =
                |finding: &&Finding| format!("{} ({}): {}", finding.key, finding.place, finding.cure());
            let cures: Vec<_> = some.iter().map(cure).collect();
            format!("These stop a start:\n{}", cures.join("\n"))
        }
    };
    let head = ["standing", "use", "place", "key", "evidence"];
    let mut text = format!("{}\n\n{end}\n\n{}", table(&head, &rows), staff_text(&staff));
    for warning in &warnings {
        text.push_str(&format!("\nwarning: {warning}"));
    }
    if let Some(path) = out {
        page(&found, &refused, &staff, &config).write(path)?;
        text.push_str(&format!("\n\n{} is written", path.display()));
    }
    print(common, &document, &text);
    if refused.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("{} of {} places are not as they must be", refused.len(), rows.len())))
}

/// The report as a page.
fn page(found: &Report, refused: &[&Finding], staff: &Staff, config: &Config) -> Page {
    let mut page = Page::new("情報の保管・取扱いの場所の確認");
    let (company, hostname) = (&config.compliance.company, &config.hostname);
    page.paragraph(&format!("{company}\nシステム Anshin Mail {hostname}\n確認日時 {}", time(found.at)));
    page.heading("1. 場所");
    places(&mut page, found);
    page.heading("2. 結果");
    match refused {
        [] => page.paragraph("起動や受信を止める場所はありません。"),
        some => {
            page.warning(&format!("次の{}か所が国内と認められず、起動または受信が止まります。", some.len()))
        }
    }
    for finding in refused {
        page.warning(&format!("{}({}): {}", finding.place, finding.key, finding.evidence_ja));
    }
    page.heading("3. 情報を開く操作の元");
    page.paragraph(said_of_staff(staff));
    let offices = staff.to_json();
    let offices = offices["networks"].as_array().into_iter().flatten().map(|office| {
        let networks = office["networks"].as_array().into_iter().flatten();
        let networks: Vec<_> = networks.filter_map(serde_json::Value::as_str).collect();
        vec![office["name"].as_str().unwrap_or_default().to_owned(), networks.join(", ")]
    });
    page.table(&["事業所", "ネットワーク"], &offices.collect::<Vec<_>>());
    page.signatures(&["確認者", "特定利用者情報統括管理者"]);
    page
}

/// The places that were looked at, in Japanese.
pub(super) fn places(page: &mut Page, report: &Report) {
    let rows = report.findings.iter().map(|finding| {
        let (standing, purpose) = (finding.standing.japanese(), finding.purpose.japanese());
        vec![standing.to_owned(), purpose.to_owned(), finding.place.clone(), finding.evidence_ja.clone()]
    });
    page.table(&["判定", "用途", "場所", "根拠"], &rows.collect::<Vec<_>>());
    page.paragraph(
        "利用者あてのメールそのものの配送は利用者の通信であり、判定しません。特定の宛先への経路は「判定の対象外」として示します。",
    );
}

/// From where people may have something opened, in Japanese.
pub(super) fn said_of_staff(staff: &Staff) -> &'static str {
    if staff.refuses() {
        "情報を開く操作は、この機器、登録した事業所のネットワーク、国内に登録されたアドレス(サーバー事業者を除く)からだけ行えます。"
    } else {
        "国外等からの操作は、設定により警告のみです。"
    }
}

/// From where people may have something opened.
fn staff_text(staff: &Staff) -> String {
    let rules = staff.to_json();
    let list = |value: &serde_json::Value| {
        let texts = value.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
        texts.collect::<Vec<_>>().join(", ")
    };
    let does = if staff.refuses() { "refused" } else { "warned" };
    let mut text = format!(
        "Staff may come from this machine, from the networks below, and from addresses registered in Japan that no provider of \
         servers runs; who comes from elsewhere is {does}."
    );
    for office in rules["networks"].as_array().into_iter().flatten() {
        let name = office["name"].as_str().unwrap_or_default();
        text.push_str(&format!("\n- {name}: {}", list(&office["networks"])));
    }
    let hosting = list(&rules["hosting"]);
    if !hosting.is_empty() {
        text.push_str(&format!("\nprovider of servers, by residency.staff.hosting: {hosting}"));
    }
    for file in staff.geo().data_files() {
        text.push_str(&format!("\n{}: {}, made {}", file.key, file.path.display(), file.built.to_rfc3339()));
    }
    text
}

/// Makes a key and writes its private half to a new file. The public half.
pub(in crate::cli) fn make_key(name: &str, signs: Signs, out: &Path) -> Result<String, Failure> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice()).map_err(|_| Failure::new("the system gives no random numbers"))?;
    let signer = Signer::of(name, signs, seed)?;
    write_new(out, &format!("{}\n", signer.to_secret().as_str()), 0o600)?;
    Ok(signer.verifier().to_string())
}

/// Reads a private key.
pub(in crate::cli) fn read_key(path: &Path) -> Result<Signer, Failure> {
    let fault = |fault: &dyn std::fmt::Display| Failure::new(format!("{}: {fault}", path.display()));
    let secret = Zeroizing::new(std::fs::read_to_string(path).map_err(|cause| fault(&cause.kind()))?);
    Signer::parse(&secret).map_err(|cause| fault(&cause))
}

/// Makes an officer's key.
pub(super) fn key(name: &str, out: &Path, common: &Common) -> Result<(), Failure> {
    let public = make_key(name, Signs::Notes, out)?;
    let text = format!(
        "The private key is in {}. Keep it off this machine.\nWrite this into the configuration:\n\n[residency]\nofficers = \
         [\"{public}\"]",
        out.display()
    );
    print(common, &json!({ "public": public, "file": out.display().to_string() }), &text);
    Ok(())
}

/// Signs a statement.
pub(super) fn attest(attest: &Attest, common: &Common) -> Result<(), Failure> {
    let signer = read_key(&attest.key)?;
    let network = |text: &String| {
        Network::parse(text).ok_or_else(|| Failure::new(format!("{text} is no network such as 10.1.0.0/16")))
    };
    let time = |text: &str| {
        let cure = || Failure::new(format!("{text} is no time such as 2027-11-01T00:00:00+09:00"));
        Timestamp::parse_rfc3339(text).ok_or_else(cure)
    };
    let until = time(&attest.until)?;
    if attest.networks.is_empty() && attest.zones.is_empty() {
        return Err(Failure::new("name at least one --network or --zone, or the statement is about nothing"));
    }
    let said = [Some(&attest.site), Some(&attest.address), Some(&attest.by), attest.contract.as_ref()];
    let mut said = said.into_iter().flatten().chain(&attest.zones);
    // A line feed in a value would begin another line, and so state another thing.
    if let Some(bad) = said.find(|value| value.contains(char::is_control) || value.trim() != value.as_str()) {
        return Err(Failure::new(format!("{bad:?} is not one line without blanks at its ends")));
    }
    let since = attest.since.as_deref().map(time).transpose()?.unwrap_or_else(Timestamp::now);
    let statement = Statement {
        site: attest.site.clone(),
        address: attest.address.clone(),
        networks: attest.networks.iter().map(network).collect::<Result<_, _>>()?,
        zones: attest.zones.clone(),
        by: attest.by.clone(),
        contract: attest.contract.clone(),
        since,
        until,
    };
    let text = statement.to_text();
    // What does not count must not be signed.
    Statement::parse(&text)?.counts_at(since)?;
    write_new(&attest.out, &signer.sign(&text)?, 0o644)?;
    let said = format!(
        "{text}\nSigned by {}. Name {} under residency.sites.",
        signer.verifier().name(),
        attest.out.display()
    );
    print(common, &json!({ "file": attest.out.display().to_string(), "statement": text }), &said);
    Ok(())
}

pub(in crate::cli) fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let fault = |fault: std::io::Error| Failure::new(format!("{}: {}", path.display(), fault.kind()));
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(fault)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fault)
}
