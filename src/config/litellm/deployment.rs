//! One entry of `model_list`.

use super::{
    address::address,
    importer::Importer,
    keys::{Written, written},
    known,
    notes::{Notes, shown_key, shown_name},
    params::Params,
    provider::{self, Kind, Provider},
    result::{Address, Price, Target, Upstream},
    write,
    yaml::{Node, Place},
};

/// What an entry is called and comes to.
pub(super) struct Deployment {
    pub(super) group: String,
    pub(super) target: Target,
}

/// What callers of `model_name` would pass on as it is.
const BLANK: &str = "*";

/// Reads an entry. What it cannot come to is noted.
pub(super) fn deployment<'a>(importer: &mut Importer<'a>, entry: &'a Node) -> Option<Deployment> {
    let notes = &mut importer.notes;
    if !entry.is_map() {
        notes.unreadable(
            entry,
            "model_list",
            "maps with model_name and litellm_params",
        );
        return None;
    }
    let Some(group) = entry.get("model_name").and_then(Node::text) else {
        notes.lost(entry.place, "a deployment without model_name");
        return None;
    };
    let Some(own) = entry.get("litellm_params").filter(|it| it.is_map()) else {
        notes.lost(entry.place, "a deployment without litellm_params");
        return None;
    };
    if !is_name(group) {
        notes.lost(
            entry.place,
            "a deployment whose model_name cannot be the name of a pool",
        );
        return None;
    }
    let group = group.to_owned();
    known::note_all(notes, entry, "", known::DEPLOYMENT);
    known::note_all(notes, own, "litellm_params.", known::PARAMS);
    let info = entry.get("model_info").filter(|it| it.is_map());
    if let Some(info) = info {
        known::note_all(notes, info, "model_info.", known::INFO);
    }
    let params = importer.params(own);
    let found = target_of(importer, &params, entry, info);
    match found {
        Ok(target) => Some(Deployment { group, target }),
        Err(why) => {
            let text = format!("a deployment of {}: {why}; left out", shown_name(&group));
            importer.notes.lost(entry.place, text);
            None
        }
    }
}

fn target_of(
    importer: &mut Importer<'_>,
    params: &Params<'_>,
    entry: &Node,
    info: Option<&Node>,
) -> Result<Target, String> {
    let own = params.own;
    let place = own.place;
    let written = params.get("model").and_then(Node::text);
    let written = written.ok_or("litellm_params has no model")?;
    let written = params
        .resolve(written)
        .ok_or("the variable that holds its model is not set here")?;
    let (provider, model) = provider_of(importer, params, &written, place)?;
    let (to, model) = address(provider, model, params, &mut importer.notes)?;
    if !is_name(&model) {
        return Err("its model is no name: expected 1 to 256 bytes".to_owned());
    }
    let format = to.format;
    let upstream = upstream(importer, provider, to, params);
    if provider.name == "anthropic" {
        importer.notes.todo(
            place,
            "Anthropic: its endpoint in the OpenAI format is used, as callers speak that; for callers \
             of /v1/messages add an upstream with base_url = \"https://api.anthropic.com\", and a target \
             of it",
        );
    }
    let mut reader = Reader {
        notes: &mut importer.notes,
        own,
        info,
    };
    // They may stand beside litellm_params, too.
    let requests_per_minute = reader.limit(entry, "rpm");
    let tokens_per_minute = reader.limit(entry, "tpm");
    let price = reader.price();
    let context_window = reader.count("max_input_tokens");
    // The older name of LiteLLM for the same.
    let max_output_tokens = reader
        .count("max_output_tokens")
        .or(reader.count("max_tokens"));
    let vision = reader.truth("supports_vision");
    let tools = reader.truth("supports_function_calling");
    let json_mode = reader.truth("supports_response_schema");
    let order = reader.number("order", f64::MIN);
    let weight = reader.number("weight", 0.0);
    Ok(Target {
        place,
        model,
        upstream,
        name: None,
        id: info
            .and_then(|it| it.get("id"))
            .and_then(Node::text)
            .map(str::to_owned),
        format,
        order,
        weight,
        requests_per_minute,
        tokens_per_minute,
        price,
        context_window,
        max_output_tokens,
        vision,
        tools,
        json_mode,
        drop: dropped(importer, own),
        defaults: defaults(own),
    })
}

/// Whether callers can ask for something by this name.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 256 && !text.chars().any(char::is_control)
}

/// Parts a model and its provider, as LiteLLM writes and guesses them.
fn provider_of<'m>(
    importer: &mut Importer<'_>,
    params: &Params<'_>,
    written: &'m str,
    place: Place,
) -> Result<(&'static Provider, &'m str), String> {
    let said = params.get("custom_llm_provider").and_then(Node::text);
    if let Some(said) = said {
        let Some(provider) = provider::named(said) else {
            return Err(format!("the provider {} is not known", shown_name(said)));
        };
        let start = format!("{said}/");
        return Ok((provider, written.strip_prefix(&start).unwrap_or(written)));
    }
    if let Some((first, rest)) = written.split_once('/') {
        if first == "openrouter" && !rest.contains('/') && rest != BLANK {
            // Models of its own have its name before theirs.
            return provider::named(first)
                .map(|it| (it, written))
                .ok_or_else(|| unknown(first));
        }
        if let Some(provider) = provider::named(first) {
            return Ok((provider, rest));
        }
        if params.get("api_base").is_none() {
            return Err(unknown(first));
        }
    }
    if let Some(provider) = provider::of_model(written).and_then(provider::named) {
        return Ok((provider, written));
    }
    if params.get("api_base").is_none() {
        return Err("no provider stands before its model, and its name tells none".to_owned());
    }
    let text = "no known provider stands before the model: what answers at its api_base is taken to \
                speak the OpenAI format";
    importer.notes.todo(place, text);
    provider::named("openai")
        .map(|it| (it, written))
        .ok_or_else(|| unknown("openai"))
}

