//! Finding what is in an object while it is checked, in one pass.
//!
//! Strict: whatever is found is JSON. Not the other way round: what is nested deeper than 128 levels
//! is not found, and whoever wants to know more then asks a parser.

use memchr::memchr2;

use super::nodes::{Key, Nodes, Notes};

/// Notes what is in an object that is a whole text. `None` where the text is no object, or may be
/// none.
pub(super) fn note<'a>(text: &'a str, nodes: &mut Nodes<'a>) -> Option<()> {
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        at: 0,
        notes: Notes::new(nodes),
    };
    reader.object()?;
    (reader.at == text.len()).then_some(())
}

struct Reader<'a, 'n> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    notes: Notes<'a, 'n>,
}

impl<'a> Reader<'a, '_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Steps over a key, to its value.
    fn key(&mut self) -> Option<Key<'a>> {
        let start = self.at;
        let escaped = self.string()?;
        let text = self.text.get(start..self.at)?;
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        Some(Key { text, escaped })
    }

    /// Steps over an object, and notes all that is inside.
    fn object(&mut self) -> Option<()> {
        self.expect(b'{')?;
        self.skip_space();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        // One bit for every bracket that is open in it, the innermost lowest: 1 for a brace.
        let (mut braces, mut depth) = (0_u128, 0);
        loop {
            let in_object = depth == 0 || braces & 1 == 1;
            let key = if in_object { self.key()? } else { Key::NONE };
            let start = self.at;
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                open @ (b'{' | b'[') => {
                    self.at += 1;
                    self.skip_space();
                    let is_brace = open == b'{';
                    if self.peek()? == if is_brace { b'}' } else { b']' } {
                        self.at += 1;
                    } else {
                        if depth == u128::BITS {
                            return None;
                        }
                        depth += 1;
                        braces = braces << 1 | u128::from(is_brace);
                        self.notes.begin(key, self.text.get(start..)?);
                        continue;
                    }
                }
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => self.number()?,
            }
            self.notes.add(key, self.text.get(start..self.at)?);
            // It has ended, and with it perhaps what it stands in.
            loop {
                self.skip_space();
                let in_object = depth == 0 || braces & 1 == 1;
                match (self.next()?, in_object) {
                    (b',', _) => {
                        self.skip_space();
                        break;
                    }
                    (b'}', true) if depth == 0 => return Some(()),
                    (b'}', true) | (b']', false) => {
                        braces >>= 1;
                        depth -= 1;
                        self.notes.end(self.text.get(self.at..)?);
                    }
                    _ => return None,
                }
            }
        }
    }

    /// Steps over a string. Returns whether it has escapes.
    fn string(&mut self) -> Option<bool> {
        self.expect(b'"')?;
        self.at += plain(self.bytes.get(self.at..)?);
        if self.peek()? == b'"' {
            self.at += 1;
            return Some(false);
        }
        self.at += escaped(self.bytes.get(self.at..)?)?;
        Some(true)
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.bytes.get(self.at..)?.strip_prefix(word)?;
        self.at += word.len();
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.next()? {
            b'0' => {}
            b'1'..=b'9' => self.skip_digits(),
            _ => return None,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    /// Steps over digits, of which there has to be one.
    fn digits(&mut self) -> Option<()> {
        self.next()?.is_ascii_digit().then_some(())?;
        self.skip_digits();
        Some(())
    }

    fn skip_digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }
}

/// Returns the length of the rest of a string, from its first escape to behind the quote.
#[inline(never)]
fn escaped(text: &[u8]) -> Option<usize> {
    let mut rest = text;
    loop {
        let len = match rest {
            [b'"', ..] => return Some(text.len() - rest.len() + 1),
            [
                b'\\',
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                ..,
            ] => 2,
            [b'\\', b'u', digits @ ..] => {
                let digits = digits.first_chunk::<4>()?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(6)?
            }
            // A control character, or nothing.
            _ => return None,
        };
        rest = rest.get(len..)?;
        rest = rest.get(plain(rest)..)?;
    }
}

