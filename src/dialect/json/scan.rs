use std::{borrow::Cow, ops::Range};

use bytes::Bytes;

use super::{Error, MAX_DEPTH, Value, cursor::Cursor};

/// Walks over the members of the object that a body holds.
///
/// A byte order mark before it is stepped over: the JSON standard leaves that to the reader, many
/// servers do it, and a request must not lose its routing over it.
pub fn members(body: &[Bytes]) -> Members<'_> {
    let mut cursor = Cursor::new(body);
    let mut marked = cursor.clone();
    if [0xef, 0xbb, 0xbf]
        .into_iter()
        .all(|byte| marked.expect(byte).is_ok())
    {
        cursor = marked;
    }
    Members::new(cursor)
}

/// The members of an object, in order: each key, unescaped, with its value.
///
/// A key that is there twice comes twice; of such, parsers take the last. The document is sound
/// only when the iterator has ended without an error, after which it gives nothing more.
#[derive(Clone, Debug)]
#[must_use]
pub struct Members<'a> {
    elements: Elements<'a>,
}

impl<'a> Members<'a> {
    pub(super) const fn new(cursor: Cursor<'a>) -> Self {
        let elements = Elements::new(cursor, b'{', b'}');
        Self { elements }
    }

    /// Reads the next member with the place of its key.
    pub(crate) fn next_entry(&mut self) -> Option<Result<Entry<'a>, Error>> {
        self.elements.next_with(|cursor| {
            let key = cursor.clone();
            cursor.skip_string()?;
            let key = Value::new(key.until(cursor));
            let name = key.as_str().ok_or(Error::not_json(key.range().start))?;
            cursor.skip_space();
            cursor.expect(b':')?;
            cursor.skip_space();
            Ok(Entry {
                name,
                key: key.range(),
                value: value(cursor)?,
            })
        })
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<(Cow<'a, str>, Value<'a>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.next_entry()?;
        Some(entry.map(|entry| (entry.name, entry.value)))
    }
}

/// A member, with the place of its key.
pub(crate) struct Entry<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) key: Range<usize>,
    pub(crate) value: Value<'a>,
}

impl Entry<'_> {
    /// Returns where it stands, from its key to its value.
    pub(crate) fn range(&self) -> Range<usize> {
        self.key.start..self.value.range().end
    }
}

/// The items of an array, in order.
///
/// The array is sound only when the iterator has ended without an error, after which it gives
/// nothing more.
#[derive(Clone, Debug)]
#[must_use]
pub struct Items<'a> {
    elements: Elements<'a>,
}

impl<'a> Items<'a> {
    pub(super) const fn new(cursor: Cursor<'a>) -> Self {
        let elements = Elements::new(cursor, b'[', b']');
        Self { elements }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Value<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.elements.next_with(value)
    }
}

/// What stands between the brackets and commas of an object or array that is a whole document.
#[derive(Clone, Debug)]
struct Elements<'a> {
    cursor: Cursor<'a>,
    open: u8,
    close: u8,
    next: Next,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Open,
    Comma,
    Nothing,
}

impl<'a> Elements<'a> {
    const fn new(cursor: Cursor<'a>, open: u8, close: u8) -> Self {
        Self {
            cursor,
            open,
            close,
            next: Next::Open,
        }
    }

    fn next_with<T>(
        &mut self,
        read: impl FnOnce(&mut Cursor<'a>) -> Result<T, Error>,
    ) -> Option<Result<T, Error>> {
        let element = match self.advance() {
            Ok(true) => read(&mut self.cursor),
            Ok(false) => return None,
            Err(error) => Err(error),
        };
        if element.is_err() {
            self.next = Next::Nothing;
        }
        Some(element)
    }

    /// Goes to where the next element starts, if there is one.
    fn advance(&mut self) -> Result<bool, Error> {
        if self.next == Next::Nothing {
            return Ok(false);
        }
        self.cursor.skip_space();
        if self.next == Next::Open {
            self.cursor.expect(self.open)?;
            self.cursor.skip_space();
        }
        if self.cursor.peek() == Some(self.close) {
            self.next = Next::Nothing;
            self.cursor.advance(1);
            self.cursor.skip_space();
            return match self.cursor.peek() {
                None => Ok(false),
                Some(_) => Err(Error::not_json(self.cursor.offset())),
            };
        }
        if self.next == Next::Comma {
            self.cursor.expect(b',')?;
            self.cursor.skip_space();
        }
        self.next = Next::Comma;
        Ok(true)
    }
}

/// Steps over a value.
fn value<'a>(cursor: &mut Cursor<'a>) -> Result<Value<'a>, Error> {
    let first = cursor.peek();
    let start = cursor.clone();
    match first {
        Some(b'"') => cursor.skip_string()?,
        Some(b'{' | b'[') => cursor.skip_nested(MAX_DEPTH - 1)?,
        _ => cursor.skip_while(
            |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'E' | b'+' | b'-' | b'.'),
        ),
    }
    let value = Value::new(start.until(cursor));
    if !matches!(first, Some(b'"' | b'{' | b'[')) && !value.is_scalar() {
        return Err(Error::not_json(start.offset()));
    }
    Ok(value)
}
