//! Small writes of several pieces as one.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};

/// A head with a short body, bytes. To copy as much is cheaper than to have the kernel collect it
/// from several places; beyond that it is not for long.
const SMALL: usize = 4096;

/// Returns what is to be written as one piece, if it is that or fits into `room`.
fn joined<'a>(bufs: &'a [IoSlice<'_>], room: &'a mut [u8; SMALL]) -> Option<&'a [u8]> {
    if let [piece] = bufs {
        return Some(piece);
    }
    let mut filled = 0;
    for piece in bufs {
        room.get_mut(filled..filled + piece.len())?
            .copy_from_slice(piece);
        filled += piece.len();
    }
    room.get(..filled)
}

/// A connection that joins what is small.
pub(crate) struct Joining<S>(pub(super) S);

impl<S: Read + Unpin> Read for Joining<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: Write + Unpin> Write for Joining<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.0);
        match joined(bufs, &mut [0; SMALL]) {
            Some(piece) => stream.poll_write(cx, piece),
            None => stream.poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl<S: Connection> Connection for Joining<S> {
    fn connected(&self) -> Connected {
        self.0.connected()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(pieces: &[&[u8]]) -> Option<Vec<u8>> {
        let pieces: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        joined(&pieces, &mut [0; SMALL]).map(<[u8]>::to_vec)
    }

    #[test]
    fn what_is_small_is_one_piece_in_its_order() {
        assert_eq!(join(&[b"head\r\n", b"", b"body"]).unwrap(), b"head\r\nbody");
        assert_eq!(join(&[&[1; 4000], &[2; 96]]).unwrap().len(), SMALL);
        assert_eq!(join(&[]).unwrap(), b"");
    }

    #[test]
    fn what_is_long_stays_in_pieces_but_for_a_single_one() {
        assert_eq!(join(&[&[1; 4000], &[2; 97]]), None);
        assert_eq!(join(&[b"head", &[0; 100_000]]), None);
        assert_eq!(join(&[&[7; 100_000]]).unwrap(), [7; 100_000]);
    }
}
