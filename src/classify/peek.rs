//! Looking into JSON without building a tree: a value is its own text, fields are found on demand.
//!
//! Lenient where a tree is not: duplicate keys (the last wins), lone surrogates, numbers of any
//! size. Nothing here recurses, so depth costs no stack.
//!
//! A text is checked once, where it is parsed; where its values stand is noted by then. What is not
//! noted is stepped over by its quotes and brackets alone, which is much faster than to parse it
//! again.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memchr3};
use serde_json::value::RawValue;

use super::{
    check,
    nodes::{Key, Node, Nodes},
};

/// Returns a document without what may stand before it: a byte order mark, whitespace.
pub(super) fn document(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    bytes.trim_ascii_start()
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// One valid JSON value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<'a> {
    /// As it is written.
    text: &'a str,
    /// What is inside of an object or array, where that was noted.
    inside: Option<&'a [Node<'a>]>,
}

impl<'a> Json<'a> {
    /// Checks that `bytes` are one JSON value, whitespace around it and a byte order mark aside.
    pub(crate) fn parse(bytes: &'a [u8]) -> serde_json::Result<Self> {
        serde_json::from_slice::<&RawValue>(document(bytes)).map(|raw| Self::of(raw.get()))
    }

    /// Returns the value that `bytes` start with, unchecked: what is wrong with it comes out as
    /// other values, or as none.
    pub(crate) fn skim(bytes: &'a [u8]) -> Option<Self> {
        let bytes = bytes.trim_ascii_start();
        str::from_utf8(bytes.get(..end(bytes)?)?).ok().map(Self::of)
    }

    /// Takes a text for a value in which nothing has been noted.
    fn of(text: &'a str) -> Self {
        Self { text, inside: None }
    }

