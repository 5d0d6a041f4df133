//! What the menu says of mails, in both languages. Why one is late, held or came back is said by the relay, as notices say it.

use super::language::Language;
use super::page::{Said, in_japan};
use crate::relay::{MailDecision, MailDirection, MailFault, MailOf, MailState, MailStep, MailView, Why};

pub(super) fn direction(direction: MailDirection, language: Language) -> &'static str {
    match direction {
        MailDirection::ToCustomer => language.say("お客様へ", "To the customer"),
        MailDirection::ToStore => language.say("お客様から", "From the customer"),
        MailDirection::Copy => language.say("自店への控え", "Copy to the store"),
    }
}

pub(super) fn state(state: MailState, language: Language) -> &'static str {
    match state {
        MailState::Waiting => language.say("送信待ち", "Waiting"),
        MailState::Deferred => language.say("再送待ち", "Late, being tried"),
        MailState::Held => language.say("保留中", "Held"),
        MailState::Delivered => language.say("届きました", "Delivered"),
        MailState::Failed => language.say("届きませんでした", "Undeliverable"),
        MailState::Expired => language.say("期限切れ", "Expired"),
        MailState::Dropped => language.say("送信しませんでした", "Not sent"),
        MailState::Unknown => language.say("記録がありません", "No record left"),
    }
}

/// Whether it takes somebody's eyes.
pub(super) fn is_bad(state: MailState) -> bool {
    matches!(state, MailState::Deferred | MailState::Held | MailState::Failed | MailState::Expired)
}

/// What it means, and what can be done.
pub(super) fn means(view: &MailView, language: Language) -> &'static str {
    let to_store = view.direction == MailDirection::ToStore;
    match view.state {
        MailState::Waiting => language.say("まもなく送られます。", "It goes out in a moment."),
        MailState::Deferred => language.say(
            "自動的に再送しています。もう一度送る必要はありません。",
            "It is being tried again by itself. You need not send it again.",
        ),
        MailState::Held if view.may_send => language.say(
            "そのまま送るか、取りやめるかをお選びください。",
            "Choose whether it is sent as it is, or withdrawn.",
        ),
        MailState::Held => language.say("まだ送られていません。", "It has not been sent."),
        MailState::Delivered if to_store => language.say(
            "お店のメールサーバーが受け取りました。",
            "The store's mail server has taken it.",
        ),
        MailState::Delivered => language.say(
            "お客様のメールサーバーが受け取りました。開かれたかどうかは、わかりません。",
            "The customer's mail server has taken it. Whether it was read is not known.",
        ),
        MailState::Failed | MailState::Expired if to_store && view.again_until.is_some() => language.say(
            "お店のメールボックスに届けられませんでした。受信側の設定と容量をお確かめのうえ、もう一度届けることができます。お客様には、届かなかったことをお知らせしています。",
            "It could not be delivered to the store's mailbox. Check that mailbox, then have it delivered once more. The customer was told that it did not arrive.",
        ),
        MailState::Failed | MailState::Expired if view.again_until.is_some() => language.say(
            "自動での再送は終わりました。下のボタンで、もう一度送ることができます。",
            "It is tried no more by itself. You can have it sent once more below.",
        ),
        MailState::Failed | MailState::Expired if to_store => language.say(
            "お店のメールボックスに届けられませんでした。受信側の設定と容量をお確かめください。お客様には、届かなかったことをお知らせしています。",
            "It could not be delivered to the store's mailbox. Please check that mailbox. The customer was told that it did not arrive.",
        ),
        MailState::Failed | MailState::Expired => language.say(
            "再送は行われません。必要であれば、メールソフトから新しいメールとして送ってください。",
            "It is tried no more. If it is still needed, send a new message from your mail program.",
        ),
        MailState::Dropped => language.say(
            "送られていません。本文も残っていません。必要であれば、新しいメールとして送ってください。",
            "It was not sent, and its text is not kept. If it is still needed, send a new message.",
        ),
        MailState::Unknown => language.say(
            "結果の記録は、消去されたか、保存期間が過ぎています。",
            "What became of it was erased, or its time is over.",
        ),
    }
}

pub(super) fn why(why: Option<Why>, language: Language) -> &'static str {
    why.map_or("", |why| language.say(why.japanese, why.english))
}

/// Of which order, as a list shows it.
pub(super) fn of(of: &MailOf, language: Language) -> String {
    match (&of.order_no, of.is_inquiry, of.conversation) {
        (Some(order_no), ..) => order_no.clone(),
        (None, true, _) => language.say("お問い合わせ", "Inquiry").to_owned(),
        (None, false, _) => "-".to_owned(),
    }
}

