//! How an address can be spelled in a text.

use super::*;

fn plain(text: &str) -> String {
    format!("S: s\r\n\r\nBefore it. {text} Behind it.\r\n")
}

fn html(text: &str) -> String {
    format!(
        "Content-Type: text/html; charset=utf-8\r\n\r\n<html><body><p>Before {text} behind</p></body></html>\r\n"
    )
}

const SPELLINGS: &[&str] = &[
    "bob@a.example",
    "BOB@A.EXAMPLE",
    "<bob@a.example>",
    "\"bob\"@a.example",
    "\"b\\ob\"@a.example",
    "連絡先bob@a.exampleまで",
    "bob @ a.example",
    "bob@\r\na.example",
    "bob@\r\n> a.example",
    "b\r\n> > ob@a.exam\r\n> > ple",
    "bob+tag@a.example",
    "bob+tag.with-more_parts+x@a.example",
    "bob%40a.example",
    "bob%2540a.example",
    "bob%252540a.example",
    "bob%25252540a.example",
    "%62%6f%62%40%61%2e%65%78%61%6d%70%6c%65",
    "%62ob@a.example",
    "bob@a%2Eexample",
    "mailto:bob%40a.example?subject=x",
    "bob%EF%BC%A0a.example",
    "bob%u0040a.example",
    "bob&#64;a.example",
    "bob&#x40;a.example",
    "bob&#0000064;a.example",
    "bob&#64\u{200b}a.example",
    "bob&commat;a&period;example",
    "bob&amp;commat;a.example",
    "bob&amp;amp;#64;a.example",
    "&#98;&#111;&#98;&#64;&#97;&#46;&#101;&#120;&#97;&#109;&#112;&#108;&#101;",
    "&#x26;#98;ob@a.example",
    "&bopf;ob@a.example",
    "b&zwnj;ob&shy;@a.example",
    "bob&nbsp;@&emsp13;a.example",
    "bob\\u0040a.example",
    "bob\\u{40}a.example",
    "bob\\\\u0040a.example",
    "\\u0062ob@a.example",
    "bob\\x40a.example",
    "bob\\100a.example",
    "bob\\40 a.example",
    "bob\\000040a.example",
    "bob=40a.example",
    "bob=3D40a.example",
    "bob%26%2364%3Ba.example",
    "bob%5Cu0040a.example",
    "bob\\u0026#64;a.example",
    "bob\\u005c\\u0075\\u0030\\u0030\\u0034\\u0030a.example",
    "bob%25%34%30a.example",
    "bob&#38;&#35;&#54;&#52;&#59;a.example",
    "bob(at)a.example",
    "bob (at) a.example",
    "bob [at] a [dot] example",
    "bob {AT} a {DOT} example",
    "bob at a.example",
    "bob at a dot example",
    "bob%28at%29a.example",
    "bob&#40;at&#41;a.example",
    "bob(&#97;t)a.example",
    "bob（ａｔ）a．example",
    "bob（at）a.example",
    "ｂｏｂ＠ａ．ｅｘａｍｐｌｅ",
    "bob﹫a。example",
    "𝐛𝐨𝐛@a.example",
    "ⓑⓞⓑ@a.example",
    "ᵇᵒᵇ@a.example",
    "🅱🅾🅱@a.example",
    "b\u{200b}o\u{ad}b\u{feff}@\u{2060}a.exam\u{200d}ple",
    "b\u{fe0f}ob@a.example",
    "bob\u{3000}@\u{a0}a.example",
    "eve@日本.example",
    "eve@xn--wgv71a.example",
    "EVE@XN--WGV71A.example",
    "eve＠日本。example",
    "eve%40%E6%97%A5%E6%9C%AC.example",
    "eve@&#26085;&#26412;.example",
    "eve@\\u65e5\\u672c.example",
    "janedoe@gmail.com",
    "j.a.n.e.d.o.e@gmail.com",
    "Jane.Doe+x@GoogleMail.com",
    "jane.doe (at) googlemail (dot) com",
    "ann@b.example",
    "ann+other@b.example",
    "x.y-z_9@mail.long-name.example",
    "https://t.example/?e=bob@a.example",
    "https://t.example/Ym9iQGEuZXhhbXBsZQ==",
    "https://t.example/xYm9iQGEuZXhhbXBsZQ",
    "https://t.example/626F6240612E6578616D706C65",
    "https://t.example/?p=Ym9iJTQwYS5leGFtcGxl",
    "data:text/plain;base64,Ym9iQGEuZXhhbXBsZQ==",
    "data:;charset=utf-16le;base64,YgBvAGIAQABhAC4AZQB4AGEAbQBwAGwAZQA=",
    "data:text/html,%3Cb%3Ebob%3C%2Fb%3E%40a.example",
    "{\"to\":\"bob\\u0040a.example\"}",
    "\\u003cbob@a.example\\u003e",
    "bob@a.example\\n",
    "'bob@a.example'",
    "/bob@a.example/",
    "*bob@a.example*",
    "bob@a.example.",
    "⒝⒪⒝@a.example",
    "🄑🄞🄑@🄐.🄔🄧🄐🄜🄟🄛🄔",
    "🄱🄾🄱@a.example",
    "🅑🅞🅑@a.example",
    "🇧🇴🇧@🇦.🇪🇽🇦🇲🇵🇱🇪",
    "①bob@a.example②",
    "⑴bob@a.example",
    "🇯🇵bob@a.example🇯🇵",
    "bob=a.example",
    "bounce-bob=a.example@lists.example",
    "list-bounces+bob=a.example@lists.example",
    "<prvs=0123456789=bob@a.example>",
    "bounce-BOB=A.Example-17@lists.example",
    "bob%3Da.example@lists.example",
    "bob%3da%2Eexample",
    "bob&#61;a.example",
    "bob&equals;a.example",
    "bob\\u003da.example",
    "bob＝a.example",
    "ｂｏｂ＝ａ．ｅｘａｍｐｌｅ",
    "bounces-eve=日本.example@lists.example",
    "bounces-eve=xn--wgv71a.example@lists.example",
    "b-j.anedoe=gmail.com@lists.example",
    "b+ann=b.example@lists.example",
    "SRS0=4kqZ=X7=a.example=bob@f.example",
    "SRS0=4kqZ=X7=googlemail.com=jane.doe+x@f.example",
    "SRS1=x1=f.example==4kqZ=X7=A.example=Bob@g.example",
    "https://t.example/Ym91bmNlLWJvYj1hLmV4YW1wbGVAbGlzdHMuZXhhbXBsZQ",
];

