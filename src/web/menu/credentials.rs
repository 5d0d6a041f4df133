//! メールサーバ設定情報: where a store's programs submit mail, and with what.
//!
//! Rules: a password is in the answer that made it and nowhere else. Who signed in more than a while ago says the menu's password once more
//! before anything is changed.

use super::form::Form;
use super::guard::Budget;
use super::page::{Frame, Said, in_japan, page, typed};
use super::{Asked, Outcome, confirm, words};
use crate::mail::Timestamp;
use crate::relay::{CredentialAdded, CredentialView, MenuCredentialFault, MenuRole, MenuSession, RelayFault};
use askama::Template;
use axum::http::StatusCode;
use std::time::Duration;

#[derive(Template)]
#[template(path = "menu/credentials.html")]
struct Page {
    f: Frame,
    host: String,
    port: u16,
    tls_port: Option<u16>,
    made: Option<Made>,
    credentials: Vec<Line>,
    standing: Vec<Choice>,
    /// How many that are about to end are still used.
    still: usize,
    may_change: bool,
    asks_password: bool,
    name: String,
}

/// What was just made: shown this once.
struct Made {
    name: String,
    user: String,
    password: String,
    until: Option<String>,
}

struct Line {
    name: String,
    user: String,
    used: String,
    from: String,
    networks: String,
    state: String,
}

struct Choice {
    name: String,
    user: String,
}

/// What was said of what was just done, or made by it.
#[derive(Default)]
pub(super) struct After<'a> {
    form: Option<&'a Form>,
    said: Option<Said>,
    made: Option<CredentialAdded>,
}

pub(super) async fn show(
    asked: &Asked<'_>,
    session: &MenuSession,
    status: StatusCode,
    after: After<'_>,
) -> Result<Outcome, RelayFault> {
    let After { form, said, made } = after;
    let credentials = match asked.shared.relay.menu_credentials(session).await {
        Ok(credentials) => credentials,
        Err(fault) => return Err(words::fault_of(fault)),
    };
    let (f, now) = (Frame::new(asked, said), Timestamp::now());
    let stands = |one: &&CredentialView| one.ends_at.is_none_or(|at| at > now);
    let choice = |one: &CredentialView| Choice { name: one.name.clone(), user: one.auth_id.clone() };
    let standing = credentials.iter().filter(stands).map(choice).collect();
    let still = credentials.iter().filter(stands).filter(|one| is_still_used(one)).count();
    let smtp = &asked.shared.smtp;
    let shown = Page {
        host: smtp.host.clone(),
        port: smtp.port,
        tls_port: smtp.tls_port,
        made: made.map(|made| Made {
            name: made.name,
            user: made.auth_id,
            password: made.auth_password.show().to_owned(),
            until: made.replaced_until.map(in_japan),
        }),
        credentials: credentials.iter().rev().map(|one| line(&f, one, now)).collect(),
        standing,
        still,
        may_change: session.person.role != MenuRole::Reader,
        asks_password: confirm::asks(session),
        name: typed(form, "name"),
        f,
    };
    Ok(Outcome::shown(page(status, &shown)))
}

/// One that was replaced, and used since.
fn is_still_used(one: &CredentialView) -> bool {
    const LATELY: Duration = Duration::from_secs(86_400);
    one.ends_at.is_some()
        && one
            .last_use
            .as_ref()
            .is_some_and(|last| Timestamp::from_millis(last.at).after(LATELY) > Timestamp::now())
}

fn line(f: &Frame, one: &CredentialView, now: Timestamp) -> Line {
    let networks: Vec<String> = one.networks.iter().map(ToString::to_string).collect();
    Line {
        name: one.name.clone(),
        user: one.auth_id.clone(),
        used: one.last_use.as_ref().map_or_else(
            || f.say("なし", "never").to_owned(),
            |last| in_japan(Timestamp::from_millis(last.at)),
        ),
        from: one.last_use.as_ref().map_or_else(|| "-".to_owned(), |last| last.network.clone()),
        networks: if networks.is_empty() {
            f.say("制限なし", "anywhere").to_owned()
        } else {
            networks.join(" ")
        },
        state: match one.ends_at {
            None => f.say("有効", "valid").to_owned(),
            Some(at) if at > now => format!("{} {}", f.say("終了予定:", "ends"), in_japan(at)),
            Some(at) => format!("{} {}", f.say("終了:", "ended"), in_japan(at)),
        },
    }
}

