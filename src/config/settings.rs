//! What the file says of how to decide and what to learn from.

use super::{
    assemble::Fault,
    numbers::{at_least_0, at_least_one, millis, within},
    schema,
};
use crate::{
    checks::{NotBlank, ValidJson},
    policy::{Adaptive, Declared, Weighted},
    router::{Pool, Price, Target},
};

pub(super) fn set_pool(mut built: Pool, pool: &schema::Pool) -> Result<Pool, Fault> {
    built = match pool.policy {
        schema::Policy::Adaptive => built.policy(Adaptive),
        schema::Policy::Declared => built.policy(Declared),
        schema::Policy::Weighted => built.policy(Weighted),
    };
    if let Some(weight) = &pool.cost_weight {
        built = built.cost_weight(at_least_0(weight)?);
    }
    if let Some(objective) = &pool.objective_ms {
        built = built.objective(millis(objective)?);
    }
    if let Some(preference) = &pool.preference {
        built = built.preference(at_least_0(preference)?);
    }
    for check in &pool.success_when {
        built = match check {
            schema::Check::ValidJson => built.success_when(ValidJson::new()),
            schema::Check::NotBlank => built.success_when(NotBlank),
        };
    }
    let cascade = pool.cascade.as_ref().filter(|cascade| *cascade.get_ref());
    if let Some(cascade) = cascade.filter(|_| pool.success_when.is_empty()) {
        let message = "needs success_when: the checks that say which answers are asked for \
                       again, such as [\"valid_json\"]";
        return Err(Fault::at(cascade, message));
    }
    if let Some(below) = &pool.cascade_below {
        return Err(Fault::at(below, NO_GRADES));
    }
    Ok(built
        .derive_sessions(pool.derive_sessions)
        .hold_back(pool.hold_back.unwrap_or(true))
        .compressed_answers(pool.compressed_answers)
        .ask_usage(pool.ask_usage)
        .cascade(cascade.is_some()))
}

pub(super) fn set_target(mut built: Target, target: &schema::Target) -> Result<Target, Fault> {
    if let Some(quality) = &target.expected_quality {
        built = built.expected_quality(within(quality, 0.0..=1.0, FROM_0_TO_1)?);
    }
    if let Some(price) = &target.price {
        built = built.price(assemble_price(price)?);
    }
    if let Some(objective) = &target.objective_ms {
        built = built.objective(millis(objective)?);
    }
    if let Some(requests) = &target.requests_per_minute {
        built = built.requests_per_minute(at_least_one(requests)?);
    }
    if let Some(tokens) = &target.tokens_per_minute {
        built = built.tokens_per_minute(at_least_one(tokens)?);
    }
    if let Some(preference) = &target.preference {
        built = built.preference(at_least_0(preference)?);
    }
    if let Some(weight) = &target.weight {
        built = built.weight(at_least_0(weight)?);
    }
    set_fit(built, target)
}

/// What it takes, and what is changed so that it does.
fn set_fit(mut built: Target, target: &schema::Target) -> Result<Target, Fault> {
    if let Some(window) = &target.context_window {
        built = built.context_window(at_least_one(window)?);
    }
    if let Some(tokens) = &target.max_output_tokens {
        built = built.max_output_tokens(at_least_one(tokens)?);
    }
    if let Some(vision) = target.vision {
        built = built.vision(vision);
    }
    if let Some(tools) = target.tools {
        built = built.tools(tools);
    }
    if let Some(json_mode) = target.json_mode {
        built = built.json_mode(json_mode);
    }
    if let Some(group) = &target.compatibility_group {
        built = built.compatibility_group(group);
    }
    let Some(parameters) = &target.parameters else {
        return Ok(built);
    };
    for (from, to) in &parameters.rename {
        built = built.rename_parameter(from, to);
    }
    for name in &parameters.drop {
        built = built.drop_parameter(name);
    }
    for (name, written) in &parameters.set {
        let fault = || {
            Fault::at(
                written,
                "expected a value that JSON has, too: no date, no inf",
            )
        };
        let value = json(written.get_ref()).ok_or_else(fault)?;
        built = built.set_parameter(name, value);
    }
    Ok(built)
}

fn assemble_price(written: &schema::Price) -> Result<Price, Fault> {
    let mut price = Price::per_million(at_least_0(&written.input)?, at_least_0(&written.output)?);
    if let Some(cached) = &written.cached {
        price = price.cached(at_least_0(cached)?);
    }
    if let Some(written) = &written.written {
        price = price.written(at_least_0(written)?);
    }
    Ok(price)
}

/// The same value in JSON, where it has one.
fn json(value: &toml::Value) -> Option<serde_json::Value> {
    use serde_json::Value;
    Some(match value {
        toml::Value::String(text) => Value::from(text.as_str()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => Value::Number(serde_json::Number::from_f64(*number)?),
        toml::Value::Boolean(is) => Value::from(*is),
        toml::Value::Datetime(_) => return None,
        toml::Value::Array(items) => Value::Array(items.iter().map(json).collect::<Option<_>>()?),
        toml::Value::Table(members) => {
            let members = members.iter();
            let members = members.map(|(name, value)| Some((name.clone(), json(value)?)));
            Value::Object(members.collect::<Option<_>>()?)
        }
    })
}

/// Tells of settings that do nothing for want of another.
pub(super) fn warn_of_idle_settings(pool: &schema::Pool, warnings: &mut Vec<String>) {
    let name = pool.name.get_ref();
    let mut warn = |what: &str| warnings.push(format!("pool {name:?}: {what}"));
    let any = |has: fn(&schema::Target) -> bool| pool.targets.iter().any(has);
    let weighs_cost = pool
        .cost_weight
        .as_ref()
        .is_some_and(|it| *it.get_ref() > 0.0);
    let has_price = any(|target| target.price.is_some());
    if pool.policy != schema::Policy::Weighted && any(|target| target.weight.is_some()) {
        warn("weight counts under policy = \"weighted\" only");
    }
    if pool.policy != schema::Policy::Adaptive && weighs_cost {
        warn("cost_weight counts under policy = \"adaptive\" only");
    } else if weighs_cost && !has_price {
        warn("cost_weight is set, but no target has a price");
    }
}

const NO_GRADES: &str = "would do nothing: it is about grades of quality, and the \
                         checks of success_when are about form. An answer of the wrong form is \
                         asked for again wherever cascade is true";
const FROM_0_TO_1: &str = "expected a number from 0 to 1";
