//! Properties of scanning and splicing, checked against `serde_json`.

use std::{borrow::Cow, fmt, ops::Range};

use bytes::Bytes;
use proptest::{collection::vec, prelude::*, sample::select};
use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::super::{Error, Value, escape, members, splice};

/// A member as `serde_json` sees it: the key, and where the value stands.
type Found = (String, Range<usize>);

proptest! {
    #[test]
    fn any_chunking_agrees_with_serde_json(document in document(), cuts in cuts()) {
        let oracle = oracle(&document).expect("the document is valid");
        prop_assert_eq!(scan(&chunked(document.as_bytes(), &[])), Ok(oracle.clone()));
        prop_assert_eq!(scan(&chunked(document.as_bytes(), &cuts)), Ok(oracle));
    }

    #[test]
    fn values_read_as_serde_json_reads_them(document in document(), cuts in cuts()) {
        let body = chunked(document.as_bytes(), &cuts);
        for member in members(&body) {
            let (_, value) = member.expect("the document is valid");
            let raw = &document[value.range()];
            if let Ok(text) = serde_json::from_str::<String>(raw) {
                prop_assert_eq!(value.as_str(), Some(text.into()));
            }
            prop_assert_eq!(value.as_str().is_some(), raw.starts_with('"'));
            prop_assert_eq!(value.as_bool(), serde_json::from_str(raw).ok());
            prop_assert_eq!(value.as_u64(), serde_json::from_str(raw).ok());
            prop_assert_eq!(value.is_null(), raw == "null");
            if raw.starts_with('[') {
                let items: Vec<&RawValue> = serde_json::from_str(raw).expect("an array");
                let expected: Vec<_> = items.iter().map(|item| within(&document, item.get())).collect();
                let found: Result<Vec<_>, Error> =
                    value.items().map(|item| Ok(item?.range())).collect();
                let last = value.last_item().map(|item| document[item.range()].trim_end().to_owned());
                prop_assert_eq!(last.as_deref(), items.last().map(|item| item.get()));
                prop_assert_eq!(found, Ok(expected));
            }
            if raw.starts_with('{') {
                let start = value.range().start;
                let expected: Vec<Found> = oracle(raw)
                    .expect("an object")
                    .into_iter()
                    .map(|(key, range)| (key, range.start + start..range.end + start))
                    .collect();
                let found: Result<Vec<Found>, Error> = value.members().map(found).collect();
                prop_assert_eq!(found, Ok(expected));
            }
        }
    }

    #[test]
    fn splicing_changes_the_model_and_nothing_else(
        document in document(),
        cuts in cuts(),
        model in any::<String>(),
    ) {
        let body = chunked(document.as_bytes(), &cuts);
        let before = scan(&body).expect("the document is valid");
        let sites: Vec<_> = before
            .iter()
            .filter(|(key, _)| key == "model")
            .map(|(_, range)| range.clone())
            .collect();
        let mut spliced = splice(&body, &sites, &escape(&model));
        let text = String::from_utf8(spliced.chunks.make_contiguous().concat()).expect("it was text before");
        prop_assert_eq!(spliced.len, text.len() as u64);
        let after = oracle(&text).expect("the document stays valid");
        prop_assert_eq!(after.len(), before.len());
        for ((key, was), (new_key, is)) in before.iter().zip(&after) {
            prop_assert_eq!(key, new_key);
            if key == "model" {
                let now: String = serde_json::from_str(&text[is.clone()]).expect("a string");
                prop_assert_eq!(&now, &model);
            } else {
                prop_assert_eq!(&document[was.clone()], &text[is.clone()]);
            }
        }
    }

    #[test]
    fn a_document_that_is_cut_short_is_refused_at_its_end(
        document in document(),
        cuts in cuts(),
        at in any::<prop::sample::Index>(),
    ) {
        let document = document.trim();
        let cut = &document.as_bytes()[..at.index(document.len())];
        let error = scan(&chunked(cut, &cuts)).expect_err("the closing brace is missing");
        // A number or literal that is cut is reported where it starts.
        prop_assert!(error.offset() <= cut.len());
    }

    #[test]
    fn a_damaged_document_is_taken_as_serde_json_takes_it_or_refused(
        document in document(),
        cuts in cuts(),
        at in any::<prop::sample::Index>(),
        byte in select(b"\"\\{}[],: \n0eu\x00\xff".as_slice()),
    ) {
        let mut damaged = document.into_bytes();
        let at = at.index(damaged.len());
        damaged[at] = byte;
        let whole = scan(&chunked(&damaged, &[]));
        prop_assert_eq!(&scan(&chunked(&damaged, &cuts)), &whole);
        if let Some(oracle) = str::from_utf8(&damaged).ok().and_then(|text| oracle(text).ok()) {
            prop_assert_eq!(whole, Ok(oracle));
        }
    }

    #[test]
    fn no_bytes_panic(bytes in noise(), cuts in cuts(), ranges in vec(any::<(u8, u8)>(), 0..4)) {
        let body = chunked(&bytes, &cuts);
        prop_assert_eq!(scan(&body), scan(&chunked(&bytes, &[])));
        let mut end = 0;
        for (_, value) in members(&body).flatten() {
            prop_assert!(end < value.range().start && value.range().end <= bytes.len());
            end = value.range().end;
            touch(&value);
        }
        let ranges: Vec<_> = ranges
            .into_iter()
            .map(|(start, end)| usize::from(start)..usize::from(end))
            .collect();
        let mut spliced = splice(&body, &ranges, &Bytes::from_static(b"new"));
        prop_assert_eq!(spliced.len, spliced.chunks.make_contiguous().concat().len() as u64);
    }
}

