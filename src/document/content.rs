//! What comes out of a member or a stream, of which nothing is known before its first octets.
//!
//! Rules: raw in windows, whatever it is; as markup where it is markup; a document or a mail in the document is held whole,
//! as far as the limits allow, and looked into.
//! When it fails: [`super::Why::TooLarge`] where there is no room to hold it, unless it is a mail in the clear.

use super::kind::{self, Kind};
use super::search::{OctetWindow, Search};
use super::xml::{self, Markup};
use super::{Why, mail};

/// How much is looked at to see what it is, in octets: what [`kind::kind`] looks at.
const HEAD: usize = 1024;

/// A content that comes piece by piece.
pub struct Content {
    name: String,
    window: OctetWindow,
    as_what: As,
}

enum As {
    Unknown(Vec<u8>),
    Plain,
    Markup(Box<Markup>),
    Held(Vec<u8>),
    Mail(Vec<u8>),
}

impl Content {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), window: OctetWindow::default(), as_what: As::Unknown(Vec::new()) }
    }

    pub fn push(&mut self, octets: &[u8], search: &mut Search<'_>) {
        self.window.push(octets, search);
        match &mut self.as_what {
            As::Unknown(head) => {
                head.extend_from_slice(octets);
                if head.len() >= HEAD {
                    self.decide(search);
                }
            }
            As::Plain => {}
            As::Markup(markup) => markup.push(octets, search),
            As::Held(held) => {
                if search.hold(octets.len()) {
                    held.extend_from_slice(octets);
                } else {
                    search.release(held.len());
                    self.as_what = As::Plain;
                }
            }
            As::Mail(held) => {
                held.extend_from_slice(octets);
                if !search.hold_if_room(octets.len()) {
                    search.release(held.len() - octets.len());
                    if mail::may_be_encoded(held) {
                        search.is_opaque(Why::TooLarge);
                    }
                    self.as_what = As::Plain;
                }
            }
        }
    }

    fn decide(&mut self, search: &mut Search<'_>) {
        let As::Unknown(head) = &mut self.as_what else { return };
        let head = std::mem::take(head);
        let found = kind::kind(&head, &self.name, "").filter(|found| *found != Kind::Heif);
        let is_mail = found.is_none() && !xml::is_markup(&head) && mail::is_mail(&head);
        self.as_what = if found.is_some() && search.hold(head.len()) {
            As::Held(head)
        } else if is_mail && search.hold_if_room(head.len()) {
            As::Mail(head)
        } else if found.is_none() && xml::is_markup(&head) {
            let mut markup = Box::new(Markup::new(&head));
            markup.push(&head, search);
            As::Markup(markup)
        } else {
            if is_mail && mail::may_be_encoded(&head) {
                search.is_opaque(Why::TooLarge);
            }
            As::Plain
        };
    }

    pub fn finish(mut self, search: &mut Search<'_>) {
        self.window.finish(search);
        if matches!(self.as_what, As::Unknown(_)) {
            self.decide(search);
        }
        match self.as_what {
            As::Markup(mut markup) => markup.finish(search),
            As::Held(held) | As::Mail(held) => {
                super::nested(&held, &self.name, search);
                search.release(held.len());
            }
            As::Unknown(_) | As::Plain => {}
        }
    }
}
