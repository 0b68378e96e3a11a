use std::ops::Range;

use bytes::Bytes;

use super::json;

/// Where a model is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Site {
    /// In what part of the request, and how.
    pub place: Place,
    /// The byte range there: of a JSON value with its quotes.
    pub range: Range<usize>,
}

/// In what part of a request a model is written, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// A string in a JSON body.
    Json,
    /// A string in a JSON body that holds the name of a resource: `models/gemini-2.5-flash`.
    JsonResource,
    /// The value of a part of a `multipart/form-data` body.
    Form,
    /// A percent-encoded segment of the path, or a part of one.
    Path,
    /// The name of a resource in the path: `models/gemini-2.5-flash`, its slash as it is.
    PathResource,
}

impl Site {
    /// Creates a site.
    #[must_use]
    pub fn new(place: Place, range: Range<usize>) -> Self {
        Self { place, range }
    }
}

impl Place {
    /// Returns whether it is in the path, not in the body.
    #[must_use]
    pub fn is_path(self) -> bool {
        matches!(self, Self::Path | Self::PathResource)
    }

    /// Writes a model as it has to stand here. `None` where it cannot: a form's value has no line
    /// breaks, and a segment of dots would be a way to another path.
    #[must_use]
    pub fn write(self, model: &str) -> Option<Bytes> {
        match self {
            Self::Json => Some(json::escape(model)),
            Self::JsonResource => Some(json::escape(&resource(model))),
            Self::Form if model.contains(['\r', '\n']) => None,
            Self::Form => Some(Bytes::copy_from_slice(model.as_bytes())),
            Self::Path | Self::PathResource if matches!(model, "." | "..") => None,
            Self::Path => Some(encode(model).into()),
            Self::PathResource => {
                let (kind, id) = kind_of(model);
                Some(format!("{kind}{}", encode(id)).into())
            }
        }
    }
}

/// The full name of a model: the name alone stands for one of the provider's own.
fn resource(model: &str) -> String {
    let (kind, id) = kind_of(model);
    format!("{kind}{id}")
}

/// Only the kinds of resources that there are count as such: a slash may be the name's own.
fn kind_of(model: &str) -> (&'static str, &str) {
    let kinds = ["tunedModels/", "models/"];
    let named = kinds
        .into_iter()
        .find_map(|kind| Some((kind, model.strip_prefix(kind)?)));
    named.unwrap_or(("models/", model))
}

/// Percent-encodes all but the unreserved characters of RFC 3986, section 2.3.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Reads the model that stands in this range of a path.
pub(super) fn of_path(path: &str, range: &Range<usize>) -> Option<String> {
    decode(path.get(range.clone())?)
}

/// Undoes percent-encoding; what is none stays, and what is no UTF-8 is no name.
fn decode(text: &str) -> Option<String> {
    String::from_utf8(decode_bytes(text)).ok()
}

/// Undoes percent-encoding; what is none stays.
pub(crate) fn decode_bytes(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    while let [first, rest @ ..] = bytes {
        let escaped = match rest {
            [high, low, after @ ..] if *first == b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let value = digit(*high).zip(digit(*low));
                let byte = value.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                byte.map(|byte| (byte, after))
            }
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((*first, rest));
        decoded.push(byte);
        bytes = after;
    }
    decoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn f20_a_model_in_a_path_is_percent_encoded() {
        assert_eq!(
            Place::Path.write("../a b\r\n\u{e9}?#").unwrap(),
            "..%2Fa%20b%0D%0A%C3%A9%3F%23"
        );
        assert_eq!(Place::Path.write("v1:0").unwrap(), "v1%3A0");
    }

    #[test]
    fn a_resource_keeps_its_slash_and_gets_its_kind() {
        let write = |model| Place::PathResource.write(model).unwrap();
        assert_eq!(write("gemini-2.5-flash"), "models/gemini-2.5-flash");
        assert_eq!(write("tunedModels/a b"), "tunedModels/a%20b");
        assert_eq!(write("../x"), "models/..%2Fx");
        assert_eq!(Place::PathResource.write(".."), None);
        assert_eq!(Place::Path.write(".."), None);
        assert_eq!(
            Place::JsonResource.write("m\"").unwrap(),
            "\"models/m\\\"\""
        );
    }

    #[test]
    fn a_line_break_cannot_stand_in_a_form() {
        assert_eq!(Place::Form.write("a\r\nb"), None);
        assert_eq!(Place::Form.write("whisper-1").unwrap(), "whisper-1");
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes(text in "\\PC*") {
            prop_assert_eq!(decode(&encode(&text)), Some(text));
        }

        #[test]
        fn decoding_anything_does_not_panic(text in "[%0-9a-fA-F\u{e9}/]{0,20}") {
            let _ = decode(&text);
        }
    }
}
