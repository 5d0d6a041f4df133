//! Mails as tests write and read them.

use super::watch::{Watch, random_hex};

/// A plain mail with a subject and a text that are found nowhere else.
pub struct Letter {
    pub from: String,
    pub to: String,
    pub subject: String,
    pub text: String,
    pub message_id: String,
    pub in_reply_to: Option<String>,
}

impl Letter {
    /// A mail whose Message-ID has the domain of its sender. Subject and text are secrets for the watch.
    pub fn new(watch: &Watch, from: &str, to: &str) -> Self {
        let random = random_hex(6);
        let domain = from.rsplit_once('@').map_or("nowhere.test", |(_, domain)| domain);
        let letter = Self {
            from: from.to_owned(),
            to: to.to_owned(),
            subject: format!("Gochumon {random}"),
            text: format!("Tegami {random} desu"),
            message_id: format!("<{random}@{domain}>"),
            in_reply_to: None,
        };
        watch.secret(&letter.subject);
        watch.secret(&letter.text);
        letter
    }

    /// The same as an answer to `mail`, as a mail program would make it.
    pub fn answering(mut self, mail: &[u8]) -> Self {
        self.in_reply_to = header(mail, "Message-ID");
        assert!(self.in_reply_to.is_some(), "a mail without Message-ID:\n{}", show(mail));
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let thread = self
            .in_reply_to
            .as_ref()
            .map_or(String::new(), |id| format!("In-Reply-To: {id}\r\nReferences: {id}\r\n"));
        format!(
            "Date: Sun, 22 Nov 2026 09:00:00 +0900\r\nFrom: {}\r\nTo: {}\r\nSubject: {}\r\nMessage-ID: {}\r\n{thread}\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{}\r\n.\r\nend\r\n",
            self.from, self.to, self.subject, self.message_id, self.text
        )
        .into_bytes()
    }
}

/// The value of the first field of this name, unfolded.
pub fn header(mail: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(mail).replace("\r\n", "\n");
    let (block, _) = text.split_once("\n\n").unwrap_or((&text, ""));
    let unfolded = block.replace("\n ", " ").replace("\n\t", " ");
    unfolded.lines().find_map(|line| {
        let (own, value) = line.split_once(':')?;
        own.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// The values of all fields of this name.
pub fn count_of(mail: &[u8], name: &str) -> usize {
    let text = String::from_utf8_lossy(mail);
    let block = text.split("\r\n\r\n").next().unwrap_or_default();
    let is_it = |line: &&str| line.split_once(':').is_some_and(|(own, _)| own.eq_ignore_ascii_case(name));
    block.lines().filter(is_it).count()
}

/// The body, as it stands.
pub fn body(mail: &[u8]) -> &[u8] {
    memchr::memmem::find(mail, b"\r\n\r\n").map_or(b"", |at| &mail[at + 4..])
}

/// For messages of failed assertions.
pub fn show(mail: &[u8]) -> String {
    String::from_utf8_lossy(mail).into_owned()
}
