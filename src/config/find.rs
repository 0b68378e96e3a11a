//! Finds what stands at a place of a file.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Returns the key whose value is at this place: the innermost one.
pub(super) fn key_at(source: &str, offset: usize) -> Option<String> {
    let table = DeTable::parse(source).ok()?;
    in_table(table.get_ref(), offset)
}

fn in_table(table: &DeTable<'_>, offset: usize) -> Option<String> {
    let mut members = table.iter();
    members.find_map(|(key, value)| in_value(key.get_ref(), value, offset))
}

fn in_value(key: &str, value: &Spanned<DeValue<'_>>, offset: usize) -> Option<String> {
    let inner = match value.get_ref() {
        DeValue::Table(table) => in_table(table, offset),
        DeValue::Array(items) => {
            let mut items = items.iter();
            items.find_map(|item| in_value(key, item, offset))
        }
        _ => None,
    };
    inner.or_else(|| value.span().contains(&offset).then(|| key.to_owned()))
}
