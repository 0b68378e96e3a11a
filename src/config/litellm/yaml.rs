//! YAML as a tree that knows where in the file each of its parts stands.

use std::{collections::HashMap, rc::Rc};

use granit_parser::{Event, Marker, Parser, ScalarStyle};

/// Much larger than any configuration: longer texts are refused before they are read.
const LONGEST: usize = 4 * 1024 * 1024;
/// Of the tree as it would be with every alias written out. A few lines of aliases of aliases
/// could stand for billions.
const MOST_NODES: usize = 200_000;
/// Aliases can nest deeper than the text does.
const DEEPEST: usize = 64;

/// Where something stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Line and column, from 1.
    pub(super) line: usize,
    pub(super) column: usize,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) kind: Kind,
    extent: Extent,
}

/// How much a node stands for.
#[derive(Clone, Copy, Debug)]
struct Extent {
    nodes: usize,
    depth: usize,
}

#[derive(Debug)]
pub(super) enum Kind {
    Scalar {
        text: String,
        /// Without quotes, so that it may be something else than a string.
        plain: bool,
    },
    List(Vec<Rc<Node>>),
    Map(Vec<(Key, Rc<Node>)>),
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) place: Place,
}

/// Why a text is not read.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) place: Place,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn at(place: Place, message: impl Into<String>) -> Self {
        Self {
            place,
            message: message.into(),
        }
    }
}

/// Reads the one document of a text. What it says is not repeated in errors: secrets stand in it.
pub(super) fn load(source: &str) -> Result<Rc<Node>, Fault> {
    if source.len() > LONGEST {
        let message = format!("longer than {LONGEST} bytes, which is no configuration");
        return Err(Fault::at(Place { line: 1, column: 1 }, message));
    }
    let mut tree = Tree::default();
    for next in Parser::new_from_str(source) {
        let (event, span) =
            next.map_err(|error| Fault::at(place(error.marker()), error.kind().to_string()))?;
        tree.add(event, place(&span.start))?;
    }
    let first = Place { line: 1, column: 1 };
    tree.root
        .ok_or_else(|| Fault::at(first, "the file is empty"))
}

fn place(marker: &Marker) -> Place {
    Place {
        line: marker.line().max(1),
        column: marker.col() + 1,
    }
}

#[derive(Default)]
struct Tree {
    root: Option<Rc<Node>>,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
}

/// A list or a map whose end has not come yet.
struct Open {
    place: Place,
    anchor: usize,
    extent: Extent,
    parts: Parts,
}

impl Extent {
    const ONE: Self = Self { nodes: 1, depth: 1 };
}

enum Parts {
    List(Vec<Rc<Node>>),
    Map {
        entries: Vec<(Key, Rc<Node>)>,
        /// Of the entry whose value is still to come.
        key: Option<Key>,
    },
}

impl Tree {
    fn add(&mut self, event: Event<'_>, place: Place) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let kind = Kind::Scalar {
                    text: text.into_owned(),
                    plain: matches!(style, ScalarStyle::Plain),
                };
                self.close(place, kind, Extent::ONE, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open(place, anchor, Parts::List(Vec::new()));
                Ok(())
            }
            Event::MappingStart(_, anchor, _) => {
                let (entries, key) = (Vec::new(), None);
                self.open(place, anchor, Parts::Map { entries, key });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else {
                    return Err(Fault::at(place, "an end without a beginning"));
                };
                let kind = match open.parts {
                    Parts::List(items) => Kind::List(items),
                    Parts::Map { entries, .. } => Kind::Map(merged(entries)),
                };
                self.close(open.place, kind, open.extent, open.anchor)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(Fault::at(place, "an alias of something that contains it"));
                };
                self.put(place, node)
            }
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(Fault::at(place, "a second document; expected one"))
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, place: Place, anchor: usize, parts: Parts) {
        self.open.push(Open {
            place,
            anchor,
            extent: Extent::ONE,
            parts,
        });
    }

    fn close(
        &mut self,
        place: Place,
        kind: Kind,
        extent: Extent,
        anchor: usize,
    ) -> Result<(), Fault> {
        let node = Rc::new(Node {
            place,
            kind,
            extent,
        });
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.put(place, node)
    }

    fn put(&mut self, place: Place, node: Rc<Node>) -> Result<(), Fault> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        let Extent { nodes, depth } = node.extent;
        open.extent.nodes = open.extent.nodes.saturating_add(nodes);
        open.extent.depth = open.extent.depth.max(depth + 1);
        if open.extent.nodes > MOST_NODES {
            let message = format!("more than {MOST_NODES} values, aliases written out");
            return Err(Fault::at(place, message));
        }
        if open.extent.depth > DEEPEST {
            let message = format!("lists and maps within each other more than {DEEPEST} deep");
            return Err(Fault::at(place, message));
        }
        match &mut open.parts {
            Parts::List(items) => items.push(node),
            Parts::Map { entries, key } => match key.take() {
                Some(key) => entries.push((key, node)),
                None => {
                    let Kind::Scalar { text, .. } = &node.kind else {
                        return Err(Fault::at(place, "a key that is a list or a map"));
                    };
                    let text = text.clone();
                    *key = Some(Key { text, place });
                }
            },
        }
        Ok(())
    }
}

