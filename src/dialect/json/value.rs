use std::{borrow::Cow, fmt, ops::Range};

use serde::de::{Deserializer as _, IgnoredAny, Visitor};

use super::{Error, Items, Members, cursor::Cursor, tail::last_item};

/// A value in a body: where it stands, and what it says to those who ask.
#[derive(Clone, Debug)]
pub struct Value<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Value<'a> {
    pub(super) const fn new(cursor: Cursor<'a>) -> Self {
        Self { cursor }
    }

    /// Returns where in the body it stands, from its first byte to behind its last: quotes and
    /// brackets included, white space around it not.
    #[must_use]
    pub const fn range(&self) -> Range<usize> {
        self.cursor.offset()..self.cursor.end()
    }

    /// Returns the text of a string, unescaped, or `None` where it is no valid string.
    ///
    /// Lone surrogates, which some clients send, become U+FFFD.
    #[must_use]
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        match self.raw() {
            Cow::Borrowed(raw) => unescape(raw),
            Cow::Owned(raw) => unescape(&raw).map(|text| Cow::Owned(text.into_owned())),
        }
    }

    /// Returns what a boolean says, or `None` where it is none.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.short()?.as_ref() {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// Returns the value of a number that is written as a whole one, from 0 to 2^64 - 1, or `None`.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        str::from_utf8(&self.short()?).ok()?.parse().ok()
    }

    /// Returns whether it is `null`, which mostly means the same as no member at all.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.short().is_some_and(|raw| raw.as_ref() == b"null")
    }

    /// Walks over the members of an object. Anything else gives an error.
    pub fn members(&self) -> Members<'a> {
        Members::new(self.cursor.clone())
    }

    /// Walks over the items of an array. Anything else gives an error.
    pub fn items(&self) -> Items<'a> {
        Items::new(self.cursor.clone())
    }

    /// Finds the last item of an array from its end, without reading what comes before it; `None`
    /// where it is no array, or an empty one. White space after it belongs to its range.
    ///
    /// Nothing before it is checked: that is for those who walk over the [`items`](Self::items).
    #[must_use]
    pub fn last_item(&self) -> Option<Self> {
        let mut array = self.cursor.clone();
        if array.peek() != Some(b'[') {
            return None;
        }
        let start = last_item(&array)?;
        let mut item = array.within(start, array.end().saturating_sub(1));
        item.skip_space();
        Some(Self::new(item))
    }

    /// Finds the member of an object that has this name, the last one where there are more.
    ///
    /// # Errors
    ///
    /// Fails if the value is no object.
    pub fn last(&self, name: &str) -> Result<Option<Self>, Error> {
        let mut last = None;
        for member in self.members() {
            let (key, value) = member?;
            if key == name {
                last = Some(value);
            }
        }
        Ok(last)
    }

    pub(super) fn is_scalar(&self) -> bool {
        // Checks the grammar alone: a number of any size will do.
        serde_json::from_slice::<IgnoredAny>(&self.raw()).is_ok()
    }

    /// Returns the bytes of what cannot be long.
    fn short(&self) -> Option<Cow<'a, [u8]>> {
        // The most digits that a u64 has.
        (self.range().len() <= 20).then(|| self.raw())
    }

    fn raw(&self) -> Cow<'a, [u8]> {
        if let Some(raw) = self.cursor.contiguous() {
            return Cow::Borrowed(raw);
        }
        let mut cursor = self.cursor.clone();
        let mut raw = Vec::with_capacity(self.range().len());
        while !cursor.piece().is_empty() {
            let piece = cursor.piece();
            raw.extend_from_slice(piece);
            cursor.advance(piece.len());
        }
        Cow::Owned(raw)
    }
}

/// Decodes a string with its quotes.
fn unescape(raw: &[u8]) -> Option<Cow<'_, str>> {
    let quoted = str::from_utf8(raw).ok()?;
    let text = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if text
        .bytes()
        .any(|byte| byte.is_ascii_control() && byte != DELETE)
    {
        return None;
    }
    if !text.contains('\\') {
        return Some(Cow::Borrowed(text));
    }
    // As bytes, since as a string lone surrogates would be refused.
    serde_json::Deserializer::from_slice(raw)
        .deserialize_bytes(Lossy)
        .ok()
        .map(Cow::Owned)
}

