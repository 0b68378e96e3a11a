//! What was found in a text while it was checked: where each value stands and what is inside of it,
//! so that nobody has to look for that again.

use std::mem;

use smallvec::SmallVec;

/// The members of an object, each followed by what is inside of its value.
pub(super) type Nodes<'a> = SmallVec<[Node<'a>; INLINE]>;

/// More than most answers have, and any event of a stream.
const INLINE: usize = 32;

/// What is inside of a member is only noted up to so many nodes in all: of a list of a thousand
/// numbers, nobody asks for one.
const MOST: usize = 256;

/// A member of an object, or an item of an array.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a> {
    key: &'a str,
    value: &'a str,
    /// How many of the nodes that follow are inside of the value, or `UNKNOWN`.
    inside: u32,
    escaped: bool,
}

/// In place of a number of nodes: what is inside has not been noted.
const UNKNOWN: u32 = u32::MAX;

/// The key of a member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key<'a> {
    /// As it is written, with its quotes.
    pub(super) text: &'a str,
    /// Whether it has escapes.
    pub(super) escaped: bool,
}

impl Key<'_> {
    /// What an item of an array has.
    pub(super) const NONE: Self = Self {
        text: "",
        escaped: false,
    };
}

impl<'a> Node<'a> {
    /// Creates a node of a value of which nothing more is known.
    pub(super) fn new(key: Key<'a>, value: &'a str) -> Self {
        Self {
            key: key.text,
            value,
            inside: UNKNOWN,
            escaped: key.escaped,
        }
    }

    pub(super) fn key(&self) -> Key<'a> {
        Key {
            text: self.key,
            escaped: self.escaped,
        }
    }

    pub(super) fn value(&self) -> &'a str {
        self.value
    }

    /// Splits the nodes that follow into those inside of the value, unless they have not been noted,
    /// and the others.
    pub(super) fn split<'n>(
        &self,
        following: &'n [Node<'a>],
    ) -> (Option<&'n [Node<'a>]>, &'n [Node<'a>]) {
        match following.split_at_checked(self.inside as usize) {
            Some((inside, rest)) => (Some(inside), rest),
            None => (None, following),
        }
    }
}

/// Takes notes of an object, from its first member to its last.
#[derive(Debug)]
pub(super) struct Notes<'a, 'n> {
    nodes: &'n mut Nodes<'a>,
    /// How many values are open, each within the one before.
    depth: u32,
    /// The node of the innermost of them, in whose place of a number is that of the next one.
    innermost: u32,
    /// The node of the outermost.
    outermost: u32,
    /// There were too many in it.
    full: bool,
}

impl<'a, 'n> Notes<'a, 'n> {
    pub(super) fn new(nodes: &'n mut Nodes<'a>) -> Self {
        Self {
            nodes,
            depth: 0,
            innermost: UNKNOWN,
            outermost: UNKNOWN,
            full: false,
        }
    }

    /// Notes a value with nothing inside.
    pub(super) fn add(&mut self, key: Key<'a>, value: &'a str) {
        let inside = 0;
        self.push(Node {
            inside,
            ..Node::new(key, value)
        });
    }

    /// Notes a value that `text` begins with. Until it ends, all that is noted is inside of it.
    pub(super) fn begin(&mut self, key: Key<'a>, text: &'a str) {
        let at = self.nodes.len() as u32;
        if self.depth == 0 {
            self.outermost = at;
        }
        let inside = self.innermost;
        self.push(Node {
            inside,
            ..Node::new(key, text)
        });
        self.innermost = at;
        self.depth += 1;
    }

    /// Notes that the innermost value has ended, before `rest`.
    pub(super) fn end(&mut self, rest: &'a str) {
        self.depth -= 1;
        if self.full && self.depth > 0 {
            return;
        }
        let at = if self.full {
            self.outermost
        } else {
            self.innermost
        };
        let after = self.nodes.len() as u32;
        let Some(node) = self.nodes.get_mut(at as usize) else {
            return;
        };
        let len = node.value.len().saturating_sub(rest.len());
        node.value = node.value.get(..len).unwrap_or_default();
        if mem::take(&mut self.full) {
            node.inside = UNKNOWN;
            self.innermost = UNKNOWN;
        } else {
            self.innermost = mem::replace(&mut node.inside, after - at - 1);
        }
    }

    fn push(&mut self, node: Node<'a>) {
        if self.full {
            return;
        }
        if self.depth > 0 && self.nodes.len() >= MOST {
            // Members of the object itself are noted whatever comes.
            self.nodes.truncate(self.outermost as usize + 1);
            self.full = true;
            return;
        }
        self.nodes.push(node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::check::note;

    fn noted(text: &str) -> Nodes<'_> {
        let mut nodes = Nodes::new();
        note(text, &mut nodes).unwrap();
        nodes
    }

    #[test]
    fn each_node_stands_before_those_inside() {
        let nodes = noted(r#"{"a": {"b":[1, {} ],"c":"\"]"} ,"d":null}"#);
        let found: Vec<_> = nodes
            .iter()
            .map(|node| (node.key, node.value, node.inside))
            .collect();
        let expected = [
            ("\"a\"", r#"{"b":[1, {} ],"c":"\"]"}"#, 4),
            ("\"b\"", "[1, {} ]", 2),
            ("", "1", 0),
            ("", "{}", 0),
            ("\"c\"", r#""\"]""#, 0),
            ("\"d\"", "null", 0),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn of_a_value_that_is_too_full_only_itself_is_noted() {
        let list = format!("[[0],{}[1]]", "2,".repeat(MOST));
        for text in [
            format!(r#"{{"a":{list},"b":[3]}}"#),
            format!(r#"{{"a":{{"c":{list}}},"b":[3]}}"#),
        ] {
            let nodes = noted(&text);
            let [a, b, item] = nodes.as_slice() else {
                panic!("{}", nodes.len());
            };
            assert_eq!((a.key, a.inside), ("\"a\"", UNKNOWN));
            assert!(a.value.starts_with(['[', '{']) && a.value.contains(&list));
            assert_eq!((b.value, b.inside, item.value), ("[3]", 1, "3"));
        }
    }

    #[test]
    fn all_members_of_the_object_itself_are_noted() {
        let members: Vec<_> = (0..2 * MOST)
            .map(|at| format!(r#""{at}":[{at}]"#))
            .collect();
        let text = format!("{{{}}}", members.join(","));
        let nodes = noted(&text);
        let of_items = nodes.iter().filter(|node| node.key.is_empty()).count();
        assert_eq!(nodes.len() - of_items, 2 * MOST);
        assert!(nodes.len() <= 2 * MOST + MOST / 2);
    }
}
