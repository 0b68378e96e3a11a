//! Reading the files.

use std::{
    fmt, fs,
    path::Path,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tower_outcome::classify::Transport;

/// One vector file.
pub(crate) struct Vector(pub(crate) Value);

impl Vector {
    pub(crate) fn read(file: &Path) -> Result<Self, Bad> {
        let text = fs::read_to_string(file).map_err(|error| Bad(error.to_string()))?;
        let value = serde_json::from_str(&text).map_err(|error| Bad(error.to_string()))?;
        Ok(Self(value))
    }

    pub(crate) fn value(&self, key: &str) -> Result<&Value, Bad> {
        self.0.get(key).ok_or_else(|| Bad(format!("no `{key}`")))
    }

    pub(crate) fn text(&self, key: &str) -> Result<&str, Bad> {
        self.value(key)?
            .as_str()
            .ok_or_else(|| Bad(format!("`{key}` is no string")))
    }

    pub(crate) fn body(&self) -> Result<Vec<u8>, Bad> {
        match self.0.get("body_base64").and_then(Value::as_str) {
            Some(text) => base64(text).ok_or_else(|| Bad("`body_base64` is no base64".into())),
            None => Ok(self.text("body")?.as_bytes().to_vec()),
        }
    }

    /// Whether the request asked for a stream.
    pub(crate) fn streams(&self) -> bool {
        self.0.get("stream").and_then(Value::as_bool) == Some(true)
    }

    pub(crate) fn headers(&self) -> Result<HeaderMap, Bad> {
        let headers = self.value("headers")?.as_object();
        let headers = headers.ok_or_else(|| Bad("`headers` is no object".into()))?;
        let header = |(name, value): (&String, &Value)| {
            let bad = || Bad(format!("header `{name}`"));
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            let value = value.as_str().ok_or_else(bad)?;
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| bad())?;
            Ok((name, value))
        };
        headers.iter().map(header).collect()
    }

    pub(crate) fn transport(&self) -> Result<Option<Transport>, Bad> {
        let Some(name) = self.0.get("transport").and_then(Value::as_str) else {
            return Ok(None);
        };
        let known = Transport::ALL
            .into_iter()
            .find(|transport| transport.as_str() == name);
        known
            .map(Some)
            .ok_or_else(|| Bad(format!("transport `{name}`")))
    }

    /// The reference clock, which is written in UTC.
    pub(crate) fn now(&self) -> Result<SystemTime, Bad> {
        let text = self.text("now")?;
        let bad = || Bad("`now` is no time in UTC".into());
        let utc = text.strip_suffix('Z').ok_or_else(bad)?;
        let numbers: Result<Vec<u64>, _> = utc.split(['-', 'T', ':']).map(str::parse).collect();
        let numbers = numbers.map_err(|_| bad())?;
        let [year, month @ 1..=12, day @ 1..=31, hour, minute, second] = numbers[..] else {
            return Err(bad());
        };
        let leap = |year: u64| {
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
        };
        let february = if leap(year) { 29 } else { 28 };
        let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let years: u64 = (1970..year)
            .map(|year| if leap(year) { 366 } else { 365 })
            .sum();
        let days = years + months.iter().take(month as usize - 1).sum::<u64>() + day - 1;
        let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
        Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }
}

/// What is wrong with a vector.
pub(crate) struct Bad(pub(crate) String);

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad vector: {}", self.0)
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut held, mut bits) = (vec![], 0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let digit = ALPHABET.iter().position(|known| *known == letter)?;
        held = held << 6 | u32::try_from(digit).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
    Some(bytes)
}
