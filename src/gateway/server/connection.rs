use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

use super::pace::Pace;

/// As long as the preface of HTTP/2, and no longer than any request of HTTP/1.
const FIRST: usize = 24;
/// A peer that takes nothing for as long has gone, or holds a place for nothing. As long as an
/// upstream may be silent.
const STALL: Duration = Duration::from_secs(300);

/// A connection with the timers that the server of HTTP does not have: for its first bytes, and for
/// a peer that does not take what it asked for.
pub(super) struct Connection {
    stream: TcpStream,
    /// Present until the first bytes are there.
    first: Option<Pin<Box<Sleep>>>,
    read: usize,
    /// Made once something had to wait.
    stall: Option<Pin<Box<Sleep>>>,
    stalls: bool,
    pace: Pace,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, first_byte_timeout: Duration, pace: Pace) -> Self {
        Self {
            stream,
            first: Some(Box::pin(sleep(first_byte_timeout))),
            read: 0,
            stall: None,
            stalls: false,
            pace,
        }
    }

    /// Bounds how long a write waits.
    fn bound<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalls = false;
            return polled;
        }
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(STALL)));
        if !std::mem::replace(&mut self.stalls, true) {
            stall.as_mut().reset(Instant::now() + STALL);
        }
        let gone = stall.as_mut().poll(cx);
        gone.map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        if let Some(first) = &mut this.first {
            this.read += buf.filled().len() - before;
            if this.read >= FIRST {
                this.first = None;
            } else if polled.is_pending() && first.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.bound(cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.bound(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // hyper does so once nothing is left to be written.
        this.pace.flushed();
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