#[test]
fn every_spelling_is_read_in_plain_text_and_in_html() {
    for text in SPELLINGS {
        check(HELD, [plain(text), html(text)]);
    }
}

#[test]
fn markup_between_letters_hides_nothing() {
    let long = format!("<!-- {} -->", "x > y ".repeat(3000));
    let style = format!("<span style=\"{}\">", "color:red;".repeat(2000));
    for text in [
        "b<b>o</b>b@<i>a.</i>example",
        "bob<!-- c -->@<!-- > -->a.example",
        "bob<span title=\">\">@</span>a.example",
        "bob<span title='>' >@</span>a.example",
        "bob@<wbr>a.<wbr/>example",
        "bob<b>(<i>at</i>)</b>a.example",
        "bob<br>\r\n@a.example",
        "bob<![CDATA[@]]>a.example",
        "<a href='mailto:bob&#64;a.example'>x</a>",
        "<a title=bob@a.example>x</a>",
        "<style>p:after{content:\"bob\\000040 a.example\"}</style>",
        "<script>var a='bob\\x40a.example'</script>",
        "<script>{\"e\":\"bob\\u0040a.example\"}</script>",
        "\\u003cb\\u003ebob@\\u003c/b\\u003ea.example",
        "&lt;bob@a.example&gt;",
        "bob&lt;b&gt;@&lt;/b&gt;a.example",
        "bob@a.<style>i{color:red}</style>example",
        "b<STYLE type='text/css'>i{color:red}</Style >ob@a.example",
        "bob<style>a:after{content:\">\"}</style>@a.example",
        "bob@<script>if (a<b) c('x')</script>a.example",
        "bob<template><b>x</b></template>@a.example",
        "bob@a.ex<span style=\"display:none\">nobody</span>ample",
        "bob@a.ex<span style=\"display:none\">no<span>bo</span>dy</span>ample",
        "bo<i class=x style='color:red; Visibility : hidden'>x</i>b@a.example",
        "bob<b style=font-size:0px>x</b>@a.example",
        "bob@<b style=\"font-size:0.0em\">x</b>a.example",
        "bob<div hidden>x</div>@a.example",
        "bob@<img style=\"display:none\" src=x>a.example",
        "bob<p style=\"display:none\">x@<b>y</b></p>@a.exam<!-- c --><style>x</style>ple",
        "bob@a.ex&lt;style&gt;i&lt;/style&gt;ample",
        "bob@a.ex\\u003cstyle\\u003ei\\u003c/style\\u003eample",
        &format!("bob@a.ex<style>{}</style>ample", "i{color:red}".repeat(900)),
        &format!("b<span style='display:none'>{}</span>ob@a.example", "x@y ".repeat(2000)),
        &format!("bob{long}@a.example"),
        &format!("bob@{long}a.example"),
        &format!("b{style}ob@{style}a.{style}example"),
    ] {
        check(HELD, [html(text)]);
    }
}

