//! Finding the model in a `multipart/form-data` body (RFC 7578), its chunks as they came.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use memchr::memmem::Finder;

use super::{Located, Place, Site, Unroutable};

/// Whether a content type is a form with parts.
pub(super) fn is_form(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("multipart/form-data")
}

/// Reads a form that has to name a model.
pub(super) fn locate(content_type: &str, body: &[Bytes]) -> Result<Located, Unroutable> {
    let located = read(content_type, body)?;
    if located.model.is_empty() {
        return Err(Unroutable::NoModel);
    }
    Ok(located)
}

/// Reads a form; where it names no model, that is empty. Of several models the last one counts.
pub(super) fn read(content_type: &str, body: &[Bytes]) -> Result<Located, Unroutable> {
    let boundary = boundary(content_type).ok_or(Unroutable::ContentType)?;
    let body = Body::new(body);
    let mut located = Located::default();
    for part in Parts::new(&body, &boundary) {
        let (name, value) = part.ok_or(Unroutable::NotForm)?;
        match &*name {
            "model" if value.len() <= MAX_VALUE => {
                let text = body.copy(value.clone());
                let text = String::from_utf8(text).map_err(|_| Unroutable::NoModel)?;
                located.model = text;
                located.sites.push(Site::new(Place::Form, value));
            }
            "model" => return Err(Unroutable::NoModel),
            "stream" if value.len() <= MAX_VALUE => {
                located.stream = body.copy(value).eq_ignore_ascii_case(b"true");
            }
            _ => {}
        }
    }
    Ok(located)
}

/// Returns the boundary that a content type names: 1 to 70 characters (RFC 2046, section 5.1.1).
fn boundary(content_type: &str) -> Option<Cow<'_, str>> {
    let mut parameters = content_type.split(';').skip(1);
    let value = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("boundary")
            .then(|| value.trim())
    })?;
    let bare = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let value = bare.unwrap_or(value);
    (1..=70)
        .contains(&value.len())
        .then_some(Cow::Borrowed(value))
}

/// The parts of a form: the name of each, and where its value stands. `None` as an item where the
/// body is no form from there on.
struct Parts<'a> {
    body: &'a Body<'a>,
    delimiter: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<'a> Parts<'a> {
    fn new(body: &'a Body<'a>, boundary: &str) -> Self {
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        // The first delimiter may stand at the very beginning, without a line break before it.
        let first = delimiter.get(2..).unwrap_or_default();
        let at = if body.copy(0..first.len()) == first {
            Some(first.len())
        } else {
            body.find(&delimiter, 0).map(|at| at + delimiter.len())
        };
        Self {
            body,
            ended: false,
            at: at.unwrap_or(body.len),
            delimiter,
        }
    }

    fn part(&mut self) -> Option<(String, Range<usize>)> {
        // Padding may stand between the boundary and its line break.
        let head = self.body.copy(self.at..self.at.saturating_add(MAX_HEAD));
        let padding = head
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        let head = head.get(padding..)?.strip_prefix(b"\r\n")?;
        let end = memchr::memmem::find(head, b"\r\n\r\n")?;
        let name = name(head.get(..end)?);
        let start = self.at + padding + 2 + end + 4;
        let stop = self.body.find(&self.delimiter, start)?;
        self.at = stop + self.delimiter.len();
        Some((name, start..stop))
    }
}

impl Iterator for Parts<'_> {
    type Item = Option<(String, Range<usize>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended || self.body.copy(self.at..self.at.saturating_add(2)) == b"--" {
            return None;
        }
        let part = self.part();
        self.ended = part.is_none();
        Some(part)
    }
}

/// Returns the name of the field that a part's headers describe; that of a file, or of nothing, is
/// empty.
fn name(head: &[u8]) -> String {
    let head = String::from_utf8_lossy(head);
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is = name.trim().eq_ignore_ascii_case("content-disposition");
        is.then_some(value)
    });
    let mut parameters = disposition
        .unwrap_or_default()
        .split(';')
        .skip(1)
        .map(str::trim);
    let mut name = "";
    for (key, value) in parameters.by_ref().filter_map(|it| it.split_once('=')) {
        if key.eq_ignore_ascii_case("filename") || key.eq_ignore_ascii_case("filename*") {
            return String::new();
        }
        if key.eq_ignore_ascii_case("name") {
            name = value.trim_matches('"');
        }
    }
    name.to_owned()
}

/// A body in chunks.
struct Body<'a> {
    chunks: &'a [Bytes],
    len: usize,
}

impl<'a> Body<'a> {
    fn new(chunks: &'a [Bytes]) -> Self {
        let len = chunks
            .iter()
            .fold(0_usize, |len, chunk| len.saturating_add(chunk.len()));
        Self { chunks, len }
    }

    /// Copies a range, as far as there is one.
    fn copy(&self, range: Range<usize>) -> Vec<u8> {
        let end = range.end.min(self.len);
        let mut copy = Vec::with_capacity(end.saturating_sub(range.start));
        for (offset, chunk) in self.offsets() {
            let from = range.start.max(offset).saturating_sub(offset);
            let to = end.min(offset + chunk.len()).saturating_sub(offset);
            copy.extend_from_slice(chunk.get(from..to).unwrap_or_default());
        }
        copy
    }

