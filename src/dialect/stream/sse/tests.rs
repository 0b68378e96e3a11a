use super::{
    super::{
        Framer, Framing, Observer,
        tests::{Recorded, record},
    },
    *,
};
use crate::{classify::StreamSummary, dialect::OpenAi};

fn events(stream: &str) -> (Recorded, StreamSummary) {
    record(Framing::Sse, [stream.as_bytes()])
}

fn observer() -> Observer {
    Observer::new(&OpenAi, Framing::Sse)
}

fn sse(observer: &Observer) -> &Sse {
    match &observer.framer {
        Framer::Sse(sse) => sse,
        _ => panic!("another framing"),
    }
}

fn data(stream: &str) -> Vec<String> {
    events(stream).0.into_iter().map(|(_, data)| data).collect()
}

#[test]
fn events_are_framed_as_specified() {
    assert_eq!(
        data("data: a\n\ndata: b\r\n\r\ndata: c\r\rdata:d\n\n"),
        ["a", "b", "c", "d"]
    );
    assert_eq!(
        data("data: one\ndata: two\ndata\ndata: three\n\n"),
        ["one\ntwo\n\nthree"]
    );
    assert_eq!(data("\u{feff}data: a\n\n"), ["a"]);
    assert_eq!(data("data:  two spaces\n\n"), [" two spaces"]);
    assert_eq!(
        data("data: a\nid: 7\nretry: 5\nunknown: x\nnocolon\n\n"),
        ["a"]
    );
    assert_eq!(data("\n\n\ndata: a\n\n\n\n"), ["a"]);
    assert_eq!(data("Data: a\n\n"), Vec::<String>::new());
    let (named, _) = events("event: first\nevent: last\ndata: a\n\ndata: b\n\n");
    assert_eq!(
        named,
        [("last".into(), "a".into()), (String::new(), "b".into())]
    );
}

#[test]
fn comments_and_empty_events_keep_alive() {
    let (_, summary) = events(": one\n: two\n\ndata: a\n: three\n\ndata:\n\nevent: ping\n\n");
    assert_eq!((summary.events, summary.keep_alives), (2, 5));
    let mut observer = observer();
    observer.feed(b":\n");
    assert_eq!(
        observer.summary().keep_alives,
        1,
        "seen without a blank line"
    );
    assert!(sse(&observer).held.is_empty());
}

#[test]
fn what_the_end_cuts_off_counts_if_it_is_complete() {
    assert_eq!(data("data: [DONE]"), ["[DONE]"]);
    assert_eq!(data("data: {\"a\":1}\n"), ["{\"a\":1}"]);
    assert_eq!(data("data: {\"a\":"), Vec::<String>::new());
    assert_eq!(data("data: [DON"), Vec::<String>::new());
    assert_eq!(events("data: {\"a\":").1.events, 0);
}

#[test]
fn errors_outside_data_fields_are_data() {
    let pretty = "{\n  \"error\": {\n    \"code\": 429\n  }\n}";
    assert_eq!(
        data(&format!("data: 1\n\n{pretty}\n\n")),
        ["1", &format!("{pretty}\n\n")]
    );
    assert_eq!(data(&format!("data: 1\n\n{pretty}")), ["1", pretty]);
    assert_eq!(data(&format!("[{pretty}]\r\n\r\n")).len(), 1);
    let (named, _) = events("error: {\"code\":500}\n\n");
    assert_eq!(named, [("error".into(), "{\"code\":500}".into())]);
    assert_eq!(data("event: error\n{\"error\":1}\n\n"), ["{\"error\":1}"]);
}

#[test]
fn f06_an_endless_event_is_not_kept() {
    let mut observer = observer();
    observer.feed(b"data: {\"type\":\"response.completed\",\"response\":\"");
    for _ in 0..64 {
        observer.feed(&[b'x'; 64 << 10]);
        assert!(sse(&observer).held.capacity() <= 2 * MAX_EVENT);
    }
    assert!(sse(&observer).held.capacity() <= 2 * KEPT_OF_LONG);
    observer.feed(b"\"}\n\ndata: {}\n\n");
    let summary = observer.summary();
    assert_eq!((summary.oversized, summary.events), (1, 2));
    assert!(summary.terminal, "its type is at its beginning");
}

#[test]
fn a_long_event_is_seen_the_same_in_one_chunk() {
    for length in [
        MAX_EVENT - 8,
        MAX_EVENT - 7,
        MAX_EVENT - 6,
        MAX_EVENT,
        MAX_EVENT + 9,
    ] {
        let stream = format!("data: {}\r\n\r\ndata: [DONE]\r\n\r\n", "x".repeat(length));
        let mut whole = observer();
        whole.feed(stream.as_bytes());
        let mut parts = observer();
        for part in stream.as_bytes().chunks(1009) {
            parts.feed(part);
        }
        assert_eq!(whole.summary(), parts.summary(), "{length}");
    }
}

#[test]
fn events_within_chunks_allocate_nothing() {
    let mut observer = observer();
    for _ in 0..100 {
        observer.feed(b"event: x\r\ndata: {\"choices\":[]}\r\n\r\n: ping\n\ndata: [DONE]\n\n");
    }
    assert_eq!(
        sse(&observer).held.capacity() + sse(&observer).joined.capacity(),
        0
    );
}
