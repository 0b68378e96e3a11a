//! What it costs to watch a stream, for each event of 200 bytes, beside splitting the same bytes
//! with memchr in the same run.
//!
//! `cargo bench --bench stream` prints times; allocations per event are printed first.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing
)]

#[path = "../tests/support/frames.rs"]
#[allow(dead_code, unreachable_pub, reason = "not all of it is used")]
mod frames;

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use memchr::memchr2_iter;
use tower_outcome::dialect::{
    Anthropic, Bedrock, Dialect, Gemini, OpenAi,
    stream::{Framing, Observer},
};

/// How many events a stream has.
const EVENTS: usize = 1000;

/// How long an event is, with all of its framing.
const LENGTH: usize = 200;

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    targets = allocations, events
}
criterion_main!(benches);

struct Stream {
    name: &'static str,
    dialect: &'static dyn Dialect,
    framing: Framing,
    /// What goes before, so that the answer has begun.
    start: Vec<u8>,
    event: Vec<u8>,
}

/// An event of `LENGTH` bytes: what stands around a text, and words for it.
fn event(before: &str, after: &str) -> Vec<u8> {
    let words = " and so on and on, it never ends: there is always a word left to say about it";
    let room = LENGTH - before.len() - after.len();
    let text: String = words.chars().cycle().take(room).collect();
    format!("{before}{text}{after}").into_bytes()
}

fn streams() -> Vec<Stream> {
    let chat = r#"{"id":"chatcmpl-C1","object":"chat.completion.chunk","created":1772366400,"model":"gpt-4o","choices":[{"index":0,"delta":{"content":""#;
    let chat_end = r#""},"finish_reason":null}]}"#;
    let openai = event(&format!("data: {chat}"), &format!("{chat_end}\n\n"));
    let line = event(chat, &format!("{chat_end}\n"));
    let anthropic = event(
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"",
        "\"}}\n\n",
    );
    let responses = event(
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"delta\":\"",
        "\",\"sequence_number\":7}\n\n",
    );
    let converse = r#"{"contentBlockIndex":0,"delta":{"text":""#;
    let around = frames::event_frame("contentBlockDelta", "").len() + converse.len() + 3;
    let text = "x".repeat(LENGTH - around);
    let frame = frames::event_frame("contentBlockDelta", &format!("{converse}{text}\"}}}}"));
    let item = event(
        ",\r\n{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"",
        "\"}],\"role\":\"model\"}}],\"modelVersion\":\"gemini-2.5-flash\"}",
    );
    let stream = |name, dialect, framing, event: Vec<u8>| Stream {
        name,
        dialect,
        framing,
        start: match framing {
            Framing::Array => [b"[", &event[3..]].concat(),
            _ => event.clone(),
        },
        event,
    };
    vec![
        stream("OpenAI chat", &OpenAi, Framing::Sse, openai),
        stream("OpenAI responses", &OpenAi, Framing::Sse, responses),
        stream("Anthropic", &Anthropic, Framing::Sse, anthropic),
        stream("lines", &OpenAi, Framing::Lines, line),
        stream("Bedrock frames", &Bedrock, Framing::Frames, frame),
        stream("Gemini array", &Gemini, Framing::Array, item),
    ]
}

fn observer(stream: &Stream) -> Observer {
    let mut observer = Observer::new(stream.dialect, stream.framing);
    observer.feed(&stream.start);
    assert_eq!(observer.summary().first_content, Some(0));
    observer
}

fn allocations(_: &mut Criterion) {
    println!("allocations per event (count), each in its own chunk, many in a chunk, cut in two");
    for stream in streams() {
        let many = stream.event.repeat(EVENTS);
        let (head, tail) = stream.event.split_at(LENGTH / 2);
        let count = |feed: &dyn Fn(&mut Observer)| {
            let mut observer = observer(&stream);
            let measured = allocation_counter::measure(|| feed(&mut observer));
            assert_eq!(observer.summary().events, EVENTS as u64 + 1);
            measured.count_total as f64 / EVENTS as f64
        };
        let own = count(&|observer| {
            for _ in 0..EVENTS {
                observer.feed(&stream.event);
            }
        });
        let joined = count(&|observer| observer.feed(&many));
        let cut = count(&|observer| {
            for _ in 0..EVENTS {
                observer.feed(head);
                observer.feed(tail);
            }
        });
        println!("  {:<18} {own:.3} {joined:.3} {cut:.3}", stream.name);
    }
}

fn events(criterion: &mut Criterion) {
    for stream in streams() {
        let mut group = criterion.benchmark_group(format!("event/{}", stream.name));
        group.throughput(Throughput::Elements(EVENTS as u64));
        let many = stream.event.repeat(EVENTS);
        assert_eq!(many.len(), EVENTS * LENGTH);
        group.bench_function("memchr", |b| {
            b.iter(|| memchr2_iter(b'\r', b'\n', black_box(&many)).count());
        });
        group.bench_function("memchr, each in its own chunk", |b| {
            b.iter(|| {
                for _ in 0..EVENTS {
                    black_box(memchr2_iter(b'\r', b'\n', black_box(&stream.event)).count());
                }
            });
        });
        let mut watching = observer(&stream);
        group.bench_function("each in its own chunk", |b| {
            b.iter(|| {
                for _ in 0..EVENTS {
                    watching.feed(black_box(&stream.event));
                }
            });
        });
        group.bench_function("many in a chunk", |b| {
            b.iter(|| {
                for chunk in many.chunks(16 * LENGTH) {
                    watching.feed(black_box(chunk));
                }
            });
        });
        let (head, tail) = stream.event.split_at(LENGTH / 2);
        group.bench_function("cut in two", |b| {
            b.iter(|| {
                for _ in 0..EVENTS {
                    watching.feed(black_box(head));
                    watching.feed(black_box(tail));
                }
            });
        });
        group.finish();
    }
}
