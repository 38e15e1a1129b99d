//! Characters of the standard fonts: their bytes in Windows-1252, and how wide Helvetica draws them.

/// Widths of the characters from the blank to `~`, in thousandths of the font's size (Adobe's Helvetica metrics).
const ASCII: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278,
    500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469,
    556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500,
    278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

/// Widths of the characters from the hard blank to `ÿ`.
const LATIN: [u16; 96] = [
    278, 333, 556, 556, 556, 556, 260, 556, 333, 737, 370, 556, 584, 333, 737, 333, 400, 584, 333, 333, 333,
    556, 537, 278, 333, 333, 365, 556, 834, 834, 834, 611, 667, 667, 667, 667, 667, 667, 1000, 722, 667, 667,
    667, 667, 278, 278, 278, 278, 722, 722, 778, 778, 778, 778, 778, 584, 778, 722, 722, 722, 722, 667, 667,
    611, 556, 556, 556, 556, 556, 556, 889, 500, 556, 556, 556, 556, 278, 278, 278, 278, 556, 556, 556, 556,
    556, 556, 556, 584, 611, 556, 556, 556, 556, 500, 556, 500,
];

/// Characters of Windows-1252 that stand elsewhere in Unicode: character, byte, width.
const OTHERS: &[(char, u8, u16)] = &[
    ('€', 0x80, 556),
    ('‚', 0x82, 222),
    ('ƒ', 0x83, 556),
    ('„', 0x84, 333),
    ('…', 0x85, 1000),
    ('†', 0x86, 556),
    ('‡', 0x87, 556),
    ('ˆ', 0x88, 333),
    ('‰', 0x89, 1000),
    ('Š', 0x8a, 667),
    ('‹', 0x8b, 333),
    ('Œ', 0x8c, 1000),
    ('Ž', 0x8e, 611),
    ('‘', 0x91, 222),
    ('’', 0x92, 222),
    ('“', 0x93, 333),
    ('”', 0x94, 333),
    ('•', 0x95, 350),
    ('–', 0x96, 556),
    ('—', 0x97, 1000),
    ('˜', 0x98, 333),
    ('™', 0x99, 1000),
    ('š', 0x9a, 500),
    ('›', 0x9b, 333),
    ('œ', 0x9c, 944),
    ('ž', 0x9e, 500),
    ('Ÿ', 0x9f, 667),
];

/// A character's byte and width. Control characters are blanks; what the encoding lacks is `?`.
fn glyph(c: char) -> (u8, u16) {
    let code = u32::from(c);
    let at = |table: &[u16], from: u32| table.get(usize::try_from(code.checked_sub(from)?).ok()?).copied();
    let byte = u8::try_from(code).unwrap_or(b'?');
    if let Some(width) = at(&ASCII, 0x20) {
        (byte, width)
    } else if let Some(width) = at(&LATIN, 0xa0) {
        (byte, width)
    } else if let Some((_, byte, width)) = OTHERS.iter().find(|(other, ..)| *other == c) {
        (*byte, *width)
    } else if c.is_control() {
        (b' ', 278)
    } else {
        (b'?', 556)
    }
}

/// A text's bytes.
pub fn encoded(text: &str) -> Vec<u8> {
    text.chars().map(|c| glyph(c).0).collect()
}

/// How wide a text is at a font size, both in tenths of a point.
pub fn width(text: &str, size: i32) -> i32 {
    text.chars().map(|c| i32::from(glyph(c).1)).sum::<i32>() * size / 1000
}

/// How wide Helvetica-Bold draws a text, at most: its digits are as wide as Helvetica's, its letters up to 56 wider.
pub fn bold_width(text: &str, size: i32) -> i32 {
    let letters = text.chars().filter(|c| c.is_alphabetic()).map(|_| 56).sum::<i32>();
    width(text, size) + letters * size / 1000
}

/// Cuts a text into lines that fit a width: between words, and within a word only if it does not fit by itself.
pub fn wrapped(text: &str, size: i32, room: i32) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let joined = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if width(&joined, size) <= room {
            line = joined;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for c in word.chars() {
            line.push(c);
            if line.chars().count() > 1 && width(&line, size) > room {
                line.pop();
                lines.push(std::mem::replace(&mut line, c.to_string()));
            }
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nordic_letters_and_the_euro_have_their_bytes_and_others_a_question_mark() {
        assert_eq!(encoded("æøåÆØÅäö€–é"), b"\xe6\xf8\xe5\xc6\xd8\xc5\xe4\xf6\x80\x96\xe9");
        assert_eq!(encoded("a\u{9}漢\u{1f389}"), b"a ??");
    }

    #[test]
    fn lines_break_between_words_and_within_words_that_are_too_long() {
        assert_eq!(wrapped("one two three", 80, width("one two", 80)), ["one two", "three"]);
        let long = "x".repeat(50);
        let lines = wrapped(&long, 80, 800);
        assert!(lines.len() > 1 && lines.concat() == long);
        assert!(lines.iter().all(|line| width(line, 80) <= 800));
        assert_eq!(wrapped("", 80, 800), [""]);
    }
}
