use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{connection::Connection, server::Server, task::Task};
use crate::store::StoreError;

/// The connection that the next exchange takes.
///
/// It is taken out for as long as it is in use, and put back once everything is answered. An exchange
/// that is dropped, or fails, takes its connection with it: no answer can be left over for the next one,
/// and what hangs is not asked again.
#[derive(Debug, Default)]
pub(super) struct Link {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    None,
    /// Goes on when the exchange that began it gives up: connecting may take longer than an exchange.
    Connecting(Connecting),
    Ready(Connection),
}

type Connecting = Task<Result<Connection, StoreError>>;

impl Link {
    /// Takes the connection, or waits for a new one.
    pub(super) async fn take(&self, server: &Arc<Server>) -> Result<Connection, StoreError> {
        let state = mem::take(&mut *self.state());
        let connecting = match state {
            State::Ready(connection) if connection.stands() => return Ok(connection),
            State::Connecting(connecting) if connecting.is_finished() => {
                // What failed some time ago says nothing of now.
                match connecting.await {
                    Ok(Ok(connection)) if connection.stands() => return Ok(connection),
                    _ => connect(server),
                }
            }
            State::Connecting(connecting) => connecting,
            State::Ready(_) | State::None => connect(server),
        };
        let mut waiting = Waiting {
            link: self,
            connecting: Some(connecting),
        };
        let Some(connecting) = &mut waiting.connecting else {
            return Err(StoreError::nonsense("nobody connects"));
        };
        let connected = connecting.await;
        waiting.connecting = None;
        connected.unwrap_or_else(|error| Err(StoreError::unreachable(error)))
    }

    /// Keeps a connection on which nothing is unanswered.
    pub(super) fn put_back(&self, connection: Connection) {
        *self.state() = State::Ready(connection);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(server: &Arc<Server>) -> Connecting {
    let server = Arc::clone(server);
    Task::spawn(async move { server.connect().await })
}

/// An exchange that waits for a connection. If it is dropped, the next one waits for the same.
struct Waiting<'a> {
    link: &'a Link,
    connecting: Option<Connecting>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(connecting) = self.connecting.take() else {
            return;
        };
        let mut state = self.link.state();
        if matches!(*state, State::None) {
            *state = State::Connecting(connecting);
        }
    }
}
