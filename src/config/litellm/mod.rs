//! A configuration of the LiteLLM proxy becomes one of the gateway.
//!
//! Its model groups become pools, their deployments targets, and their fallbacks further targets
//! behind them, in order. What has no counterpart is told, with its place, and no key is copied: see
//! [the guide](crate::guide::litellm).
//!
//! ```
//! use tower_outcome::config::{Config, litellm};
//!
//! let yaml = "
//! model_list:
//!   - model_name: chat
//!     litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY, rpm: 500}
//!   - model_name: small
//!     litellm_params: {model: groq/llama-3.3-70b-versatile, api_key: gsk-secret}
//! router_settings:
//!   fallbacks: [{chat: [small]}]
//! ";
//! let imported = litellm::import("config.yaml", yaml, |_| None)?;
//! for note in imported.notes() {
//!     println!("{note}");
//! }
//! assert!(!imported.toml().contains("gsk-secret"));
//! let config = Config::parse("gateway.toml", imported.toml(), |_| Some("key".to_owned()))?;
//! assert!(config.router().knows("chat"));
//! # Ok::<(), tower_outcome::config::ConfigError>(())
//! ```

mod address;
mod deployment;
mod importer;
mod keys;
mod known;
mod notes;
mod params;
mod pools;
mod provider;
mod result;
mod url;
mod write;
mod yaml;

use std::collections::HashMap;

pub use self::notes::{Note, NoteKind};
use self::{
    importer::Importer,
    known::note_all,
    params::Environment,
    pools::{Settings, pools},
    yaml::{Fault, Node, Place, load},
};
use super::{Config, ConfigError};

/// What a configuration of LiteLLM comes to.
#[derive(Clone, Debug)]
pub struct Imported {
    toml: String,
    notes: Vec<Note>,
}

impl Imported {
    /// Returns the configuration of the gateway. Its first lines are comments that hold the notes.
    #[must_use]
    pub fn toml(&self) -> &str {
        &self.toml
    }

    /// Returns what was not carried over as it was, the most pressing first.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }
}

/// Reads the text of LiteLLM's file, which `file` names in errors. `variable` looks up environment
/// variables that hold addresses, regions or names of models; those of keys are not read.
///
/// # Errors
///
/// If the text is no YAML, or no model of it can be served.
pub fn import(
    file: &str,
    source: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Imported, ConfigError> {
    let fault = |fault: Fault| {
        let Place { line, column } = fault.place;
        ConfigError::placed(file, (line, column), &fault.message)
    };
    let root = load(source).map_err(fault)?;
    let environment = Environment {
        written: variables(&root),
        variable: &variable,
    };
    let mut importer = Importer::new(&root, &environment);
    read(&mut importer, &root).map_err(fault)?;
    let notes = importer.notes.into_sorted();
    let toml = write::toml(file, &importer.gateway, &notes);
    // Whatever stands in the file: what comes out of it can be served, or says why not.
    Config::parse("its result", &toml, |_| Some("key".to_owned()))
        .map_err(|error| ConfigError::whole(file, format!("cannot be carried over: {error}")))?;
    Ok(Imported { toml, notes })
}

fn read<'a>(importer: &mut Importer<'a>, root: &'a Node) -> Result<(), Fault> {
    let Some(list) = root.get("model_list") else {
        let message = "there is no model_list; expected the configuration of a LiteLLM proxy";
        return Err(Fault::at(root.place, message));
    };
    if !list.is_list() {
        let message = format!("model_list: expected a list, found {}", list.what());
        return Err(Fault::at(list.place, message));
    }
    let router = root.get("router_settings");
    let litellm = root.get("litellm_settings");
    note_all(&mut importer.notes, root, "", known::TOP);
    for (section, path, known) in [
        (router, "router_settings.", known::ROUTER),
        (litellm, "litellm_settings.", known::LITELLM),
        (
            root.get("general_settings"),
            "general_settings.",
            known::GENERAL,
        ),
    ] {
        if let Some(section) = section {
            note_all(&mut importer.notes, section, path, known);
        }
    }
    if let Some(include) = root.get("include") {
        let text = "include: other files are not read; import those that have models, and join the results";
        importer.notes.todo(include.place, text);
    }
    importer.note_variables(root);
    importer.read_timeouts(router, litellm);
    pools(importer, list, &Settings { router, litellm });
    if importer.gateway.pools.is_empty() {
        let message = if importer.gateway.default_upstream.is_some() {
            "model_list has wildcards alone, and a gateway routes between models that it knows; name those \
             that callers use"
        } else {
            "model_list has no model that can be served here"
        };
        return Err(Fault::at(list.place, message));
    }
    Ok(())
}

/// Returns what the file says that variables are set to. Secrets among it are never resolved: no
/// value of a key is asked for.
fn variables(root: &Node) -> HashMap<&str, &str> {
    let section = root.get("environment_variables");
    let entries = section.map_or(&[][..], Node::entries);
    let texts = entries
        .iter()
        .filter_map(|(key, value)| Some((key.text.as_str(), value.text()?)));
    texts.collect()
}

#[cfg(test)]
mod tests;
