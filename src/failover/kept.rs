use http::{HeaderMap, HeaderName, HeaderValue};

/// The headers of a request, kept so that it can be sent again.
///
/// Hardly any request is, so they are kept as text, which is cheap to make and to drop. A clone of the
/// map counts on each value who shares it, and first makes each name that is not among the
/// well-known ones one that can be shared.
pub(super) struct Kept {
    /// All names, and behind each its value.
    text: Vec<u8>,
    lengths: Vec<Lengths>,
}

struct Lengths {
    name: usize,
    value: usize,
    is_sensitive: bool,
}

impl Kept {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut text = Vec::with_capacity(headers.len() * HEADER);
        let mut lengths = Vec::with_capacity(headers.len());
        for (name, value) in headers {
            let name = name.as_str();
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(value.as_bytes());
            lengths.push(Lengths {
                name: name.len(),
                value: value.len(),
                is_sensitive: value.is_sensitive(),
            });
        }
        Self { text, lengths }
    }

    /// Makes the headers once more, as they were.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::try_with_capacity(self.lengths.len()).unwrap_or_default();
        let mut text = self.text.as_slice();
        for lengths in &self.lengths {
            let (name, rest) = text.split_at_checked(lengths.name).unwrap_or_default();
            let (value, rest) = rest.split_at_checked(lengths.value).unwrap_or_default();
            text = rest;
            // They were a name and a value, so they are.
            if let (Ok(name), Ok(mut value)) =
                (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
            {
                value.set_sensitive(lengths.is_sensitive);
                headers.append(name, value);
            }
        }
        headers
    }
}

/// Longer than most headers are, bytes.
const HEADER: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_were() {
        let mut headers = HeaderMap::new();
        assert_eq!(Kept::of(&headers).headers(), headers);
        let mut secret = HeaderValue::from_static("Bearer sk");
        secret.set_sensitive(true);
        headers.append("authorization", secret);
        headers.append("x-stainless-package-version", "2.8.0".parse().unwrap());
        headers.append("x-tag", "one".parse().unwrap());
        headers.append("accept", "*/*".parse().unwrap());
        headers.append("x-tag", "".parse().unwrap());
        headers.append("x-tag", HeaderValue::from_bytes(b"\xe9").unwrap());
        let again = Kept::of(&headers).headers();
        assert_eq!(again, headers);
        assert!(again["authorization"].is_sensitive());
        assert!(again.iter().eq(&headers), "in another order");
    }
}
