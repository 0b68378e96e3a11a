/// Says which known name was probably meant, or which there are.
pub(super) fn advice<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match suggest(wrong, known.clone()) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None => format!("expected one of {}", quoted(known)),
    }
}

/// Lists names in quotation marks.
pub(super) fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names = names.into_iter().map(|name| format!("{name:?}"));
    names.collect::<Vec<_>>().join(", ")
}

/// Returns the known name that was probably meant: one that differs in a few letters, else one that
/// goes on where the wrong one ends, or ends before, else the only one that ends with it as a word.
pub(super) fn suggest<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    let tolerated = (wrong.chars().count() / 3).clamp(1, 3);
    let near = known
        .clone()
        .into_iter()
        .map(|name| (distance(wrong, name), name))
        .filter(|(distance, _)| *distance <= tolerated)
        .min()
        .map(|(_, name)| name);
    near.or_else(|| {
        let longer = |a: &str, b: &str| b.len() >= SHORTEST && a.starts_with(b);
        let begun = |name: &&str| longer(name, wrong) || longer(wrong, name);
        let last_word = |name: &&str| name.rsplit_once('_').is_some_and(|(_, last)| last == wrong);
        known.clone().into_iter().find(begun).or_else(|| {
            let mut ending = known.into_iter().filter(last_word);
            // Several say nothing about which was meant.
            ending.next().filter(|_| ending.next().is_none())
        })
    })
}

/// Fewer letters say too little of what was meant.
const SHORTEST: usize = 4;

/// Counts the edits between two words, case aside; letters that changed places are one (Damerau, in
/// the form of optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let [a, b] = [a, b].map(|word| word.to_lowercase().chars().collect::<Vec<_>>());
    let mut earlier = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let replaced = at(&above, j) + usize::from(from != to);
            let mut least = replaced.min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(to) && b.get(j - 1) == Some(from);
            if swapped {
                least = least.min(at(&earlier, j - 1) + 1);
            }
            row.push(least);
        }
        earlier = std::mem::replace(&mut above, row);
    }
    at(&above, b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("OpenAI", "openai"), 0);
        assert_eq!(distance("modle", "model"), 1);
        assert_eq!(distance("abc", ""), 3);
    }

    #[test]
    fn the_nearest_name_is_suggested_if_it_is_near() {
        let known = ["openai", "anthropic", "groq"];
        assert_eq!(suggest("opnai", known), Some("openai"));
        assert_eq!(suggest("grok", known), Some("groq"));
        assert_eq!(suggest("mistral", known), None);
        assert_eq!(suggest("anth", known), Some("anthropic"));
        assert_eq!(suggest("openai_key", known), Some("openai"));
        assert_eq!(suggest("ant", known), None);
    }
}
