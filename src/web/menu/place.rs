//! The pages of the menu: a closed list. Who may open each, whether it takes forms, and its word in the access log.

/// A page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Home,
    SignIn,
    /// What is done when ID or password is forgotten.
    Forgotten,
    SignOut,
    /// The marketplace's login: there, and back.
    OneLogin,
    /// In, from there.
    OneLoginIn,
    /// The second step of a sign-in.
    Second,
    /// Setting it up.
    Factor,
    /// One's own password.
    Password,
    /// Where one is signed in.
    Devices,
    /// What is done after a sign-in that was not one's own.
    NotMe,
    /// Sign-ins and what was done.
    History,
    /// The same as a file.
    HistoryFile,
    /// What the store sent and received, and what became of it.
    Mails,
    /// The same as a file.
    MailsFile,
    /// One mail.
    Mail,
    /// What of the store's own is held.
    Held,
    /// Where a store's programs submit mail, and with what.
    MailServer,
    /// A test mail to oneself.
    Test,
    /// The addresses from which the store sends.
    Senders,
    /// Who of the store may sign in.
    People,
    /// What becomes of everything when the store leaves.
    Leaving,
}

/// For whom a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Anybody,
    Person,
    Administrator,
}

impl Place {
    pub const ALL: [Place; 22] = [
        Place::Home,
        Place::SignIn,
        Place::Forgotten,
        Place::SignOut,
        Place::OneLogin,
        Place::OneLoginIn,
        Place::Second,
        Place::Factor,
        Place::Password,
        Place::Devices,
        Place::NotMe,
        Place::History,
        Place::HistoryFile,
        Place::Mails,
        Place::MailsFile,
        Place::Mail,
        Place::Held,
        Place::MailServer,
        Place::Test,
        Place::Senders,
        Place::People,
        Place::Leaving,
    ];

    /// The page of a path below `/menu`, without slashes around it.
    pub fn parse(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|place| place.path().trim_start_matches("/menu/") == path)
    }

    pub fn path(self) -> &'static str {
        match self {
            Place::Home => "/menu/",
            Place::SignIn => "/menu/sign-in",
            Place::Forgotten => "/menu/forgotten",
            Place::SignOut => "/menu/sign-out",
            Place::OneLogin => "/menu/one-login",
            Place::OneLoginIn => "/menu/one-login/in",
            Place::Second => "/menu/second",
            Place::Factor => "/menu/second-factor",
            Place::Password => "/menu/password",
            Place::Devices => "/menu/devices",
            Place::NotMe => "/menu/not-me",
            Place::History => "/menu/history",
            Place::HistoryFile => "/menu/history.csv",
            Place::Mails => "/menu/mails",
            Place::MailsFile => "/menu/mails.csv",
            Place::Mail => "/menu/mail",
            Place::Held => "/menu/held",
            Place::MailServer => "/menu/mail-server",
            Place::Test => "/menu/test",
            Place::Senders => "/menu/senders",
            Place::People => "/menu/people",
            Place::Leaving => "/menu/leaving",
        }
    }

    /// The word in the access log.
    pub fn word(self) -> &'static str {
        match self {
            Place::Home => "home",
            Place::SignIn => "sign-in",
            Place::Forgotten => "forgotten",
            Place::SignOut => "sign-out",
            Place::OneLogin => "one-login",
            Place::OneLoginIn => "one-login-in",
            Place::Second => "second",
            Place::Factor => "second-factor",
            Place::Password => "password",
            Place::Devices => "devices",
            Place::NotMe => "not-me",
            Place::History => "history",
            Place::HistoryFile => "history.csv",
            Place::Mails => "mails",
            Place::MailsFile => "mails.csv",
            Place::Mail => "mail",
            Place::Held => "held",
            Place::MailServer => "mail-server",
            Place::Test => "test",
            Place::Senders => "senders",
            Place::People => "people",
            Place::Leaving => "leaving",
        }
    }

    pub fn who(self) -> Who {
        match self {
            Place::SignIn | Place::Forgotten | Place::OneLogin | Place::OneLoginIn => Who::Anybody,
            Place::People => Who::Administrator,
            _ => Who::Person,
        }
    }

    pub fn takes_post(self) -> bool {
        matches!(
            self,
            Place::SignIn
                | Place::Forgotten
                | Place::OneLogin
                | Place::SignOut
                | Place::Second
                | Place::Factor
                | Place::Password
                | Place::Devices
                | Place::NotMe
                | Place::Mails
                | Place::Mail
                | Place::Held
                | Place::MailServer
                | Place::Test
                | Place::Senders
                | Place::People
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_its_own_path_and_word() {
        for place in Place::ALL {
            let path = place.path().trim_start_matches("/menu").trim_matches('/');
            assert_eq!(Place::parse(path), Some(place));
            assert_eq!(Place::ALL.iter().filter(|other| other.word() == place.word()).count(), 1);
        }
        assert_eq!((Place::parse("nothing"), Place::parse("people/1")), (None, None));
    }
}
