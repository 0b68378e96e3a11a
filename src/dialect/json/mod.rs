//! Finding and replacing values in JSON without parsing it.
//!
//! A request body is mostly text that routing has no use for. [`members`] walks over the members of
//! its root object and steps over each value by its brackets and quotes alone, in whatever chunks
//! the body arrived, so that nothing is copied, nothing is parsed twice and a value can be replaced
//! where it stands ([`splice`]): every other byte stays as the caller sent it.
//!
//! What is valid JSON is read exactly as a parser would. What is not is an [`Error`], or, where the
//! fault lies inside a value that is stepped over (a bad number in a nested array), goes unnoticed:
//! that is for the provider to refuse.
//!
//! # When
//!
//! For the few members that routing must know. To read a whole document use `serde_json`, which
//! would also change it: it refuses lone surrogates and huge numbers that other parsers take, and
//! writes long decimals differently.
//!
//! ```
//! use bytes::Bytes;
//! use tower_outcome::dialect::json;
//!
//! # fn main() -> Result<(), json::Error> {
//! let body = [
//!     Bytes::from(r#"{"messages": [{"model": "no"}], "mod"#),
//!     Bytes::from(r#"el": "gpt-4o", "tools": [{"type": "web_search"}]}"#),
//! ];
//! let mut sites = Vec::new();
//! for member in json::members(&body) {
//!     let (key, value) = member?;
//!     match key.as_ref() {
//!         "model" => sites.push(value.range()),
//!         "tools" => {
//!             for tool in value.items() {
//!                 let kind = tool?.last("type")?.and_then(|kind| kind.as_str());
//!                 assert_eq!(kind.as_deref(), Some("web_search"));
//!             }
//!         }
//!         _ => {}
//!     }
//! }
//! let spliced = json::splice(&body, &sites, &json::escape("gpt-4o-mini"));
//! assert_eq!(spliced.len, 90);
//! assert_eq!(spliced.chunks[1], r#"el": "#);
//! assert_eq!(spliced.chunks[2], r#""gpt-4o-mini""#);
//! # Ok(())
//! # }
//! ```

mod blocks;
mod cursor;
mod error;
mod scan;
mod splice;
mod strings;
mod tail;
#[cfg(test)]
mod tests;
mod value;

pub use self::{
    error::Error,
    scan::{Items, Members, members},
    splice::{Edit, Spliced, edit, escape, splice},
    value::Value,
};

pub(crate) use self::strings::{ending_quote, ends_in_escape};

/// How many levels of brackets a document may have, the root included. Common parsers stop here
/// or near it (`serde_json` at 127); no request needs a quarter of it.
const MAX_DEPTH: u32 = 128;
