//! What a notice says, in Japanese and English: a text and a status for each thing that can become of a message.
//!
//! Rules: every word stands here; nothing that a remote server or the other side said. A text says what happened, what
//! of the reader's mail was the cause, and how to send it so that it passes.

use super::admission::Doubt;
use super::{Notify, hold};
use crate::anonymize::{Hold, Removed};
use crate::mail::Timestamp;

/// The question to a new address whether it is the customer's.
pub(super) fn new_address(answer: &str, until: Timestamp) -> String {
    let until = time(until);
    format!(
        "マーケットプレイスに登録されたメールアドレスを、このアドレスに変更するお申し出がありました。\r\n\
         変更する場合は、このアドレスから、次の宛先へメールをお送りください(件名・本文は不要です)。\r\n\
         変更しない場合、お心当たりのない場合は、何もなさらないでください。変更されません。\r\n\
         このメールに返信されても届きません。\r\n\r\n\
         Somebody asked the marketplace to change the address of its customer to this one.\r\n\
         To have it changed, send a mail from this address to the following one; subject and text can be empty.\r\n\
         If you do not want this, or know nothing of it, do nothing: nothing is changed.\r\n\
         An answer to this mail itself does not arrive.\r\n\r\n\
         {answer}\r\nmailto:{answer}\r\n\r\n\
         期限 / Until: {until}\r\n"
    )
}

/// To the address before: that somebody asked for another one. It names neither.
pub(super) fn address_before() -> String {
    "マーケットプレイスに登録されているお客様のメールアドレス(このアドレス)を、別のアドレスに変更するお申し出がありました。\r\n\
     変更先のアドレスの確認が取れると、以後のメールは変更先に届き、このアドレスには届かなくなります。\r\n\
     ご自身によるお申し出の場合は、何もなさる必要はありません。\r\n\
     お心当たりのない場合は、ただちにマーケットプレイスのお問い合わせへご連絡ください。\r\n\
     このメールに返信されても届きません。\r\n\r\n\
     Somebody asked the marketplace to change the address of its customer from this one to another.\r\n\
     Once the other address has confirmed it, mail goes there, and no longer to this address.\r\n\
     If it was you, you need not do anything.\r\n\
     If it was not you, tell the marketplace at once, by its contact form.\r\n\
     An answer to this mail does not arrive.\r\n"
        .to_owned()
}

/// That an order has another address than this one from now on.
pub(super) fn readdressed() -> String {
    "マーケットプレイスのご注文1件のご連絡先メールアドレスが、このアドレスから別のアドレスに変更されました。\r\n\
     以後、そのご注文に関するメールは変更先に届き、このアドレスには届きません。\r\n\
     ご自身によるお申し出の場合は、何もなさる必要はありません。\r\n\
     お心当たりのない場合は、ただちにマーケットプレイスのお問い合わせへご連絡ください。\r\n\
     このメールに返信されても届きません。\r\n\r\n\
     The address of one of your orders at the marketplace was changed from this one to another.\r\n\
     Mail about that order goes there from now on, and no longer to this address.\r\n\
     If it was you who asked for it, you need not do anything.\r\n\
     If it was not you, tell the marketplace at once, by its contact form.\r\n\
     An answer to this mail does not arrive.\r\n"
        .to_owned()
}

/// That rows of a conversation were changed by somebody else than this program.
pub(super) fn tampered(conversation: &str) -> String {
    format!(
        "会話 {conversation} のデータベースの行が、互いに一致しません。何者かが行を変更したか、古い行を戻した可能性があります。\r\n\
         この会話あてのメールは配送されず、送信側で再送されます。`anshin log verify` の結果をご確認ください。\r\n\r\n\
         Rows of conversation {conversation} in the database do not belong together: somebody changed them, or put old ones\r\n\
         back. Mail for it is deferred. See what `anshin log verify` says; put the rows back from a backup of the whole.\r\n"
    )
}

/// That a store has left: its name as it is shown, and the alias that ends.
pub(super) fn store_left(name: &str, alias: &str) -> String {
    format!(
        "店舗「{name}」は、このサービスの利用を終了しました。\r\n\
         次のアドレスへのメールは、今後届きません。ご用件は、マーケットプレイスのお問い合わせをご利用ください。\r\n\
         このメールに返信されても届きません。\r\n\r\n\
         The store \"{name}\" has left this service.\r\n\
         Mail to the following address arrives no more. Please use the contact form of the marketplace.\r\n\
         An answer to this mail does not arrive.\r\n\r\n\
         {alias}\r\n"
    )
}

