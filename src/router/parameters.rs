//! What is changed in a request's parameters for the sake of one target.

use std::ops::Range;

use bytes::Bytes;
use serde::Serialize;
use smallvec::SmallVec;

use super::error::BuildError;
use crate::dialect::{
    Fields, field_hash,
    json::{self, Edit, escape},
};

/// What becomes of the parameters of a request, by the names that they have at the top of its JSON
/// body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters {
    rules: Vec<(String, Rule)>,
}

#[derive(Clone, Debug)]
enum Rule {
    /// It goes by another name here.
    Rename(String),
    Drop,
    /// It has this value, whatever the caller says. `None` is one that JSON cannot say.
    Set(Option<Bytes>),
}

impl Parameters {
    pub(super) fn rename(&mut self, from: String, to: String) {
        self.rules.push((from, Rule::Rename(to)));
    }

    pub(super) fn drop(&mut self, name: String) {
        self.rules.push((name, Rule::Drop));
    }

    pub(super) fn set(&mut self, name: String, value: &impl Serialize) {
        let value = serde_json::to_vec(value).ok().map(Bytes::from);
        self.rules.push((name, Rule::Set(value)));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Refuses rules that contradict each other, or routing.
    pub(super) fn check(&self, what: &str) -> Result<(), BuildError> {
        let refuse = |why: String| Err(BuildError::new(format!("{what}: {why}")));
        let mut named: Vec<&str> = Vec::new();
        for (name, rule) in &self.rules {
            let other = match rule {
                Rule::Rename(to) => Some(to),
                Rule::Set(None) => {
                    return refuse(format!("the value of parameter {name:?} is not JSON"));
                }
                Rule::Drop | Rule::Set(_) => None,
            };
            for name in [Some(name), other].into_iter().flatten() {
                if name.is_empty() || name.len() > LONGEST || name.chars().any(char::is_control) {
                    return refuse(format!(
                        "{name:?} is no name of a parameter: expected 1 to {LONGEST} bytes"
                    ));
                }
                if RESERVED.contains(&name.as_str()) {
                    return refuse(format!(
                        "the parameter {name:?} must stay as it is: routing depends on it"
                    ));
                }
                if named.contains(&name.as_str()) {
                    return refuse(format!("two rules name the parameter {name:?}"));
                }
                named.push(name);
            }
        }
        Ok(())
    }

    /// Returns whether a request of these fields reaches the target with a parameter of this name.
    pub(super) fn leave(&self, fields: &Fields, name: u32) -> bool {
        for (from, rule) in &self.rules {
            match rule {
                Rule::Rename(to) if field_hash(to) == name => {
                    return fields.has(name) || fields.contains(from);
                }
                Rule::Rename(_) | Rule::Drop if field_hash(from) == name => return false,
                _ => {}
            }
        }
        fields.has(name)
    }

    /// Returns what is to be changed in a body, in order. A body that is no JSON object stays as it
    /// is.
    pub(crate) fn edits(&self, body: &[Bytes]) -> Option<Vec<Edit>> {
        let mut entries: SmallVec<[Found; 16]> = SmallVec::new();
        // Of each rule, whether its second name, or its own where it has one only, is there.
        let mut there: SmallVec<[bool; 8]> = SmallVec::from_elem(false, self.rules.len());
        let mut members = json::members(body);
        while let Some(entry) = members.next_entry() {
            let entry = entry.ok()?;
            for ((name, rule), there) in self.rules.iter().zip(&mut there) {
                *there |= match rule {
                    Rule::Rename(to) => entry.name == *to,
                    Rule::Drop | Rule::Set(_) => entry.name == *name,
                };
            }
            let rule = self.rules.iter().position(|(name, _)| entry.name == *name);
            entries.push(Found {
                rule,
                key: entry.key.clone(),
                value: entry.value.range(),
                whole: entry.range(),
            });
        }
        let mut edits = Vec::new();
        let goes = |found: &Found| match found.rule.and_then(|at| self.rules.get(at)) {
            Some((_, Rule::Drop)) => true,
            Some((_, Rule::Rename(_))) => found.rule.and_then(|at| there.get(at)) == Some(&true),
            _ => false,
        };
        // Whether a member that stays stands before.
        let mut stays = false;
        let mut last_end = None;
        for (index, found) in entries.iter().enumerate() {
            let end = found.whole.end;
            if goes(found) {
                let next = entries.get(index + 1).map(|next| next.whole.start);
                // With the comma before it, or else with the one behind it.
                let range = match last_end.filter(|_| stays) {
                    Some(before) => before..end,
                    None => found.whole.start..next.unwrap_or(end),
                };
                edits.push(Edit::new(range, Bytes::new()));
            } else {
                stays = true;
                match found.rule.and_then(|at| self.rules.get(at)) {
                    Some((_, Rule::Rename(to))) => {
                        edits.push(Edit::new(found.key.clone(), escape(to)));
                    }
                    Some((_, Rule::Set(Some(value)))) => {
                        edits.push(Edit::new(found.value.clone(), value.clone()));
                    }
                    _ => {}
                }
            }
            last_end = Some(end);
        }
        let mut added = Vec::new();
        for ((name, rule), there) in self.rules.iter().zip(&there) {
            if let (Rule::Set(Some(value)), false) = (rule, there) {
                if stays || !added.is_empty() {
                    added.push(b',');
                }
                added.extend_from_slice(&escape(name));
                added.push(b':');
                added.extend_from_slice(value);
            }
        }
        if !added.is_empty() {
            let at = last_end.or_else(|| inside(body))?;
            edits.push(Edit::new(at..at, added));
        }
        Some(edits)
    }
}

/// A member of a body, and which rule is about it.
struct Found {
    rule: Option<usize>,
    key: Range<usize>,
    value: Range<usize>,
    whole: Range<usize>,
}

/// Returns the place behind the first brace of a body: before it nothing can stand that has one.
fn inside(body: &[Bytes]) -> Option<usize> {
    let mut before = 0;
    for chunk in body {
        if let Some(at) = memchr::memchr(b'{', chunk) {
            return Some(before + at + 1);
        }
        before += chunk.len();
    }
    None
}

/// Longer than any parameter's name.
const LONGEST: usize = 64;

/// What routing itself writes or reads: the model, and whether the answer is a stream.
const RESERVED: [&str; 2] = ["model", "stream"];

#[cfg(test)]
mod tests;
