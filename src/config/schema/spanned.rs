use std::{borrow::Cow, ops::Range};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

/// A value that knows where in the file it stands.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(in crate::config) struct Spanned<T>(toml::Spanned<T>);

impl<T> Spanned<T> {
    pub(in crate::config) fn span(&self) -> Range<usize> {
        self.0.span()
    }

    pub(in crate::config) fn get_ref(&self) -> &T {
        self.0.get_ref()
    }

    pub(in crate::config) fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

/// In a schema it is as the value alone.
impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