/// That a customer's conversation with a store ends: its name as it is shown, the alias that ends, and when.
pub(super) fn ends_soon(name: &str, alias: &str, until: &str) -> String {
    format!(
        "店舗「{name}」との連絡に使われている次のアドレスは、まもなく有効期限を迎えます。\r\n\
         期限を過ぎると、このアドレスあてのメールは届かなくなり、店舗からのメールもこのアドレスでは届きません。\r\n\
         ご用件がお済みの場合は、何もなさる必要はありません。お済みでない場合は、期限までにご連絡いただくか、マーケットプレイスのお問い合わせをご利用ください。\r\n\
         このメールに返信されても届きません。\r\n\r\n\
         The address below, by which you and the store \"{name}\" write to each other, ends soon.\r\n\
         After that, mail to it arrives no more, and the store cannot write to you by it.\r\n\
         If all is settled, you need not do anything. If not, write before it ends, or use the contact form of the marketplace.\r\n\
         An answer to this mail does not arrive.\r\n\r\n\
         アドレス / Address: {alias}\r\n\
         有効期限 / Until: {until}\r\n"
    )
}

/// Orders of a store whose addresses end on a day, and how many conversations more.
pub(super) fn orders_end_soon(date: &str, orders: &[&str], more: usize) -> String {
    let mut text = format!(
        "最近やり取りのあった次のご注文の連絡先アドレスは、{date}(日本時間)に有効期限を迎えます。\r\n\
         期限を過ぎると、お客様とのメールは双方に届かなくなります。ご用件がお済みの場合は、何もなさる必要はありません。\r\n\
         期限を延ばす場合は、期限までにマーケットプレイスへお申し出ください。\r\n\r\n\
         The addresses of the following orders, in which mail passed lately, end on {date} (Japan time).\r\n\
         After that, mail with these customers arrives at neither side. If all is settled, you need not do anything.\r\n\
         To have them go on, ask the marketplace before that day.\r\n\r\n"
    );
    for order in orders {
        text.push_str(&format!("{}\r\n", one_line(order)));
    }
    if more > 0 {
        text.push_str(&format!("ほか / and others: {more}\r\n"));
    }
    text
}

/// Most characters of a subject that are repeated.
const SUBJECT_MAX: usize = 200;

/// A reason in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Why {
    pub japanese: &'static str,
    pub english: &'static str,
}

/// Why a message of a store's own is held, by the word of its delivery: what its notice says, and what notices never are about.
pub(super) fn held(word: &str) -> Why {
    let (japanese, english) = match word {
        hold::DOCUMENT => Outcome::Held(Hold::Document).text(),
        hold::RESIDUE => Outcome::Held(Hold::Residue).text(),
        hold::RULE => Outcome::Examined.text(),
        hold::OPERATOR => (
            "運用担当者が配信を止めています。運用担当者が再開すると送られます。お急ぎの場合はマーケットプレイスにお問い合わせください。",
            "The operator has stopped it. It goes on when the operator says so. If it is urgent, ask the marketplace.",
        ),
        _ => (
            "サービス側の問題で送ることができず、保留しています。お急ぎの場合は、新しいメールとして送り直してください。",
            "It cannot be sent because of a fault of the service, and is held. If it is urgent, send it in a new message.",
        ),
    };
    Why { japanese, english }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The next hop has it.
    Relayed,
    /// It is late; it is being tried.
    Delayed,
    /// It was refused for good.
    Failed,
    /// It could not be delivered in time.
    Expired,
    /// It waits for a decision.
    Held(Hold),
    /// A rule that looks for fraud holds it.
    Examined,
    /// It waits for the word of whoever should have written it.
    Doubted(Doubt),
    /// It was held for what is in it, and the operator decided against it.
    Dropped,
    /// The operator stopped it.
    Stopped,
    /// Nobody decided in time.
    NotReleased,
    /// It goes on, without what was taken out of it.
    Altered,
}

