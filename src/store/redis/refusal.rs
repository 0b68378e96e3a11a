//! What a server's errors mean.
//!
//! Their texts are not passed on: a server that does not know a command repeats its arguments, and a
//! password may be among these.

use redis::{RedisError, Value};

use crate::store::StoreError;

/// What an error of a server is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It does not have the script (any more).
    NoScript,
    /// It would refuse everything else as well.
    All(Reason),
    /// What was asked makes no sense to it, whatever it is: others may.
    One,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Cluster,
    Said(&'static str),
}

/// Codes, and what they say in other words. Servers before Redis 7 put the code of what went wrong in a
/// script somewhere into a text, so they are looked for as words.
const REASONS: &[(&str, Reason)] = &[
    (
        "WRONGPASS",
        Reason::Said("the user name or the password is wrong (WRONGPASS)"),
    ),
    (
        "NOAUTH",
        Reason::Said("it asks for a password, and none was given (NOAUTH)"),
    ),
    (
        "NOPERM",
        Reason::Said("the user may not do what a store needs (NOPERM)"),
    ),
    (
        "READONLY",
        Reason::Said("it is a read-only replica of another server (READONLY)"),
    ),
    (
        "OOM",
        Reason::Said("it is out of memory: its maxmemory is reached (OOM)"),
    ),
    (
        "MISCONF",
        Reason::Said("it takes no writes, as it cannot write to its disk (MISCONF)"),
    ),
    (
        "NOREPLICAS",
        Reason::Said("it takes no writes, as it has too few replicas (NOREPLICAS)"),
    ),
    (
        "LOADING",
        Reason::Said("it is still loading its data (LOADING)"),
    ),
    (
        "MASTERDOWN",
        Reason::Said("it is a replica that has lost its server (MASTERDOWN)"),
    ),
    ("BUSY", Reason::Said("it is busy with a script (BUSY)")),
    ("NOPROTO", Reason::Said("it does not speak RESP3 (NOPROTO)")),
    (
        "UNBLOCKED",
        Reason::Said("it has changed its role (UNBLOCKED)"),
    ),
    ("MOVED", Reason::Cluster),
    ("ASK", Reason::Cluster),
    ("TRYAGAIN", Reason::Cluster),
    ("CROSSSLOT", Reason::Cluster),
    ("CLUSTERDOWN", Reason::Cluster),
];

/// What Redis and Valkey say, without a code, of commands and keys that a user may not use in a script.
const FORBIDDEN_IN_SCRIPTS: &[&str] = &["The user executing the script", "ACL failure in script"];

impl Refusal {
    /// Reads the error that an answer is, if it is one.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let Value::ServerError(error) = value else {
            return None;
        };
        Some(Self::read(
            error.code(),
            error.details().unwrap_or_default(),
        ))
    }

    fn read(code: &str, details: &str) -> Self {
        if code == "NOSCRIPT" {
            return Self::NoScript;
        }
        if let Some((_, reason)) = REASONS.iter().find(|(known, _)| *known == code) {
            return Self::All(*reason);
        }
        if details.contains("max number of clients") {
            return Self::All(Reason::Said(
                "it has as many clients as it takes (maxclients)",
            ));
        }
        if FORBIDDEN_IN_SCRIPTS.iter().any(|it| details.contains(it)) {
            return Self::read("NOPERM", "");
        }
        let words = || details.split(|c: char| !c.is_ascii_uppercase());
        let told = REASONS
            .iter()
            .find(|(known, _)| code == "ERR" && words().any(|word| word == *known));
        told.map_or(Self::One, |(_, reason)| Self::All(*reason))
    }
}

impl From<Reason> for StoreError {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Said(why) => Self::refused(why),
            Reason::Cluster => Self::lacking(
                "it is one node of a cluster that does not hold all keys; a store takes a single \
                 server, or a cluster of one node",
            ),
        }
    }
}

/// Says why nothing came back on a connection to `place`, which may have `ended`.
pub(super) fn failure(
    error: &RedisError,
    ended: Option<String>,
    place: &impl std::fmt::Display,
) -> StoreError {
    let not_redis = || StoreError::nonsense("this is not the protocol of Redis");
    if error.is_io_error() || error.is_timeout() || error.is_connection_dropped() {
        // The client only knows that it is over. If nothing ended it, what came made no sense to it.
        return ended.map_or_else(not_redis, |why| {
            StoreError::unreachable(format!("{place}: {why}"))
        });
    }
    let code = error.code().unwrap_or_default();
    match Refusal::read(code, error.detail().unwrap_or_default()) {
        Refusal::All(reason) => reason.into(),
        Refusal::NoScript | Refusal::One => not_redis(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_where_each_version_puts_them() {
        let oom = Refusal::read(
            "OOM",
            "command not allowed when used memory > 'maxmemory'. script: f0",
        );
        assert_eq!(
            oom,
            Refusal::read(
                "ERR",
                "Error running script (call to f_0): @user_script:1: @user_script: 1: -OOM command not \
                 allowed when used memory > 'maxmemory'."
            )
        );
        assert!(matches!(oom, Refusal::All(_)));
        for forbidden in [
            "The user executing the script can't run this command or subcommand script: f0",
            "Error running script (call to f_0): @user_script:1: The user executing the script can't \
             run this command or subcommand",
            "ACL failure in script: User x has no permissions to run the 'zadd' command script: f0",
        ] {
            assert_eq!(Refusal::read("ERR", forbidden), Refusal::read("NOPERM", ""));
        }
        assert_eq!(Refusal::read("NOSCRIPT", ""), Refusal::NoScript);
        assert_eq!(
            Refusal::read("MOVED", "1 h:1"),
            Refusal::All(Reason::Cluster)
        );
        assert_eq!(
            Refusal::read("WRONGTYPE", "Operation against a key"),
            Refusal::One
        );
        assert_eq!(Refusal::read("ERR", "BOOMING"), Refusal::One);
    }

    #[test]
    fn no_word_of_the_server_is_passed_on() {
        let error = StoreError::from(Reason::Cluster).to_string();
        assert!(error.contains("cluster"), "{error}");
        assert_eq!(
            Refusal::read(
                "ERR",
                "unknown command `AUTH`, with args beginning with: `hidden`"
            ),
            Refusal::One
        );
    }
}
