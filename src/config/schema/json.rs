//! The schema of the file, for editors and other checkers.

use schemars::{
    Schema,
    generate::SchemaSettings,
    transform::{RecursiveTransform, Transform as _},
};
use serde_json::{Map, Value};

use super::File;

/// Returns the JSON Schema of the file.
pub(in crate::config) fn json_schema() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let generator = settings.into_generator();
    let mut schema = generator.into_root_schema_for::<File>();
    RecursiveTransform(|schema: &mut Schema| plain(schema)).transform(&mut schema);
    schema.to_value()
}

/// Takes out what TOML has not: null, and the names of Rust's numbers.
fn plain(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    object.remove("format");
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|it| it != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(kinds)) = object.get_mut("anyOf") {
        kinds.retain(|kind| kind.get("type").is_none_or(|it| it != "null"));
        if let [Value::Object(only)] = &kinds[..] {
            let only = only.clone();
            object.remove("anyOf");
            for (name, value) in only {
                object.entry(name).or_insert(value);
            }
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
}

/// A pool takes `targets`, too, which reads better before inline tables.
pub(super) fn add_aliases(schema: &mut Schema) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    if let Some(properties) = properties
        && let Some(target) = properties.get("target").cloned()
    {
        properties.insert("targets".to_owned(), target);
    }
}

/// Returns the tables that a file may have, by their headers, with their keys. The first is what
/// stands before all headers.
pub(in crate::config) fn tables() -> Vec<(String, Vec<String>)> {
    let schema = json_schema();
    let mut tables = Vec::new();
    collect(&schema, "", false, &mut tables);
    tables
}

fn collect(schema: &Value, name: &str, several: bool, tables: &mut Vec<(String, Vec<String>)>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    let header = match several {
        true => format!("[[{name}]]"),
        false => format!("[{name}]"),
    };
    tables.push((header, properties.keys().cloned().collect()));
    let below = |key: &str| match name {
        "" => key.to_owned(),
        name => format!("{name}.{key}"),
    };
    for (key, inner) in own(properties) {
        match inner.get("items") {
            Some(items) => collect(items, &below(key), true, tables),
            None => collect(inner, &below(key), false, tables),
        }
    }
}

/// Without aliases.
fn own(properties: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    properties.iter().filter(|(key, _)| *key != "targets")
}
