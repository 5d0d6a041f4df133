//! Characters that read as letters, digits and signs of ASCII: for the gate alone, apart from the rewriter's spelling.
//!
//! Rules: what the compatibility forms of Unicode (UAX #15, NFKC) make ASCII, in lower case; dashes and full stops of
//! other scripts; letters in circles, squares and brackets, and those of flags. What has no width of its own reads as
//! nothing.
//! When it fails: never; what is not known reads as itself.

use std::sync::LazyLock;

/// What `c` reads as in ASCII, if it does.
pub fn plain(c: char) -> Option<&'static str> {
    if is_caseless(c) {
        return None;
    }
    let code = u32::from(c);
    let at = match FIRST_PLANE.get(code as usize) {
        Some(place) => usize::from(*place).checked_sub(1)?,
        None => TABLE.binary_search_by_key(&code, |(code, _)| *code).ok()?,
    };
    TABLE.get(at).map(|(_, reads)| *reads)
}

/// Where in the table the characters of the first plane stand, counted from one; zero for those that it lacks.
static FIRST_PLANE: LazyLock<Vec<u16>> = LazyLock::new(|| {
    let mut places = vec![0; 1 << 16];
    for ((code, _), place) in TABLE.iter().zip(1..) {
        if let Some(room) = places.get_mut(*code as usize) {
            *room = place;
        }
    }
    places
});

/// Whether `c` is one of those that make up most of a text, have no case and read as nothing in ASCII: kana, ideographs,
/// Hangul, and what stands for octets that are no text.
pub fn is_caseless(c: char) -> bool {
    matches!(u32::from(c), 0xa4 | 0x3041..=0x31ff | 0x3400..=0x9fff | 0xac00..=0xd7a3 | 0xfffd)
}

/// Whether `c` is a letter or number with a frame. One may also number what stands beside it: words end at it.
pub fn is_framed(c: char) -> bool {
    matches!(u32::from(c), 0x2460..=0x24ff | 0x3250..=0x32bf | 0x1f100..=0x1f1ff)
}

/// Whether `c` is not seen, or only strikes through or frames its neighbour.
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c), 0xad | 0x332 | 0x335..=0x338 | 0x34f | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5
            | 0x180b..=0x180f | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0x20dd..=0x20e4 | 0x3164
            | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff9..=0xfffb | 0xe0000..=0xe0fff)
}

static TABLE: LazyLock<Vec<(u32, &'static str)>> = LazyLock::new(|| {
    let mut table = Vec::with_capacity(1500);
    let mut code = 0;
    for word in READS.split_ascii_whitespace() {
        if let Some(digits) = word.strip_prefix("U+") {
            code = u32::from_str_radix(digits, 16).unwrap_or(0);
            continue;
        }
        let ends = word.split_once('…').and_then(|(first, last)| ASCII.find(first).zip(ASCII.find(last)));
        let (first, last) = ends.unwrap_or((0, 0));
        for at in first..=last {
            table.push((code, if ends.is_some() { ASCII.get(at..=at).unwrap_or(word) } else { word }));
            code += 1;
        }
    }
    table
});

const ASCII: &str = "!\"#$%&'()*+,-./0123456789:;<=>?@[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";

