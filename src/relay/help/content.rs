//! Pages of the mails that can't be made anonymous with certainty, one for each reason.
//!
//! Rules: a page says what was wrong and how to send the mail so that it passes. The reply says the Japanese half too, where
//! its peer takes more than ASCII, so that both together fit one line (RFC 5321 §4.5.3.1.5).

use super::{Help, page};

/// By the word of the reason ([`crate::anonymize::Refusal::word`]), behind `content-`.
pub const CONTENT: [Help; 15] = [
    page(
        "content-unclear",
        [
            "メールの構造が複雑すぎて、確実に読み取れません",
            "ヘッダーが長すぎるか、転送メールの入れ子や添付が多すぎます。必要な部分だけを、新しいメールとして送ってください。",
        ],
        [
            "The structure of the mail is beyond what can be read",
            "A header of more than 256 KiB or 2000 fields, more than 1000 parts, or forwards within forwards. Send what is needed as a new mail.",
        ],
    ),
    page(
        "content-no-from",
        [
            "差出人（From）のメールアドレスがありません",
            "メールソフトのアカウント設定に、お名前とメールアドレスを入れてから、送り直してください。",
        ],
        [
            "The mail has no From address",
            "Set your name and address in the account settings of your mail program, and send it anew.",
        ],
    ),
    page(
        "content-from",
        [
            "差出人（From）が二通り以上に読めます",
            "差出人は、お名前とメールアドレスを一つだけにして、送り直してください。",
        ],
        [
            "The From field can be read in more than one way",
            "Send the mail with one name and one address as its sender, no group and no second address.",
        ],
    ),
    page(
        "content-twice",
        [
            "一つだけのはずのヘッダー（件名や差出人など）が二つ以上あります",
            "別のメールソフトかWebメールから送り直してください。",
        ],
        [
            "A header field that must be single is there more than once",
            "Two Subject, From, To or the like: send the mail anew from another program, or from web mail.",
        ],
    ),
    page(
        "content-nul",
        [
            "メールのヘッダーに使えない文字（NUL）が入っています",
            "別のメールソフトかWebメールから送り直してください。",
        ],
        [
            "The header holds a NUL character",
            "A broken program or gateway put it there. Send the mail anew from another program, or from web mail.",
        ],
    ),
    page(
        "content-signed",
        [
            "電子署名（S/MIME、PGP）で、相手に署名者がわかってしまいます",
            "メールソフトで「署名する」を切って、送り直してください。",
        ],
        ["A signature (S/MIME, PGP) names its signer", "Switch signing off for this mail, and send it anew."],
    ),
    page(
        "content-encrypted",
        [
            "暗号化されたメール（S/MIME、PGP）は中身を確認できません",
            "メールソフトで「暗号化する」を切って、送り直してください。",
        ],
        [
            "An encrypted mail (S/MIME, PGP) cannot be checked",
            "Switch encryption off for this mail, and send it anew.",
        ],
    ),
    page(
        "content-key",
        [
            "公開鍵や証明書で、相手に持ち主がわかってしまいます",
            "鍵や証明書を外して送り直してください。メールソフトの「公開鍵を添付」が有効になっていることがあります。",
        ],
        [
            "A key or certificate names its owner",
            "Send the mail without it. Mostly it is the setting that attaches your public key to each mail.",
        ],
    ),
    page(
        "content-winmail",
        [
            "Outlookのリッチテキスト形式（winmail.dat）で、差出人がわかってしまいます",
            "Outlookの「書式設定」でHTMLかテキスト形式を選んで、送り直してください。",
        ],
        [
            "Outlook's Rich Text (winmail.dat) names its sender",
            "In Outlook choose Format Text, then HTML or plain text, and send the mail anew.",
        ],
    ),
    page(
        "content-pieces",
        [
            "メールが分割されているか、本文が別の場所にあります",
            "メールソフトの「分割送信」を切り、一通のメールとして送り直してください。大きなファイルは分けて添付してください。",
        ],
        [
            "The mail is in pieces, or points to text elsewhere",
            "Switch off the splitting of large mails and send it whole; send large files one by one.",
        ],
    ),
    page(
        "content-charset",
        [
            "文字コードを読み取れません",
            "メールソフトの送信時の文字コードをUTF-8（Unicode）にして、送り直してください。",
        ],
        ["The character set cannot be read", "Choose UTF-8 (Unicode) for outgoing mail, and send it anew."],
    ),
    page(
        "content-long-line",
        [
            "改行のない、長すぎる行があります",
            "途中で改行するか、その部分をファイルとして添付して、送り直してください。",
        ],
        ["A line of the mail is too long", "Break it into shorter lines, or attach that text as a file."],
    ),
    page(
        "content-address",
        [
            "書き換えられない場所に、実際のメールアドレスなどが残っています",
            "そのアドレスを書かず（引用・リンク・ファイル名・添付ファイルの中も）、普通のテキストで送り直してください。",
        ],
        [
            "A real address or the like is where it cannot be replaced",
            "Send the mail anew as plain text without it, also in quoted text, links, names of files and files.",
        ],
    ),
    page(
        "content-unchecked",
        [
            "できあがったメールを最後に確認できませんでした",
            "添付ファイルや転送部分を除き、普通のテキストで、別のメールソフトかWebメールから送り直してください。",
        ],
        [
            "The finished mail cannot be checked",
            "Send it anew as plain text, without files and forwards, from another program or from web mail.",
        ],
    ),
    page(
        "content-fault",
        [
            "こちらの不具合で、メールに宛先を付けられません",
            "お手数ですが、マーケットプレイスのお問い合わせフォームからお知らせください。",
        ],
        [
            "A fault on our side: the mail cannot be addressed",
            "Please tell the marketplace by its contact form; nothing is wrong with your mail.",
        ],
    ),
];
