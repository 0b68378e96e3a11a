use std::sync::Mutex;

use http::{HeaderName, HeaderValue};

use super::{
    held::{KEPT_OF_LONG, MAX_EVENT},
    *,
};
use crate::{
    classify::{Class, Scope},
    dialect::{Endpoint, Located, Refusal, Unroutable},
};

/// Writes down what it is given.
#[derive(Debug, Default)]
struct Recorder(Mutex<Recorded>);

/// The name and the data of each event.
pub(super) type Recorded = Vec<(String, String)>;

impl Dialect for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn endpoint(&self, _: &str) -> Option<Endpoint> {
        None
    }

    fn locate(
        &self,
        _: Endpoint,
        _: &str,
        _: Option<&str>,
        _: &[bytes::Bytes],
    ) -> Result<Located, Unroutable> {
        Err(Unroutable::NoModel)
    }

    fn event(&self, event: Event<'_>, _: &mut StreamSummary) {
        assert!(!event.exception, "a dialect need not care");
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let name = event.name.map(text).unwrap_or_default();
        self.0.lock().unwrap().push((name, text(event.data)));
    }

    fn refusal(&self, _: &Refusal<'_>) -> bytes::Bytes {
        bytes::Bytes::new()
    }

    fn credential(&self, _: &str) -> Option<(HeaderName, HeaderValue)> {
        None
    }
}

pub(super) fn record<'a>(
    framing: Framing,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Recorded, StreamSummary) {
    let recorder: &'static Recorder = Box::leak(Box::default());
    let mut observer = Observer::new(recorder, framing);
    for chunk in chunks {
        observer.feed(chunk);
    }
    observer.finish();
    let events = recorder.0.lock().unwrap().clone();
    (events, observer.into_summary())
}

/// What each event says, after every split of the stream has said the same.
#[track_caller]
pub(super) fn data(framing: Framing, stream: &[u8]) -> (Vec<String>, StreamSummary) {
    let whole = record(framing, [stream]);
    for at in 0..=stream.len() {
        let (head, tail) = stream.split_at(at);
        assert_eq!(record(framing, [head, tail]), whole, "split at {at}");
    }
    assert_eq!(record(framing, stream.chunks(1)), whole);
    let (events, summary) = whole;
    (events.into_iter().map(|(_, data)| data).collect(), summary)
}

#[test]
fn each_line_is_an_event() {
    let (lines, summary) = data(Framing::Lines, b"{\"a\":1}\r\n\n \r\n{\"b\":2}\n[3]");
    assert_eq!(lines, ["{\"a\":1}", "{\"b\":2}", "[3]"]);
    assert_eq!((summary.events, summary.keep_alives), (3, 0));
    let (lines, _) = data(Framing::Lines, b"\xef\xbb\xbf{}\n\xef\xbb\xbf{}\n");
    assert_eq!(lines, ["{}", "\u{feff}{}"]);
    let (lines, _) = data(Framing::Lines, b"\xef\xbb\xbf{}");
    assert_eq!(lines, ["{}"]);
}

#[test]
fn a_last_line_counts_if_it_is_complete() {
    let count = |stream: &str| data(Framing::Lines, stream.as_bytes()).1.events;
    assert_eq!(count("{\"done\":true}"), 1);
    assert_eq!(count("{\"done\":tr"), 0);
    assert_eq!(count("{}\n{\"done\""), 1);
    assert_eq!(count(""), 0);
}

#[test]
fn each_item_of_an_array_is_an_event() {
    for stream in [
        "[{\"a\":[{}]},{\"b\":\"]},{\\\"\"}\n,\r\n[1,[2]]]",
        " [ {\"a\":[{}]} , {\"b\":\"]},{\\\"\"} , [1,[2]] ] \n",
        "\u{feff}[{\"a\":[{}]},{\"b\":\"]},{\\\"\"},[1,[2]]",
    ] {
        let (items, summary) = data(Framing::Array, stream.as_bytes());
        let expected = ["{\"a\":[{}]}", "{\"b\":\"]},{\\\"\"}", "[1,[2]]"];
        assert_eq!(items, expected, "{stream}");
        assert!(!summary.malformed);
    }
    let (items, _) = data(Framing::Array, b"[1 , \"a,]\\\\\",null,true]");
    assert_eq!(items, ["1", "\"a,]\\\\\"", "null", "true"]);
}

