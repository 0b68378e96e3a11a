//! However a stream is framed and cut into chunks, it is seen the same.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used,
    reason = "a test"
)]

#[path = "support/frames.rs"]
#[allow(dead_code, unreachable_pub, reason = "not all of it is used")]
mod frames;
#[path = "wire/vector.rs"]
#[allow(dead_code, reason = "not all of it is used")]
mod vector;

use std::{fs, path::Path, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use proptest::prelude::*;
use tower_outcome::{
    classify::{
        BodySeen, Class, Classify, DefaultClassifier, Finish, Seen, StreamSummary, Verdict,
    },
    dialect::{
        self, Dialect, Endpoint, Located, Refusal, Unroutable,
        stream::{Event, Framing, Observer},
    },
};

use self::frames::{event_frame, exception_frame};
use self::vector::Vector;

/// Reads as much as it takes to tell content from an end.
#[derive(Debug)]
struct Plain;

impl Dialect for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn endpoint(&self, _: &str) -> Option<Endpoint> {
        None
    }

    fn locate(
        &self,
        _: Endpoint,
        _: &str,
        _: Option<&str>,
        _: &[Bytes],
    ) -> Result<Located, Unroutable> {
        Err(Unroutable::NoModel)
    }

    fn event(&self, event: Event<'_>, summary: &mut StreamSummary) {
        let has = |word: &str| memchr::memmem::find(event.data, word.as_bytes()).is_some();
        if event.name == Some(b"contentBlockDelta") || has("\"text\"") {
            summary.first_content.get_or_insert(summary.events);
            summary.answered = true;
        }
        if event.name == Some(b"messageStop") || has("\"done\":true") {
            summary.finish = Some(Finish::Done);
            summary.terminal = true;
        }
    }

    fn refusal(&self, _: &Refusal<'_>) -> Bytes {
        Bytes::new()
    }

    fn credential(&self, _: &str) -> Option<(HeaderName, HeaderValue)> {
        None
    }
}

struct Stream {
    what: String,
    dialect: &'static dyn Dialect,
    framing: Framing,
    body: Vec<u8>,
    expected: Option<String>,
}

/// The streamed vectors, and what no vector has.
fn streams() -> Vec<Stream> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/responses");
    let mut streams = vec![];
    for entry in fs::read_dir(directory).unwrap() {
        let vector = Vector::read(&entry.unwrap().path()).unwrap_or_else(|bad| panic!("{bad}"));
        let headers = vector.headers().unwrap_or_else(|bad| panic!("{bad}"));
        let content_type = headers
            .get("content-type")
            .map(|kind| kind.to_str().unwrap());
        let path = vector
            .text("request_path")
            .unwrap_or_else(|bad| panic!("{bad}"));
        let known = dialect::detect(path.split('?').next().unwrap());
        let dialect = known.map_or(&Plain as &dyn Dialect, |(dialect, _)| dialect);
        let succeeded = vector.0["status"] == 200;
        let content_type = content_type.unwrap_or_default();
        let framing = Framing::of_answer(dialect, content_type, vector.streams() && succeeded);
        let Some(framing) = framing.filter(|_| succeeded) else {
            continue;
        };
        streams.push(Stream {
            what: vector
                .text("id")
                .unwrap_or_else(|bad| panic!("{bad}"))
                .to_owned(),
            dialect,
            framing,
            body: vector.body().unwrap_or_else(|bad| panic!("{bad}")),
            expected: vector.0["expected"]["class"]
                .as_str()
                .filter(|_| known.is_some())
                .map(str::to_owned),
        });
    }
    assert!(streams.len() >= 15, "{}", streams.len());
    let own = |what: &str, framing, body: &[u8], class: Class| Stream {
        what: what.to_owned(),
        dialect: &Plain,
        framing,
        body: body.to_vec(),
        expected: Some(class.as_str().to_owned()),
    };
    let lines = b"{\"text\":\"a\\n}\"}\r\n\n{\"text\":\"b\"}\n{\"done\":true}";
    let array = b"[{\"text\":\"a]\\\"\"}\n,\r\n{\"x\":[{}],\"done\":true}\n]\n";
    let frames = [
        event_frame("messageStart", "{\"role\":\"assistant\"}"),
        event_frame("contentBlockDelta", "{\"delta\":{\"text\":\"Hi\"}}"),
        event_frame("messageStop", "{\"stopReason\":\"end_turn\"}"),
        event_frame("metadata", "{}"),
    ]
    .concat();
    let throttled = [
        event_frame("messageStart", "{}"),
        exception_frame("throttlingException", "{\"message\":\"Too many tokens\"}"),
    ]
    .concat();
    let mut corrupt = frames.clone();
    let last = corrupt.len() - 20;
    corrupt[last] ^= 1;
    streams.extend([
        own("lines", Framing::Lines, lines, Class::Success),
        own(
            "cut lines",
            Framing::Lines,
            &lines[..lines.len() - 1],
            Class::Truncated,
        ),
        own("array", Framing::Array, array, Class::Success),
        own(
            "cut array",
            Framing::Array,
            &array[..array.len() - 4],
            Class::Truncated,
        ),
        own("frames", Framing::Frames, &frames, Class::Success),
        own(
            "throttled frames",
            Framing::Frames,
            &throttled,
            Class::RateLimited,
        ),
        own(
            "corrupt frames",
            Framing::Frames,
            &corrupt,
            Class::Truncated,
        ),
        own(
            "cut frames",
            Framing::Frames,
            &frames[..frames.len() / 2],
            Class::Truncated,
        ),
        own(
            "no frames",
            Framing::Frames,
            b"Internal Server Error",
            Class::Truncated,
        ),
        own(
            "no array",
            Framing::Array,
            b"<html>no</html>",
            Class::Truncated,
        ),
    ]);
    streams
}

