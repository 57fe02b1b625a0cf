//! The `.properties` format as `java.util.Properties` reads it.
//!
//! - Bytes are ISO 8859-1, whatever the machine's encoding: other characters are written `\uXXXX`.
//! - A line that begins with `#` or `!`, blanks aside, is a comment; one of blanks is nothing.
//! - A line that ends in an odd number of backslashes goes on in the next, whose leading blanks do not count.
//! - A key ends at the first `=`, `:` or blank that has no backslash before it; blanks around the separator do not count, blanks at
//!   the end of a value do.
//! - `\t`, `\n`, `\r`, `\f` and `\uXXXX` stand for a character; before any other character a backslash is dropped.

/// A property, where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// The line that it begins in, counted from 1.
    pub line: usize,
    /// The key.
    pub key: String,
    /// The value. Blanks at its end are kept.
    pub value: String,
}

/// A `\u` that is not followed by four hexadecimal digits. Java refuses the whole file then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The line that the property begins in, counted from 1.
    pub line: usize,
    /// What stands there.
    pub found: String,
}

/// The properties of a file in their order, keys that come twice included; and what cannot be read.
pub fn parse(bytes: &[u8]) -> (Vec<Property>, Vec<Malformed>) {
    let (mut properties, mut malformed) = (Vec::new(), Vec::new());
    for (line, text) in LogicalLines::new(bytes) {
        let (key, value) = split(&text);
        match (unescape(key), unescape(value)) {
            (Ok(key), Ok(value)) => properties.push(Property { line, key, value }),
            (Err(found), _) | (_, Err(found)) => malformed.push(Malformed { line, found }),
        }
    }
    (properties, malformed)
}

/// One property for each pair, in a form that [`parse`] reads back.
pub fn write<K: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (K, V)>) -> String {
    let mut text = String::new();
    for (key, value) in pairs {
        escape(key.as_ref(), true, &mut text);
        text.push('=');
        escape(value.as_ref(), false, &mut text);
        text.push('\n');
    }
    text
}

/// A blank within a line. What ends a line is none.
fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\u{c}')
}

/// Natural lines put together: comments and empty lines are gone, continuations joined.
struct LogicalLines {
    lines: std::vec::IntoIter<(usize, String)>,
}

impl LogicalLines {
    fn new(bytes: &[u8]) -> Self {
        let mut lines = Vec::new();
        let mut current = String::new();
        let (mut number, mut after_return) = (1, false);
        for &byte in bytes {
            match byte {
                b'\n' if after_return => after_return = false,
                b'\n' | b'\r' => {
                    lines.push((number, std::mem::take(&mut current)));
                    number += 1;
                    after_return = byte == b'\r';
                }
                other => {
                    current.push(char::from(other));
                    after_return = false;
                }
            }
        }
        lines.push((number, current));
        Self { lines: lines.into_iter() }
    }
}

impl Iterator for LogicalLines {
    type Item = (usize, String);

    fn next(&mut self) -> Option<Self::Item> {
        let (number, mut text) = self.lines.find(|(_, line)| {
            let content = line.trim_start_matches(is_blank);
            !content.is_empty() && !content.starts_with(['#', '!'])
        })?;
        text.drain(..text.len() - text.trim_start_matches(is_blank).len());
        while goes_on(&text) {
            text.pop();
            match self.lines.next() {
                Some((_, next)) => text.push_str(next.trim_start_matches(is_blank)),
                None => break,
            }
        }
        Some((number, text))
    }
}

/// Whether a line ends in an odd number of backslashes.
fn goes_on(text: &str) -> bool {
    text.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Key and value, still escaped.
fn split(text: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = text.char_indices().find(|&(_, character)| {
        let ends = !escaped && (is_blank(character) || character == '=' || character == ':');
        escaped = character == '\\' && !escaped;
        ends
    });
    let Some((end, _)) = end else { return (text, "") };
    let rest = text[end..].trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (&text[..end], rest.trim_start_matches(is_blank))
}

fn unescape(text: &str) -> Result<String, String> {
    // As in Java a character beyond 16 bits is two escapes, so that these are put together at the end.
    let mut units = Vec::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let unescaped = match character {
            '\\' => match characters.next() {
                None => break,
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some('u') => {
                    let digits: String = characters.by_ref().take(4).collect();
                    let is_hexadecimal =
                        digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                    let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| is_hexadecimal);
                    units.push(unit.ok_or_else(|| format!("\\u{digits}"))?);
                    continue;
                }
                Some(other) => other,
            },
            other => other,
        };
        units.extend(unescaped.encode_utf16(&mut [0; 2]).iter());
    }
    Ok(String::from_utf16_lossy(&units))
}