    /// Takes the first of these nodes off, with those that are inside of it.
    fn next_noted(nodes: &mut &'a [Node<'a>]) -> Option<(Key<'a>, Self)> {
        let (node, following) = nodes.split_first()?;
        let (inside, rest) = node.split(following);
        *nodes = rest;
        let text = node.value();
        Some((node.key(), Self { text, inside }))
    }

    /// Returns the named fields of an object, `null` as absent; `None` where it is no object.
    pub(crate) fn fields<const N: usize>(self, keys: [&str; N]) -> Option<[Option<Self>; N]> {
        if !self.is_object() {
            return None;
        }
        let mut found = [None; N];
        self.visit(|key, value| {
            let named = keys.iter().zip(&mut found).find(|(name, _)| key.is(name));
            if let Some((_, slot)) = named {
                *slot = value.present();
            }
        });
        Some(found)
    }

    /// Returns one field of an object.
    pub(crate) fn field(self, key: &str) -> Option<Self> {
        let [value] = self.fields([key])?;
        value
    }

    /// Hands out the name and value of every member of an object, in order.
    pub(crate) fn each(self, mut take: impl FnMut(&str, Self)) {
        self.visit(|key, value| take(&key.name(), value));
    }

    /// Takes an object apart, to be asked for many fields; what is no object has none.
    pub(crate) fn object(self) -> Object<'a> {
        let mut nodes = Nodes::new();
        match self.inside.filter(|_| self.is_object()) {
            Some(inside) => nodes.extend_from_slice(inside),
            None => self.visit(|key, value| nodes.push(Node::new(key, value.text))),
        }
        Object {
            text: self.text,
            nodes,
        }
    }

    /// Returns how many members an object has; what is no object has none.
    pub(crate) fn len(self) -> usize {
        let mut len = 0;
        self.visit(|_, _| len += 1);
        len
    }

    /// Hands out every member of an object, in order.
    fn visit(self, mut take: impl FnMut(Key<'a>, Self)) {
        if !self.is_object() {
            return;
        }
        let Some(mut nodes) = self.inside else {
            return self.walk(&mut take);
        };
        while let Some((key, value)) = Self::next_noted(&mut nodes) {
            take(key, value);
        }
    }

    /// Walks over the members of an object in which nothing has been noted. That is seldom, so no
    /// caller has a walk of its own.
    fn walk(self, take: &mut dyn FnMut(Key<'a>, Self)) {
        let mut walk = Walk::within(Some(self));
        while let Some(key) = walk.key()
            && let Some(value) = walk.next()
        {
            take(key, value);
        }
    }

    /// Returns the elements of an array; none where it is no array.
    pub(crate) fn items(self) -> impl Iterator<Item = Self> {
        let array = self.is_array().then_some(self);
        let mut noted = array.and_then(|array| array.inside);
        let mut walk = Walk::within(array);
        std::iter::from_fn(move || match &mut noted {
            Some(nodes) => Self::next_noted(nodes).map(|(_, item)| item),
            None => walk.next(),
        })
    }

    /// Returns the text of a string. One that is no Unicode (a lone surrogate) stays escaped.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        unquote(self.text)
    }

    /// Returns a count: a number that is not negative, fractions cut off.
    pub(crate) fn count(self) -> Option<u64> {
        match self.text.parse() {
            Ok(count) => Some(count),
            // A float casts saturating; the sign and NaN are excluded before.
            Err(_) => self.number().filter(|n| *n >= 0.0).map(|n| n as u64),
        }
    }

    /// Returns a number.
    pub(crate) fn number(self) -> Option<f64> {
        self.text.parse().ok().filter(|n: &f64| n.is_finite())
    }

    fn present(self) -> Option<Self> {
        (self.text != "null").then_some(self)
    }

    pub(crate) fn is_object(self) -> bool {
        self.text.starts_with('{')
    }

    pub(crate) fn is_array(self) -> bool {
        self.text.starts_with('[')
    }

    pub(crate) fn is_string(self) -> bool {
        self.text.starts_with('"')
    }

    /// Whether the value says nothing: null, false, or empty.
    pub(crate) fn is_empty(self) -> bool {
        match self.text {
            "null" | "false" | "\"\"" => true,
            text if self.is_object() || self.is_array() => {
                let inner = text
                    .get(1..text.len().saturating_sub(1))
                    .unwrap_or_default();
                inner.trim().is_empty()
            }
            _ => false,
        }
    }

    /// Returns the value as it is written.
    pub(crate) fn raw(self) -> &'a str {
        self.text
    }
}

/// Whether a field is there and says something.
pub(crate) fn says(value: Option<Json<'_>>) -> bool {
    value.is_some_and(|value| !value.is_empty())
}

impl<'a> Key<'a> {
    fn of(text: &'a str) -> Self {
        let escaped = has_escapes(text);
        Self { text, escaped }
    }

    fn is(self, name: &str) -> bool {
        if self.escaped {
            return self.name() == name;
        }
        let key = self.text.as_bytes();
        key.len() == name.len() + 2 && key.get(1..=name.len()) == Some(name.as_bytes())
    }

    fn name(self) -> Cow<'a, str> {
        if self.escaped {
            return unquote(self.text).unwrap_or_default();
        }
        let inner = self.text.get(1..self.text.len().saturating_sub(1));
        Cow::Borrowed(inner.unwrap_or_default())
    }
}

/// Returns the text of what is a string with its quotes.
fn unquote(quoted: &str) -> Option<Cow<'_, str>> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if !has_escapes(inner) {
        return Some(Cow::Borrowed(inner));
    }
    Some(serde_json::from_str(quoted).map_or(Cow::Borrowed(inner), Cow::Owned))
}

fn has_escapes(text: &str) -> bool {
    find(text.as_bytes(), [b'\\'], |[escape], far| {
        memchr(escape, far)
    })
    .is_some()
}

/// An object of which is known what is inside.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    text: &'a str,
    nodes: Nodes<'a>,
}