/// The same server-sent events with each of the line ends, and with a mark before them.
fn variants(body: &[u8]) -> [Vec<u8>; 4] {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let body = body.trim_start_matches('\u{feff}');
    let body = body.replace("\r\n", "\n").replace('\r', "\n");
    [
        body.clone(),
        body.replace('\n', "\r\n"),
        body.replace('\n', "\r"),
        format!("\u{feff}{body}"),
    ]
    .map(String::into_bytes)
}

fn observe<'a>(
    dialect: &'static dyn Dialect,
    framing: Framing,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> StreamSummary {
    let mut observer = Observer::new(dialect, framing);
    for chunk in chunks {
        observer.feed(chunk);
    }
    observer.finish();
    observer.into_summary()
}

fn judge(summary: &StreamSummary) -> Verdict {
    let headers = HeaderMap::new();
    let seen = Seen::head("/", StatusCode::OK, &headers, SystemTime::UNIX_EPOCH);
    DefaultClassifier.classify(&seen.with_body(BodySeen::Stream(summary)))
}

#[test]
fn every_split_of_every_stream_is_seen_and_judged_the_same() {
    for stream in streams() {
        let Stream {
            what,
            dialect,
            framing,
            body,
            expected,
        } = stream;
        let bodies = match framing {
            Framing::Sse => variants(&body).to_vec(),
            _ => vec![body],
        };
        for (variant, body) in bodies.into_iter().enumerate() {
            let whole = observe(dialect, framing, [&body[..]]);
            let verdict = judge(&whole);
            let nothing = verdict.class == Class::Truncated;
            assert!(whole.events > 0 || nothing, "{what}");
            if let Some(expected) = &expected {
                assert_eq!(verdict.class.as_str(), expected, "{what}");
            }
            for at in 0..=body.len() {
                let (head, tail) = body.split_at(at);
                let split = observe(dialect, framing, [head, tail]);
                assert_eq!(split, whole, "{what} split at {at}");
                assert_eq!(judge(&split), verdict, "{what} split at {at}");
                if variant == 0 {
                    let split = observe(dialect, framing, [head, &[], tail, &[]]);
                    assert_eq!(split, whole, "{what} split at {at}");
                }
            }
            assert_eq!(observe(dialect, framing, body.chunks(1)), whole, "{what}");
        }
    }
}

#[test]
fn line_ends_and_a_byte_order_mark_make_no_difference() {
    for stream in streams() {
        if stream.framing == Framing::Sse {
            let [lf, others @ ..] = variants(&stream.body);
            let lf = observe(stream.dialect, Framing::Sse, [&lf[..]]);
            for body in others {
                assert_eq!(observe(stream.dialect, Framing::Sse, [&body[..]]), lf);
            }
        }
    }
}

#[test]
fn f08_a_cut_never_turns_into_more_than_was_there() {
    for stream in streams() {
        let Stream {
            dialect,
            framing,
            body,
            ..
        } = stream;
        let whole = observe(dialect, framing, [&body[..]]);
        for at in 0..body.len() {
            let cut = observe(dialect, framing, [&body[..at]]);
            assert!(cut.events <= whole.events);
            assert!(cut.first_content.is_none() || cut.first_content == whole.first_content);
            assert!(!cut.terminal || whole.terminal);
            assert!(!cut.malformed || whole.malformed);
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

/// What arrays and lines are made of.
fn token() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "[",
            "]",
            "{",
            "}",
            ",",
            "\n",
            "\r\n",
            " ",
            "\"",
            "\\",
            "\\\"",
            "\"a\"",
            "null",
            "-1",
            "{\"text\":\"a\"}",
            "{\"done\":true}",
            ",{\"error\":{\"code\":429}}",
            "\u{feff}",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,9}",
    ]
}

