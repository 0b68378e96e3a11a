//! What the targets share.

use tower_outcome::{
    classify::StreamSummary,
    dialect::{
        ALL,
        stream::{Framing, Observer},
    },
};

/// Asserts that a stream is seen the same in one piece and in pieces of `piece` bytes.
pub fn assert_same_in_pieces(framing: Framing, dialect: u8, piece: u8, stream: &[u8]) {
    let observe = |piece: usize| -> StreamSummary {
        let mut observer = Observer::new(ALL[usize::from(dialect) % ALL.len()], framing);
        for piece in stream.chunks(piece.max(1)) {
            observer.feed(piece);
        }
        observer.finish();
        observer.into_summary()
    };
    assert_eq!(observe(usize::MAX), observe(usize::from(piece)));
}