/// A code point, and what it and those behind it read as; `a…z` stands for a run of one letter each.
const READS: &str = r#"
U+00AA a U+00B2 2 3 U+00B9 1 o U+0132 ij ij U+017F s U+01C7 lj lj lj nj nj nj U+01F1 dz dz dz U+02B0
h U+02B2 j r U+02B7 w y U+02E1 l s x U+037E ; U+1D2C a U+1D2E b U+1D30 d e U+1D33 g…n U+1D3C o
U+1D3E p r t u w a U+1D47 b d e U+1D4D g U+1D4F k m U+1D52 o U+1D56 p t u U+1D5B v U+1D62 i r u v
U+1D9C c U+1DA0 f U+1DBB z U+1FEF ` U+2010 - - - - - - U+2024 . .. ... U+203C !! U+2043 - U+2047 ??
?! !? U+2070 0 i U+2074 4…9 + U+207C = ( ) n 0…9 + U+208C = ( ) U+2090 a e o x U+2095 h k…n p s t
U+20A8 rs U+2100 a/c a/s c U+2105 c/o c/u U+210A g h h h h U+2110 i i l l U+2115 n no U+2119 p q r r
r U+2120 sm tel tm U+2124 z U+2128 z U+212A k U+212C b c U+212F e e f U+2133 m o U+2139 i U+213B fax
U+2145 d d e i j U+2160 i ii iii iv v vi vii viii ix x xi xii l c d m i ii iii iv v vi vii viii ix x
xi xii l c d m U+2212 - U+2460 1…9 10 11 12 13 14 15 16 17 18 19 20 1…9 10 11 12 13 14 15 16 17 18
19 20 1. 2. 3. 4. 5. 6. 7. 8. 9. 10. 11. 12. 13. 14. 15. 16. 17. 18. 19. 20. a…z a…z a…z 0 U+2A74
::= == === U+2C7C j v U+3002 . U+3250 pte 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 U+32B1 36 37
38 39 40 41 42 43 44 45 46 47 48 49 50 U+32CC hg erg ev ltd U+3371 hpa da au bar ov pc dm dm2 dm3 iu
U+3380 pa na U+3383 ma ka kb mb gb cal kcal pf nf U+338E mg kg hz khz mhz ghz thz U+3396 ml dl kl fm
nm U+339C mm cm km mm2 cm2 m2 km2 mm3 cm3 m3 km3 U+33A9 pa kpa mpa gpa rad U+33B0 ps ns U+33B3 ms pv
nv U+33B7 mv kv mv pw nw U+33BD mw kw mw U+33C2 a.m. bq cc cd U+33C7 co. db gy ha hp in kk km kt lm
ln log lx mb mil mol ph p.m. ppm pr sr sv wb U+33FF gal U+A7F2 c f q U+FB00 ff fi fl ffi ffl st st
U+FB29 + U+FE10 , U+FE13 : ; ! ? U+FE19 ... U+FE30 .. U+FE33 _ _ ( ) { } U+FE47 [ ] U+FE4D _ _ _ ,
U+FE52 . U+FE54 ; : ? ! - ( ) { } U+FE5F # & * + - < > = U+FE68 \ $ % @ U+FF01 !…@ a…z […~ U+FF61 .
U+107A5 q U+1D400 a…z a…z a…z a…g U+1D456 i…z a…z a…z a U+1D49E c d U+1D4A2 g U+1D4A5 j k U+1D4A9
n…q U+1D4AE s…z a…d U+1D4BB f U+1D4BD h…n U+1D4C5 p…z a…z a…z a b U+1D507 d…g U+1D50D j…q U+1D516
s…y U+1D51E a…z a b U+1D53B d…g U+1D540 i…m U+1D546 o U+1D54A s…y U+1D552 a…z a…z a…z a…z a…z a…z
a…z a…z a…z a…z a…z a…z a…z U+1D7CE 0…9 0…9 0…9 0…9 0…9 U+1F100 0. 0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
U+1F110 a…z s c r cd wz U+1F130 a…z hv mv sd ss ppv wc a…z mc md mr U+1F170 a…z U+1F190 dj U+1F1E6
a…z U+1FBF0 0…9
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compatibility_forms_read_as_ascii_and_others_as_themselves() {
        for (c, reads) in [
            ('＠', Some("@")),
            ('﹫', Some("@")),
            ('Ｚ', Some("z")),
            ('。', Some(".")),
            ('𝒷', Some("b")),
            ('𝟗', Some("9")),
            ('㎞', Some("km")),
            ('ﬁ', Some("fi")),
            ('ⓩ', Some("z")),
            ('🅰', Some("a")),
            ('⒜', Some("a")),
            ('⒵', Some("z")),
            ('🄐', Some("a")),
            ('🄩', Some("z")),
            ('🄰', Some("a")),
            ('🅉', Some("z")),
            ('🅐', Some("a")),
            ('🅩', Some("z")),
            ('🇦', Some("a")),
            ('🇿', Some("z")),
            ('⑴', Some("1")),
            ('⑳', Some("20")),
            ('あ', None),
            ('日', None),
            ('é', None),
            ('а', None),
        ] {
            assert_eq!(plain(c), reads, "{c}");
        }
        assert!(TABLE.is_sorted_by_key(|(code, _)| *code));
    }
}
