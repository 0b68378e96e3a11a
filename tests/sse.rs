//! However a stream is cut into chunks, it is seen the same.

#![allow(
    clippy::indexing_slicing,
    clippy::unreachable,
    clippy::unwrap_used,
    reason = "a test"
)]

use std::{fs, path::Path};

use proptest::prelude::*;
use serde_json::Value;
use tower_outcome::{
    classify::StreamSummary,
    dialect::{self, Dialect, sse},
};

/// The streamed vectors in a dialect that is known, and the same with other line ends.
fn streams() -> Vec<(&'static dyn Dialect, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/responses");
    let mut streams = vec![];
    for entry in fs::read_dir(directory).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let vector: Value = serde_json::from_str(&text).unwrap();
        let path = vector["request_path"]
            .as_str()
            .unwrap()
            .split('?')
            .next()
            .unwrap();
        if let (Value::Bool(true), Some(body), Some((dialect, _))) = (
            &vector["stream"],
            vector["body"].as_str(),
            dialect::detect(path),
        ) {
            streams.push((dialect, body.as_bytes().to_vec()));
            streams.push((dialect, body.replace('\n', "\r\n").into_bytes()));
            streams.push((dialect, body.replace('\n', "\r").into_bytes()));
            streams.push((dialect, format!("\u{feff}{body}").into_bytes()));
        }
    }
    assert!(streams.len() >= 40, "{}", streams.len());
    streams
}

fn observe<'a>(
    dialect: &'static dyn Dialect,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> StreamSummary {
    let mut observer = sse::Observer::new(dialect);
    for chunk in chunks {
        observer.feed(chunk);
    }
    observer.finish();
    observer.into_summary()
}

#[test]
fn every_split_of_every_stream_is_seen_the_same() {
    for (dialect, body) in streams() {
        let whole = observe(dialect, [&body[..]]);
        assert_ne!(whole.events, 0);
        for at in 0..body.len() {
            let (head, tail) = body.split_at(at);
            assert_eq!(observe(dialect, [head, tail]), whole, "split at {at}");
            assert_eq!(
                observe(dialect, [head, &[], tail, &[]]),
                whole,
                "split at {at}"
            );
        }
    }
}

#[test]
fn line_ends_and_a_byte_order_mark_make_no_difference() {
    for streams in streams().chunks(4) {
        let [(dialect, lf), others @ ..] = streams else {
            unreachable!()
        };
        let lf = observe(*dialect, [&lf[..]]);
        for (_, body) in others {
            assert_eq!(observe(*dialect, [&body[..]]), lf);
        }
    }
}

#[test]
fn f08_a_cut_never_turns_into_more_than_was_there() {
    for (dialect, body) in streams() {
        let whole = observe(dialect, [&body[..]]);
        for at in 0..body.len() {
            let cut = observe(dialect, [&body[..at]]);
            assert!(cut.events <= whole.events);
            assert!(cut.first_content.is_none() || cut.first_content == whole.first_content);
            assert!(!cut.terminal || whole.terminal);
        }
    }
}

/// Lines that streams are made of, and near misses.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("".to_owned()),
        Just(": comment".to_owned()),
        Just("data: [DONE]".to_owned()),
        Just("event: error".to_owned()),
        Just("event: ping".to_owned()),
        Just("data".to_owned()),
        Just("retry: 5".to_owned()),
        Just("error: {\"code\":503}".to_owned()),
        Just("{\"error\":{\"code\":429}}".to_owned()),
        Just("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}".to_owned()),
        Just(
            "data: {\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"stop\"}]}"
                .to_owned()
        ),
        Just("data: {\"usage\": {\"prompt_tokens\":1}}".to_owned()),
        Just("data: {\"type\":\"message_stop\"}".to_owned()),
        Just("data: {\"type\":\"response.completed\",\"response\":{}}".to_owned()),
        "[ -~]{0,20}",
    ]
}

proptest! {
    #[test]
    fn random_splits_are_seen_the_same(
        lines in prop::collection::vec((line(), prop_oneof!["\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n"]), 0..20),
        splits in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        openai in any::<bool>(),
    ) {
        let body: String = lines.into_iter().flat_map(|(line, end)| [line, end]).collect();
        let dialect: &'static dyn Dialect = if openai { &dialect::OpenAi } else { &dialect::Anthropic };
        let mut splits: Vec<usize> = splits.iter().map(|at| at.index(body.len() + 1)).collect();
        splits.extend([0, body.len()]);
        splits.sort_unstable();
        let pieces = splits.windows(2).map(|at| &body.as_bytes()[at[0]..at[1]]);
        prop_assert_eq!(observe(dialect, pieces), observe(dialect, [body.as_bytes()]));
        prop_assert_eq!(observe(dialect, body.as_bytes().chunks(1)), observe(dialect, [body.as_bytes()]));
    }

    #[test]
    fn f08_nothing_panics(body in any::<Vec<u8>>(), at in any::<prop::sample::Index>()) {
        let (head, tail) = body.split_at(at.index(body.len() + 1));
        for dialect in [&dialect::OpenAi as &'static dyn Dialect, &dialect::Anthropic] {
            prop_assert_eq!(observe(dialect, [head, tail]), observe(dialect, [&body[..]]));
        }
    }
}
