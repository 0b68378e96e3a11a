//! Redis or Valkey as the place where instances meet.
//!
//! An exchange is one round trip on one connection: a script for each scope, and one beside them, sent
//! at once. What is added up stands there in buckets of ten seconds, by the clock of the server, and
//! fades away after two and a half minutes: a server that starts empty is as good as one that was
//! restarted, so that it needs no disk.
//!
//! Keys and values hold numbers, hashes and the names of counters: nothing that a user has said.

mod ask;
mod connection;
mod greeting;
mod hearing;
mod keys;
mod link;
mod mended;
mod read;
mod refusal;
mod scripts;
mod server;
mod settings;
mod stream;
mod task;
mod tls;
mod url;

use std::{fmt, sync::Arc, time::Duration};

use redis::{Cmd, Pipeline, Value};

pub use self::settings::{RedisConfigError, RedisStoreBuilder};
use self::{
    ask::Asked,
    connection::Connection,
    hearing::Hearing,
    link::Link,
    mended::Mended,
    read::{Round, Shared},
    refusal::Refusal,
    server::Server,
};
use super::{Answer, Batch, Cooldown, Exchanging, OutcomeStore, Probe, Scope, StoreError, Totals};

/// Where instances meet: a server of Redis 6.2 or later, or of Valkey.
///
/// A single server, or one behind a name that leads to whichever is writable; a cluster of several nodes
/// is refused. It is used by one task: exchanges at the same time work, but each makes a connection.
///
/// ```
/// use tower_outcome::store::RedisStore;
///
/// let store = RedisStore::builder("redis://cache.internal:6379")
///     .password("from the environment")
///     .prefix("blue")
///     .build()?;
/// assert_eq!(store.to_string(), "redis://cache.internal:6379/0");
/// # Ok::<_, tower_outcome::store::RedisConfigError>(())
/// ```
///
/// # What it needs
///
/// The commands of two scripts (`src/store/redis/*.lua`), `EVALSHA`, `SCRIPT LOAD`, `HELLO`, and
/// `SUBSCRIBE` to `<prefix>:1:cooldowns`; keys `{<prefix>:*`. Whatever stands in those and makes no
/// sense is removed.
///
/// # What it promises
///
/// * An exchange ends within the time to connect and that to answer, in all; one that is dropped closes
///   its connection, so that its answer is not taken for that of another.
/// * A batch counts once, however often it is repeated within ten minutes. A server that fails over to a
///   replica may have lost what it had not yet replicated, and what says that a batch was counted with
///   it: at most one batch of each instance is counted twice.
/// * A note is handed out at most once: if the answer is lost, so is the note.
#[derive(Debug)]
pub struct RedisStore {
    server: Arc<Server>,
    link: Link,
    hearing: Hearing,
    mended: Mended,
}

impl RedisStore {
    /// Names a server: `redis://` or, with TLS, `rediss://`, then
    /// `[[user]:password@]host[:port][/database]`.
    pub fn builder(url: impl Into<String>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(url.into())
    }

    /// Returns how many keys, fields and notes were found in the server that no instance writes, and
    /// were removed or left out.
    #[must_use]
    pub fn mended(&self) -> u64 {
        self.mended.total()
    }

    async fn exchange_once(&self, batch: &Batch) -> Result<Answer, StoreError> {
        self.hearing.we_are(batch.instance);
        let mut connection = self.link.take(&self.server).await?;
        let asked = ask::gather(batch);
        let answers = self.converse(&mut connection, batch, &asked).await?;
        self.link.put_back(connection);
        self.assemble(&asked, &answers)
    }