fn escape(text: &str, is_key: bool, out: &mut String) {
    for (index, character) in text.chars().enumerate() {
        match character {
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\u{c}' => out.push_str("\\f"),
            '\\' => out.push_str("\\\\"),
            ' ' if is_key || index == 0 => out.push_str("\\ "),
            '=' | ':' | '#' | '!' if is_key => out.extend(['\\', character]),
            ' '..='~' => out.push(character),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(text: &str) -> Vec<(usize, String, String)> {
        let (properties, malformed) = parse(text.as_bytes());
        assert_eq!(malformed, []);
        properties.into_iter().map(|property| (property.line, property.key, property.value)).collect()
    }

    fn one(text: &str) -> (String, String) {
        let found = pairs(text);
        assert_eq!(found.len(), 1, "{found:?}");
        (found[0].1.clone(), found[0].2.clone())
    }

    #[test]
    fn separators_of_all_kinds_end_the_key() {
        for text in ["a=b", "a:b", "a b", "a = b", "  a\t:\tb", "a  b", "\u{c}a\u{c}=\u{c}b"] {
            assert_eq!(one(text), ("a".into(), "b".into()), "{text:?}");
        }
        // Only one separator counts.
        assert_eq!(one("a==b"), ("a".into(), "=b".into()));
        assert_eq!(one("a : = b"), ("a".into(), "= b".into()));
        assert_eq!(one("a"), ("a".into(), String::new()));
        assert_eq!(one("=b"), (String::new(), "b".into()));
    }

    #[test]
    fn separators_behind_a_backslash_belong_to_the_key() {
        assert_eq!(one(r"a\=b\:c\ d=e"), ("a=b:c d".into(), "e".into()));
        assert_eq!(one(r"a\\=b"), (r"a\".into(), "b".into()));
    }

    #[test]
    fn blanks_at_the_end_of_a_value_are_kept() {
        assert_eq!(one("a=b \t"), ("a".into(), "b \t".into()));
    }

    #[test]
    fn comments_and_empty_lines_are_passed_over_and_counted() {
        let text = "# c\n\n  ! c \\\na=1\r\n\t\r\nb=2\rc=3";
        assert_eq!(
            pairs(text),
            [(4, "a".into(), "1".into()), (6, "b".into(), "2".into()), (7, "c".into(), "3".into())]
        );
    }

    #[test]
    fn continued_lines_are_one_property_of_their_first_line() {
        let text = "a=1,\\\n   2,\\\r\n\t3\nb=4\\\\\nc=5\\";
        assert_eq!(
            pairs(text),
            [(1, "a".into(), "1,2,3".into()), (4, "b".into(), "4\\".into()), (5, "c".into(), "5".into())]
        );
        // A comment sign in a continuation is none, and an empty line ends it.
        assert_eq!(pairs("a=1\\\n#2\nb=3\\\n\nc=4").len(), 3);
        assert_eq!(one("a=1\\\n#2"), ("a".into(), "1#2".into()));
    }

    #[test]
    fn escapes_stand_for_characters() {
        assert_eq!(
            one(r"a=\t\n\r\f\q\u00e9\ud83d\ude00"),
            ("a".into(), "\t\n\r\u{c}q\u{e9}\u{1f600}".into())
        );
    }

    #[test]
    fn escapes_without_four_digits_are_told_with_their_line() {
        let (properties, malformed) = parse(b"a=1\nb=\\u12\nc=\\u+123\nd=2");
        assert_eq!(properties.len(), 2);
        let lines: Vec<_> = malformed.iter().map(|each| (each.line, each.found.as_str())).collect();
        assert_eq!(lines, [(2, "\\u12"), (3, "\\u+123")]);
    }

    #[test]
    fn bytes_beyond_ascii_are_latin_1() {
        let (properties, _) = parse(b"a=\xe9");
        assert_eq!(properties[0].value, "\u{e9}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let lines = bytes.len() + 1;
            let (properties, malformed) = parse(&bytes);
            prop_assert!(properties.iter().all(|property| (1..=lines).contains(&property.line)));
            prop_assert!(malformed.iter().all(|each| (1..=lines).contains(&each.line)));
        }

        #[test]
        fn what_is_written_is_read_back(pairs in prop::collection::vec((".{1,20}", ".{0,40}"), 0..8)) {
            let (properties, malformed) = parse(write(pairs.clone()).as_bytes());
            prop_assert_eq!(malformed, vec![]);
            let read: Vec<_> = properties.into_iter().map(|each| (each.key, each.value)).collect();
            prop_assert_eq!(read, pairs);
        }

        #[test]
        fn any_text_of_the_format_s_own_characters_is_read(text in "[a \\\\=:#!\n\r\tu0]{0,60}") {
            parse(text.as_bytes());
        }
    }
}
