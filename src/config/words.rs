//! What the parser says is about types of Rust, and may repeat a secret: here it is said in words
//! about the file.

use std::ops::Range;

use super::{
    assemble::Fault,
    find::{table_at, way_to},
    schema::tables,
    suggest::{quoted, suggest},
};

/// Says what the parser found, and where.
pub(super) fn fault(source: &str, error: &toml::de::Error) -> Fault {
    let message = error.message();
    let span = error.span().unwrap_or_default();
    let of_table = |span, message| Fault {
        span: Some(span),
        message,
        of_table: true,
    };
    let of_header = ["invalid type", "duplicate key"];
    if of_header.iter().any(|it| message.starts_with(it))
        && let Some((span, message)) = brackets(source)
    {
        return of_table(span, message);
    }
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let known = in_backticks(rest);
        let (key, known) = known.split_first().unwrap_or((&"", &[]));
        let known: Vec<_> = known.iter().copied().filter(|it| *it != REFUSED).collect();
        let message = unknown_key(key, &known, &table_at(source, span.start));
        return of_table(span, message);
    }
    if message.starts_with("missing field ") {
        let key = in_backticks(message).first().copied().unwrap_or_default();
        return of_table(span, format!("the key {key:?} is missing here"));
    }
    if message.starts_with("duplicate key") {
        let name = source.get(span.clone()).unwrap_or_default();
        return of_table(
            span,
            format!("{name:?} is here a second time; a key is set once, and a table opened once"),
        );
    }
    let message = if let Some(rest) = message.strip_prefix("unknown variant ") {
        unknown_value(&in_backticks(rest))
    } else if let Some((found, expected)) = mismatch(message) {
        wrong_type(found, expected, header_of(source, span.start).as_deref())
    } else if message == "wanted string or table" {
        "expected a string".to_owned()
    } else {
        let words = message.lines().map(str::trim).collect::<Vec<_>>();
        // Some of what would do, which says less than that it has to be quoted.
        let words = words.join(", ").replace(", expected literal string", "");
        return of_table(span, words);
    };
    Fault {
        span: Some(span),
        message,
        of_table: false,
    }
}

/// The names between backticks, in order.
fn in_backticks(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Known only to be refused with a reason.
const REFUSED: &str = "cascade_below";
/// Longer than any key of the file.
const LONGEST_KEY: usize = 32;

/// Says what was meant by a key: one of its table, or one of another.
fn unknown_key(key: &str, known: &[&str], table: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    // Some write the secret itself there, which has other characters or more of them.
    let unknown = match key.len() <= LONGEST_KEY && key.chars().all(plain) {
        true => format!("there is no key {key:?} here"),
        false => "there is no such key here".to_owned(),
    };
    if let Some(meant) = suggest(key, known.iter().copied()) {
        return format!("{unknown}; did you mean {meant:?}?");
    }
    let elsewhere = tables();
    let elsewhere = elsewhere.iter().filter(|(name, _)| bare(name) != table);
    let keys = elsewhere.clone().flat_map(|(_, keys)| keys);
    // One that many tables have says nothing about which was meant.
    if let Some(meant) = suggest(key, keys.map(String::as_str)) {
        let mut having = elsewhere.filter(|(_, keys)| keys.iter().any(|it| it == meant));
        if let (Some((header, _)), None) = (having.next(), having.next()) {
            let what = if meant == key { "it" } else { meant };
            return match bare(header) {
                "" => format!("{unknown}; {what} belongs at the top, before the first table"),
                _ => format!("{unknown}; {what} belongs under {header}"),
            };
        }
    }
    format!(
        "{unknown}; expected one of {}",
        quoted(known.iter().copied())
    )
}

/// The value is repeated only where it is nearly a good one: it may be a secret in the wrong place.
fn unknown_value(names: &[&str]) -> String {
    let (value, known) = names.split_first().unwrap_or((&"", &[]));
    match suggest(value, known.iter().copied()) {
        Some(meant) => format!("there is no {value:?}; did you mean {meant:?}?"),
        None => format!("expected one of {}", quoted(known.iter().copied())),
    }
}

fn mismatch(message: &str) -> Option<(&str, &str)> {
    let rest = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))?;
    rest.rsplit_once(", expected ")
}

/// The header that the value at this place could have.
fn header_of(source: &str, offset: usize) -> Option<String> {
    let way = way_to(source, offset)?.join(".");
    let way = way.replace("pool.targets", "pool.target");
    let mut headers = tables().into_iter().map(|(header, _)| header);
    headers.find(|header| bare(header) == way)
}

fn wrong_type(found: &str, expected: &str, header: Option<&str>) -> String {
    let is = |beginning: &str| found.starts_with(beginning);
    let found = match () {
        () if is("string") => "a string",
        () if is("integer `-") => "a negative one",
        () if is("integer") && found.ends_with("i128") => "one so large",
        () if is("integer") => "a whole number",
        () if is("floating point") => "a number with a point",
        () if is("boolean") => "true or false",
        () if is("sequence") => "an array",
        () => "a table",
    };
    if let Some(header) = header {
        return format!("expected a table, such as {header} begins, not {found}");
    }
    let expected = match expected {
        "u64" => "a whole number from 1",
        "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "an array, such as [\"a\", \"b\"]",
        "a map" => "a table, such as { a = \"b\" }",
        other => other,
    };
    format!("expected {expected}, not {found}")
}

/// Says which header has too few brackets or too many, and where it is: TOML marks tables of which
/// there may be several by two.
fn brackets(source: &str) -> Option<(Range<usize>, String)> {
    let tables = tables();
    let mut start = 0;
    for line in source.split_inclusive('\n') {
        let text = line.trim_start();
        let at = start + line.len() - text.len();
        start += line.len();
        let Some(name) = text.strip_prefix('[') else {
            continue;
        };
        let double = name.starts_with('[');
        let name = name.trim_start_matches('[');
        let Some((name, _)) = name.split_once(']') else {
            continue;
        };
        let canonical = name.trim().replace("pool.targets", "pool.target");
        let header = tables.iter().map(|(header, _)| header);
        let Some(header) = header.clone().find(|it| bare(it) == canonical) else {
            continue;
        };
        let message = match (header.starts_with("[["), double) {
            (true, false) => format!("there may be several: write [[{name}]], with two brackets"),
            (false, true) => format!("there is only one: write [{name}], with one bracket"),
            _ => continue,
        };
        return Some((at..at + name.len(), message));
    }
    None
}

fn bare(header: &str) -> &str {
    header.trim_matches(['[', ']'])
}
