//! Frames whose checksums are right around any headers and payloads, and any bytes in between: the
//! observer never panics and does not depend on the chunking.
#![no_main]

#[path = "../../tests/support/frames.rs"]
#[allow(dead_code, reason = "not all of it is used")]
mod frames;

use libfuzzer_sys::fuzz_target;
use tower_outcome::dialect::stream::Framing;
use tower_outcome_fuzz::assert_same_in_pieces;

fuzz_target!(|input: (u8, u8, Vec<(u8, &[u8], &[u8])>)| {
    let (dialect, piece, parts) = input;
    let mut stream = vec![];
    for (kind, headers, payload) in parts {
        let text = String::from_utf8_lossy(payload);
        match kind % 8 {
            0 => stream.extend_from_slice(payload),
            1 => stream.extend(frames::exception_frame("throttlingException", &text)),
            2 => stream.extend(frames::event_frame("chunk", &text)),
            3 => stream.extend(frames::event_frame("contentBlockDelta", &text)),
            4 => {
                let wrong = frames::event_frame("a", &text);
                stream.extend_from_slice(&wrong[..wrong.len().min(headers.len())]);
            }
            _ => stream.extend(frames::raw_frame(headers, payload)),
        }
    }
    assert_same_in_pieces(Framing::Frames, dialect, piece, &stream);
});