/// Applies merge keys (`<<`), whose entries stand behind a map's own. Of two entries with one key
/// the last is meant, as PyYAML has it.
fn merged(entries: Vec<(Key, Rc<Node>)>) -> Vec<(Key, Rc<Node>)> {
    let mut own: Vec<(Key, Rc<Node>)> = Vec::new();
    let mut others: Vec<Rc<Node>> = Vec::new();
    // By their names, so that a long map does not take the square of its length.
    let mut known: HashMap<String, usize> = HashMap::new();
    for (key, value) in entries {
        if key.text == "<<" {
            match &value.kind {
                Kind::List(items) => others.extend(items.iter().cloned()),
                _ => others.push(value),
            }
        } else if let Some(at) = known.get(&key.text).and_then(|at| own.get_mut(*at)) {
            *at = (key, value);
        } else {
            known.insert(key.text.clone(), own.len());
            own.push((key, value));
        }
    }
    for other in others {
        for (key, value) in other.entries() {
            if !known.contains_key(&key.text) {
                known.insert(key.text.clone(), own.len());
                own.push((key.clone(), Rc::clone(value)));
            }
        }
    }
    own
}

impl Node {
    pub(super) fn entries(&self) -> &[(Key, Rc<Self>)] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(super) fn items(&self) -> &[Rc<Self>] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// Returns the value of an entry, unless it is null.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let entry = self.entries().iter().find(|(key, _)| key.text == name);
        entry
            .map(|(_, value)| &**value)
            .filter(|value| !value.is_null())
    }

    pub(super) fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar { text, plain } => {
                *plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } if !self.is_null() => Some(text.trim()),
            _ => None,
        }
    }

    /// Reads a number, which may stand in quotes: so LiteLLM takes it, too.
    pub(super) fn number(&self) -> Option<f64> {
        let number: f64 = self.text()?.replace('_', "").parse().ok()?;
        number.is_finite().then_some(number)
    }

    /// Reads a number from 1.
    pub(super) fn count(&self) -> Option<u64> {
        let number = self.number()?;
        // Larger ones are no counts of tokens, and no longer exact.
        let is_count = number.fract() == 0.0 && (1.0..=9e15).contains(&number);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within what is exact"
        )]
        is_count.then_some(number as u64)
    }

    /// Reads a truth value as YAML 1.1 has it, and so PyYAML.
    pub(super) fn truth(&self) -> Option<bool> {
        let text = self.text()?.to_ascii_lowercase();
        match text.as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        }
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self.kind, Kind::Map(_))
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.kind, Kind::List(_))
    }

    /// Returns what it is, in words.
    pub(super) fn what(&self) -> &'static str {
        match &self.kind {
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
            Kind::Scalar { .. } if self.is_null() => "nothing",
            Kind::Scalar { .. } => "a value",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_their_place() {
        let root = load("a: 1\nb:\n  - c: yes\n").unwrap();
        let c = root.get("b").unwrap().items()[0].get("c").unwrap();
        assert_eq!(c.place, Place { line: 3, column: 8 });
        assert_eq!(c.truth(), Some(true));
        assert_eq!(root.get("a").unwrap().count(), Some(1));
    }

    #[test]
    fn merge_keys_stand_behind_the_own() {
        let root = load("base: &b {x: 1, y: 2}\nmore:\n  <<: *b\n  y: 3\n").unwrap();
        let more = root.get("more").unwrap();
        assert_eq!(more.get("x").unwrap().text(), Some("1"));
        assert_eq!(more.get("y").unwrap().text(), Some("3"));
    }

    #[test]
    fn aliases_of_aliases_are_bounded() {
        let mut source = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let below = format!("*a{}", level - 1);
            let items = vec![below; 10].join(", ");
            source.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        let fault = load(&source).unwrap_err();
        assert!(fault.message.contains("more than 200000"), "{fault:?}");
        assert!(fault.place.line > 3, "{fault:?}");
    }

    #[test]
    fn depth_is_bounded_and_errors_have_a_place() {
        let fault = load(&"[".repeat(100_000)).unwrap_err();
        assert_eq!(fault.place.line, 1);
        let fault = load("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert!(fault.place.line >= 2, "{fault:?}");
        let mut chain = "a0: &a0 [x]\n".to_owned();
        for level in 1..5000 {
            chain.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
        }
        assert!(load(&chain).unwrap_err().message.contains("64 deep"));
        assert!(load("").is_err());
        assert!(load("a: &a [*a]").is_err());
        assert!(load("a: *nobody").is_err());
        assert!(load("a: 1\n---\nb: 2\n").is_err());
        assert!(load("? [a]\n: b\n").is_err());
    }

    #[test]
    fn null_is_not_there() {
        let root = load("a: null\nb: ~\nc:\nd: 'null'\n").unwrap();
        assert!(["a", "b", "c"].iter().all(|name| root.get(name).is_none()));
        assert!(root.get("d").is_some());
    }
}
