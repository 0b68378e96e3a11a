//! The one table of [`super`]'s documentation: from the way an attempt ended, below HTTP or with
//! a status, to what follows.

use super::{
    class::{Class, Verdict},
    transport::{Processed, Transport},
};

/// A way to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The transport failed before a head arrived.
    Transport(Transport),
    /// The transport failed in the body of a good answer.
    Cut(Transport),
    /// The answer had this status, and its body told nothing more.
    Status(u16),
}

impl Ending {
    /// Looks the ending up.
    pub(super) fn verdict(self) -> Verdict {
        use Processed::{Maybe, No, Yes};
        let (class, processed, failover, neutral) = match self {
            Self::Transport(Transport::Connect) => (Class::ServerError, No, true, false),
            Self::Transport(Transport::Refused) => (Class::Overloaded, No, true, false),
            Self::Transport(Transport::Calm) => (Class::RateLimited, Maybe, true, false),
            Self::Transport(Transport::Local) => (Class::Overloaded, No, true, true),
            Self::Transport(Transport::Upload) => (Class::ClientError, Maybe, false, true),
            Self::Transport(Transport::Timeout) => (Class::Timeout, Maybe, true, false),
            Self::Transport(
                Transport::Reset | Transport::Incomplete | Transport::Malformed | Transport::Other,
            ) => (Class::ServerError, Maybe, true, false),

            Self::Cut(Transport::Upload) => (Class::ClientError, Yes, false, true),
            Self::Cut(Transport::Timeout) => (Class::Timeout, Yes, true, false),
            Self::Cut(_) => (Class::Truncated, Yes, true, false),

            Self::Status(100..=299) => (Class::Success, Yes, false, false),
            // A redirect is no answer, and none is followed: the base URL is wrong.
            Self::Status(300..=399) => (Class::ServerError, No, true, false),
            Self::Status(401 | 403 | 407) => (Class::AuthError, No, true, true),
            Self::Status(402) => (Class::QuotaExhausted, No, true, false),
            // No such model or endpoint here, no longer, or not implemented.
            Self::Status(404 | 405 | 410 | 501) => (Class::ModelError, No, true, false),
            Self::Status(408 | 504 | 522 | 524 | 598) => (Class::Timeout, Maybe, true, false),
            // A conflict inside the provider; Bedrock's failed model; sent too early.
            Self::Status(409 | 424 | 425) => (Class::ServerError, Maybe, true, false),
            Self::Status(429) => (Class::RateLimited, No, true, false),
            Self::Status(498 | 503 | 529) => (Class::Overloaded, Maybe, true, false),
            Self::Status(400..=499) => (Class::ClientError, No, false, true),
            Self::Status(_) => (Class::ServerError, Maybe, true, false),
        };
        Verdict::new(class)
            .with_processed(processed)
            .with_failover(failover)
            .with_neutral(neutral)
    }
}

impl From<Transport> for Verdict {
    /// Judges an attempt that failed below HTTP before a head arrived.
    fn from(transport: Transport) -> Self {
        let mut verdict = Ending::Transport(transport).verdict();
        verdict.transport = Some(transport);
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the table of the documentation: what it says and what happens are the same.
    #[test]
    fn the_documented_table_is_the_table() {
        let mut rows = 0;
        for line in include_str!("mod.rs").lines() {
            let Some(row) = line.strip_prefix("//! | `") else {
                continue;
            };
            let cells: Vec<&str> = row
                .trim_end_matches('|')
                .split('|')
                .map(str::trim)
                .collect();
            let [endings, class, processed, failover, neutral] = cells[..] else {
                panic!("{line}");
            };
            for ending in endings
                .split('`')
                .filter(|word| !matches!(word.trim(), "" | ","))
            {
                let verdict = ending_of(ending).verdict();
                let yes = |flag: bool| if flag { "yes" } else { "no" };
                assert_eq!(verdict.class.as_str(), class, "{line}");
                assert_eq!(verdict.processed.as_str(), processed, "{line}");
                assert_eq!(yes(verdict.failover), failover, "{line}");
                assert_eq!(yes(verdict.neutral), neutral, "{line}");
                rows += 1;
            }
        }
        assert!(rows >= 40, "{rows}");
    }

    fn ending_of(name: &str) -> Ending {
        if let Ok(status) = name.replace("xx", "99").parse() {
            return Ending::Status(status);
        }
        let (cut, name) = match name.strip_prefix("200, then ") {
            Some(name) => (true, name),
            None => (false, name),
        };
        let known = Transport::ALL
            .into_iter()
            .find(|transport| transport.as_str() == name);
        let transport = known.unwrap_or_else(|| panic!("{name}"));
        if cut {
            Ending::Cut(transport)
        } else {
            Ending::Transport(transport)
        }
    }

    #[test]
    fn every_transport_ending_is_documented() {
        for transport in Transport::ALL {
            for prefix in ["", "200, then "] {
                let name = format!("`{prefix}{transport}`");
                assert!(include_str!("mod.rs").contains(&name), "{name}");
            }
        }
    }
}
