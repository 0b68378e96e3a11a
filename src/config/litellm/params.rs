use std::collections::HashMap;

use super::{
    keys::{Written, written},
    yaml::{Node, Place},
};

/// The parameters of a deployment: its own, and those of the credential that it names.
pub(super) struct Params<'a> {
    pub(super) own: &'a Node,
    pub(super) credential: Option<&'a Node>,
    pub(super) environment: &'a Environment<'a>,
}

/// What variables hold that are no secrets: URLs, regions, versions.
pub(super) struct Environment<'a> {
    /// Those of the file itself.
    pub(super) written: HashMap<&'a str, &'a str>,
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Params<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&'a Node> {
        let credential = || self.credential.and_then(|it| it.get(name));
        self.own.get(name).or_else(credential)
    }

    pub(super) fn place(&self) -> Place {
        self.own.place
    }

    /// Returns the value that a text stands for: itself, or that of a variable that is set.
    pub(super) fn resolve(&self, text: &str) -> Option<String> {
        self.environment.resolve(text)
    }
}

impl Environment<'_> {
    pub(super) fn resolve(&self, text: &str) -> Option<String> {
        match written(text) {
            // Written where an address should be, it must not come out as one.
            Written::Variable(name) if is_secret(name) => None,
            Written::Variable(name) => {
                let own = self.written.get(name).map(|it| (*it).to_owned());
                let found = own.or_else(|| (self.variable)(name));
                found
                    .map(|it| it.trim().to_owned())
                    .filter(|it| !it.is_empty())
            }
            Written::Literal(text) => Some(text.to_owned()),
            Written::Nothing => None,
        }
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["KEY", "SECRET", "TOKEN", "PASSWORD", "CREDENTIAL"]
        .iter()
        .any(|part| name.contains(part))
}
