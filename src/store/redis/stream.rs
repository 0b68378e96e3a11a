use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// What a server may still send. The protocol lets it announce any length, and its parser collects what
/// comes, so that without this a server could fill the memory.
#[derive(Clone, Debug)]
pub(super) struct Allowance {
    left: Arc<AtomicUsize>,
    full: usize,
    ended: Arc<Mutex<Option<String>>>,
}

impl Allowance {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            left: Arc::new(AtomicUsize::new(bytes)),
            full: bytes,
            ended: Arc::default(),
        }
    }

    /// Allows the whole of it again.
    pub(super) fn renew(&self) {
        self.left.store(self.full, Ordering::Relaxed);
    }

    /// Returns what has ended the connection, if it has. The client does not pass that on.
    pub(super) fn ended(&self) -> Option<String> {
        self.noted().clone()
    }

    fn read(&self, bytes: usize) -> io::Result<()> {
        if bytes == 0 {
            self.note(&"it closed the connection");
            return Ok(());
        }
        // Only the connection takes, and it has one reader.
        let left = self.left.load(Ordering::Relaxed).checked_sub(bytes);
        let left = left.ok_or_else(|| {
            let most = self.full;
            let what = format!("over {most} bytes were answered");
            io::Error::new(io::ErrorKind::InvalidData, what)
        })?;
        self.left.store(left, Ordering::Relaxed);
        Ok(())
    }

    /// The first is the reason for those that follow.
    fn note(&self, why: &impl ToString) {
        self.noted().get_or_insert_with(|| why.to_string());
    }

    fn noted(&self) -> MutexGuard<'_, Option<String>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection to a server, from which no more is read than is allowed.
#[derive(Debug)]
pub(super) struct Bounded {
    inner: Transport,
    allowance: Allowance,
}

#[derive(Debug)]
pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Bounded {
    pub(super) fn new(inner: Transport, allowance: Allowance) -> Self {
        Self { inner, allowance }
    }

    fn noting<T>(&self, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &done {
            self.allowance.note(error);
        }
        done
    }
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = match &mut self.inner {
            Transport::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        let read = read.map(|read| {
            read.and_then(|()| {
                self.allowance
                    .read(buf.filled().len().saturating_sub(before))
            })
        });
        self.noting(read)
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.inner {
            Transport::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        };
        self.noting(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
