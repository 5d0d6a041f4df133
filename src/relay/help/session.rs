//! The pages for what the session itself refuses, before the relay is asked: how a program speaks, logs in, and ends its lines.
//!
//! Rules: as in the table above it; one page for all that is mended in the same way.

use super::{Help, page};

/// All of them.
pub(super) const SESSION: [Help; 8] = [
    page(
        "protocol",
        [
            "メールソフトの通信手順が正しくありません",
            "送信プログラムが、このサーバーの知らない命令、または順番の違う命令を送りました。メールソフトやお店のシステムを最新版にしてください。ウイルス対策ソフトや会社の機器が通信を書き換えていることもあります。ご自分で作られたプログラムの場合は、返信の文をご覧ください。",
        ],
        [
            "The mail program did not keep to the protocol",
            "It sent a command that this server does not know, or one out of turn. Update the mail program or the shop's software. Security software or a box in between can change what is sent, too. If the program is your own, the reply says what was wrong.",
        ],
    ),
    page(
        "address-syntax",
        [
            "メールアドレスの書き方が正しくありません",
            "「名前@ドメイン」の形で、空白や全角文字が混じっていないかお確かめください。注文画面のアドレスをコピーして貼り付けるのが確実です。",
        ],
        [
            "An address is not written as one",
            "It must be name@domain, without blanks or wide letters in it. Copy the address from the order instead of typing it.",
        ],
    ),
    page(
        "login-first",
        [
            "暗号化とログインの設定が必要です",
            "お店の方へ：送信サーバーの設定で、ポート587でSTARTTLS、またはポート465でSSL/TLSを選び、「送信サーバーの認証」を有効にして、メニューに表示されたユーザー名とパスワードを入れてください。",
        ],
        [
            "Encryption and a login are needed first",
            "For stores: in the settings of the outgoing server choose port 587 with STARTTLS, or port 465 with SSL/TLS, switch authentication on, and enter user name and password as shown in the menu.",
        ],
    ),
    page(
        "login-method",
        [
            "ログインの方式が合いません",
            "認証方式に「通常のパスワード」(PLAINまたはLOGIN)か、SCRAM-SHA-256を選んでください。CRAM-MD5やOAuthは使えません。「TLS接続に結び付かない」と言われた場合は、間にある機器やソフトがTLSを中継しています。",
        ],
        [
            "The way of logging in does not fit",
            "Choose the normal password (PLAIN or LOGIN) or SCRAM-SHA-256; CRAM-MD5 and OAuth are not offered. If the reply says that the login is not bound to this TLS connection, a box or a program in between ends TLS and begins it anew.",
        ],
    ),
    page(
        "too-large",
        [
            "メールが大きすぎるか、宛先が多すぎます",
            "添付ファイルを小さくするか、ファイルを分けて、別々のメールでお送りください。宛先が多い場合も、何通かに分けてください。",
        ],
        [
            "The mail is too large, or has too many recipients",
            "Make the attachments smaller, or send them in several mails. Many recipients are served by several mails as well.",
        ],
    ),
    page(
        "line-ends",
        [
            "メールの改行の形が正しくありません",
            "送信プログラムの改行がCR LFになっていないか、使えない制御文字が入っています。普通のメールソフトでは起こりません。お店のシステムの担当者、または開発元にこのページをお伝えください。",
        ],
        [
            "The lines of the mail do not end as they must",
            "Each line must end with CR LF, and no NUL may stand in it. Ordinary mail programs do this by themselves; show this page to whoever makes the program that sends.",
        ],
    ),
    page(
        "no-recipients",
        [
            "届けられる宛先がありませんでした",
            "宛先がすべて受け付けられなかったため、本文は送られていません。宛先ごとの返信をご覧になり、アドレスを直してからお送りください。",
        ],
        [
            "No recipient was taken",
            "Every address was refused, so the mail was not sent. Look at the reply to each address and correct it, then send again.",
        ],
    ),
    page(
        "login-ended",
        [
            "ユーザー名とパスワードが無効になりました",
            "店舗で新しいユーザー名とパスワードが発行されたか、この場所からの利用が認められなくなりました。新しいものをメールソフトに設定して、もう一度お送りください。",
        ],
        [
            "User name and password have ended",
            "The store has new ones, or these may not be used from this place any more. Set the new ones in the mail program and send again.",
        ],
    ),
];
