//! Any stream, in any pieces: the observer never panics and does not depend on the chunking.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_outcome::dialect::{Anthropic, Dialect, OpenAi, sse::Observer};

fuzz_target!(|input: (bool, u8, &[u8])| {
    let (anthropic, piece, stream) = input;
    let dialect: &'static dyn Dialect = if anthropic { &Anthropic } else { &OpenAi };
    let observe = |piece: usize| {
        let mut observer = Observer::new(dialect);
        for piece in stream.chunks(piece.max(1)) {
            observer.feed(piece);
        }
        observer.finish();
        observer.summary().clone()
    };
    assert_eq!(observe(usize::MAX), observe(usize::from(piece)));
});
