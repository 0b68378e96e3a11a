use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{PushInfo, PushKind, Value, cmd};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use super::{server::Server, task::Task};
use crate::store::{Cooldown, Scope, StoreError};

/// Pauses before it is tried again to listen.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A connection that stood for so long has not just been refused in another way.
const STOOD: Duration = Duration::from_secs(1);
/// How often it is asked whether the server is still there, as it may have nothing to say for hours.
const ASKED_EVERY: Duration = Duration::from_secs(2);
/// What may be said between two questions: several thousand announcements. Who says more is not heard,
/// and what was missed stands in the next exchange.
const SAID_MOST: usize = 1 << 20;
/// Announcements that wait for somebody to ask for them.
const WAITING_MOST: usize = 256;

/// Listens to the cooldowns that other instances announce.
#[derive(Debug)]
pub(super) struct Hearing {
    /// Begins when somebody asks first.
    listening: OnceLock<Task<()>>,
    /// The number of our own instance, whose announcements are no news.
    own: Arc<AtomicU64>,
    sender: mpsc::Sender<Cooldown>,
    receiver: Mutex<mpsc::Receiver<Cooldown>>,
}

impl Hearing {
    pub(super) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MOST);
        Self {
            listening: OnceLock::new(),
            own: Arc::default(),
            sender,
            receiver: Mutex::new(receiver),
        }
    }

    /// Says which instance we are.
    pub(super) fn we_are(&self, instance: u64) {
        self.own.store(instance, Ordering::Relaxed);
    }

    /// Waits for the next announcement of another instance.
    pub(super) async fn next(&self, server: &Arc<Server>) -> Cooldown {
        self.listening.get_or_init(|| {
            let (server, own, sender) = (
                Arc::clone(server),
                Arc::clone(&self.own),
                self.sender.clone(),
            );
            Task::spawn(async move { listen(&server, &own, &sender).await })
        });
        let next = poll_fn(|cx| {
            let mut receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner);
            receiver.poll_recv(cx)
        });
        match next.await {
            Some(cooldown) => cooldown,
            // Not while we hold a sender.
            None => std::future::pending().await,
        }
    }
}

/// Listens, and again when that ends.
async fn listen(server: &Server, own: &Arc<AtomicU64>, heard: &mpsc::Sender<Cooldown>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let since = Instant::now();
        let error = listen_once(server, own, heard).await;
        if since.elapsed() >= STOOD + server.connect_limit {
            pause = FIRST_PAUSE;
        }
        tracing::debug!(store = %server.url, %error, ?pause, "not listening to cooldowns of others");
        sleep(pause).await;
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}

/// Listens for as long as the server is there; returns why not any longer.
async fn listen_once(
    server: &Server,
    own: &Arc<AtomicU64>,
    heard: &mpsc::Sender<Cooldown>,
) -> StoreError {
    let (own, heard) = (Arc::clone(own), heard.clone());
    let said = move |said: PushInfo| {
        if let Some((instance, cooldown)) = announced(&said)
            && instance != own.load(Ordering::Relaxed)
        {
            // Where too many wait, this one is met in the next exchange.
            let _ = heard.try_send(cooldown);
        }
        Ok::<_, std::convert::Infallible>(())
    };
    let mut raw = match server.connect_listening(said, SAID_MOST).await {
        Ok(raw) => raw,
        Err(error) => return error,
    };
    let subscribed = raw.inner.subscribe(server.keys.channel());
    match timeout(server.connect_limit, subscribed).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return raw.failure(&error, server),
        Err(_) => return server.silent(server.connect_limit),
    }
    loop {
        raw.allowance.renew();
        if timeout(ASKED_EVERY, &mut raw.driver).await.is_ok() {
            let why = raw.allowance.ended().unwrap_or_default();
            return StoreError::unreachable(format!("{}: {why}", server.url));
        }
        let asked = cmd("PING");
        match timeout(server.connect_limit, raw.inner.send_packed_command(&asked)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return raw.failure(&error, server),
            Err(_) => return server.silent(server.connect_limit),
        }
    }
}

/// Reads an announcement, as `share.lua` writes it: an instance, a group, and milliseconds.
fn announced(said: &PushInfo) -> Option<(u64, Cooldown)> {
    let (PushKind::Message, [_, Value::BulkString(text)]) = (&said.kind, said.data.as_slice())
    else {
        return None;
    };
    let mut words = std::str::from_utf8(text).ok()?.split(' ');
    let mut hex = || u64::from_str_radix(words.next()?, 16).ok();
    let (instance, group) = (hex()?, Scope::new(hex()?));
    let lasts: u32 = words.next()?.parse().ok()?;
    let is_whole = words.next().is_none() && lasts <= 3_600_000;
    let cooldown = Cooldown::new(group, Duration::from_millis(lasts.into()));
    is_whole.then_some((instance, cooldown))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &[u8]) -> PushInfo {
        let data = vec![Value::Nil, Value::BulkString(text.to_vec())];
        PushInfo {
            kind: PushKind::Message,
            data,
        }
    }

    #[test]
    fn an_announcement_names_instance_group_and_time() {
        let (instance, cooldown) =
            announced(&said(b"000000000000000a 000000000000000b 1500")).unwrap();
        assert_eq!(instance, 10);
        assert_eq!(
            cooldown,
            Cooldown::new(Scope::new(11), Duration::from_millis(1500))
        );
    }

    #[test]
    fn junk_is_no_announcement() {
        for text in [
            &b""[..],
            b"a b",
            b"a b 3600001",
            b"a b -1",
            b"a b 1 2",
            b"g b 1",
            b"10000000000000000 b 1",
            b"a b 1.5",
            &[255; 9],
        ] {
            assert_eq!(announced(&said(text)), None, "{text:?}");
        }
        let data = vec![Value::Nil];
        let kind = PushKind::Message;
        assert_eq!(announced(&PushInfo { kind, data }), None);
    }
}