/// Returns the length of what has no meaning of its own in a string. Most strings are short.
fn plain(text: &[u8]) -> usize {
    let (near, far) = text.split_at_checked(NEAR).unwrap_or((text, &[]));
    let (words, rest) = near.as_chunks();
    for (at, word) in words.iter().enumerate() {
        let found = marks(u64::from_le_bytes(*word));
        if found != 0 {
            return at * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    if far.is_empty() {
        let is_mark = |byte: &u8| matches!(byte, b'"' | b'\\' | ..b' ');
        let len = rest.iter().position(is_mark).unwrap_or(rest.len());
        return near.len() - rest.len() + len;
    }
    let len = memchr2(b'"', b'\\', far).unwrap_or(far.len());
    let inner = far.get(..len).unwrap_or(far);
    // In one go, as a vector: one that has any is no JSON.
    if inner.iter().fold(u8::MAX, |least, byte| least.min(*byte)) < b' ' {
        let control = inner.iter().position(|byte| *byte < b' ');
        return NEAR + control.unwrap_or(len);
    }
    NEAR + len
}

/// How far is near, bytes: whole words of eight.
const NEAR: usize = 32;

/// Returns the top bit of each byte that is a mark; above the first also of some others.
fn marks(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let below = |word: u64, least: u8| word.wrapping_sub(ONES * u64::from(least)) & !word;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (is(b'"') | is(b'\\') | below(word, b' ')) & (ONES << 7)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    fn is_found(text: &str) -> bool {
        note(text, &mut Nodes::new()).is_some()
    }

    #[test]
    fn what_is_no_json_is_not_found() {
        for value in [
            "01",
            "-",
            "-01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "+1",
            "0x1",
            "tru",
            "nulll",
            "NaN",
            "\"\u{1}\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u12",
            "\"a",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\":}",
            "{\"a\"}",
            "{a:1}",
            "{\"a\":1,}",
            "[}",
            "{]",
            "[1}",
            "{\"a\":1]",
            "",
            " ",
            "\u{c}1",
            "\u{a0}1",
        ] {
            assert!(!is_found(&format!("{{\"a\":{value}}}")), "{value}");
        }
        for text in [
            "",
            "{",
            "}",
            "[]",
            "{}{}",
            "{} ",
            "{}x",
            "{\"a\":1}}",
            "{,}",
            "\"a\":1",
        ] {
            assert!(!is_found(text), "{text}");
        }
    }

    #[test]
    fn json_is_found() {
        for value in [
            "0",
            "-0",
            "-0.5e-10",
            "1E+9",
            "10.25",
            "true",
            "false",
            "null",
            "\"\"",
            "\"\\ud800\\n\\/\"",
            "[]",
            "[ ]",
            "{ }",
            "[ 1 , [ ] , { \"b\" : { } } ]",
            "\"\u{7f}é\u{2028}\"",
        ] {
            let text = format!("{{ \"k\" :\t{value}\n,\"l\\n\":{value}}}");
            let mut nodes = Nodes::new();
            note(&text, &mut nodes).unwrap();
            let (first, following) = nodes.split_first().unwrap();
            let second = first.split(following).1.first().unwrap();
            for (node, key, escaped) in [(first, "\"k\"", false), (second, "\"l\\n\"", true)] {
                assert_eq!((node.key().text, node.key().escaped), (key, escaped));
                assert_eq!(node.value(), value);
            }
        }
        assert!(is_found("{}") && is_found("{ \n}"));
        let deep = |levels| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(is_found(&deep(129)) && !is_found(&deep(130)));
    }

    #[test]
    fn every_byte_of_a_string_is_looked_at() {
        for len in 0..100 {
            for at in 0..len {
                for (mark, sound) in [
                    ("\u{1f}", false),
                    ("\\", false),
                    ("\\\"", true),
                    ("~", true),
                ] {
                    let (before, after) = ("é ".repeat(at), "x".repeat(len - at));
                    let text = format!("{{\"a\":\"{before}{mark}|{after}\"}}");
                    assert_eq!(is_found(&text), sound, "{text}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_found_is_json(parts in prop::collection::vec(
            prop::sample::select(vec![
                "{", "}", "[", "]", "\"a\":", "\"b\"", ":", ",", "1", "0", "-", ".", "e", "+", "true",
                "null", "false", "\"", "\\", "\\u00e9", "\\u", "\\n", "\"\"", "\"a\":1", ",\"b\":[]", " ",
                "\n", "\t", "\u{1}", "\u{c}", "é", "x", "long text that has no marks, and is a block ",
            ]),
            0..14,
        )) {
            let text = format!("{{{}}}", parts.concat());
            let is_json = serde_json::from_str::<&RawValue>(&text).is_ok();
            prop_assert_eq!(is_found(&text), is_json);
        }
    }
}
