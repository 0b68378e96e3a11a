use std::fmt;

use redis::Value;

use crate::store::StoreError;

/// `LPOP` with a count, and scripts that replicate what they did.
const OLDEST: (u32, u32) = (6, 2);

/// What a server says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Greeting {
    name: Name,
    version: Option<Version>,
    replica: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Name {
    #[default]
    Redis,
    Valkey,
}

#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Greeting {
    /// Reads the answers to `HELLO` and `INFO server`. Either may be refused: access lists often forbid
    /// the second.
    pub(super) fn read(hello: &Value, info: &Value) -> Self {
        let mut greeting = Self::default();
        if let Value::Array(fields) = hello {
            let (pairs, _) = fields.as_chunks::<2>();
            for [name, value] in pairs {
                greeting.take(text(name), text(value));
            }
        }
        for line in text(info).lines() {
            if let Some((name, value)) = line.split_once(':') {
                greeting.take(name, value);
            }
        }
        greeting
    }

    fn take(&mut self, name: &str, value: &str) {
        match name {
            "server" | "server_name" if value == "valkey" => self.name = Name::Valkey,
            // Its version of Redis stays at what it once came from.
            "valkey_version" => {
                self.name = Name::Valkey;
                self.version = Version::read(value).or(self.version);
            }
            "version" => self.version = Version::read(value),
            "redis_version" if self.name == Name::Redis => {
                self.version = Version::read(value).or(self.version);
            }
            "role" => self.replica = matches!(value, "replica" | "slave"),
            _ => {}
        }
    }

    /// Says what is missing.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let (major, minor) = OLDEST;
        if self.name == Name::Redis && self.version.is_some_and(|it| (it.major, it.minor) < OLDEST)
        {
            return Err(StoreError::lacking(format!(
                "{self}, and a store needs Redis {major}.{minor} or later, or Valkey"
            )));
        }
        if self.replica {
            return Err(StoreError::refused(format!(
                "{self} is a read-only replica of another server: a store needs that one"
            )));
        }
        Ok(())
    }
}

impl fmt::Display for Greeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.name {
            Name::Redis => "Redis",
            Name::Valkey => "Valkey",
        })?;
        match self.version {
            Some(version) => {
                let (major, minor, patch) = (version.major, version.minor, version.patch);
                write!(f, " {major}.{minor}.{patch}")
            }
            None => f.write_str(" of an unknown version"),
        }
    }
}

impl Version {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('.');
        let mut part = || {
            let digits = parts.next()?;
            let end = digits
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(digits.len());
            digits.get(..end)?.parse().ok()
        };
        Some(Self {
            major: part()?,
            minor: part().unwrap_or(0),
            patch: part().unwrap_or(0),
        })
    }
}

fn text(value: &Value) -> &str {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
        Value::SimpleString(text) => text,
        Value::VerbatimString { text, .. } => text,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(hello: &[(&str, &str)], info: &str) -> Greeting {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let hello = hello
            .iter()
            .flat_map(|(name, value)| [bulk(name), bulk(value)]);
        Greeting::read(&Value::Array(hello.collect()), &bulk(info))
    }

    #[test]
    fn servers_that_are_new_enough_pass() {
        for (hello, info, shown) in [
            (
                vec![("server", "redis"), ("version", "6.2.0")],
                "",
                "Redis 6.2.0",
            ),
            (
                vec![("version", "255.255.255")],
                "redis_version:7.0.15\r\n",
                "Redis 7.0.15",
            ),
            (
                vec![
                    ("server", "redis"),
                    ("version", "7.2.4"),
                    ("role", "master"),
                ],
                "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0\r\n",
                "Valkey 8.1.0",
            ),
            (
                vec![("server", "valkey"), ("version", "9.0.1")],
                "",
                "Valkey 9.0.1",
            ),
            (vec![], "", "Redis of an unknown version"),
        ] {
            let greeting = greeting(&hello, info);
            assert_eq!(greeting.to_string(), shown);
            greeting.check().unwrap();
        }
    }

    #[test]
    fn an_old_server_is_told_what_is_needed() {
        for version in ["6.0.16", "5.0.14", "2.8", "6.1.9-rc1"] {
            let error = greeting(&[], &format!("redis_version:{version}\r\n")).check();
            let error = error.expect_err(version);
            assert!(error.is_lacking());
            let error = error.to_string();
            assert!(error.contains("Redis 6.2 or later, or Valkey"), "{error}");
        }
    }

    #[test]
    fn a_replica_is_refused_for_now() {
        let error = greeting(&[("version", "7.0.0"), ("role", "replica")], "").check();
        let error = error.unwrap_err();
        assert!(!error.is_lacking(), "it may be promoted");
        assert!(error.to_string().contains("read-only replica"), "{error}");
    }

    #[test]
    fn nonsense_is_no_greeting() {
        for value in [
            Value::Nil,
            Value::Int(-1),
            Value::BulkString(vec![255; 9]),
            Value::Array(vec![Value::Nil]),
        ] {
            assert_eq!(Greeting::read(&value, &value), Greeting::default());
        }
        assert_eq!(Version::read(".."), None);
        assert_eq!(Version::read("99999999999.1"), None);
    }
}
