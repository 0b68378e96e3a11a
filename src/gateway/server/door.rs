use std::{io, sync::Arc, time::Duration};

use http::StatusCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};

use crate::dialect::{Dialect as _, OpenAi, Refusal};

/// How long all places may be taken before others are told so, rather than wait: their clients give
/// up connecting after about as long.
const PATIENCE: Duration = Duration::from_secs(5);
/// For somebody who is turned away to read why.
const FAREWELL: Duration = Duration::from_secs(1);
/// So many at a time are told; beyond that connections are just closed.
const TOLD: usize = 64;

/// Lets connections in, as many as there are places.
///
/// Others wait until one is free. Where that takes too long they are turned away with a 503, so that
/// whoever balances the load hears of it.
pub(super) struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
    told: Arc<Semaphore>,
    /// Since when there has been no place.
    full: Option<Instant>,
}

impl Door {
    pub(super) fn new(listener: TcpListener, places: usize) -> Self {
        let places = places.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            listener,
            places: Arc::new(Semaphore::new(places)),
            told: Arc::new(Semaphore::new(TOLD)),
            full: None,
        }
    }

    /// Waits for the next connection that has a place.
    pub(super) async fn next(&mut self) -> io::Result<(OwnedSemaphorePermit, TcpStream)> {
        loop {
            let place = self.place().await;
            let (stream, _) = self.listener.accept().await?;
            match place.or_else(|| self.free()) {
                Some(place) => return Ok((place, stream)),
                None => self.turn_away(stream),
            }
        }
    }

    fn free(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// Waits for a place, but not for long.
    async fn place(&mut self) -> Option<OwnedSemaphorePermit> {
        if let Some(place) = self.free() {
            self.full = None;
            return Some(place);
        }
        let full = *self.full.get_or_insert_with(|| {
            tracing::debug!("as many connections as there may be: others wait");
            Instant::now()
        });
        let place = timeout_at(full + PATIENCE, self.places.clone().acquire_owned());
        let place = place.await.ok().and_then(Result::ok);
        if place.is_some() {
            self.full = None;
        }
        place
    }

    fn turn_away(&self, mut stream: TcpStream) {
        let Ok(told) = self.told.clone().try_acquire_owned() else {
            return;
        };
        tracing::warn!("a connection is turned away: there are as many as there may be");
        tokio::spawn(async move {
            let _ = timeout(FAREWELL, farewell(&mut stream)).await;
            drop(told);
        });
    }
}

/// Answers whatever is asked, and reads what there is of it: a connection that is closed with unread
/// bytes takes the answer back.
async fn farewell(stream: &mut TcpStream) -> io::Result<()> {
    let body = OpenAi.refusal(&Refusal {
        status: StatusCode::SERVICE_UNAVAILABLE,
        message: "As many connections are open as there may be.",
        retry_after: Some(Duration::from_secs(1)),
        quota: false,
    });
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nretry-after: 1\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    stream.shutdown().await?;
    while stream.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}
