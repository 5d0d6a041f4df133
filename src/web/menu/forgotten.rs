//! A forgotten ID or password: by the registered address, with a code from a mail.
//!
//! Rules: what is typed gets one answer, whatever is known of it, and gets it before anything is looked for: that begins a while later, in a task of
//! its own ([`LATER`]). The code counts in this browser alone, by the cookie to which its forms are bound.
//! When it fails: the task says so in the program's log, and whoever waits asks again.

use super::form::Form;
use super::guard::Budget;
use super::page::{Frame, Said, page};
use super::{Asked, Outcome, sign_in, words};
use crate::relay::{PeopleFault, RelayFault};
use crate::vault::Secret;
use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::Response;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long after the answer the work begins: long enough that it slows no answer.
const LATER: Duration = Duration::from_millis(1500);

#[derive(Template)]
#[template(path = "menu/forgotten.html")]
struct Page {
    f: Frame,
}

pub(super) fn show(asked: &Asked<'_>, status: StatusCode, said: Option<Said>) -> Response {
    let (f, cookie) = sign_in::frame(asked, said);
    let mut response = page(status, &Page { f });
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

pub(super) async fn change(asked: &Asked<'_>, form: &Form) -> Result<Outcome, RelayFault> {
    match form.value("do") {
        "ask" => Ok(ask(asked, form)),
        "set" => set(asked, form).await,
        _ => Ok(Outcome::refused(words::not_allowed(asked.visitor.language), "post", "refused")),
    }
}

fn ask(asked: &Asked<'_>, form: &Form) -> Outcome {
    let (language, visit) = (asked.visitor.language, asked.visitor.visit.clone());
    let address = form.value("address");
    let mailbox = asked.shared.relay.asked_mailbox(address);
    if asked.shared.guard.spend(Budget::Forgotten(mailbox.as_ref(), visit.ip)).is_none() {
        return Outcome::refused(words::too_fast(language, None), "forgotten", "limited");
    }
    let (relay, address) = (asked.shared.relay.clone(), Zeroizing::new(address.to_owned()));
    let guard = Arc::clone(&asked.shared.guard);
    let mark = Zeroizing::new(asked.visitor.cookies.form().unwrap_or_default().to_owned());
    tokio::spawn(async move {
        tokio::time::sleep(LATER).await;
        let may_send = || guard.spend(Budget::ForgottenMail).is_some();
        if let Err(fault) = relay.send_forgotten(&address, &mark, &visit, may_send).await {
            tracing::error!(event = "fault", %fault, "who has forgotten ID or password gets no mail");
        }
    });
    let said = Said::good(language.say(
        "入力されたアドレスが登録されていれば、店舗IDと確認コードをメールで送ります。届いたら、下に入力してください。数分待っても届かないときは、アドレスを確かめてください。",
        "If the address is registered, the store ID and a code go there by mail. Give the code below. If nothing comes within minutes, check the address.",
    ));
    Outcome {
        action: "forgotten",
        result: "asked",
        ..Outcome::shown(show(asked, StatusCode::OK, Some(said)))
    }
}

async fn set(asked: &Asked<'_>, form: &Form) -> Result<Outcome, RelayFault> {
    let (language, visit) = (asked.visitor.language, &asked.visitor.visit);
    let action = "recover-password";
    let refused = |text: &str, word| {
        let response = show(asked, StatusCode::UNPROCESSABLE_ENTITY, Some(Said::bad(text)));
        Ok(Outcome::refused(response, action, word))
    };
    if asked.shared.guard.spend(Budget::TypedCode(visit.ip)).is_none() {
        return Ok(Outcome::refused(words::too_fast(language, None), action, "limited"));
    }
    if form.value("new") != form.value("again") {
        let text = ("新しいパスワードが2回とも同じではありません。", "The new passwords are not the same.");
        return refused(language.say(text.0, text.1), "not-the-same");
    }
    let new = Secret::received(Zeroizing::new(form.value("new").to_owned()));
    let mark = asked.visitor.cookies.form().unwrap_or_default();
    match asked.shared.relay.recover_password((form.value("code"), mark), &new, visit).await {
        Ok(()) => {
            let text = (
                "パスワードを再設定しました。新しいパスワードでログインしてください。",
                "The password is set. Please sign in with it.",
            );
            let said = Said::good(language.say(text.0, text.1));
            Ok(Outcome::done(sign_in::show_after(asked, said)))
        }
        Err(PeopleFault::WrongCode) => {
            let text = (
                "確認コードが違うか、使用済みか、有効期限が切れています。コードは、手続きを始めたブラウザーで入力してください。",
                "The code is wrong, was used, or its time is over. Give it in the browser in which you asked for it.",
            );
            refused(language.say(text.0, text.1), "wrong-code")
        }
        Err(PeopleFault::Fault(fault)) => Err(fault),
        Err(fault) => {
            let (text, word) = words::why(&fault, language).unwrap_or_default();
            refused(&text, word)
        }
    }
}