impl Outcome {
    /// The action of a report (RFC 3464 §2.3.3). None for what is told as a plain mail: programs that show reports in
    /// their own words would hide the question.
    pub fn action(self) -> Option<&'static str> {
        match self {
            Outcome::Relayed => Some("relayed"),
            Outcome::Delayed => Some("delayed"),
            Outcome::Failed
            | Outcome::Expired
            | Outcome::Dropped
            | Outcome::Stopped
            | Outcome::NotReleased => Some("failed"),
            Outcome::Held(_) | Outcome::Examined | Outcome::Doubted(_) | Outcome::Altered => None,
        }
    }

    /// The word in the record of a notice.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Held(_) | Outcome::Examined | Outcome::Doubted(_) => "held",
            Outcome::Altered => "altered",
            other => other.action().unwrap_or_default(),
        }
    }

    pub fn wanted(self, notify: Notify) -> bool {
        match self {
            Outcome::Relayed => notify.success,
            Outcome::Delayed => notify.delay,
            // No status but a question, or the reason of a silence: NOTIFY=NEVER does not mean it.
            Outcome::Held(_) | Outcome::Examined | Outcome::Doubted(_) => true,
            _ => notify.failure,
        }
    }

    pub fn subject(self) -> &'static str {
        match self {
            Outcome::Relayed => "配信完了のお知らせ / Delivered",
            Outcome::Delayed => "配信遅延のお知らせ / Delivery delayed",
            Outcome::Failed | Outcome::Expired => "配信不能のお知らせ / Undeliverable",
            Outcome::Held(Hold::Document) => "送信確認のお願い / Held: please confirm",
            Outcome::Held(Hold::Residue) | Outcome::Examined => "配信保留のお知らせ / Held",
            Outcome::Doubted(_) => "送信元確認のお願い / Held: is this yours?",
            Outcome::Dropped | Outcome::Stopped | Outcome::NotReleased => "配信中止のお知らせ / Not sent",
            Outcome::Altered => "メールの一部を除いたお知らせ / Part of your message was removed",
        }
    }

    pub fn text(self) -> (&'static str, &'static str) {
        match self {
            Outcome::Relayed => (
                "メールは相手先のメールサーバに届けられました。",
                "Your message was handed to the recipient's mail server.",
            ),
            Outcome::Delayed => (
                "メールはまだ届けられていません。引き続き自動的に再送しますので、再度送信いただく必要はありません。",
                "Your message has not been delivered yet. It is being tried again automatically; you need not send it again.",
            ),
            Outcome::Failed => (
                "メールを届けることができませんでした。再送は行われません。",
                "Your message could not be delivered and will not be tried again.",
            ),
            Outcome::Expired => (
                "期限までにメールを届けることができませんでした。再送は行われません。",
                "Your message could not be delivered in time and will not be tried again.",
            ),
            Outcome::Held(Hold::Document) => (
                "添付ファイル（PDF、Office文書、ZIP、画像など）の中にメールアドレスなどの連絡先が見つかったか、\
                 パスワードが付いている、数が多すぎるなどの理由でファイルの中を確認できないため、メールを送らずに保留しています。そのまま送るか、取りやめるかをお選びください。\
                 連絡先を消したファイルを付けて、新しいメールとして送り直すこともできます。",
                "An address or the like was found inside an attached file (PDF, Office document, ZIP archive, image), or \
                 the file cannot be looked into (a password, an unknown packing, too many files in one text), so your message is held and has not \
                 been sent. Please decide whether to send it as it is or to withdraw \
                 it. You can also take the address out of the file and send it in a new message.",
            ),
            Outcome::Held(Hold::Residue) => (
                "メールの中の、書き換えることのできない場所に実際のメールアドレスなどが残っているため、\
                 メールを送らずに保留しています。運用担当者が確認します。お急ぎの場合は、\
                 そのアドレスを書かず（引用部分・リンク・ファイル名も含みます）、添付ファイルを付けずに、\
                 普通のテキストの新しいメールとして送り直してください。",
                "A real address or the like stands in a place of your message where it cannot be replaced, so the message \
                 is held and has not been sent. The operator looks into it. If it is urgent, send a new message in plain \
                 text, without that address (also in quoted text, links and names of files) and without attached files.",
            ),
            Outcome::Examined => (
                "不正を防ぐための確認の対象となったため、メールを送らずに保留しています。運用担当者が確認します。\
                 お急ぎの場合は、添付ファイルを付けずに新しいメールとして送り直してください。",
                "Your message met a check against fraud, so it is held and has not been sent. The operator looks into it. If it is \
                 urgent, send a new message without attached files.",
            ),
            Outcome::Doubted(Doubt::Unproven) => (
                "あなたのアドレスを差出人とするメールを受け取りましたが、あなたのメールサーバから送信されたことを確認できないため、\
                 送らずに保留しています。あなたが送ったメールであれば、そのまま送ることができます。\
                 心当たりがなければ取りやめるか、何もしないでください。",
                "A message with your address in its From line has come in, but it cannot be verified that it was sent through \
                 your mail server, so it is held and has not been sent. If you wrote it, you can have it sent. If you did \
                 not, withdraw it or do nothing.",
            ),
            Outcome::Doubted(Doubt::OtherAddress) => (
                "ご注文時とは別のメールアドレスから、この宛先へのメールを受け取りました。送らずに保留しています。\
                 あなたが送ったメールであれば、ご注文時のアドレスからのメールと同じように送ることができます。\
                 心当たりがなければ取りやめるか、何もしないでください。",
                "A message to this recipient has come in from another address than the one used for the order. It is held and \
                 has not been sent. If you wrote it, you can have it sent like a message from the address of the order. If \
                 you did not, withdraw it or do nothing.",
            ),
            Outcome::Dropped => (
                "保留していたメールは、運用担当者の判断により送られませんでした。\
                 メールアドレスなどの連絡先を書かずに、新しいメールとして送り直してください。",
                "Your message was held, and the operator has decided not to send it. Please send a new message without \
                 addresses or other contact details in it.",
            ),
            Outcome::Stopped => (
                "メールは、運用担当者の判断により送られませんでした。\
                 理由については、マーケットプレイスのお問い合わせへご連絡ください。",
                "The operator has decided not to send your message. To learn why, use the contact form of the marketplace.",
            ),
            Outcome::NotReleased => (
                "保留していたメールは、期限までに確認がなかったため送られませんでした。\
                 必要であれば、メールアドレスなどの連絡先を書かず、それが入っているファイルも付けずに、\
                 新しいメールとして送り直してください。",
                "Your message was held, and nobody confirmed it in time, so it was not sent. If it is still needed, please \
                 send a new message without the address that stands in it, and without a file that holds one.",
            ),
            Outcome::Altered => (
                "メールは送信されますが、差出人がわかってしまう次のものを除きました。本文はそのまま送られます。",
                "Your message goes on, but without the following, which would have shown the recipient who you are. The \
                 text itself is unharmed.",
            ),
        }
    }

    /// Why, by an enhanced status, and the detail of it that may be told.
    pub fn why(self, enhanced: &str) -> (&'static str, Why) {
        let of = |detail, japanese, english| (detail, Why { japanese, english });
        let detail = enhanced.split_once('.').map_or("", |(_, detail)| detail);
        match (self, detail) {
            (Outcome::Relayed, _) => of("0.0", "届けられました", "delivered"),
            (Outcome::Altered, _) => of("0.0", "送信中です", "on its way"),
            (Outcome::Expired, _) => of("4.7", "期限までに届けられませんでした", "delivery time expired"),
            (Outcome::Held(_) | Outcome::Examined | Outcome::Doubted(_), _) => {
                of("7.0", "確認を待っています", "held for a decision")
            }
            (Outcome::Dropped, _) => {
                of("7.1", "運用担当者が送らないと判断しました", "not released by the operator")
            }
            (Outcome::Stopped, _) => of("7.1", "運用担当者が送信を止めました", "stopped by the operator"),
            (Outcome::NotReleased, _) => {
                of("4.7", "期限までに確認がありませんでした", "nobody confirmed it in time")
            }
            (_, "1.1" | "1.2" | "1.10" | "2.1") => {
                of("1.1", "宛先のメールボックスがメールを受け取りません", "the mailbox does not take mail")
            }
            (_, "2.2") => of("2.2", "宛先のメールボックスがいっぱいです", "the mailbox is full"),
            (_, "2.3" | "3.4") => of(
                "3.4",
                "宛先のメールサーバーには大きすぎるメールです",
                "the message is too large for the recipient's system",
            ),
            (_, "6.3" | "6.7") => of(
                "6.3",
                "宛先のメールサーバーがこの形式のメールを受け取れません",
                "the recipient's system can't take a message of this form",
            ),
            (_, "4.1" | "4.2" | "4.3" | "4.4" | "4.5") => {
                of("4.1", "宛先のメールサーバーが応答しません", "the recipient's system does not answer")
            }
            (_, "7.0" | "7.1" | "7.26" | "7.27" | "7.28") => of(
                "7.1",
                "宛先のメールサーバーがこのメールを拒否しました",
                "the recipient's system refused the message",
            ),
            (_, "7.5" | "7.10") => of(
                "7.5",
                "宛先のメールサーバーと安全に接続できません",
                "no secure connection to the recipient's system",
            ),
            (_, "7.30") => of(
                "7.30",
                "指定された暗号化を保って届ける経路がありません",
                "no way to the recipient keeps the encryption that was asked for",
            ),
            _ => of(
                "0.0",
                "宛先のメールサーバーがこのメールを受け取りませんでした",
                "the recipient's system did not take the message",
            ),
        }
    }

    /// The enhanced status that the sender is told: the class of what happened, and from the remote server's only what
    /// is in this table (RFC 3463 §3). Other details could tell one provider from another.
    pub fn public_status(self, status: &str) -> (String, &'static str) {
        let enhanced = status.split(' ').nth(1).unwrap_or_default();
        let (detail, Why { english: reason, .. }) = self.why(enhanced);
        let class = match self {
            Outcome::Relayed | Outcome::Altered => 2,
            Outcome::Delayed | Outcome::Held(_) | Outcome::Examined | Outcome::Doubted(_) => 4,
            Outcome::Failed
            | Outcome::Expired
            | Outcome::Dropped
            | Outcome::Stopped
            | Outcome::NotReleased => 5,
        };
        (format!("{class}.{detail}"), reason)
    }
}

