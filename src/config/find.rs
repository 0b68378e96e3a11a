//! Finds what stands at a place of a file.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Returns the way to the value at this place: the keys of the tables around it, and its own.
pub(super) fn way_to(source: &str, offset: usize) -> Option<Vec<String>> {
    let table = DeTable::parse(source).ok()?;
    let mut way = in_table(table.get_ref(), offset)?;
    way.reverse();
    Some(way)
}

/// Returns the name of the table that has a key at this place, as its header has it: `pool.target`.
pub(super) fn table_at(source: &str, offset: usize) -> String {
    let found = DeTable::parse(source).ok();
    let found = found.and_then(|table| table_with(table.get_ref(), String::new(), offset));
    found.unwrap_or_default()
}

fn table_with(table: &DeTable<'_>, name: String, offset: usize) -> Option<String> {
    if table.keys().any(|key| key.span().contains(&offset)) {
        return Some(name);
    }
    table.iter().find_map(|(key, value)| {
        let key = match key.get_ref().as_ref() {
            "targets" => "target",
            key => key,
        };
        let below = match name.as_str() {
            "" => key.to_owned(),
            name => format!("{name}.{key}"),
        };
        match value.get_ref() {
            DeValue::Table(table) => table_with(table, below, offset),
            DeValue::Array(items) => items.iter().find_map(|item| match item.get_ref() {
                DeValue::Table(table) => table_with(table, below.clone(), offset),
                _ => None,
            }),
            _ => None,
        }
    })
}

/// The way, from its end.
fn in_table(table: &DeTable<'_>, offset: usize) -> Option<Vec<String>> {
    table.iter().find_map(|(key, value)| {
        let mut way = in_value(value, offset)?;
        way.push(key.get_ref().to_string());
        Some(way)
    })
}

fn in_value(value: &Spanned<DeValue<'_>>, offset: usize) -> Option<Vec<String>> {
    let inner = match value.get_ref() {
        DeValue::Table(table) => in_table(table, offset),
        DeValue::Array(items) => items.iter().find_map(|item| in_value(item, offset)),
        _ => None,
    };
    inner.or_else(|| value.span().contains(&offset).then(Vec::new))
}