impl<'a> Object<'a> {
    /// Checks that `bytes` are one JSON value, and takes it apart if it is an object.
    pub(crate) fn parse(bytes: &'a [u8]) -> serde_json::Result<Self> {
        if let Ok(text) = str::from_utf8(bytes) {
            let mut object = Self {
                text: text.trim_matches([' ', '\n', '\r', '\t']),
                nodes: Nodes::new(),
            };
            if check::note(object.text, &mut object.nodes).is_some() {
                return Ok(object);
            }
        }
        // Also to tell what exactly is wrong.
        Json::parse(bytes).map(Json::object)
    }

    /// Returns the object as a value.
    pub(crate) fn json(&self) -> Json<'_> {
        let json = Json::of(self.text);
        let inside = json.is_object().then_some(&*self.nodes);
        Json { inside, ..json }
    }

    /// Hands out the name and value of every member, in order.
    pub(crate) fn each<'o>(&'o self, take: impl FnMut(&str, Json<'o>)) {
        self.json().each(take);
    }

    /// Returns the named fields, `null` as absent.
    pub(crate) fn fields<const N: usize>(&self, names: [&str; N]) -> [Option<Json<'_>>; N] {
        self.json().fields(names).unwrap_or([None; N])
    }

    /// Returns one field.
    pub(crate) fn field(&self, name: &str) -> Option<Json<'_>> {
        self.json().field(name)
    }
}

/// Walks over what stands between two brackets: each value, and in an object each key before its
/// value.
struct Walk<'a>(&'a str);

impl<'a> Walk<'a> {
    fn within(brackets: Option<Json<'a>>) -> Self {
        Self(
            brackets
                .and_then(|json| json.text.get(1..))
                .unwrap_or_default(),
        )
    }

    /// Returns the next key. Most end before their first escape.
    fn key(&mut self) -> Option<Key<'a>> {
        self.skip_between()?;
        let text = self.0.as_bytes();
        let quoted = text.strip_prefix(b"\"").unwrap_or_default();
        match find_in_string(quoted) {
            Some(at) if quoted.get(at) == Some(&b'"') => Some(Key {
                text: self.take(at + 2)?,
                escaped: false,
            }),
            _ => self.take(end(text)?).map(Key::of),
        }
    }

    /// Steps to the next value.
    fn skip_between(&mut self) -> Option<()> {
        let between = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b',' | b':');
        let start = self.0.as_bytes().iter().position(|byte| !between(byte))?;
        self.0 = self.0.get(start..)?;
        Some(())
    }

    fn take(&mut self, len: usize) -> Option<&'a str> {
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(text)
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Json<'a>> {
        self.skip_between()?;
        self.take(end(self.0.as_bytes())?).map(Json::of)
    }
}

/// Where the value ends that `text` starts with; `None` where there is none.
fn end(text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'"' => Some(string_end(text)),
        b'{' => Some(nested_end(text, b'{', b'}')),
        b'[' => Some(nested_end(text, b'[', b']')),
        b'}' | b']' => None,
        _ => {
            let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
            let end = text.iter().position(ends).unwrap_or(text.len());
            // What was only skimmed may be anything, but it has to come to an end.
            (end > 0).then_some(end)
        }
    }
}

/// Finds what may end a string: a quote, or a backslash that makes none of the next one.
fn find_in_string(text: &[u8]) -> Option<usize> {
    find(text, [b'"', b'\\'], |[end, escape], far| {
        memchr2(end, escape, far)
    })
}

fn string_end(text: &[u8]) -> usize {
    let mut at = 1;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        match find_in_string(rest) {
            // An escape: what follows the backslash is no end.
            Some(next) if rest.get(next) == Some(&b'\\') => at += next + 2,
            Some(next) => return at + next + 1,
            None => return text.len(),
        }
    }
}

