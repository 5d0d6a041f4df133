//! 登録メールアドレス: the addresses from which a store sends: added with a code from a mail, named, taken off.
//!
//! Rules: who signed in more than a while ago says the menu's password once more before anything is changed. An address stands in forms and
//! pages, never in a URL.

use super::form::Form;
use super::guard::Budget;
use super::page::{Frame, Said, in_japan, page, typed};
use super::{Asked, Outcome, confirm, words};
use crate::relay::{MenuRole, MenuSession, PeopleFault, RelayFault, SenderFault, parse_queue_id, queue_id};
use askama::Template;
use axum::http::StatusCode;

#[derive(Template)]
#[template(path = "menu/senders.html")]
struct Page {
    f: Frame,
    senders: Vec<Line>,
    claims: Vec<Waits>,
    may_change: bool,
    asks_password: bool,
    /// What was typed of a new one.
    address: String,
    name: String,
    copies: bool,
}

struct Line {
    id: String,
    address: String,
    name: String,
    copies: bool,
    is_first: bool,
}

/// One that waits for its proof.
struct Waits {
    address: String,
    until: String,
}

pub(super) async fn show(
    asked: &Asked<'_>,
    session: &MenuSession,
    status: StatusCode,
    again: Option<(Option<&Form>, Said)>,
) -> Result<Outcome, RelayFault> {
    let (senders, claims) = asked.shared.relay.menu_senders(session).await?;
    let (form, said) = again.unzip();
    // What was typed into another form of the page is not a new address.
    let form = form.flatten().filter(|form| form.value("do") == "add");
    let shown = Page {
        f: Frame::new(asked, said),
        senders: senders
            .into_iter()
            .map(|one| Line {
                id: queue_id(one.id),
                address: one.address,
                name: one.name,
                copies: one.copies,
                is_first: one.is_first,
            })
            .collect(),
        claims: claims
            .into_iter()
            .map(|one| Waits { address: one.address, until: in_japan(one.until) })
            .collect(),
        may_change: session.person.role != MenuRole::Reader,
        asks_password: confirm::asks(session),
        address: typed(form, "address"),
        name: typed(form, "name"),
        copies: typed(form, "copies") == "yes",
    };
    Ok(Outcome::shown(page(status, &shown)))
}

pub(super) async fn change(
    asked: &Asked<'_>,
    session: &MenuSession,
    form: &Form,
) -> Result<Outcome, RelayFault> {
    let (relay, visit, language) = (&asked.shared.relay, &asked.visitor.visit, asked.visitor.language);
    let (what, sender) = (form.value("do"), parse_queue_id(form.value("sender")));
    let (action, text) = match what {
        "add" => (
            "add-sender",
            (
                "確認コードを送りました。届いたコードを入力してください。",
                "A code is on its way. Give it here.",
            ),
        ),
        "confirm" => ("confirm-sender", ("登録しました。", "The address is registered.")),
        "change" => ("change-sender", ("変更しました。", "It is changed.")),
        "end" => ("end-sender", ("削除しました。", "It is taken off.")),
        _ => return Ok(Outcome::refused(words::not_allowed(language), "post", "refused")),
    };
    if let Some((said, word)) = confirm::refuses(asked, session, form).await? {
        return refused(asked, session, form, said, (action, word)).await;
    }
    let store = session.store.id;
    let budget = match what {
        "add" => Budget::Code(store, form.value("address")),
        _ => Budget::Senders(store),
    };
    // To take one off waits for nothing: it is what one does after a strange sign-in.
    let spent = if what == "end" { None } else { Some(asked.shared.guard.spend(budget)) };
    if matches!(spent, Some(None)) {
        let text = language.say(
            "今日はこれ以上変更できません。明日、もう一度お試しください。",
            "There were as many changes as there may be in a day. Please try again tomorrow.",
        );
        return refused(asked, session, form, Said::bad(text), (action, "limited")).await;
    }
    let (name, copies) = (form.value("name"), form.value("copies") == "yes");
    let gone = || Err(SenderFault::Person(PeopleFault::Gone));
    let changed = match (what, sender) {
        ("add", _) => relay.claim_sender(session, (form.value("address"), name, copies), visit).await,
        ("confirm", _) => relay.confirm_sender(session, form.value("code"), visit).await,
        ("change", Some(sender)) => relay.change_sender(session, sender, (name, copies), visit).await,
        ("end", Some(sender)) => relay.end_sender(session, sender, visit).await,
        _ => gone(),
    };
    if let Some(spent) = spent.flatten().filter(|_| changed.is_err()) {
        asked.shared.guard.forgive(&spent);
    }
    match changed {
        Ok(()) => {
            let said = Said::good(language.say(text.0, text.1));
            let Outcome { response, .. } = show(asked, session, StatusCode::OK, Some((None, said))).await?;
            Ok(Outcome::done(response))
        }
        Err(SenderFault::Person(PeopleFault::Fault(fault))) => Err(fault),
        Err(fault) => {
            let (text, word) = words::why_sender(&fault, language).unwrap_or_default();
            refused(asked, session, form, Said::bad(&text), (action, word)).await
        }
    }
}

async fn refused(
    asked: &Asked<'_>,
    session: &MenuSession,
    form: &Form,
    said: Said,
    (action, word): (&'static str, &'static str),
) -> Result<Outcome, RelayFault> {
    let again = Some((Some(form), said));
    let Outcome { response, .. } = show(asked, session, StatusCode::UNPROCESSABLE_ENTITY, again).await?;
    Ok(Outcome::refused(response, action, word))
}
