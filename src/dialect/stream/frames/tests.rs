use super::{
    super::{
        Framer, Framing, Observer,
        tests::{Recorded, data, record},
    },
    *,
};
use crate::{
    classify::{Class, StreamSummary},
    dialect::OpenAi,
};

/// A frame with string headers before `others`, which are written already.
fn frame_with(headers: &[(&str, &str)], others: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut encoded = vec![];
    for (name, value) in headers {
        encoded.push(name.len() as u8);
        encoded.extend_from_slice(name.as_bytes());
        encoded.push(7);
        encoded.extend_from_slice(&(value.len() as u16).to_be_bytes());
        encoded.extend_from_slice(value.as_bytes());
    }
    encoded.extend_from_slice(others);
    let total = (PRELUDE + encoded.len() + payload.len() + CRC) as u32;
    let mut frame = total.to_be_bytes().to_vec();
    frame.extend_from_slice(&(encoded.len() as u32).to_be_bytes());
    frame.extend_from_slice(&Crc32::of(&frame).to_be_bytes());
    frame.extend_from_slice(&encoded);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&Crc32::of(&frame).to_be_bytes());
    frame
}

fn event(name: &str, payload: &str) -> Vec<u8> {
    let headers = [
        (":event-type", name),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    frame_with(&headers, &[], payload.as_bytes())
}

fn exception(name: &str, payload: &str) -> Vec<u8> {
    let headers = [(":exception-type", name), (":message-type", "exception")];
    frame_with(&headers, &[], payload.as_bytes())
}

fn events(stream: &[u8]) -> (Recorded, StreamSummary) {
    record(Framing::Frames, [stream])
}

#[test]
fn each_frame_is_an_event() {
    let stream = [
        event("messageStart", r#"{"role":"assistant"}"#),
        event("contentBlockDelta", r#"{"delta":{"text":"Hi"}}"#),
        event("messageStop", ""),
    ]
    .concat();
    data(Framing::Frames, &stream);
    let (events, summary) = events(&stream);
    let expected = [
        ("messageStart", r#"{"role":"assistant"}"#),
        ("contentBlockDelta", r#"{"delta":{"text":"Hi"}}"#),
    ];
    assert_eq!(
        events,
        expected.map(|(name, data)| (name.into(), data.into()))
    );
    assert_eq!((summary.events, summary.keep_alives), (3, 1));
    assert!(!summary.malformed);
}

#[test]
fn headers_of_every_type_are_stepped_over() {
    let others = [
        (0, &[][..]),
        (1, &[]),
        (2, &[1]),
        (3, &[1; 2]),
        (4, &[1; 4]),
        (5, &[1; 8]),
        (6, &[0, 3, 1, 1, 1]),
        (7, &[0, 3, 1, 1, 1]),
        (8, &[1; 8]),
        (9, &[1; 16]),
    ];
    let others: Vec<u8> = others
        .iter()
        .flat_map(|(kind, value)| [&[1, b'x', *kind], *value].concat())
        .chain(*b"\x0b:event-type\x07\x00\x01a")
        .collect();
    let (found, summary) = events(&frame_with(&[], &others, b"{}"));
    assert_eq!(found, [("a".into(), "{}".into())]);
    assert!(!summary.malformed);
    // The name of an event is a string.
    let (found, _) = events(&frame_with(&[], b"\x0b:event-type\x06\x00\x01a", b"{}"));
    assert_eq!(found, [(String::new(), "{}".into())]);
    let (_, summary) = events(&frame_with(&[], &[1, b'x', 10], b"{}"));
    assert!(summary.malformed, "a type that nobody knows");
}

#[test]
fn exceptions_and_errors_are_judged_and_count_as_events() {
    let throttled = exception("throttlingException", r#"{"message":"Too many tokens"}"#);
    let stream = [event("messageStart", "{}"), throttled].concat();
    data(Framing::Frames, &stream);
    let (found, summary) = events(&stream);
    assert_eq!(found.len(), 1);
    assert_eq!(summary.events, 2);
    assert_eq!(summary.error.unwrap().class, Class::RateLimited);

    let headers = [
        (":message-type", "error"),
        (":error-code", "ValidationException"),
        (":error-message", "Input is too long for requested model."),
    ];
    let (_, summary) = events(&frame_with(&headers, &[], b""));
    assert_eq!(summary.error.unwrap().class, Class::ModelError);
}

#[test]
fn the_document_within_a_chunk_is_handed_on() {
    // {"type":"message_stop"}
    let wrapped = r#"{"bytes":"eyJ0eXBlIjoibWVzc2FnZV9zdG9wIn0=","p":"abcd"}"#;
    let stream = event("chunk", wrapped).repeat(2);
    let (found, _) = data(Framing::Frames, &stream);
    assert_eq!(found, [r#"{"type":"message_stop"}"#; 2]);
    // Where there is none, what is there.
    for payload in [
        r#"{"bytes":"!"}"#,
        r#"{"other":1}"#,
        "bytes",
        r#"{"bytes":"#,
    ] {
        let (found, summary) = data(Framing::Frames, &event("chunk", payload));
        assert_eq!(found, [payload]);
        assert!(!summary.malformed);
    }
    let (found, _) = data(Framing::Frames, &event("other", wrapped));
    assert_eq!(found, [wrapped]);
}

#[test]
fn any_wrong_bit_ends_the_looking() {
    let good = event("a", "{}");
    for at in 0..good.len() * 8 {
        let mut bad = event("b", r#"{"x":1}"#);
        if at >= bad.len() * 8 {
            break;
        }
        bad[at / 8] ^= 1 << (at % 8);
        let stream = [&good[..], &bad, &good].concat();
        let (found, summary) = events(&stream);
        assert_eq!(found.len(), 1, "bit {at}");
        assert!(summary.malformed, "bit {at}");
        assert_eq!(
            record(Framing::Frames, stream.chunks(7)),
            (found, summary),
            "bit {at}"
        );
    }
}

#[test]
fn lengths_that_cannot_be_are_refused_at_once() {
    let prelude = |total: u32, headers: u32| {
        let mut prelude = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        prelude.extend_from_slice(&Crc32::of(&prelude).to_be_bytes());
        events(&prelude).1.malformed
    };
    for (total, headers) in [
        (0, 0),
        (15, 0),
        (16, 1),
        (100, 85),
        (u32::MAX, 0),
        (u32::MAX, u32::MAX),
        (1 << 20, (128 << 10) + 1),
        ((24 << 20) + 17, 0),
    ] {
        assert!(prelude(total, headers), "{total} {headers}");
    }
    for (total, headers) in [(16, 0), (17, 1), (100, 84), ((24 << 20) + 16, 0)] {
        assert!(!prelude(total, headers), "{total} {headers}");
    }
}

#[test]
fn a_frame_that_is_cut_off_is_none() {
    let stream = event("a", "{}");
    for at in 0..stream.len() {
        let (found, summary) = events(&stream[..at]);
        assert_eq!(found.len(), 0, "{at}");
        assert_eq!(summary, StreamSummary::default(), "{at}");
    }
}

#[test]
fn f06_a_long_frame_is_not_kept_and_still_checked() {
    for length in [MAX_EVENT - 1000, MAX_EVENT, 3 * MAX_EVENT] {
        let mut stream = event("image", &"x".repeat(length));
        let long = u64::from(stream.len() > MAX_EVENT);
        stream.extend(event("a", "{}"));
        let mut observer = Observer::new(&OpenAi, Framing::Frames);
        for part in stream.chunks(10_007) {
            observer.feed(part);
            let Framer::Frames(frames) = &observer.framer else {
                panic!("another framing")
            };
            assert!(frames.held.capacity() <= 2 * MAX_EVENT);
        }
        let summary = observer.into_summary();
        assert_eq!((summary.events, summary.oversized), (2, long), "{length}");
        assert!(!summary.malformed);
        assert_eq!(events(&stream).1.events, 2);

        *stream.get_mut(length / 2).unwrap() ^= 1;
        let (found, summary) = events(&stream);
        assert_eq!(found.len(), 0);
        assert!(summary.malformed);
    }
}