/// What happened at a step.
pub(super) fn step(step: &MailStep, language: Language) -> String {
    let by = match step.by.as_deref() {
        Some("sender") => language.say("(お店の判断)", " (by the store)"),
        Some("time") => language.say("(期限までに確認がなかったため)", " (nobody decided in time)"),
        Some("operator") => language.say("(運用担当者の判断)", " (by the operator)"),
        _ => "",
    };
    let what = match step.event {
        "accepted" => language.say("受け付けました", "Taken"),
        "delivered" => {
            language.say("宛先のメールサーバーに届けました", "Handed to the recipient's mail server")
        }
        "deferred" => language.say("届けられず、再送を待っています", "Not taken yet; it is tried again"),
        "failed" => language.say("届けられませんでした", "Given up"),
        "returned" => language.say("宛先から戻されました", "Returned by the recipient's system"),
        "held" => language.say("保留しました", "Held"),
        "released" => language.say("保留を解いて送ることにしました", "Released"),
        "dropped" => language.say("送らないことにしました", "Decided not to send it"),
        "retried" if step.by.as_deref() == Some("sender") => {
            language.say("もう一度送ることにしました", "To be sent once more")
        }
        "retried" => {
            return language.say("運用担当者が再送しました", "Tried again by the operator").to_owned();
        }
        _ => language.say("運用担当者が配信経路を変えました", "Sent another way by the operator"),
    };
    format!("{what}{by}")
}

/// Until when a mail is in a state that ends by itself.
pub(super) fn until(view: &MailView, language: Language) -> Option<String> {
    if let Some(until) = view.again_until {
        return Some(format!(
            "{}: {}",
            language.say("再送できる期限", "Can be sent again until"),
            in_japan(until)
        ));
    }
    let until = in_japan(view.until?);
    Some(match view.state {
        MailState::Held => format!("{}: {until}", language.say("保留期限", "Held until")),
        _ => format!("{}: {until}", language.say("再送の期限", "Given up at")),
    })
}

pub(super) fn decided(decision: MailDecision, language: Language) -> Said {
    Said::good(match decision {
        MailDecision::Send => language.say("そのまま送ります。", "It is sent as it is."),
        MailDecision::Withdraw => {
            language.say("取りやめました。送られません。", "It is withdrawn, and not sent.")
        }
        MailDecision::Again => language.say("もう一度送ります。", "It is sent once more."),
    })
}

/// Why nothing was decided, and the word for the log; `None` where the fault is ours.
pub(super) fn refused(fault: &MailFault, language: Language) -> Option<(Said, &'static str)> {
    let (japanese, english, word) = match fault {
        MailFault::NotThere => ("そのメールは見つかりません。", "There is no such mail.", "gone"),
        MailFault::NotAllowed => (
            "権限がないか、ログインが終了しました。管理者か担当者として操作してください。",
            "You may not, or are signed in no more. Administrators and staff do this.",
            "not-allowed",
        ),
        MailFault::NotForStores => (
            "このメールは、お店の判断では送れません。連絡先を書かずに、新しいメールとして送り直してください。",
            "This one can't be sent by the store's decision. Send a new message without the address.",
            "policy",
        ),
        MailFault::TooLate => (
            "いま配信しているところか、すでに終わっています。",
            "It is being delivered just now, or has ended.",
            "too-late",
        ),
        MailFault::NoText => (
            "本文が残っていません。必要であれば、メールソフトからもう一度送ってください。",
            "Its text is not kept any more. If it is still needed, send it again from your mail program.",
            "no-text",
        ),
        MailFault::Elsewhere => (
            "宛先のアドレスが変わったか、このお客様との連絡は終了しています。メールソフトから新しいメールとして送ってください。",
            "The recipient's address has changed, or this conversation has ended. Send a new message from your mail program.",
            "elsewhere",
        ),
        MailFault::Unreachable => (
            "このお客様のメールアドレスは受け取りを拒否しているため、いまは送れません。",
            "The customer's mailbox refuses mail, so none can be sent just now.",
            "unreachable",
        ),
        MailFault::Apart => (
            "この画面では決められません。届いているお知らせのメールから操作してください。",
            "This can't be decided here. Please use the notice that you got by mail.",
            "apart",
        ),
        MailFault::Fault(_) => return None,
    };
    Some((Said::bad(language.say(japanese, english)), word))
}
