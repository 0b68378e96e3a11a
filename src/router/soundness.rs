use super::{Pool, Price, error::BuildError};

/// Long enough for any model's name, short enough for labels and keys.
const LONGEST_NAME: usize = 256;

/// Refuses numbers that mean nothing.
pub(super) fn check_settings(what: &str, pool: &Pool) -> Result<(), BuildError> {
    let refuse = |what: String, must: &str| Err(BuildError::new(format!("{what} must be {must}")));
    let at_least_0 = |value: f64| value.is_finite() && value >= 0.0;
    if !at_least_0(pool.cost_weight) {
        return refuse(format!("{what}: the cost weight"), "a number of at least 0");
    }
    if !pool.preference.is_none_or(at_least_0) {
        return refuse(format!("{what}: the preference"), "a number of at least 0");
    }
    for target in &pool.targets {
        let what = format!("{what}: target {:?}", target.label());
        let score = |score: f64| (0.0..=1.0).contains(&score);
        if !target.expected_quality.is_none_or(score) {
            return refuse(
                format!("{what}: the expected quality"),
                "a number from 0 to 1",
            );
        }
        if !target.price.is_none_or(Price::is_sound) {
            return refuse(format!("{what}: the price"), "numbers of at least 0");
        }
        if !target.preference.is_none_or(at_least_0) {
            return refuse(format!("{what}: the preference"), "a number of at least 0");
        }
        if !at_least_0(target.weight) {
            return refuse(format!("{what}: the weight"), "a number of at least 0");
        }
        if target.context_window == Some(0) {
            return refuse(format!("{what}: the context window"), "at least 1 token");
        }
        if target.max_output_tokens == Some(0) {
            return refuse(format!("{what}: the output tokens"), "at least 1");
        }
        let limits = [target.requests_per_minute, target.tokens_per_minute];
        if limits.contains(&Some(0)) {
            return refuse(format!("{what}: a limit per minute"), "at least 1");
        }
        if let Some(group) = &target.compatibility_group {
            check_name(&format!("{what}: compatibility group"), group)?;
        }
        target.parameters.check(&what)?;
    }
    Ok(())
}

pub(super) fn check_name(what: &str, name: &str) -> Result<(), BuildError> {
    if name.is_empty() {
        return Err(BuildError::new(format!("{what}: the name is empty")));
    }
    if name.len() > LONGEST_NAME {
        return Err(BuildError::new(format!(
            "{what}: the name is longer than {LONGEST_NAME} bytes"
        )));
    }
    if name.chars().any(char::is_control) {
        return Err(BuildError::new(format!(
            "{what}: the name {name:?} holds a control character"
        )));
    }
    Ok(())
}
