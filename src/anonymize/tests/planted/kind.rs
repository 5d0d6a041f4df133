//! Kinds of parts that hold a text, and the places in each where a secret can stand.
//!
//! Rules: a document is a head, one line with the secret, and a tail; head and tail must come out octet for octet.

use super::charset::Charset;
use super::spelling::{Fits, Spelling};

/// How a program reads the place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// As lines of text.
    Plain,
    /// As text in a page.
    Markup,
    /// As a value between quotes, in a page, a script or data.
    Quoted,
    /// As lines that fold (calendar, card).
    Folded,
}

/// One place in one kind of part. `{}` in a text is a line in the charset.
pub struct Kind {
    pub name: &'static str,
    pub media: &'static str,
    /// Parameters and fields behind the type and the charset.
    pub more: &'static str,
    pub reads: Reads,
    pub head: &'static str,
    pub before: &'static str,
    pub behind: &'static str,
    pub tail: &'static str,
}

const fn page(name: &'static str, reads: Reads, before: &'static str, behind: &'static str) -> Kind {
    Kind {
        name,
        media: "text/html",
        more: "",
        reads,
        head: "<html><head><title>{}</title></head><body>\r\n<p title=\"{}\">{}</p>\r\n",
        before,
        behind,
        tail: "\r\n<p>{}</p></body></html>\r\n",
    }
}

