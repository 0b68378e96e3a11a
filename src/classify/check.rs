//! Finding the members of an object while it is checked, in one pass.
//!
//! Strict: whatever is found is JSON. Not the other way round: what is nested deeper than 128 levels
//! is not found, and whoever wants to know more then asks a parser.

/// Hands out the key and the value of every member of an object that is a whole text, in order, each
/// as it is written, and whether the key has escapes. `None` where the text is no object, or may be
/// none.
pub(super) fn members<'a>(
    text: &'a str,
    mut take: impl FnMut(&'a str, bool, &'a str),
) -> Option<()> {
    let mut reader = Reader {
        bytes: text.as_bytes(),
        at: 0,
    };
    reader.expect(b'{')?;
    reader.skip_space();
    if reader.peek() == Some(b'}') {
        reader.at += 1;
    } else {
        loop {
            let start = reader.at;
            let escaped = reader.string()?;
            let key = text.get(start..reader.at)?;
            reader.colon()?;
            let start = reader.at;
            reader.value()?;
            take(key, escaped, text.get(start..reader.at)?);
            reader.skip_space();
            match reader.next()? {
                b',' => reader.skip_space(),
                b'}' => break,
                _ => return None,
            }
        }
    }
    (reader.at == text.len()).then_some(())
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
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

    /// Steps from the end of a key to its value.
    fn colon(&mut self) -> Option<()> {
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        Some(())
    }

    fn value(&mut self) -> Option<()> {
        // One bit for every open bracket, the innermost lowest: 1 for a brace.
        let (mut braces, mut depth) = (0_u128, 0);
        loop {
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
                        if is_brace {
                            self.string()?;
                            self.colon()?;
                        }
                        continue;
                    }
                }
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => self.number()?,
            }
            // It has ended, and with it perhaps what it stands in.
            loop {
                if depth == 0 {
                    return Some(());
                }
                self.skip_space();
                match (self.next()?, braces & 1) {
                    (b',', within) => {
                        self.skip_space();
                        if within == 1 {
                            self.string()?;
                            self.colon()?;
                        }
                        break;
                    }
                    (b'}', 1) | (b']', 0) => {
                        braces >>= 1;
                        depth -= 1;
                    }
                    _ => return None,
                }
            }
        }
    }

    /// Steps over a string. Returns whether it has escapes.
    fn string(&mut self) -> Option<bool> {
        self.expect(b'"')?;
        let mut escaped = false;
        loop {
            self.skip_text();
            match self.next()? {
                b'"' => return Some(escaped),
                b'\\' => {
                    escaped = true;
                    match self.next()? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                        b'u' => {
                            let digits = self.bytes.get(self.at..)?.first_chunk::<4>()?;
                            if !digits.iter().all(u8::is_ascii_hexdigit) {
                                return None;
                            }
                            self.at += 4;
                        }
                        _ => return None,
                    }
                }
                // A control character.
                _ => return None,
            }
        }
    }

    /// Steps over what has no meaning of its own in a string. Most strings are short; of the others a
    /// block at a time, by comparisons that the compiler makes vectors of.
    fn skip_text(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let mut left = rest;
        while let Some((block, more)) = left.split_first_chunk::<8>() {
            let found = marks(u64::from_le_bytes(*block));
            if found != 0 {
                self.at += rest.len() - left.len() + found.trailing_zeros() as usize / 8;
                return;
            }
            left = more;
            while let Some((block, more)) = left.split_first_chunk::<32>() {
                if block.iter().fold(false, |any, byte| any | is_mark(*byte)) {
                    break;
                }
                left = more;
            }
        }
        let len = left.iter().position(|byte| is_mark(*byte));
        self.at += rest.len() - left.len() + len.unwrap_or(left.len());
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

fn is_mark(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\') | (byte < b' ')
}

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
        members(text, |_, _, _| {}).is_some()
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
            let mut found = Vec::new();
            members(&text, |key, escaped, value| {
                found.push((key, escaped, value));
            })
            .unwrap();
            let expected = [("\"k\"", false, value), ("\"l\\n\"", true, value)];
            assert_eq!(found, expected);
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