#[test]
fn what_is_shown_between_two_halves_parts_them() {
    for text in [
        "bob@a.ex<span style=\"display:block\">nobody</span>ample",
        "bob@a.ex<span style=\"font-size:0.9em\">nobody</span>ample",
        "bob@a.ex<b>nobody</b>ample",
        "bob@a.ex<span data-x=\"hidden-x\">nobody</span>ample",
        "bob@a.ex<style>nobody</style>amplex",
    ] {
        check(Ok(()), [html(text)]);
    }
}

#[test]
fn folded_lines_of_calendars_and_cards_hide_nothing() {
    check(
        HELD,
        [
            "Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\nATTENDEE;CN=Bob:mailto:bob@a.ex\r\n ample\r\nEND:VCALENDAR\r\n",
            "Content-Type: text/vcard\r\n\r\nBEGIN:VCARD\r\nEMAIL;TYPE=home:b\r\n\tob@a.example\r\nEND:VCARD\r\n",
            "Content-Type: text/vcard\r\n\r\nEMAIL;ENCODING=QUOTED-PRINTABLE:bob=40a.exam=\r\nple\r\n",
            "Content-Type: text/plain; format=flowed\r\n\r\n> write to bob@a. \r\n> example or so\r\n",
            "Content-Transfer-Encoding: quoted-printable\r\n\r\n=62=6F=\r\n=62=40a.exam=\r\nple",
            "Content-Transfer-Encoding: quoted-printable\r\n\r\nbob@a.exam= \r\nple",
            "Content-Type: text/plain\r\n\r\nbob@a.exam= \t\r\nple",
            "Content-Type: text/plain\r\n\r\n=1b=24=42=23b=23o=23b=21=77#a!=\r\n%=1b=28Bexample",
            "Content-Type: text/plain\r\n\r\n==62=6F=62@a.example",
        ],
    );
}

#[test]
fn what_only_looks_alike_passes() {
    for text in [
        "bobby@a.example",
        "rob.bob@a.example",
        "rob_bob@a.example",
        "rob-bob@a.example",
        "rob+bob@a.example",
        "bob.x@a.example",
        "bob1@a.example",
        "1bob@a.example",
        "bob@a.exampleton",
        "bob@xa.example",
        "bob@x.a.example",
        "bob@a-b.example",
        "bob@aexample",
        "bob a.example",
        "bob@ or a.example",
        "bob at home, see a.example",
        "bobata.example",
        "look at a.example",
        "%72%6f%62%2e%62ob@a.example",
        "&#114;&#111;&#98;&#46;&#98;&#111;&#98;&#64;a.example",
        "xｂｏｂ@a.example",
        "jane.doe@gmail.org",
        "mary.jane.doe@gmail.com",
        "jane.do@gmail.com",
        "jane_doe@gmail.com",
        "annx@b.example",
        "ann@bb.example",
        "eve@日本人.example",
        "eve@本.example",
        "xn--wgv71a.example",
        "https://t.example/b2JAYS5leGFtcGxl",
        "a0b1@pc.fw.relay.example",
        "bobby=a.example@lists.example",
        "xbob=a.example",
        "bob=a.examples",
        "bob=xa.example",
        "bob=b.example",
        "bob==a.example",
        "a.example=bobby@lists.example",
        "SRS0=4kqZ=X7=x.a.example=bob@f.example",
        "SRS0=4kqZ=X7=a.example=bob.x@f.example",
        "host=a.example=bob",
        "bob=\"home\" href=a.example",
        "@media (max-width: 600px) { a { color: red } }",
        "100% &amp; more & less = \\o/ @ home",
    ] {
        check(Ok(()), [plain(text), html(text)]);
    }
}
