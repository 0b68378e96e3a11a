//! Makes keys for clients.

use std::{error::Error, fmt::Write as _};

use clap::Args;
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom as _, SystemRandom},
};

/// Make a key for a client: shown once, and known to the configuration by its hash alone.
///
/// The table for the configuration goes to the standard output, and the key to the standard error:
/// `outcome-gateway key team-a >> gateway.toml`.
#[derive(Args, Debug)]
pub(crate) struct Key {
    /// What the client is called.
    #[arg(value_parser = name)]
    name: String,
}

/// As long as a name of a key may be.
const LONGEST_NAME: usize = 256;

fn name(text: &str) -> Result<String, String> {
    let fits = (1..=LONGEST_NAME).contains(&text.len()) && !text.chars().any(char::is_control);
    if !fits || text.trim() != text {
        return Err(format!(
            "expected 1 to {LONGEST_NAME} bytes, without control characters or space around them"
        ));
    }
    Ok(text.to_owned())
}

/// A new key.
pub(crate) struct Made {
    /// For the client alone.
    pub(crate) key: String,
    /// For the configuration: it has no key in it.
    pub(crate) table: String,
}

impl Key {
    pub(crate) fn make(&self) -> Result<Made, Box<dyn Error>> {
        let mut bytes = [0; 32];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| "the system gives no randomness")?;
        let key = format!("og-{}", base64url(&bytes));
        let hash = hex(digest(&SHA256, key.as_bytes()).as_ref());
        // A basic string of TOML: there are no control characters in it.
        let name = self.name.replace('\\', "\\\\").replace('"', "\\\"");
        let table = format!("[[key]]\nname = \"{name}\"\nsha256 = \"{hash}\"");
        Ok(Made { key, table })
    }

    /// Gives the table to `tell`, and the key to `say`: who sends the one to the end of a file does
    /// not put the other there.
    pub(crate) fn run(
        &self,
        tell: impl Fn(&str),
        say: impl Fn(&str),
    ) -> Result<(), Box<dyn Error>> {
        let made = self.make()?;
        say("# The key, for its client alone. It is not shown again:");
        say(&made.key);
        say("# And what the configuration needs:");
        tell(&made.table);
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// RFC 4648, section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for digit in 0..=group.len() {
            let index = bits >> (18 - 6 * digit) & 0x3f;
            text.extend(ALPHABET.get(index as usize).copied().map(char::from));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_is_that_of_the_rfc() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg"),
            (b"fo", "Zm8"),
            (b"foo", "Zm9v"),
            (b"foobar", "Zm9vYmFy"),
            (&[0xfb, 0xff], "-_8"),
        ] {
            assert_eq!(base64url(bytes), text);
        }
    }

    #[test]
    fn a_key_is_new_and_its_hash_is_in_the_table() {
        let key = Key {
            name: "team \"a\"".to_owned(),
        };
        let [one, other] = [key.make(), key.make()].map(Result::unwrap);
        assert_ne!(one.key, other.key);
        assert_eq!(one.key.len(), 3 + 43);
        let hash = hex(digest(&SHA256, one.key.as_bytes()).as_ref());
        let expected = format!("[[key]]\nname = \"team \\\"a\\\"\"\nsha256 = \"{hash}\"");
        assert_eq!(one.table, expected);
    }

    #[test]
    fn a_name_is_printable() {
        assert!(name("team-a").is_ok());
        for wrong in ["", " a", "a\nb", &"a".repeat(257)] {
            assert!(name(wrong).is_err(), "{wrong:?}");
        }
    }
}