pub(super) async fn change(
    asked: &Asked<'_>,
    session: &MenuSession,
    form: &Form,
) -> Result<Outcome, RelayFault> {
    let (relay, visit, language) = (&asked.shared.relay, &asked.visitor.visit, asked.visitor.language);
    let (what, user) = (form.value("do"), form.value("user"));
    let (action, text) = match what {
        "add" => ("add-credential", ("追加しました。", "It is added.")),
        "replace" => ("replace-credential", ("更新しました。", "It is replaced.")),
        "end" => ("end-credential", ("終了しました。", "It has ended.")),
        "limit" => ("limit-credential", ("ネットワークを設定しました。", "The networks are set.")),
        _ => return Ok(Outcome::refused(words::not_allowed(language), "post", "refused")),
    };
    if let Some(refused) = confirm::refuses(asked, session, form).await? {
        let (said, word) = refused;
        return self::refused(asked, session, form, said, (action, word)).await;
    }
    // To end one waits for nothing: it is what one does after a strange sign-in.
    let store = session.store.id;
    let spent = match what {
        "end" => None,
        "limit" => Some(asked.shared.guard.spend(Budget::Credentials(store))),
        _ => Some(asked.shared.guard.spend(Budget::NewCredential(store))),
    };
    if matches!(spent, Some(None)) {
        let text = language.say(
            "今日はこれ以上変更できません。明日、もう一度お試しください。",
            "There were as many changes as there may be in a day. Please try again tomorrow.",
        );
        return refused(asked, session, form, Said::bad(text), (action, "limited")).await;
    }
    let spent = spent.flatten();
    // An empty field lifts no limit that somebody has set, unless that is said.
    if what == "limit" && form.value("networks").trim().is_empty() != (form.value("anywhere") == "yes") {
        if let Some(spent) = &spent {
            asked.shared.guard.forgive(spent);
        }
        let text = language.say(
            "ネットワークを入力するか、「制限しない」を選んでください。どちらか一方だけです。",
            "Give networks or choose \"from anywhere\": one of the two.",
        );
        return refused(asked, session, form, Said::bad(text), (action, "networks-or-anywhere")).await;
    }
    let networks: Vec<String> = form.value("networks").split_whitespace().map(str::to_owned).collect();
    let changed: Result<Option<CredentialAdded>, MenuCredentialFault> = match what {
        "add" => {
            let name = Some(form.value("name"));
            relay.menu_add_credential(session, (name, &[], None), visit).await.map(Some)
        }
        "replace" => {
            let days = form.value("overlap").parse::<u64>().unwrap_or(7).min(90);
            let overlap = Duration::from_secs(days * 86_400);
            relay.menu_add_credential(session, (None, &[], Some((user, overlap))), visit).await.map(Some)
        }
        "end" => relay.menu_end_credential(session, user, visit).await.map(|()| None),
        _ => relay.menu_limit_credential(session, user, &networks, visit).await.map(|_| None),
    };
    if let Some(spent) = spent.filter(|_| changed.is_err()) {
        asked.shared.guard.forgive(&spent);
    }
    let (status, after, refused) = match changed {
        Ok(made) => {
            let said = Some(Said::good(language.say(text.0, text.1)));
            (StatusCode::OK, After { form: None, said, made }, None)
        }
        Err(fault) => match words::why_credential(&fault, language) {
            Some((text, word)) => {
                let after = After { form: Some(form), said: Some(Said::bad(&text)), made: None };
                (StatusCode::UNPROCESSABLE_ENTITY, after, Some(word))
            }
            None => return Err(words::fault_of(fault)),
        },
    };
    let Outcome { response, .. } = show(asked, session, status, after).await?;
    Ok(match refused {
        Some(word) => Outcome::refused(response, action, word),
        None => Outcome::done(response),
    })
}

async fn refused(
    asked: &Asked<'_>,
    session: &MenuSession,
    form: &Form,
    said: Said,
    (action, word): (&'static str, &'static str),
) -> Result<Outcome, RelayFault> {
    let after = After { form: Some(form), said: Some(said), made: None };
    let Outcome { response, .. } = show(asked, session, StatusCode::UNPROCESSABLE_ENTITY, after).await?;
    Ok(Outcome::refused(response, action, word))
}
