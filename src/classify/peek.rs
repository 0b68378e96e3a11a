//! Looking into JSON without building a tree: a value is its own text, fields are found on demand.
//!
//! Lenient where a tree is not: duplicate keys (the last wins), lone surrogates, numbers of any
//! size. Nothing here recurses, so depth costs no stack.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The text of one valid JSON value.
#[derive(Clone, Copy)]
pub(crate) struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// Checks that `bytes` are one JSON value, whitespace around it aside.
    pub(crate) fn parse(bytes: &'a [u8]) -> serde_json::Result<Self> {
        serde_json::from_slice::<&RawValue>(bytes).map(|raw| Self(raw.get()))
    }

    /// Returns the named fields of an object, `null` as absent; `None` where it is no object.
    pub(crate) fn fields<const N: usize>(self, keys: [&str; N]) -> Option<[Option<Self>; N]> {
        if !self.is_object() {
            return None;
        }
        let mut json = serde_json::Deserializer::from_str(self.0);
        json.deserialize_map(Fields { keys }).ok()
    }

    /// Returns one field of an object.
    pub(crate) fn field(self, key: &str) -> Option<Self> {
        let [value] = self.fields([key])?;
        value
    }

    /// Returns the elements of an array; none where it is no array.
    pub(crate) fn items(self) -> impl Iterator<Item = Self> {
        let items: Vec<&RawValue> = if self.is_array() {
            serde_json::from_str(self.0).unwrap_or_default()
        } else {
            Vec::new()
        };
        items.into_iter().map(|raw| Self(raw.get()))
    }

    /// Returns the text of a string. One that is no Unicode (a lone surrogate) stays escaped.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if !inner.contains('\\') {
            return Some(Cow::Borrowed(inner));
        }
        Some(serde_json::from_str(self.0).map_or(Cow::Borrowed(inner), Cow::Owned))
    }

    /// Returns a count: a number that is not negative, fractions cut off.
    pub(crate) fn count(self) -> Option<u64> {
        match self.0.parse() {
            Ok(count) => Some(count),
            // A float casts saturating; the sign and NaN are excluded before.
            Err(_) => self.number().filter(|n| *n >= 0.0).map(|n| n as u64),
        }
    }

    /// Returns a number.
    pub(crate) fn number(self) -> Option<f64> {
        self.0.parse().ok().filter(|n: &f64| n.is_finite())
    }

    pub(crate) fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    pub(crate) fn is_array(self) -> bool {
        self.0.starts_with('[')
    }

    pub(crate) fn is_string(self) -> bool {
        self.0.starts_with('"')
    }

    /// Whether the value says nothing: null, false, or empty.
    pub(crate) fn is_empty(self) -> bool {
        match self.0 {
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
        self.0
    }
}

/// Whether a field is there and says something.
pub(crate) fn says(value: Option<Json<'_>>) -> bool {
    value.is_some_and(|value| !value.is_empty())
}

struct Fields<'k, const N: usize> {
    keys: [&'k str; N],
}

impl<'de, const N: usize> Visitor<'de> for Fields<'_, N> {
    type Value = [Option<Json<'de>>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some(index) = map.next_key_seed(Position(&self.keys))? {
            match index.and_then(|index| found.get_mut(index)) {
                Some(slot) => {
                    let raw: &RawValue = map.next_value()?;
                    *slot = (raw.get() != "null").then(|| Json(raw.get()));
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

/// Finds a key among the wanted ones, as bytes: a key may hold a lone surrogate.
struct Position<'k>(&'k [&'k str]);

impl<'de> DeserializeSeed<'de> for Position<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Self::Value, D::Error> {
        key.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Position<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|wanted| wanted.as_bytes() == key))
    }
}

#[cfg(test)]
mod tests {
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
}
