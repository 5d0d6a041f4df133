//! What a person can do about a refusal, in Japanese and English: the one table behind the help pages.
//!
//! Rules: every refusal has its page, under its own name; a page names no address, store or order, asks for nothing and
//! tells what the person sees, why, and what to do. docs/replies.md tells the same to those who are asked.

mod content;
mod session;
#[cfg(test)]
mod tests;

use content::CONTENT;
use session::SESSION;

/// A page, in both languages.
#[derive(Debug, Clone, Copy)]
pub struct Help {
    /// The word in the address of the page: a refusal's name, with hyphens.
    pub name: &'static str,
    pub ja: Words,
    pub en: Words,
}

/// What happened, and what to do about it.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    pub title: &'static str,
    pub text: &'static str,
}

const fn page(name: &'static str, ja: [&'static str; 2], en: [&'static str; 2]) -> Help {
    let ([ja_title, ja_text], [en_title, en_text]) = (ja, en);
    Help { name, ja: Words { title: ja_title, text: ja_text }, en: Words { title: en_title, text: en_text } }
}

/// The page of a name.
#[must_use]
pub fn help(name: &str) -> Option<&'static Help> {
    pages().find(|page| page.name == name)
}

/// All pages.
pub fn pages() -> impl Iterator<Item = &'static Help> {
    RELAY.iter().chain(&CONTENT).chain(&SESSION)
}

