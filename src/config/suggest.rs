/// Says which known name was probably meant, or which there are.
pub(super) fn advice<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match suggest(wrong, known.clone()) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None => format!("expected one of {:?}", Vec::from_iter(known)),
    }
}

/// Returns the known name that was probably meant.
pub(super) fn suggest<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let tolerated = (wrong.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (distance(wrong, name), name))
        .filter(|(distance, _)| *distance <= tolerated)
        .min()
        .map(|(_, name)| name)
}

/// Counts the edits between two words, case aside (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (to, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let above = *cell;
            let replaced = diagonal + usize::from(from != *to);
            *cell = replaced.min(above + 1).min(left + 1);
            diagonal = above;
            left = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("OpenAI", "openai"), 0);
    }

    #[test]
    fn the_nearest_name_is_suggested_if_it_is_near() {
        let known = ["openai", "anthropic", "groq"];
        assert_eq!(suggest("opnai", known), Some("openai"));
        assert_eq!(suggest("grok", known), Some("groq"));
        assert_eq!(suggest("mistral", known), None);
    }
}
