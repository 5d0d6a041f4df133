//! The password once more, before something is changed by which mail goes (OWASP ASVS 5.0, 7.5.1).
//!
//! Rules: who signed in within [`FRESH`] has just said it. A wrong one counts as a wrong sign-in. Who has none, having come by a login elsewhere,
//! signs in there anew (`one_login.rs`).

use super::Asked;
use super::form::Form;
use super::page::Said;
use crate::mail::Timestamp;
use crate::relay::{MenuSession, PeopleFault, RelayFault, menu_account, queue_id};
use crate::vault::Secret;
use std::time::Duration;
use zeroize::Zeroizing;

/// A sign-in counts as just now for so long.
const FRESH: Duration = Duration::from_secs(10 * 60);

/// Whether the password is asked for.
pub(super) fn asks(session: &MenuSession) -> bool {
    session.person.has_password && is_old(session)
}

/// Whether somebody who has none has to sign in elsewhere once more.
pub(super) fn is_elsewhere(session: &MenuSession) -> bool {
    !session.person.has_password && is_old(session)
}

fn is_old(session: &MenuSession) -> bool {
    Timestamp::now() > session.created_at.after(FRESH)
}

/// Why nothing is changed, and the word for the log.
pub(super) async fn refuses(
    asked: &Asked<'_>,
    session: &MenuSession,
    form: &Form,
) -> Result<Option<(Said, &'static str)>, RelayFault> {
    if !is_old(session) {
        return Ok(None);
    }
    let language = asked.visitor.language;
    let bad = |japanese, english, word| Ok(Some((Said::bad(language.say(japanese, english)), word)));
    if !session.person.has_password {
        return bad(
            "まだ変更していません。もう一度ログインして確認してください。",
            "Nothing is changed yet. Please sign in once more to confirm.",
            "confirm",
        );
    }
    let given = form.value("confirm");
    if given.is_empty() {
        return bad(
            "確認のため、ログインパスワードを入力してください。",
            "Please give your menu password to confirm.",
            "confirm",
        );
    }
    let account = menu_account(&session.store.store_id, &session.person.name);
    // A session has a count of its own: no stranger keeps its person from it.
    let own = queue_id(session.id);
    let guard = &asked.shared.guard;
    let Ok(attempting) = guard.attempt_from(&account, Some(&own), asked.visitor.visit.ip).await else {
        return bad(
            "短い時間に操作が続きました。しばらくしてから、もう一度お試しください。",
            "There were too many requests. Please try again in a while.",
            "limited",
        );
    };
    let password = Secret::received(Zeroizing::new(given.to_owned()));
    let is_right = asked.shared.relay.confirm_password(session, &password, &asked.visitor.visit).await;
    if !matches!(is_right, Err(PeopleFault::WrongPassword)) {
        asked.shared.guard.forgive(&attempting);
    }
    match is_right {
        Ok(()) => Ok(None),
        Err(PeopleFault::Fault(fault)) => Err(fault),
        Err(_) => bad("ログインパスワードが違います。", "Your menu password is wrong.", "wrong-password"),
    }
}