/// Brackets of the other kind come in pairs between these, so that they need not be looked at.
fn nested_end(text: &[u8], open: u8, close: u8) -> usize {
    let (mut at, mut depth) = (1, 1_usize);
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let marks = [b'"', open, close];
        let Some(next) = find(rest, marks, |[quote, open, close], far| {
            memchr3(quote, open, close, far)
        }) else {
            return text.len();
        };
        let mark = rest.get(next..).unwrap_or_default();
        at += next;
        match mark.first() {
            Some(b'"') => at += string_end(mark),
            Some(mark) if *mark == open => {
                depth += 1;
                at += 1;
            }
            _ => {
                depth -= 1;
                at += 1;
                if depth == 0 {
                    return at;
                }
            }
        }
    }
}

/// Finds the first of some bytes. Mostly it is near, and then to set up a `search` of many bytes at
/// once would take longer than to find it.
fn find<const N: usize>(
    text: &[u8],
    bytes: [u8; N],
    search: impl Fn([u8; N], &[u8]) -> Option<usize>,
) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let (near, far) = text.split_at_checked(NEAR).unwrap_or((text, &[]));
    let (words, rest) = near.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The top bit of each byte that is one of these; above the first also of some others.
        let found = bytes.iter().fold(0, |found, byte| {
            let differs = word ^ (ONES * u64::from(*byte));
            found | (differs.wrapping_sub(ONES) & !differs)
        }) & (ONES << 7);
        if found != 0 {
            return Some(at * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    if far.is_empty() {
        let at = rest.iter().position(|byte| bytes.contains(byte))?;
        return Some(near.len() - rest.len() + at);
    }
    Some(NEAR + search(bytes, far)?)
}

/// How far is near, bytes: whole words of eight.
const NEAR: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(text: &str) -> Json<'_> {
        Json::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_last_of_duplicate_keys_wins() {
        let value = json(r#" {"a":1,"b":{"a":9},"a":2} "#);
        assert_eq!(value.field("a").unwrap().count(), Some(2));
    }

    #[test]
    fn escaped_keys_and_lone_surrogates_are_read() {
        let value = json(r#"{"\ud800":0,"mo\u0064el":"x\ud800"}"#);
        assert_eq!(value.field("model").unwrap().text().unwrap(), "x\\ud800");
    }

    #[test]
    fn null_is_absent_and_wrong_kinds_are_none() {
        let value = json(r#"{"a":null,"b":"s"}"#);
        assert!(value.field("a").is_none());
        assert!(value.field("b").unwrap().field("c").is_none());
        assert_eq!(value.field("b").unwrap().items().count(), 0);
        assert_eq!(json("-3").count(), None);
        assert_eq!(json("1e400").number(), None);
        assert_eq!(json("7.9").count(), Some(7));
    }

    #[test]
    fn empty_values_say_nothing() {
        for text in ["null", "false", "\"\"", "[]", "{ }", "[\n]"] {
            assert!(json(text).is_empty(), "{text}");
        }
        assert!(!json("0").is_empty());
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        let body = format!("{{\"a\":{deep},\"b\":1}}");
        assert_eq!(json(&body).field("b").unwrap().count(), Some(1));
    }

    #[test]
    fn what_is_skimmed_comes_to_an_end() {
        for text in [
            "{\u{c}",
            "{\"a\"\u{c}",
            "{\"a\":",
            "{\"a",
            "[[[",
            "{]",
            "{\"a\":}",
            "\\",
            "\u{c}",
            "",
        ] {
            if let Some(json) = Json::skim(text.as_bytes()) {
                let _ = (json.field("a"), json.object(), json.text());
                assert!(json.items().count() < 9, "{text}");
            }
        }
    }

    #[test]
    fn long_and_escaped_strings_end_where_they_end() {
        for len in 0..40 {
            let filler = "x".repeat(len);
            let body = format!(
                r#"{{"a":"{filler}\\\"}}","b" : [ {{"c":"{filler}]"}}, [2 ,3] ] ,"d":{len} }}"#
            );
            let object = Object::parse(body.as_bytes()).unwrap();
            let [a, b, d] = object.fields(["a", "b", "d"]).map(Option::unwrap);
            assert_eq!(a.text().unwrap(), format!(r#"{filler}\"}}"#));
            assert_eq!(b.items().nth(1).unwrap().raw(), "[2 ,3]");
            assert_eq!(d.count(), Some(len as u64));
        }
    }

    /// Writes down what is inside of a value, as it is found.
    fn inside(json: Json<'_>) -> String {
        let mut found = String::new();
        json.each(|name, value| found += &format!("{name}={}, ", inside(value)));
        for item in json.items() {
            found += &format!("{}, ", inside(item));
        }
        if json.is_object() || json.is_array() {
            format!("<{found}>")
        } else {
            json.raw().to_owned()
        }
    }

    fn value() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            "1",
            "null",
            " true ",
            r#""a""#,
            r#""\\\"[\u0061""#,
            "[]",
            "{ }",
        ]);
        leaf.prop_map(str::to_owned)
            .prop_recursive(8, 300, 60, |value| {
                let list = prop::collection::vec(value, 0..60);
                (list, any::<bool>()).prop_map(|(list, named)| {
                    let name = |(at, value)| format!(r#" "n\u0061me{at}" :{value}"#);
                    match named {
                        true => format!(
                            "{{{}}}",
                            list.iter()
                                .enumerate()
                                .map(name)
                                .collect::<Vec<_>>()
                                .join(",")
                        ),
                        false => format!("[{} ]", list.join(" ,")),
                    }
                })
            })
    }

    proptest! {
        #[test]
        fn what_is_noted_is_what_is_stepped_over(first in value(), second in value()) {
            let body = format!(r#"{{"first":{first}, "second":{second}}}"#);
            let noted = Object::parse(body.as_bytes()).unwrap();
            let walked = inside(Json::parse(body.as_bytes()).unwrap());
            prop_assert_eq!(inside(noted.json()), &walked[..]);
            // A value is taken apart by the same notes.
            if let Some(second) = noted.field("second").filter(|value| value.is_object()) {
                let end = format!("second={}, >", inside(second.object().json()));
                prop_assert!(walked.ends_with(&end));
            }
        }

        #[test]
        fn all_ways_to_take_an_object_apart_agree(parts in prop::collection::vec(
            prop::sample::select(vec![
                "{", "}", "[", "]", "{", "}", "\"a\"", "\"b\"", "\"\\u0061\"", "\"\\ud800\"", ":", ",",
                "\"a\":1", ",\"b\":{\"a\":[{}]}", ",\"a\":null", " ", "\n", "-1.5e3", "\u{c}", "é",
            ]),
            0..12,
        )) {
            let body = format!("{{{}}}", parts.concat());
            let parsed = Object::parse(body.as_bytes()).ok();
            let json = Json::parse(body.as_bytes()).ok();
            prop_assert_eq!(parsed.is_some(), json.is_some());
            if let (Some(parsed), Some(json)) = (parsed, json) {
                let raw = |fields: [Option<Json<'_>>; 2]| fields.map(|json| json.map(|json| json.raw().to_owned()));
                let expected = raw(json.fields(["a", "b"]).unwrap());
                prop_assert_eq!(raw(json.object().fields(["a", "b"])), expected.clone());
                prop_assert_eq!(raw(parsed.fields(["a", "b"])), expected.clone());
                prop_assert_eq!(parsed.json().raw(), json.raw());
                if let Ok(serde_json::Value::Object(tree)) = serde_json::from_str(json.raw()) {
                    let tree = [tree.get("a"), tree.get("b")];
                    for (value, expected) in tree.into_iter().zip(expected) {
                        let expected: serde_json::Value =
                            serde_json::from_str(expected.as_deref().unwrap_or("null")).unwrap();
                        prop_assert_eq!(value.unwrap_or(&serde_json::Value::Null), &expected);
                    }
                }
            }
        }
    }
}
