use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes},
    time::{Instant, sleep_until},
};

/// Enough for a second of audio, bytes, each way: what is not taken is not read.
const BUFFER: usize = 16 * 1024;

/// How a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// A side closed it, or both were silent for too long.
    Well,
    /// The upstream had said nothing by then.
    Unsaid,
    /// The connection to the upstream broke.
    Broken,
}

/// Copies both ways until a side has closed, or both have been silent for as long as `idle`.
pub(super) async fn run(ours: OnUpgrade, theirs: OnUpgrade, idle: Duration) -> Ended {
    let (ours, theirs) = tokio::join!(ours, theirs);
    let Ok(theirs) = theirs else {
        return Ended::Broken;
    };
    let Ok(ours) = ours else {
        return Ended::Unsaid;
    };
    let seen = Arc::new(Seen::default());
    let mut ours = TokioIo::new(ours);
    let mut theirs = Watched {
        inner: TokioIo::new(theirs),
        start: Instant::now(),
        seen: seen.clone(),
    };
    let silent = silence(theirs.start, seen.clone(), idle);
    tokio::select! {
        _ = copy_bidirectional_with_sizes(&mut ours, &mut theirs, BUFFER, BUFFER) => {}
        () = silent => tracing::debug!("a websocket was silent for too long"),
    }
    if seen.broken.load(Ordering::Relaxed) {
        Ended::Broken
    } else if seen.said.load(Ordering::Relaxed) {
        Ended::Well
    } else {
        Ended::Unsaid
    }
}

/// Waits until nothing has moved for as long as `idle`.
async fn silence(start: Instant, seen: Arc<Seen>, idle: Duration) {
    loop {
        let moved = Duration::from_millis(seen.moved_ms.load(Ordering::Relaxed));
        let end = start + moved + idle;
        if Instant::now() >= end {
            return;
        }
        sleep_until(end).await;
    }
}

/// What was seen at the side of the upstream.
#[derive(Debug, Default)]
struct Seen {
    /// When bytes moved last, either way, counted from the start.
    moved_ms: AtomicU64,
    /// It has said something.
    said: AtomicBool,
    /// It has failed.
    broken: AtomicBool,
}

/// The side of the upstream: all that moves passes here.
struct Watched {
    inner: TokioIo<Upgraded>,
    start: Instant,
    seen: Arc<Seen>,
}

impl Watched {
    fn note<T>(&self, polled: &Poll<io::Result<T>>) {
        match polled {
            Poll::Ready(Ok(_)) => {
                let moved = self.start.elapsed().as_millis();
                let moved = u64::try_from(moved).unwrap_or(u64::MAX);
                self.seen.moved_ms.store(moved, Ordering::Relaxed);
            }
            Poll::Ready(Err(_)) => self.seen.broken.store(true, Ordering::Relaxed),
            Poll::Pending => {}
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.note(&polled);
        if buf.filled().len() > before {
            self.seen.said.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.note(&polled);
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A side that is gone already cannot be told.
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