/// Those for what the relay refuses.
const RELAY: [Help; 32] = [
    page(
        "unknown-alias",
        [
            "宛先のアドレスが見つかりません",
            "アドレスが1文字でも違うと届きません。注文画面、またはお店から届いたメールのアドレスと見比べ、コピーして貼り付けてください。注文が終わると、アドレスは使えなくなることがあります。",
        ],
        [
            "There is no such address",
            "One wrong letter is enough. Compare the address with the order or with a mail from the other side, and copy it instead of typing it. Addresses can end with their order.",
        ],
    ),
    page(
        "other-sender",
        [
            "ご注文時のメールアドレスから送信してください",
            "このアドレスは、ご注文時にお使いのメールアドレスからのメールだけを受け取ります。差出人をそのアドレスに切り替えて、もう一度お送りください。アドレスを変更された場合は、マーケットプレイスで登録を変更してください。",
        ],
        [
            "Write from the address used for the order",
            "This address takes mail only from the address that was used for the order. Choose it as the sender and send again. If you have a new address, change it at the marketplace first.",
        ],
    ),
    page(
        "sender-unproven",
        [
            "送信元を確認できません",
            "差出人(From)のアドレスのメールサーバから送信されたことを確認できませんでした。プロバイダのメールソフト設定どおりの送信サーバ、またはWebメールからお送りください。ご自分のドメインをお使いの場合は、SPFまたはDKIMを設定してください。",
        ],
        [
            "It cannot be verified who sent this",
            "Nothing shows that the message was sent through the mail server of the address in its From line. Send it through your provider's own server or web mail. If the domain is yours, publish SPF or sign with DKIM.",
        ],
    ),
    page(
        "sender-forged",
        [
            "差出人のドメインの方針により受け取れません",
            "差出人(From)のドメインは、確認できないメールの拒否を求めています(DMARC)。そのアドレスのメールサーバから直接お送りください。転送やメーリングリストを通すと、確認できなくなることがあります。",
        ],
        [
            "The domain in the From line wants this refused",
            "The domain asks everybody to refuse mail that it does not vouch for (DMARC). Send the message through the mail server of that address, not through a forwarder or a mailing list.",
        ],
    ),
    page(
        "sender-unknown",
        [
            "ただいま送信元を確認できません",
            "差出人のドメインのDNSが応答しません。メールサーバは自動で送り直しますので、お待ちください。続く場合は、ドメインの管理者にお問い合わせください。",
        ],
        [
            "The sender cannot be verified just now",
            "The name servers of the sender's domain do not answer. Mail servers try again by themselves. If it goes on, tell whoever runs that domain.",
        ],
    ),
    page(
        "from-not-customer",
        [
            "差出人(From)をご注文時のアドレスだけにしてください",
            "メールソフトの差出人に、別のアドレスや複数のアドレスが設定されています。ご注文時のアドレス1つだけを差出人にして、もう一度お送りください。",
        ],
        [
            "The From line must be the address used for the order, alone",
            "Your mail program wrote another address, or several, into the From line. Set the one address of the order as the sender and send again.",
        ],
    ),
    page(
        "expired",
        [
            "アドレスの有効期限が切れています",
            "このアドレスは注文とともに終了しました。ご用件は、マーケットプレイスのお問い合わせフォームからお願いします。",
        ],
        [
            "The address has expired",
            "It ended with its order. Please use the contact form of the marketplace.",
        ],
    ),
    page(
        "closed",
        [
            "このやり取りは終了しています",
            "このアドレスは閉じられました。ご用件は、マーケットプレイスのお問い合わせフォームからお願いします。",
        ],
        [
            "This conversation has been closed",
            "Its addresses take no more mail. Please use the contact form of the marketplace.",
        ],
    ),
    page(
        "suppressed",
        [
            "宛先のメールボックスがメールを受け付けていません",
            "この宛先に送ったメールが続けて「宛先不明」で戻ってきたため、送信を停止しています。相手に別の方法でご確認ください。相手からメールが届くか、しばらくすると、また送信できるようになります。",
        ],
        [
            "The mailbox behind this address takes no mail",
            "Mail to it came back twice in a row as undeliverable for good, so none is sent for now. Please ask the other side by another way. It is tried again after some days, or as soon as mail comes from that mailbox.",
        ],
    ),
    page(
        "content",
        [
            "この形のメールは中継できません",
            "相手にあなたのアドレスが見えないことを確かめられない部分がありました。暗号化を切り、添付ファイルなしの普通のテキストで、できれば別のメールソフトかWebメールから、新しいメールとしてお送りください。理由ごとのページには、返信に書かれたアドレスから進めます。",
        ],
        [
            "A mail of this form cannot be relayed",
            "Some part of it could not be checked for your address. Send it anew as plain text, without encryption and without files, if you can from another program or from web mail. The reply says which part it was, and has the address of a page about it.",
        ],
    ),
    page(
        "binary",
        [
            "このメールは普通の形に直せません",
            "メールソフトがバイナリ形式(BINARYMIME)で送信しましたが、行のあるテキストに直せない部分がありました。設定でバイナリ送信を切るか、別のメールソフトでお送りください。",
        ],
        [
            "The mail cannot be made one of lines",
            "Your program sent it in binary form (BINARYMIME), and some part of it cannot be written in lines. Switch binary sending off, or use another program.",
        ],
    ),
    page(
        "credentials",
        [
            "ユーザー名またはパスワードが違います",
            "店舗メニューの「メールサーバー設定」に表示されたユーザー名とパスワードを、前後の空白を入れずに貼り付けてください。",
        ],
        [
            "User name or password is wrong",
            "Copy both from the mail server settings of the store's menu, without blanks before or behind.",
        ],
    ),
    page(
        "sender-not-registered",
        [
            "送信元アドレスが店舗に登録されていません",
            "メールソフトの送信元(MAIL FROM)を、店舗に登録済みのアドレスにするか、使いたいアドレスを店舗メニューで登録してください。",
        ],
        [
            "The sender is not registered for the store",
            "Let the mail program send from an address that is registered for the store, or register the one you want to use.",
        ],
    ),
    page(
        "from-not-registered",
        [
            "差出人(From)が店舗に登録されていません",
            "差出人欄のアドレスを、店舗に登録済みのものにするか、店舗メニューで登録してください。",
        ],
        [
            "The From line is not registered for the store",
            "Write from an address that is registered for the store, or register the one you want to use.",
        ],
    ),
    page(
        "null-sender",
        [
            "送信元アドレスが空です",
            "メールソフトの送信元(MAIL FROM)に、店舗に登録済みのアドレスを設定してください。",
        ],
        [
            "The mail has no sender",
            "Set an address that is registered for the store as the sender (MAIL FROM).",
        ],
    ),
    page(
        "not-an-alias",
        [
            "注文に表示された宛先にお送りください",
            "このサーバーは、注文ごとに発行されたアドレスと、店舗に登録済みのアドレスにだけ送信できます。注文画面のアドレスを宛先にしてください。",
        ],
        [
            "Write to the address shown with the order",
            "This server delivers only to addresses that it issued for your orders, and to those registered for your store.",
        ],
    ),
    page(
        "not-automatic",
        [
            "差出人のないメールは受け取れません",
            "お使いのソフトが差出人(MAIL FROM)なしで送信しました。ご注文時のアドレスから、普通のメールとしてお送りください。",
        ],
        [
            "Mail without a sender is not taken here",
            "Your program sent it without a sender (MAIL FROM). Send an ordinary mail from the address used for the order.",
        ],
    ),
    page(
        "own-domain",
        [
            "このドメインのメールは外からは受け取れません",
            "店舗の方は、メールソフトの送信サーバー設定(ポート587または465、認証あり)からお送りください。",
        ],
        [
            "Mail from this domain does not come in from outside",
            "Stores send through the submission server (port 587 or 465, with user name and password).",
        ],
    ),
    page(
        "relaying",
        [
            "宛先のドメインはこのサーバーのものではありません",
            "宛先に間違いがないか、ご確認ください。正しい場合は、お使いのメールサーバーの管理者にご連絡ください。",
        ],
        [
            "The recipient's domain is not one of this server's",
            "Check the recipient. If it is right, tell the administrator of your mail server.",
        ],
    ),
    page(
        "loop",
        [
            "メールが同じ経路を回り続けています",
            "メールの自動転送が輪になっています。転送設定を見直してから、もう一度お送りください。",
        ],
        [
            "The mail is going round in a loop",
            "Automatic forwarding leads back to where it came from. Change it, then send again.",
        ],
    ),
    page(
        "too-large-for-all",
        ["宛先の数に対してメールが大きすぎます", "宛先を減らし、何回かに分けてお送りください。"],
        ["The mail is too large for so many recipients", "Send it to fewer recipients at a time."],
    ),
    page(
        "greylisted",
        [
            "初めての差出人からのメールです",
            "迷惑メールを減らすため、初めての差出人からのメールは、数分おいて送り直されたものを受け取ります。普通のメールサーバーは自動で送り直します。そのままお待ちください。",
        ],
        [
            "This is the first mail from this sender",
            "To keep junk out, the first mail of a sender is taken when it comes again after some minutes. Mail servers do so by themselves; there is nothing that you need to do.",
        ],
    ),
    page(
        "listed-for-now",
        [
            "送信元のサーバーがブロックリストに載っています",
            "1時間ほどおいて、もう一度お送りください。続く場合は、お使いのプロバイダーにお問い合わせになるか、別のメールサービスからお送りください。",
        ],
        [
            "The sending server stands in a block list",
            "Try again in an hour. If it stays so, ask your provider, or send through another mail service.",
        ],
    ),
    page(
        "listed",
        [
            "送信元のサーバーがブロックリストに載っています",
            "お使いのプロバイダーに、リストからの削除をご依頼ください。お急ぎの場合は、別のメールサービスからお送りください。",
        ],
        [
            "The sending server stands in a block list",
            "Ask your provider to have it taken off the list. If it is urgent, send through another mail service.",
        ],
    ),
    page(
        "malware",
        [
            "メールからマルウェアが見つかりました",
            "お使いの端末をウイルス対策ソフトで検査してください。そのあと、ファイルを添付せずにお送りください。",
        ],
        [
            "The mail holds malware",
            "Check your device with a virus scanner. Then send the mail again without the file.",
        ],
    ),
    page(
        "spam",
        [
            "迷惑メールと判断されました",
            "本文やリンク、添付ファイルが、迷惑メールによく似ていました。リンクや画像を減らし、ご自分の言葉で書き直して、普段のメールアドレスからもう一度お送りください。心当たりがない場合は、アカウントが他人に使われていないかお確かめください。",
        ],
        [
            "The mail looks like unwanted mail",
            "Text, links or files are much like those of unwanted mail. Write it anew in your own words, with fewer links and pictures, from the address you use every day. If you did not send it, see whether somebody else uses your account.",
        ],
    ),
    page(
        "detected",
        [
            "不正防止の確認により受信できませんでした",
            "添付ファイルの種類などが、不正に使われるメールの特徴に当てはまりました。添付ファイルを付けずに、普段お使いのメールアドレスから送り直してください。心当たりがない場合は、アカウントが他人に使われていないかお確かめのうえ、マーケットプレイスにお問い合わせください。",
        ],
        [
            "The mail met a check against fraud",
            "Its attached files, or something else about it, are like those of mail that is used for fraud. Send it anew without attached files, from the address you use every day. If you did not send it, see whether somebody else uses your account, and ask the marketplace.",
        ],
    ),
    page(
        "operator-full",
        [
            "管理者宛のメールが混み合っています",
            "管理者宛のメールが多く届いているため、今は受け取れませんでした。お使いのメールサーバーが自動で送り直します。そのままお待ちください。ご注文については、お店のアドレスへお送りください。",
        ],
        [
            "Too much mail to the operator waits already",
            "Your mail server tries again by itself; there is nothing that you need to do. About an order, write to the store's address.",
        ],
    ),
    page(
        "try-again",
        [
            "一時的な障害です",
            "こちらの問題で、今は受け取れませんでした。お使いのメールサーバーが自動で送り直します。そのままお待ちください。",
        ],
        [
            "A temporary fault",
            "The fault is ours. Your mail server tries again by itself; there is nothing that you need to do.",
        ],
    ),
    page(
        "halted",
        [
            "現在メールの受付を停止しています",
            "今は受け取れませんでした。お使いのメールサーバーが自動で送り直します。そのままお待ちください。",
        ],
        [
            "No mail is taken just now",
            "Your mail server tries again by itself; there is nothing that you need to do.",
        ],
    ),
    page(
        "no-space",
        [
            "一時的に容量が不足しています",
            "今は受け取れませんでした。お使いのメールサーバーが自動で送り直します。そのままお待ちください。",
        ],
        [
            "There is no space just now",
            "Your mail server tries again by itself; there is nothing that you need to do.",
        ],
    ),
    page(
        "limited",
        [
            "短い時間に送られたメールが多すぎます",
            "返信に書かれた時間をおいてから、もう一度お送りください。普通のメールサーバーは自動で送り直します。パスワードの間違いが続いた場合は、設定を直してからお試しください。",
        ],
        [
            "Too much came in a short time",
            "Wait as long as the reply says, then send again; mail servers do so by themselves. After wrong passwords, mend the settings first.",
        ],
    ),
];
