use std::fmt;

use super::yaml::{Key, Node, Place};

/// What the importer has to say of a part of the file.
#[derive(Clone, Debug)]
pub struct Note {
    kind: NoteKind,
    /// The settings that it is about, where it is about settings.
    names: Vec<String>,
    said: String,
    /// Both, as they are shown.
    text: String,
    places: Vec<Place>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum NoteKind {
    /// Somebody has to do something before the result is equal.
    Todo,
    /// It has no counterpart and was left out.
    Lost,
    /// The gateway does it in its own way, without being told to.
    Replaced,
}

impl NoteKind {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Todo => "To be done",
            Self::Lost => "Not carried over",
            Self::Replaced => "Done in another way",
        }
    }
}

impl Note {
    /// Returns what became of it.
    #[must_use]
    pub fn kind(&self) -> NoteKind {
        self.kind
    }

    /// Returns what is said, without the place.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the lines and columns that it is about, from 1.
    pub fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        self.places.iter().map(|place| (place.line, place.column))
    }

    fn extend(&mut self, place: Place) {
        if !self.places.contains(&place) {
            self.places.push(place);
        }
    }

    fn lines(&self) -> String {
        let mut lines: Vec<usize> = self.places.iter().map(|place| place.line).collect();
        lines.dedup();
        let shown: Vec<_> = lines
            .iter()
            .take(MOST_LINES)
            .map(usize::to_string)
            .collect();
        let more = match lines.len().checked_sub(MOST_LINES) {
            None | Some(0) => String::new(),
            Some(more) => format!(" and {more} more"),
        };
        format!("{}{more}", shown.join(", "))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines();
        let line = if self.places.len() > 1 {
            "lines"
        } else {
            "line"
        };
        write!(f, "{line} {lines}: {}", self.text)
    }
}

/// Enough to find them; a list of five hundred models would fill the page.
const MOST_LINES: usize = 12;

/// Collects notes. What is said of several places alike is said once.
#[derive(Debug, Default)]
pub(super) struct Notes {
    notes: Vec<Note>,
}

impl Notes {
    /// Notes what becomes of a setting. Others of which the same is said stand beside it.
    pub(super) fn setting(&mut self, kind: NoteKind, place: Place, name: String, said: &str) {
        let known = self.notes.iter_mut();
        let mut known =
            known.filter(|it| it.kind == kind && it.said == said && !it.names.is_empty());
        if let Some(note) = known.next() {
            if !note.names.contains(&name) {
                note.names.push(name);
            }
            note.extend(place);
        } else {
            self.push(kind, place, vec![name], said.to_owned());
        }
    }

    pub(super) fn add(&mut self, kind: NoteKind, place: Place, said: impl Into<String>) {
        let said = said.into();
        let known = self.notes.iter_mut();
        let mut known = known.filter(|it| it.kind == kind && it.said == said);
        match known.next() {
            Some(note) => note.extend(place),
            None => self.push(kind, place, Vec::new(), said),
        }
    }

    fn push(&mut self, kind: NoteKind, place: Place, names: Vec<String>, said: String) {
        self.notes.push(Note {
            kind,
            names,
            said,
            text: String::new(),
            places: vec![place],
        });
    }

    pub(super) fn todo(&mut self, place: Place, text: impl Into<String>) {
        self.add(NoteKind::Todo, place, text);
    }

    pub(super) fn lost(&mut self, place: Place, text: impl Into<String>) {
        self.add(NoteKind::Lost, place, text);
    }

    pub(super) fn replaced(&mut self, place: Place, text: impl Into<String>) {
        self.add(NoteKind::Replaced, place, text);
    }

    /// Says that a value is not of the kind that was expected, and is left out.
    pub(super) fn unreadable(&mut self, node: &Node, name: &str, expected: &str) {
        let found = node.what();
        self.lost(
            node.place,
            format!("{name}: expected {expected}, found {found}; left out"),
        );
    }

    /// Returns the notes by kind, and of a kind by place.
    pub(super) fn into_sorted(mut self) -> Vec<Note> {
        for note in &mut self.notes {
            note.places.sort_unstable();
            note.text = if note.names.is_empty() {
                note.said.clone()
            } else {
                format!("{}: {}", note.names.join(", "), note.said)
            };
        }
        self.notes
            .sort_by_key(|note| (note.kind, note.places.first().copied()));
        self.notes
    }
}

/// A key as it can be shown: what does not look like the name of a setting may be a secret that
/// stands in the wrong column.
pub(super) fn shown_key(key: &Key) -> &str {
    let text = key.text.as_str();
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if text.len() <= 48 && text.chars().all(is_name) {
        text
    } else {
        "a key"
    }
}

/// The name of a model as it can be shown: keys of providers get into these places, too.
pub(super) fn shown_name(name: &str) -> String {
    let is_secret = ["sk-", "os.environ", "Bearer", "AIza", "gsk_", "xai-", "hf_"]
        .iter()
        .any(|start| name.starts_with(start));
    if is_secret || name.len() > 96 || name.chars().any(char::is_control) {
        "a name".to_owned()
    } else {
        format!("{name:?}")
    }
}