/// What was taken out, for whoever wrote it; none for what nobody misses.
pub(super) fn removed(what: Removed) -> Option<&'static str> {
    match what {
        Removed::Signature => Some("電子署名（S/MIME、PGP） / signature (S/MIME, PGP)"),
        Removed::Key => Some("公開鍵・証明書 / key or certificate"),
        Removed::Metadata => Some("添付ファイルの作成者情報など / metadata of an attached file"),
        Removed::Tnef => None,
    }
}

/// The word of a kind of thing, for the guard that tells of it once a day.
pub(super) fn kind(what: Removed) -> &'static str {
    match what {
        Removed::Signature => "signature",
        Removed::Key => "key",
        Removed::Metadata => "metadata",
        Removed::Tnef => "tnef",
    }
}

/// How to decide about a held message, given the two addresses.
pub(super) fn choice(confirm: &str, withdraw: &str) -> String {
    format!(
        "そのまま送る場合は次の宛先へ、このメールを受け取ったアドレスからメールを送ってください。\r\n\
         To send it as it is, write from this mailbox to:\r\n\
         \x20   {confirm}\r\n\
         \x20   mailto:{confirm}?subject=OK\r\n\r\n\
         取りやめる場合は次の宛先へ送ってください。\r\n\
         To withdraw it, write to:\r\n\
         \x20   {withdraw}\r\n\
         \x20   mailto:{withdraw}?subject=Cancel\r\n\r\n\
         件名と本文は読まれず、どこにも転送されません。自動応答など、自動送信と表示されたメールでは決まりません。\
         このメールに返信しても届きません。\r\n\
         Subject and text of that mail are not read and go nowhere. An automatic answer, or any mail that says a program \
         sent it, decides nothing. A reply to this notice reaches nobody.\r\n\r\n"
    )
}

/// A time as it is read in Japan: RFC 3339 with its offset.
pub(super) fn time(at: Timestamp) -> String {
    const AHEAD: std::time::Duration = std::time::Duration::from_secs(9 * 3600);
    at.after(AHEAD).to_rfc3339().replace('Z', "+09:00")
}

/// A subject as one line of a text.
pub(super) fn one_line(subject: &str) -> String {
    subject.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SUBJECT_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_same_moment_on_a_japanese_clock() {
        let at = Timestamp::parse_rfc3339("2026-11-25T22:04:56Z").unwrap();
        assert_eq!(time(at), "2026-11-26T07:04:56+09:00");
        assert_eq!(Timestamp::parse_rfc3339(&time(at)), Some(at));
    }
}