/// Frames, good and otherwise.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec!["contentBlockDelta", "messageStop", "chunk", "x", ""]);
    let payload = prop_oneof![
        Just("{\"bytes\":\"eyJkb25lIjp0cnVlfQ==\",\"p\":\"ab\"}".to_owned()),
        "[ -~]{0,40}",
    ];
    let good = (name, payload, any::<bool>()).prop_map(|(name, payload, exception)| {
        if exception {
            exception_frame(name, &payload)
        } else {
            event_frame(name, &payload)
        }
    });
    let headers = prop::collection::vec(any::<u8>(), 0..40)
        .prop_map(|headers| frames::raw_frame(&headers, b"{}"));
    prop_oneof![
        6 => good,
        1 => headers,
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

/// Any that ships, and the one that reads names.
fn any_dialect() -> impl Strategy<Value = &'static dyn Dialect> {
    let plain: [&'static dyn Dialect; 1] = [&Plain];
    prop::sample::select([&dialect::ALL[..], &plain].concat())
}

/// Asserts that pieces of a stream are seen as the whole is.
fn same_in_pieces(
    dialect: &'static dyn Dialect,
    framing: Framing,
    body: &[u8],
    splits: &[prop::sample::Index],
) -> Result<(), TestCaseError> {
    let mut splits: Vec<usize> = splits.iter().map(|at| at.index(body.len() + 1)).collect();
    splits.extend([0, body.len()]);
    splits.sort_unstable();
    let whole = observe(dialect, framing, [body]);
    let pieces = splits.windows(2).map(|at| &body[at[0]..at[1]]);
    prop_assert_eq!(&observe(dialect, framing, pieces), &whole);
    prop_assert_eq!(&observe(dialect, framing, body.chunks(1)), &whole);
    Ok(())
}

fn splits() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..12)
}

proptest! {
    #[test]
    fn random_splits_of_events_are_seen_the_same(
        lines in prop::collection::vec((line(), prop_oneof!["\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n"]), 0..20),
        splits in splits(),
        dialect in any_dialect(),
    ) {
        let body: String = lines.into_iter().flat_map(|(line, end)| [line, end]).collect();
        same_in_pieces(dialect, Framing::Sse, body.as_bytes(), &splits)?;
    }

    #[test]
    fn random_splits_of_lines_and_arrays_are_seen_the_same(
        tokens in prop::collection::vec(token(), 0..30),
        splits in splits(),
        dialect in any_dialect(),
    ) {
        let body = tokens.concat();
        same_in_pieces(dialect, Framing::Lines, body.as_bytes(), &splits)?;
        same_in_pieces(dialect, Framing::Array, body.as_bytes(), &splits)?;
        same_in_pieces(dialect, Framing::Array, format!("[{body}").as_bytes(), &splits)?;
    }

    #[test]
    fn random_splits_of_frames_are_seen_the_same(
        pieces in prop::collection::vec(piece(), 0..8),
        flip in prop::option::weighted(0.2, any::<prop::sample::Index>()),
        splits in splits(),
        dialect in any_dialect(),
    ) {
        let mut body = pieces.concat();
        if let Some(flip) = flip.filter(|_| !body.is_empty()) {
            let at = flip.index(body.len());
            body[at] ^= 0x10;
        }
        same_in_pieces(dialect, Framing::Frames, &body, &splits)?;
    }

    #[test]
    fn items_are_what_a_parser_finds(
        items in prop::collection::vec(prop_oneof![
            Just("{\"a\":[1,{\"b\":\"]},\\\\\"}]}"), Just("{}"), Just("[[],\"[\"]"), Just("\"\\\"\""), Just("null"), Just("-1.5e3"),
        ], 0..8),
        between in prop_oneof![Just(","), Just(" ,\r\n"), Just("\n,\n")],
    ) {
        let body = format!("[{}]", items.join(between));
        prop_assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok());
        let summary = observe(&Plain, Framing::Array, [body.as_bytes()]);
        prop_assert_eq!(summary.events, items.len() as u64);
        prop_assert!(!summary.malformed);
    }

    #[test]
    fn f08_nothing_panics(
        body in any::<Vec<u8>>(),
        at in any::<prop::sample::Index>(),
        dialect in any_dialect(),
    ) {
        for framing in [Framing::Sse, Framing::Lines, Framing::Frames, Framing::Array] {
            same_in_pieces(dialect, framing, &body, &[at])?;
        }
    }
}