fn touch(value: &Value<'_>) {
    let _ = (
        value.as_str(),
        value.as_bool(),
        value.as_u64(),
        value.is_null(),
    );
    let _ = value.last("model");
    value.items().flatten().for_each(|item| touch(&item));
    value
        .members()
        .flatten()
        .for_each(|(_, value)| touch(&value));
}

fn scan(body: &[Bytes]) -> Result<Vec<Found>, Error> {
    members(body).map(found).collect()
}

fn found(member: Result<(Cow<'_, str>, Value<'_>), Error>) -> Result<Found, Error> {
    let (key, value) = member?;
    Ok((key.into_owned(), value.range()))
}

fn chunked(bytes: &[u8], cuts: &[usize]) -> Vec<Bytes> {
    let mut rest = Bytes::copy_from_slice(bytes);
    let mut chunks: Vec<_> = cuts
        .iter()
        .map(|len| rest.split_to(rest.len().min(*len)))
        .collect();
    chunks.push(rest);
    chunks
}

/// Lists the members of an object, each with the place of its value.
fn oracle(document: &str) -> serde_json::Result<Vec<Found>> {
    struct Members<'a>(Vec<(String, &'a RawValue)>);

    impl<'de> Deserialize<'de> for Members<'de> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(Collect)
        }
    }

    struct Collect;

    impl<'de> Visitor<'de> for Collect {
        type Value = Members<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(Members(members))
        }
    }

    let Members(members) = serde_json::from_str(document)?;
    Ok(members
        .into_iter()
        .map(|(key, value)| (key, within(document, value.get())))
        .collect())
}

/// Returns where in the document a part of it lies.
fn within(document: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - document.as_ptr() as usize;
    start..start + part.len()
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![vec(0_usize..4, 0..80), vec(0_usize..150, 0..10)]
}

fn document() -> impl Strategy<Value = String> {
    (space(), object(value()), space())
        .prop_map(|(before, object, after)| before + &object + &after)
}

fn value() -> impl Strategy<Value = String> {
    let lone = select([r#""\ud800""#, r#""\udc00x""#, r#""\ud800\u0041""#].as_slice());
    let number = prop_oneof![
        select(
            [
                "0",
                "-0",
                "1e999",
                "-1.5E-7",
                "1234567890123456789012345678901234567890",
                "18446744073709551615",
                "18446744073709551616",
                "0.1e+1",
            ]
            .as_slice()
        )
        .prop_map(String::from),
        any::<f32>().prop_map(|float| serde_json::Value::from(float).to_string()),
        any::<u16>().prop_map(|whole| whole.to_string()),
    ];
    let leaf = prop_oneof![
        4 => string(),
        1 => lone.prop_map(String::from),
        2 => number,
        1 => select(["true", "false", "null"].as_slice()).prop_map(String::from),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        let array = (space(), vec(spaced(inner.clone()), 0..6))
            .prop_map(|(space, items)| format!("[{space}{}]", items.join(",")));
        prop_oneof![array, object(inner)]
    })
}

fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let key = prop_oneof![
        select(
            [
                r#""model""#,
                r#""mo\u0064el""#,
                r#""\u006Dodel""#,
                r#""Model""#
            ]
            .as_slice()
        )
        .prop_map(String::from),
        string(),
    ];
    let member = (spaced(key), spaced(value)).prop_map(|(key, value)| key + ":" + &value);
    (space(), vec(member, 0..6))
        .prop_map(|(space, members)| format!("{{{space}{}}}", members.join(",")))
}

fn spaced(inner: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (space(), inner, space()).prop_map(|(before, inner, after)| before + &inner + &after)
}

fn space() -> impl Strategy<Value = String> {
    let long = " ".repeat(70);
    prop_oneof![
        8 => Just(String::new()),
        2 => select([" ", "\n\t", "\r\n "].as_slice()).prop_map(String::from),
        1 => Just(long),
    ]
}

fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => select(
            [
                r#"\""#, r"\\", r"\n", r"\/", r"\u0041", r"\ud83d\ude00", "{", "}", "[", "]", ",",
                ":", "model", "\u{2028}", "\u{7f}", r#"\\\""#, r#"\"model\":\"x\""#,
            ]
            .as_slice()
        )
        .prop_map(String::from),
        1 => any::<char>().prop_map(|char| {
            let quoted = serde_json::Value::from(char.to_string()).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }),
        1 => (50_usize..140).prop_map(|len| "a".repeat(len)),
    ];
    vec(piece, 0..8).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn noise() -> impl Strategy<Value = Vec<u8>> {
    let like_json = vec(
        prop_oneof![
            8 => select(b"\"\\{}[],: \nmodel019-.eut\xef\xbb\xbf".as_slice()),
            1 => any::<u8>(),
        ],
        0..200,
    );
    let braced = like_json
        .clone()
        .prop_map(|noise| [b"{\"a\":".as_slice(), &noise, b"}"].concat());
    prop_oneof![like_json, braced, vec(any::<u8>(), 0..200)]
}