fn unknown(provider: &str) -> String {
    format!("the provider {} is not known", shown_name(provider))
}

/// Finds or adds the upstream, and returns its index.
fn upstream(
    importer: &mut Importer<'_>,
    provider: &'static Provider,
    to: Address,
    params: &Params<'_>,
) -> usize {
    let api_key_env = key(importer, provider, &to, params);
    let attempt = params.get("timeout");
    let idle = params.get("stream_timeout");
    let found = Upstream {
        name: String::new(),
        api_key_env,
        attempt_timeout_ms: importer.timeout(attempt, "litellm_params.timeout"),
        idle_timeout_ms: importer.idle(idle, "litellm_params.stream_timeout"),
        to,
    };
    importer.upstream(provider.name, found)
}

fn key(
    importer: &mut Importer<'_>,
    provider: &Provider,
    to: &Address,
    params: &Params<'_>,
) -> Option<String> {
    let own = matches!(provider.kind, Kind::Own);
    // A server of somebody's own gets none that is meant for a provider.
    let at_home = provider.base.is_none_or(|base| base == to.base_url);
    let Some(node) = params.get("api_key") else {
        let like = provider.key.filter(|_| !own)?;
        if at_home {
            return Some(like.to_owned());
        }
        let text = format!(
            "api_base without api_key: LiteLLM sends what {like} holds to any address; here nothing is \
             sent unless api_key_env is given"
        );
        importer.notes.todo(params.place(), text);
        return None;
    };
    let text = node.text()?;
    match written(text) {
        Written::Variable(name) => Some(name.to_owned()),
        Written::Nothing => None,
        Written::Literal(key) => {
            let like = provider.key.filter(|_| at_home);
            let fallback = format!("{}_API_KEY", provider.name.to_ascii_uppercase());
            let like = like.unwrap_or(&fallback);
            let name = importer.keys.name(key, like);
            importer.notes.todo(
                node.place,
                format!(
                    "api_key: a key stands in the file, and was not copied: put it into the variable \
                     {name}"
                ),
            );
            Some(name)
        }
    }
}

/// Reads values of a deployment, and notes those that are not of their kind.
struct Reader<'a> {
    notes: &'a mut Notes,
    own: &'a Node,
    info: Option<&'a Node>,
}

impl Reader<'_> {
    fn number(&mut self, name: &str, least: f64) -> Option<f64> {
        let node = self.own.get(name)?;
        let number = node.number().filter(|it| (least..1e12).contains(it));
        if number.is_none() {
            self.notes
                .unreadable(node, &format!("litellm_params.{name}"), "a number");
        }
        number
    }

    fn limit(&mut self, entry: &Node, name: &str) -> Option<u64> {
        let node = self.own.get(name).or_else(|| entry.get(name))?;
        let limit = node.count();
        if limit.is_none() {
            self.notes.unreadable(node, name, "a number from 1");
        }
        limit
    }

    fn count(&mut self, name: &str) -> Option<u64> {
        let node = self.info?.get(name)?;
        let count = node.count();
        if count.is_none() {
            self.notes
                .unreadable(node, &format!("model_info.{name}"), "a number from 1");
        }
        count
    }

    fn truth(&mut self, name: &str) -> Option<bool> {
        let node = self.info?.get(name)?;
        let truth = node.truth();
        if truth.is_none() {
            self.notes
                .unreadable(node, &format!("model_info.{name}"), "true or false");
        }
        truth
    }

    fn price(&mut self) -> Option<Price> {
        let input = self.per_million("input_cost_per_token");
        let output = self.per_million("output_cost_per_token");
        if input.is_none() && output.is_none() {
            return None;
        }
        Some(Price {
            input: input.unwrap_or(0.0),
            output: output.unwrap_or(0.0),
            cached: self.per_million("cache_read_input_token_cost"),
            written: self.per_million("cache_creation_input_token_cost"),
        })
    }

    fn per_million(&mut self, name: &str) -> Option<f64> {
        let of_info = || self.info.and_then(|it| it.get(name));
        let node = self.own.get(name).or_else(of_info)?;
        let per_token = node.number().filter(|it| (0.0..1e3).contains(it));
        if per_token.is_none() {
            self.notes.unreadable(node, name, "dollars for a token");
        }
        Some(per_token? * 1e6)
    }
}

/// Returns the parameters that are left out of every request.
fn dropped(importer: &mut Importer<'_>, own: &Node) -> Vec<String> {
    let Some(list) = own.get("additional_drop_params") else {
        return Vec::new();
    };
    let mut names: Vec<String> = Vec::new();
    for item in list.items() {
        let name = item.text().unwrap_or_default();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_name) {
            let text = "additional_drop_params: only parameters at the top of a body are dropped";
            importer.notes.lost(item.place, text);
        } else if matches!(name, "model" | "messages" | "stream") {
            let text = "additional_drop_params: a parameter that routing depends on";
            importer.notes.lost(item.place, text);
        } else if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// Returns what LiteLLM adds where callers give none, and can be shown: numbers and truth values.
fn defaults(own: &Node) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (key, value) in own.entries() {
        if !known::DEFAULTS.contains(&key.text.as_str()) {
            continue;
        }
        let shown = match (value.truth(), value.number()) {
            (Some(truth), _) => truth.to_string(),
            (None, Some(number)) if number.fract() == 0.0 && number.abs() < 1e15 => {
                format!("{number:.0}")
            }
            (None, Some(number)) => write::float(number),
            (None, None) => continue,
        };
        found.push((shown_key(key).to_owned(), shown));
    }
    found
}
