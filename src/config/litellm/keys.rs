//! The environment variables that the keys are read from. No key of the file goes anywhere.

use std::collections::HashSet;

use super::yaml::{Kind, Node};

/// How a file says that a value stands in an environment variable.
const REFERENCE: &str = "os.environ/";
/// What people write where a library wants a key and the server does not.
const NO_KEY: [&str; 16] = [
    "",
    "-",
    "x",
    "none",
    "null",
    "na",
    "n/a",
    "empty",
    "dummy",
    "dummy-key",
    "fake",
    "fake-key",
    "no-key",
    "not-needed",
    "not_needed",
    "anything",
];

/// What a file says of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written<'a> {
    /// The variable that holds it.
    Variable(&'a str),
    /// The key itself.
    Literal(&'a str),
    /// That there is none.
    Nothing,
}

pub(super) fn written(text: &str) -> Written<'_> {
    let text = text.trim();
    let dollar = text.strip_prefix('$').map(|name| {
        let braced = name.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
        braced.unwrap_or(name)
    });
    if let Some(name) = text.strip_prefix(REFERENCE).or(dollar)
        && is_variable(name)
    {
        return Written::Variable(name);
    }
    if NO_KEY.iter().any(|it| text.eq_ignore_ascii_case(it)) {
        return Written::Nothing;
    }
    Written::Literal(text)
}

/// Whether a name is one of a variable, and not a key that stands in its place.
fn is_variable(name: &str) -> bool {
    let mut chars = name.chars();
    let first = chars.next();
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
    first.is_some_and(is_start)
        && name.len() <= 64
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Gives keys that stand in the file itself names of variables, which are not yet taken.
#[derive(Debug, Default)]
pub(super) struct Keys {
    taken: HashSet<String>,
    /// The keys, only to tell equal ones: nothing shows them.
    named: Vec<(String, String)>,
}

impl Keys {
    /// Learns which variables a file speaks of.
    pub(super) fn reserve_all(&mut self, node: &Node) {
        match &node.kind {
            Kind::Scalar { text, .. } => {
                if let Written::Variable(name) = written(text) {
                    self.reserve(name);
                }
            }
            Kind::List(items) => items.iter().for_each(|item| self.reserve_all(item)),
            Kind::Map(entries) => entries.iter().for_each(|(_, it)| self.reserve_all(it)),
        }
    }

    pub(super) fn reserve(&mut self, name: &str) {
        if !self.taken.contains(name) {
            self.taken.insert(name.to_owned());
        }
    }

    /// Returns the variable for a key that stands in the file.
    pub(super) fn name(&mut self, key: &str, like: &str) -> String {
        let base = format!("{like}_");
        let of_this = |name: &str| name == like || name.starts_with(&base);
        if let Some((_, name)) = self
            .named
            .iter()
            .find(|(known, name)| known == key && of_this(name))
        {
            return name.clone();
        }
        let mut name = like.to_owned();
        let mut number = 2_u32;
        while self.taken.contains(&name) {
            name = format!("{like}_{number}");
            number += 1;
        }
        self.taken.insert(name.clone());
        self.named.push((key.to_owned(), name.clone()));
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_told_from_keys() {
        assert_eq!(
            written("os.environ/OPENAI_API_KEY"),
            Written::Variable("OPENAI_API_KEY")
        );
        assert_eq!(written("${MY_KEY}"), Written::Variable("MY_KEY"));
        assert_eq!(written("$MY_KEY"), Written::Variable("MY_KEY"));
        assert_eq!(written("sk-123"), Written::Literal("sk-123"));
        assert_eq!(written("None"), Written::Nothing);
        // A key where the name of a variable should be.
        let wrong = "os.environ/sk-proj-123";
        assert_eq!(written(wrong), Written::Literal(wrong));
    }

    #[test]
    fn equal_keys_share_a_variable_and_others_do_not() {
        let mut keys = Keys::default();
        keys.reserve("OPENAI_API_KEY_2");
        assert_eq!(keys.name("a", "OPENAI_API_KEY"), "OPENAI_API_KEY");
        assert_eq!(keys.name("b", "OPENAI_API_KEY"), "OPENAI_API_KEY_3");
        assert_eq!(keys.name("a", "OPENAI_API_KEY"), "OPENAI_API_KEY");
        assert_eq!(keys.name("a", "GROQ_API_KEY"), "GROQ_API_KEY");
    }
}
