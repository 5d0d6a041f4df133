//! RTF as Outlook and word processors write it, and as nobody should.

use super::*;
use proptest::prelude::*;

fn text(rtf: &str) -> String {
    match read(rtf.as_bytes()) {
        Content::Text(text) => text,
        Content::Html(html) => panic!("{html}"),
    }
}

fn html(rtf: &str) -> String {
    match read(rtf.as_bytes()) {
        Content::Html(html) => html,
        Content::Text(text) => panic!("{text}"),
    }
}

#[test]
fn octets_are_read_in_the_code_page_of_their_font() {
    let fonts = r"{\fonttbl{\f0\fswiss\fcharset0 Arial;}{\f1\fnil\fcharset128 MS Gothic;}{\f2\fcharset204 Arial Cyr;}}";
    let document = |body: &str| text(&format!(r"{{\rtf1\ansi\ansicpg932\deff0{fonts}{body}}}"));
    assert_eq!(
        document(r"\f1\'93\'fa\'96{\f1{}}"),
        "日本".replace('本', "\u{fffd}"),
        "a group ends a character"
    );
    assert_eq!(document(r"\f1\'93\'fa\'96\{"), "日本");
    assert_eq!(document(r"\'e9 {\f1\'83e\'83X\'83g} \'e9"), "é テスト é");
    assert_eq!(document(r"\f2\'ef\plain\'ef\f9\'93\'fa"), "пï日");
}

#[test]
fn unicode_stands_for_itself_and_its_stand_ins_go() {
    for (rtf, expected) in [
        (r"{\rtf1 \u12354?b}", "あb"),
        (r"{\rtf1\uc2 \u12354\'82\'a0b}", "あb"),
        (r"{\rtf1\uc0 \u12354b{\uc1\u12356 ?c}\u12358d}", "あbいcうd"),
        (r"{\rtf1 \u-10179?\u-8704?}", "\u{1f600}"),
        (r"{\rtf1 \u-10179?x\u-8704?}", "x\u{1f600}"),
        (r"{\rtf1 \u-8704?}", "\u{fffd}"),
        (r"{\rtf1 \u12354\par?}", "あ\r\n?"),
    ] {
        assert_eq!(text(rtf), expected, "{rtf}");
    }
}

#[test]
fn what_no_reader_shows_is_left_out() {
    let rtf = r"{\rtf1{\fonttbl{\f0 Secret;}}{\colortbl;\red0;}{\info{\author Merchant}}{\*\generator Riched;}
{\stylesheet{\s0 Normal;}}{\pict\wmetafile8 0102}{\object{\*\objdata 0102}{\result shown}}\pard a\tab b\line
c\par\v hidden\v0  d\bin3 }}}\~e\'zz\'4{\header top}\cell\row\rquote\emdash}";
    assert_eq!(text(rtf), "shown\u{0}a\tb\r\nc\r\n d\u{a0}ezz4\t\r\n\u{2019}\u{2014}".replace('\0', ""));
}

#[test]
fn links_keep_their_targets() {
    let link = |shown: &str| {
        text(&format!(
            r#"{{\rtf1 see {{\field{{\*\fldinst {{HYPERLINK "https://x.example/" }}}}{{\fldrslt {{\ul {shown}}}}}}}.}}"#
        ))
    };
    assert_eq!(link("here"), "see here <https://x.example/>.");
    assert_eq!(link("https://x.example"), "see https://x.example.");
    assert_eq!(text(r"{\rtf1{\field{\*\fldinst PAGE}{\fldrslt 1}}}"), "1");
}

#[test]
fn html_comes_back_as_it_was_put_in() {
    let rtf = r#"{\rtf1\ansi\ansicpg932\fromhtml1 \deff0{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset128 Gothic;}}
{\*\htmltag19 <html>}{\*\htmltag34 <meta content="text/html; charset=shift_jis">}{\*\mhtmltag84 <a href="other">}
{\*\htmltag84 <a href="mailto:a@x.example">}\htmlrtf {\field{\*\fldinst x}{\fldrslt\cf1\htmlrtf0 {\pntext\'b7}a &\htmlrtf }}\htmlrtf0
{\*\htmltag92 </a>}{\*\htmltag84 &gt;}\htmlrtf >\htmlrtf0 \htmlrtf{\f1\htmlrtf0\'83e\htmlrtf}\htmlrtf0\line\tab\lquote
{\*\htmltag64}\u12354?{\*\htmltag241 <!-- \'93\'fa \{\\\} -->}\par}"#;
    assert_eq!(
        html(rtf),
        "<html><meta content=\"text/html; charset=utf-8\"><a href=\"mailto:a@x.example\">a &</a>&gt;テ\r\n\t\
         &lsquo;あ<!-- 日 {\\} -->\r\n"
    );
}

#[test]
fn text_that_was_put_in_comes_back_too() {
    assert_eq!(text(r"{\rtf1\ansi\fromtext{\fonttbl}\f0 a\par b\{\}\par }"), "a\r\nb{}\r\n");
}

#[test]
fn deep_groups_do_not_outlive_their_braces() {
    let deep = 3 * MAX_GROUPS;
    let rtf = format!("{{\\rtf1 a{}{{\\*\\x b}}c{}d}}e", "{".repeat(deep), "}".repeat(deep));
    assert!(text(&rtf).starts_with('a') && text(&rtf).ends_with("de"));
}

proptest! {
    #[test]
    fn whatever_comes_is_read_and_does_not_grow(rtf in proptest::collection::vec(prop_oneof![
        any::<u8>().prop_map(|b| vec![b]),
        prop::sample::select(vec![
            "{", "}", "\\*", "\\htmltag", "\\fromhtml1", "\\htmlrtf", "\\u-10179", "\\u9?", "\\'8", "\\'83", "\\f1",
            "\\fonttbl", "\\fcharset128", "\\bin9", "\\uc3", "\\fldinst HYPERLINK x", "\\fldrslt", "\\~", "\\par", "\\v",
        ]).prop_map(|s| s.as_bytes().to_vec()),
    ], 0..200)) {
        let rtf = rtf.concat();
        let (Content::Html(out) | Content::Text(out)) = read(&rtf);
        prop_assert!(out.len() <= 4 * rtf.len() + 16);
    }
}