const fn calendar(name: &'static str, more: &'static str, head: &'static str, before: &'static str) -> Kind {
    Kind {
        name,
        media: "text/calendar",
        more,
        reads: Reads::Folded,
        head,
        before,
        behind: "",
        tail: "\r\nSUMMARY:{}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    }
}

const fn card(name: &'static str, media: &'static str, head: &'static str, before: &'static str) -> Kind {
    Kind {
        name,
        media,
        more: "\r\nContent-Disposition: attachment; filename=card.vcf",
        reads: Reads::Folded,
        head,
        before,
        behind: "",
        tail: "\r\nNOTE:{}\r\nEND:VCARD\r\n",
    }
}

const fn text(name: &'static str, media: &'static str, more: &'static str) -> Kind {
    Kind {
        name,
        media,
        more,
        reads: Reads::Plain,
        head: "{}\r\n\r\n",
        before: "",
        behind: "",
        tail: "\r\n\r\n{}\r\n-- \r\n{}\r\n",
    }
}

const REQUEST: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1-2-3\r\n\
    DTSTART:20261122T000000Z\r\n";
const REPLY: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REPLY\r\nBEGIN:VEVENT\r\nUID:1-2-3\r\nDTSTAMP:20261122T000000Z\r\n";
const CANCEL: &str =
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:CANCEL\r\nBEGIN:VEVENT\r\nUID:1-2-3\r\nSTATUS:CANCELLED\r\n";

/// All kinds that are texts.
pub const KINDS: &[Kind] = &[
    text("text/plain", "text/plain", ""),
    text("text/plain, flowed", "text/plain", "; format=flowed"),
    text("text/plain, flowed, DelSp", "text/plain", "; format=flowed; delsp=yes"),
    Kind { before: "> > ", ..text("text/plain, quoted", "text/plain", "; format=flowed") },
    Kind { before: "2026年11月22日 9:00 ", behind: ":", ..text("attribution", "text/plain", "") },
    Kind {
        before: "On Sun, Nov 22, 2026, Hana <",
        behind: "> wrote:",
        ..text("attribution, English", "text/plain", "")
    },
    text(
        "text/plain, attached",
        "text/plain",
        "; name=a.txt\r\nContent-Disposition: attachment; filename=\"a.txt\"",
    ),
    text("text/markdown", "text/markdown", ""),
    page("html: text", Reads::Markup, "<p>", "</p>"),
    page("html: link", Reads::Quoted, "<a href=\"mailto:", "?subject=x\">x</a>"),
    page("html: query of a link", Reads::Quoted, "<a href='https://x.example/?a=1&amp;e=", "&amp;t=2'>x</a>"),
    page("html: attribute", Reads::Quoted, "<img alt=\"", "\" src=\"cid:1\">"),
    page("html: attribute without quotes", Reads::Quoted, "<input type=hidden value=", ">"),
    page("html: data attribute", Reads::Quoted, "<div data-email=\"", "\"></div>"),
    page("html: comment", Reads::Quoted, "<!-- ", " -->"),
    page("html: conditional comment", Reads::Quoted, "<!--[if mso]><td>", "</td><![endif]-->"),
    page("html: script", Reads::Quoted, "<script>var a=\"", "\";</script>"),
    page(
        "html: JSON in a script",
        Reads::Quoted,
        "<script type=\"application/ld+json\">{\"email\":\"",
        "\"}</script>",
    ),
    page("html: style", Reads::Quoted, "<style>a:after{content:\"", "\"}</style>"),
    page("html: style attribute", Reads::Quoted, "<p style=\"background:url(https://x.example/", ")\">x</p>"),
    page("html: meta", Reads::Quoted, "<meta name=author content=\"", "\">"),
    page("html: text area", Reads::Quoted, "<textarea>", "</textarea>"),
    page("html: page in an attribute", Reads::Quoted, "<iframe srcdoc=\"&lt;p&gt;", "&lt;/p&gt;\"></iframe>"),
    page("html: quotation", Reads::Markup, "<blockquote type=cite><div>", "</div></blockquote>"),
    page("html: in an svg", Reads::Markup, "<svg><text>", "</text></svg>"),
    Kind { tail: "", ..page("html: tag without an end", Reads::Quoted, "<p>x</p><a title=\"", "") },
    Kind { tail: "\r\n{}\r\n", head: "", ..page("html: fragment", Reads::Markup, "", "<br>") },
    Kind {
        media: "text/enriched",
        head: "<bold>{}</bold>\r\n",
        tail: "\r\n{}\r\n",
        ..page("text/enriched", Reads::Markup, "<italic>", "</italic>")
    },
    calendar("calendar: organizer", "; method=REQUEST", REQUEST, "ORGANIZER;CN=x:mailto:"),
    calendar(
        "calendar: attendee",
        "; method=REQUEST; component=VEVENT",
        REQUEST,
        "ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:MAILTO:",
    ),
    calendar("calendar: name", "; method=REQUEST", REQUEST, "ORGANIZER;EMAIL=o@x.example;CN="),
    calendar("calendar: description", "; method=REQUEST", REQUEST, "DESCRIPTION:"),
    calendar("calendar: reply", "; method=REPLY", REPLY, "ATTENDEE;PARTSTAT=ACCEPTED:mailto:"),
    calendar(
        "calendar: cancel, attached",
        "; method=CANCEL; name=a.ics\r\nContent-Disposition: attachment; filename=a.ics",
        CANCEL,
        "ATTENDEE:mailto:",
    ),
    calendar("calendar: unknown property", "", REQUEST, "X-ALT-DESC;FMTTYPE=text/html:"),
    Kind {
        media: "application/ics",
        ..calendar("calendar as a file", "; name=a.ics", REQUEST, "ORGANIZER:mailto:")
    },
    card("card 2.1", "text/x-vcard", "BEGIN:VCARD\r\nVERSION:2.1\r\nN:x;y\r\n", "EMAIL;INTERNET:"),
    card(
        "card 3.0",
        "text/vcard",
        "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:x\r\nN:x;;;;\r\n",
        "EMAIL;TYPE=INTERNET,PREF:",
    ),
    card("card 4.0", "text/vcard; version=4.0", "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:x\r\n", "EMAIL:"),
    card("card: link", "text/directory", "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:x\r\n", "IMPP:xmpp:"),
    Kind {
        reads: Reads::Plain,
        ..text("csv", "text/csv", "; header=present\r\nContent-Disposition: attachment; filename=a.csv")
    },
    Kind {
        before: "\"1\",\"",
        behind: "\",\"2\"",
        reads: Reads::Quoted,
        ..text("csv: quoted", "text/csv", "")
    },
    Kind {
        head: "<?xml version=\"1.0\"?>\r\n<a><b>{}</b>\r\n",
        tail: "\r\n</a>\r\n",
        ..page("xml: text", Reads::Markup, "<e>", "</e>")
    },
    Kind {
        media: "application/xml",
        head: "<a><b>{}</b>\r\n",
        tail: "\r\n</a>\r\n",
        ..page("xml: attribute", Reads::Quoted, "<e a='", "'/>")
    },
    Kind {
        media: "text/xml",
        head: "<a>\r\n",
        tail: "\r\n</a>\r\n",
        ..page("xml: CDATA", Reads::Quoted, "<![CDATA[", "]]>")
    },
    Kind {
        media: "application/json",
        head: "{\"a\":\"{}\",\r\n",
        tail: "\r\n}\r\n",
        ..page("json: value", Reads::Quoted, "\"email\":\"", "\"")
    },
    Kind {
        media: "application/ld+json",
        head: "{\"a\":\"{}\",\r\n",
        tail: "\r\n}\r\n",
        ..page("json: name", Reads::Quoted, "\"", "\":1")
    },
    Kind {
        media: "text/javascript",
        head: "var b=\"{}\";\r\n",
        tail: "\r\n",
        ..page("script", Reads::Quoted, "var a='", "';")
    },
    Kind {
        media: "text/rtf",
        head: "{\\rtf1\\ansi\r\n",
        tail: "\\par}\r\n",
        ..page("rtf", Reads::Quoted, "{\\field HYPERLINK \"mailto:", "\"}")
    },
    Kind {
        media: "image/svg+xml",
        head: "<svg xmlns=\"http://www.w3.org/2000/svg\">\r\n",
        tail: "\r\n</svg>\r\n",
        ..page("svg image", Reads::Markup, "<text>", "</text>")
    },
    text("text of an unknown kind", "text/x-unknown", ""),
];

impl Kind {
    /// Whether a spelling can stand here and be read as the secret.
    pub fn takes(&self, spelling: &Spelling, written: &str) -> bool {
        match spelling.fits {
            Fits::Markup if self.reads != Reads::Markup => return false,
            Fits::Lines if self.reads != Reads::Plain => return false,
            Fits::Folds if self.reads != Reads::Folded => return false,
            _ => {}
        }
        if spelling.name == "comment"
            && spelling.fits == Fits::Body
            && !matches!(self.reads, Reads::Plain | Reads::Markup)
        {
            return false;
        }
        // Between quotes a quote ends the value, a tag is none, and a blank ends what has no quotes.
        let closes = |c: char| matches!(c, '"' | '\'' | '<' | '>' | ' ' | ';');
        match self.reads {
            Reads::Quoted => !written.contains(closes) || matches!(spelling.group, "entities"),
            Reads::Folded => !written.contains(['"', '<']),
            Reads::Markup => !written.contains("<at>"),
            Reads::Plain => true,
        }
    }

    /// Head, what stands before the secret, what stands behind it, tail.
    pub fn document(&self, charset: &Charset) -> [String; 4] {
        let [before, behind, line] = charset.texts;
        // What stands between quotes without blanks has none around it either.
        let (before, behind) = if self.reads == Reads::Quoted { ("", "") } else { (before, behind) };
        let fill = |text: &str| text.replace("{}", line);
        [
            fill(self.head),
            format!("{}{before}", self.before),
            format!("{behind}{}", self.behind),
            fill(self.tail),
        ]
    }
}