    /// Finds some bytes at or behind an offset, also where chunks meet.
    fn find(&self, needle: &[u8], from: usize) -> Option<usize> {
        let finder = Finder::new(needle);
        for (offset, chunk) in self.offsets() {
            let start = from.saturating_sub(offset);
            if let Some(at) = chunk.get(start..).and_then(|rest| finder.find(rest)) {
                let found = offset + start + at;
                // One that crosses into this chunk would begin before it.
                return self.crossing(&finder, from, offset).or(Some(found));
            }
            if let Some(found) = self.crossing(&finder, from, offset) {
                return Some(found);
            }
        }
        None
    }

    /// Finds the needle where it begins before the border at this offset and ends behind it.
    fn crossing(&self, finder: &Finder<'_>, from: usize, border: usize) -> Option<usize> {
        let reach = finder.needle().len().saturating_sub(1);
        let start = border.saturating_sub(reach).max(from);
        if border == 0 || start >= border {
            return None;
        }
        let around = self.copy(start..border.saturating_add(reach));
        let found = start + finder.find(&around)?;
        (found < border).then_some(found)
    }

    fn offsets(&self) -> impl Iterator<Item = (usize, &'a Bytes)> {
        self.chunks.iter().scan(0_usize, |offset, chunk| {
            let at = *offset;
            *offset += chunk.len();
            Some((at, chunk))
        })
    }
}

/// The longest head of a part that is read.
const MAX_HEAD: usize = 8 * 1024;

/// The longest value that can be a name or a flag.
const MAX_VALUE: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KIND: &str = "multipart/form-data; charset=utf-8; boundary=\"B\"";

    fn form(parts: &[(&str, &str)]) -> String {
        let mut form = String::new();
        for (head, value) in parts {
            form += &format!("--B\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n");
        }
        form + "--B--\r\n"
    }

    fn read_in(form: &str, len: usize) -> Result<Located, Unroutable> {
        let chunks: Vec<_> = form
            .as_bytes()
            .chunks(len)
            .map(Bytes::copy_from_slice)
            .collect();
        locate(KIND, &chunks)
    }

    #[test]
    fn the_model_is_found_in_any_chunks() {
        let form = form(&[
            (
                "name=\"file\"; filename=\"model\"",
                "RIFF\r\n--b name=\"model\"\r\n\r\nx",
            ),
            ("name=\"stream\"", "true"),
            ("name=model", "whisper-1"),
        ]);
        let at = form.find("whisper-1").unwrap();
        for len in 1..form.len() {
            let located = read_in(&form, len).unwrap();
            assert_eq!(located.model, "whisper-1", "{len}");
            assert_eq!(located.sites, [Site::new(Place::Form, at..at + 9)], "{len}");
            assert!(located.stream, "{len}");
        }
    }

    #[test]
    fn a_preamble_and_padding_may_be_there() {
        let form = "hello\r\n--B \t\r\nX-A: b\r\ncontent-disposition:form-data;name=\"model\"\r\n\r\nm\r\n--B--";
        assert_eq!(read_in(form, 3).unwrap().model, "m");
    }

    #[test]
    fn what_is_no_form_is_refused_and_what_names_no_model_has_none() {
        for broken in [
            "--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm",
            "--B\r\nno head",
            "nonsense",
        ] {
            assert_eq!(read_in(broken, 7), Err(Unroutable::NotForm), "{broken}");
        }
        for none in ["--B--", &form(&[("name=\"models\"", "m")])] {
            assert_eq!(read_in(none, 7), Err(Unroutable::NoModel), "{none}");
        }
        let long = form(&[("name=\"model\"", &"m".repeat(5000))]);
        assert_eq!(read_in(&long, 100), Err(Unroutable::NoModel));
        let chunks = [Bytes::from_static(b"--B--")];
        assert_eq!(
            locate("multipart/form-data", &chunks),
            Err(Unroutable::ContentType)
        );
    }

    proptest! {
        #[test]
        fn nothing_panics(body in "(--B|\\r\\n|model|[ -~]|: |name=|;){0,60}", len in 1..20_usize) {
            let _ = read_in(&body, len);
        }

        #[test]
        fn any_file_is_stepped_over(file in prop::collection::vec(any::<u8>(), 0..200), len in 1..64_usize) {
            prop_assume!(memchr::memmem::find(&file, b"\r\n--B").is_none());
            let mut body = b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n".to_vec();
            body.extend_from_slice(&file);
            body.extend_from_slice(b"\r\n");
            let head = body.len();
            body.extend_from_slice(form(&[("name=\"model\"", "m-1")]).as_bytes());
            let chunks: Vec<_> = body.chunks(len).map(Bytes::copy_from_slice).collect();
            let located = locate(KIND, &chunks).unwrap();
            prop_assert_eq!(located.model, "m-1");
            prop_assert!(located.sites[0].range.start > head);
        }
    }
}