    /// Sends a batch, and again what met a server that had lost its scripts. The first answer is that of
    /// the round, the others are those of the scopes.
    async fn converse(
        &self,
        connection: &mut Connection,
        batch: &Batch,
        asked: &[(Scope, Asked)],
    ) -> Result<Vec<Value>, StoreError> {
        let server = &*self.server;
        let scripts = connection.scripts.clone();
        let budget = ask::budget(batch.shares.len());
        let round = || ask::round(batch, &server.keys, &scripts);
        let share = |(scope, asked): &(Scope, Asked)| {
            ask::share(batch, *scope, asked, budget, &server.keys, &scripts)
        };
        let calls = || std::iter::once(round()).chain(asked.iter().map(share));
        let mut answers = connection.send(&pipeline(calls()), server).await?;
        let lost = |answer: &Value| Refusal::of(answer) == Some(Refusal::NoScript);
        if answers.iter().any(lost) {
            let mut again = Pipeline::new();
            scripts::load(&mut again);
            let loads = again.len();
            for (call, _) in calls().zip(&answers).filter(|(_, answer)| lost(answer)) {
                again.add_command(call);
            }
            let mut answered = connection
                .send(&again, server)
                .await?
                .into_iter()
                .skip(loads);
            for answer in answers.iter_mut().filter(|it| lost(it)) {
                *answer = answered.next().unwrap_or(Value::Nil);
            }
        }
        for answer in &answers {
            if let Some(Refusal::All(reason)) = Refusal::of(answer) {
                return Err(reason.into());
            }
        }
        Ok(answers)
    }

    fn assemble(&self, asked: &[(Scope, Asked)], answers: &[Value]) -> Result<Answer, StoreError> {
        let mut answer = Answer::default();
        let mut mended = 0;
        let Some((first, shares)) = answers.split_first() else {
            return Err(StoreError::nonsense("nothing was answered"));
        };
        match Round::read(first) {
            Ok(round) => {
                answer.bucket = round.bucket;
                answer.instances = round.instances;
                answer.notes = round.notes;
                mended += round.mended;
            }
            Err(_) => {
                answer.instances = 1;
                mended += 1;
            }
        }
        let mut last_error = None;
        for ((scope, asked), value) in asked.iter().zip(shares) {
            match Shared::read(value) {
                Ok(shared) => {
                    mended += shared.mended;
                    take(&mut answer, *scope, asked, shared);
                }
                // The others are none the worse for it.
                Err(error) => {
                    mended += 1;
                    last_error = Some(error);
                }
            }
        }
        self.mended.add(mended, &self.server.url);
        match last_error {
            Some(error) if answer.bucket == 0 => Err(error),
            None if answer.bucket == 0 => Err(StoreError::nonsense("it does not know the time")),
            _ => Ok(answer),
        }
    }
}

impl OutcomeStore for RedisStore {
    fn exchange<'a>(&'a self, batch: &'a Batch) -> Exchanging<'a, Result<Answer, StoreError>> {
        Box::pin(self.exchange_once(batch))
    }

    fn heard(&self) -> Exchanging<'_, Cooldown> {
        Box::pin(self.hearing.next(&self.server))
    }

    fn kind(&self) -> &'static str {
        "redis"
    }
}

/// Shows where, and not as whom.
impl fmt::Display for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.url.fmt(f)
    }
}

fn pipeline(calls: impl Iterator<Item = Cmd>) -> Pipeline {
    let mut pipeline = Pipeline::new();
    for call in calls {
        pipeline.add_command(call);
    }
    pipeline
}

fn take(answer: &mut Answer, scope: Scope, asked: &Asked, shared: Shared) {
    // A bucket may have ended between two scripts.
    answer.bucket = answer.bucket.max(shared.bucket);
    if shared.cools > Duration::ZERO {
        answer.cooldowns.push(Cooldown::new(scope, shared.cools));
    }
    if asked.probe {
        let probe = Probe::new(scope, shared.granted, shared.leased);
        answer.probes.push(probe);
    }
    if asked.counters {
        let totals = Totals::new(scope, shared.added_to, shared.buckets);
        answer.totals.push(totals);
    }
}
