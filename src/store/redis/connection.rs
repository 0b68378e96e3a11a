use redis::{Pipeline, Value, cmd};
use tokio::time::timeout;

use super::{
    greeting::Greeting,
    refusal::Refusal,
    scripts::{ROUND, SHARE},
    server::{Raw, Server},
};
use crate::store::StoreError;

/// What it is called in the server's list of clients.
const NAME: &str = "tower-outcome";

/// A connection to a server that is of use, with our scripts.
#[derive(Debug)]
pub(super) struct Connection {
    raw: Raw,
    pub(super) scripts: Loaded,
}

/// The names that the server has given to our scripts.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub(super) share: Box<str>,
    pub(super) round: Box<str>,
}

impl Connection {
    /// Says who we are, asks what the server is, and hands it the scripts: all in one round trip.
    pub(super) async fn greeted(mut raw: Raw, server: &Server) -> Result<Self, StoreError> {
        let url = &server.url;
        let mut asked = Pipeline::new();
        if let Some(password) = &url.password {
            let mut auth = cmd("AUTH");
            if let Some(user) = &url.user {
                auth.arg(&**user);
            }
            asked.add_command(auth.arg(&**password).clone());
        }
        if url.database != 0 {
            asked.cmd("SELECT").arg(url.database);
        }
        let before = asked.len();
        asked.cmd("HELLO");
        asked.cmd("INFO").arg("server");
        asked.cmd("CLIENT").arg("SETNAME").arg(NAME);
        // Not that all servers can do this which say that they are new enough.
        asked.cmd("EVAL").arg("return redis.call('TIME')").arg(0);
        asked.cmd("SCRIPT").arg("LOAD").arg(SHARE);
        asked.cmd("SCRIPT").arg("LOAD").arg(ROUND);
        raw.allowance.renew();
        let answers = raw.inner.send_packed_commands(&asked, 0, asked.len()).await;
        let mut answers = answers.map_err(|error| raw.failure(&error, server))?;
        if answers.len() != asked.len() {
            return Err(StoreError::nonsense("a greeting was half answered"));
        }
        let rest = answers.split_off(before);
        for answer in &answers {
            match Refusal::of(answer) {
                None => {}
                Some(Refusal::All(reason)) => return Err(reason.into()),
                Some(_) => return Err(login_failed(url.password.is_some(), url.database)),
            }
        }
        let [hello, info, _, time, share, round] = rest.as_slice() else {
            return Err(StoreError::nonsense("a greeting was half answered"));
        };
        let greeting = Greeting::read(hello, info);
        greeting.check()?;
        if let Some(refusal) = Refusal::of(time) {
            return Err(match refusal {
                Refusal::All(reason) => reason.into(),
                _ => {
                    StoreError::lacking(format!("{greeting} runs no scripts that ask for its time"))
                }
            });
        }
        let scripts = Loaded::read(share, round)?;
        Ok(Self { raw, scripts })
    }

    /// Returns whether the connection was still there a moment ago.
    pub(super) fn stands(&self) -> bool {
        !self.raw.driver.is_finished()
    }

    /// Sends all of it at once, and returns an answer, or a refusal, for each.
    pub(super) async fn send(
        &mut self,
        asked: &Pipeline,
        server: &Server,
    ) -> Result<Vec<Value>, StoreError> {
        self.raw.allowance.renew();
        let sent = self.raw.inner.send_packed_commands(asked, 0, asked.len());
        match timeout(server.answer_limit, sent).await {
            Err(_) => Err(server.silent(server.answer_limit)),
            Ok(Err(error)) => Err(self.raw.failure(&error, server)),
            Ok(Ok(answers)) if answers.len() == asked.len() => Ok(answers),
            Ok(Ok(_)) => Err(StoreError::nonsense("not everything was answered")),
        }
    }
}

impl Loaded {
    /// Reads what the server answers to two scripts.
    pub(super) fn read(share: &Value, round: &Value) -> Result<Self, StoreError> {
        let name = |value: &Value| match (Refusal::of(value), value) {
            (Some(Refusal::All(reason)), _) => Err(reason.into()),
            (None, Value::BulkString(name)) => std::str::from_utf8(name)
                .map(Box::from)
                .map_err(|_| StoreError::nonsense("the name of a script is no text")),
            _ => Err(StoreError::lacking(
                "it does not take the scripts of a store",
            )),
        };
        Ok(Self {
            share: name(share)?,
            round: name(round)?,
        })
    }
}

fn login_failed(password: bool, database: u16) -> StoreError {
    let what = match (password, database) {
        (true, 0) => "it takes no password for this user, or not in this way".to_owned(),
        (true, _) => format!("it takes no password for this user, or has no database {database}"),
        (false, _) => format!("it has no database {database}"),
    };
    StoreError::refused(what)
}