#[test]
fn an_item_is_seen_where_it_ends_and_not_before() {
    let mut observer = Observer::new(&crate::dialect::OpenAi, Framing::Array);
    for (part, events) in [("[", 0), ("{\"a\":", 0), ("{}", 0), ("}", 1), ("\n,\n", 1)] {
        observer.feed(part.as_bytes());
        assert_eq!(observer.summary().events, events, "{part}");
    }
}

#[test]
fn an_object_in_place_of_an_array_is_one_event() {
    let (items, summary) = data(Framing::Array, b"\n{\"error\":{\"code\":429}}\n{}");
    assert_eq!(items, ["{\"error\":{\"code\":429}}"]);
    assert!(!summary.malformed);
}

#[test]
fn what_is_no_array_is_malformed() {
    for stream in ["<html>", "null", "\"[{}]\"", "[}{}", "[{}}{}"] {
        let (_, summary) = data(Framing::Array, stream.as_bytes());
        assert!(summary.malformed, "{stream}");
    }
    for stream in ["", " ", "[", "[]", "[{", "[{\"a"] {
        let (items, summary) = data(Framing::Array, stream.as_bytes());
        assert_eq!((items.len(), summary), (0, StreamSummary::default()));
    }
}

#[test]
fn f06_an_endless_line_or_item_is_not_kept() {
    for (framing, start, end) in [
        (Framing::Lines, "{\"a\":\"", "\"}\n{}\n"),
        (Framing::Array, "[{\"a\":\"", "\"},{}]"),
    ] {
        let mut observer = Observer::new(&crate::dialect::OpenAi, framing);
        let capacity = |observer: &Observer| match &observer.framer {
            Framer::Lines(lines) => lines.held.capacity(),
            Framer::Array(array) => array.held.capacity(),
            _ => panic!("another framing"),
        };
        observer.feed(start.as_bytes());
        for _ in 0..64 {
            observer.feed(&[b'x'; 64 << 10]);
            assert!(capacity(&observer) <= 2 * MAX_EVENT);
        }
        assert!(capacity(&observer) <= 2 * KEPT_OF_LONG);
        observer.feed(end.as_bytes());
        let summary = observer.summary();
        assert_eq!((summary.oversized, summary.events), (1, 2), "{framing:?}");
    }
}

#[test]
fn an_exception_is_judged_by_its_name() {
    let judged = |name: &str, data: &str| {
        let event = Event {
            name: Some(name.as_bytes()),
            data: data.as_bytes(),
            whole: true,
            exception: true,
        };
        event.judge_exception()
    };
    for (name, message, class) in [
        ("throttlingException", "Too many tokens", Class::RateLimited),
        ("ThrottlingException", "slow", Class::RateLimited),
        ("modelStreamErrorException", "broke", Class::ServerError),
        ("internalServerException", "", Class::ServerError),
        ("serviceUnavailableException", "", Class::Overloaded),
        ("modelTimeoutException", "", Class::Timeout),
        ("validationException", "bad request", Class::ClientError),
        (
            "validationException",
            "Input is too long for requested model.",
            Class::ModelError,
        ),
        ("ServiceQuotaExceededException", "", Class::QuotaExhausted),
        (
            "com.amazon#ThrottlingException:http://x/",
            "",
            Class::RateLimited,
        ),
        ("somethingNew", "", Class::ServerError),
    ] {
        let json = format!("{{\"message\":\"{message}\"}}");
        assert_eq!(judged(name, &json).class, class, "{name}: {message}");
        assert_eq!(judged(name, message).class, class, "{name}: {message}");
    }
    let scope = judged("throttlingException", "{\"message\":\"Too many tokens\"}").scope;
    assert_eq!(scope, Some(Scope::Tokens));
    assert_eq!(judged("", "").class, Class::ServerError);
}