/// The one ASCII control character that may stand in a string as it is.
const DELETE: u8 = 0x7f;

struct Lossy;

impl Visitor<'_> for Lossy {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::dialect::json::members;

    #[test]
    fn a_string_in_one_chunk_is_borrowed() {
        assert!(matches!(
            value(&body(r#""gpt-4o""#)).as_str(),
            Some(Cow::Borrowed("gpt-4o"))
        ));
    }

    #[test]
    fn a_string_is_unescaped() {
        let body = body(r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é""#);
        assert_eq!(value(&body).as_str().unwrap(), "\"\\/\u{8}\u{c}\n\r\té😀é");
    }

    #[test]
    fn a_broken_string_is_no_text() {
        for text in [r#""\q""#, r#""\u12""#, "\"\n\"", "\"\u{1f}\""] {
            assert_eq!(value(&body(text)).as_str(), None, "{text}");
        }
    }

    #[test]
    fn a_value_says_nothing_of_another_type() {
        for (text, string, boolean, number) in [
            ("\"1\"", true, None, None),
            ("true", false, Some(true), None),
            ("false", false, Some(false), None),
            ("18446744073709551615", false, None, Some(u64::MAX)),
            ("18446744073709551616", false, None, None),
            ("4096", false, None, Some(4096)),
            ("-1", false, None, None),
            ("1.0", false, None, None),
            ("null", false, None, None),
            ("[1]", false, None, None),
            ("{}", false, None, None),
        ] {
            let body = body(text);
            let value = value(&body);
            assert_eq!(value.as_str().is_some(), string, "{text}");
            assert_eq!(value.as_bool(), boolean, "{text}");
            assert_eq!(value.as_u64(), number, "{text}");
            assert_eq!(value.is_null(), text == "null", "{text}");
            assert_eq!(value.last("a").is_ok(), text == "{}", "{text}");
        }
    }

    #[test]
    fn the_last_of_several_members_counts() {
        let body = body(r#"{"a":1,"\u0061":2,"b":3}"#);
        let value = value(&body);
        assert_eq!(value.last("a").unwrap().unwrap().as_u64(), Some(2));
        assert!(value.last("c").unwrap().is_none());
    }

    #[test]
    fn the_last_item_is_found_from_the_end_in_any_chunks() {
        for (array, last) in [
            ("[]", None),
            ("[ \n ]", None),
            ("[1]", Some("1")),
            ("[ 1 , 2\n]", Some("2\n")),
            (
                r#"[{"a":[1,"]"]},{"b":{"c":",[\""}} ]"#,
                Some(r#"{"b":{"c":",[\""}} "#),
            ),
            (r#"["a","b\\"]"#, Some(r#""b\\""#)),
            (r#"["a","\\\"b\\\\\",["]"#, Some(r#""\\\"b\\\\\",[""#)),
            (r#"[[],""]"#, Some(r#""""#)),
            (r#"[[[]]]"#, Some("[[]]")),
            (r#"{"a":[1]}"#, None),
            (r#""[1]""#, None),
            ("7", None),
        ] {
            let whole = body(array);
            for len in 1..whole[0].len() {
                let chunks: Vec<_> = whole[0].chunks(len).map(Bytes::copy_from_slice).collect();
                let item = value(&chunks).last_item();
                let raw = item.as_ref().map(|item| item.raw().into_owned());
                assert_eq!(raw.as_deref(), last.map(str::as_bytes), "{array} by {len}");
                assert_eq!(
                    item.map(|item| item.range().len()),
                    last.map(str::len),
                    "{array} by {len}"
                );
            }
        }
    }

    fn body(value: &str) -> [Bytes; 1] {
        [Bytes::from(format!("{{\"v\": {value} }}"))]
    }

    fn value(body: &[Bytes]) -> Value<'_> {
        members(body).next().unwrap().unwrap().1
    }
}
