//! What becomes of each setting that is not carried over.

mod deployment;
mod settings;

pub(super) use self::{
    deployment::{DEFAULTS, DEPLOYMENT, INFO, PARAMS},
    settings::{GENERAL, LITELLM, ROUTER},
};
use super::{
    notes::{NoteKind, Notes, shown_key},
    yaml::Node,
};

type Said = (&'static [&'static str], NoteKind, &'static str);

/// Of a map: which settings are read elsewhere, and what is said of others.
pub(super) struct Known {
    /// Those that are carried over, or say nothing of how requests are served.
    pub(super) read: &'static [&'static str],
    pub(super) said: &'static [Said],
}

/// Notes what a map says that is not carried over.
pub(super) fn note_all(notes: &mut Notes, map: &Node, path: &str, known: &Known) {
    for (key, value) in map.entries() {
        let name = key.text.as_str();
        // Where people put what they refer to by aliases.
        let is_private = path.is_empty() && name.starts_with(['x', '.', '_']) && value.is_map();
        if value.is_null() || known.read.contains(&name) || is_private {
            continue;
        }
        let said = known.said.iter().find(|(names, ..)| names.contains(&name));
        let (kind, text) = match said {
            Some((_, kind, text)) => (*kind, *text),
            None => (NoteKind::Lost, "no counterpart"),
        };
        notes.setting(kind, key.place, format!("{path}{}", shown_key(key)), text);
    }
}

pub(super) const TOP: &Known = &Known {
    read: &[
        "model_list",
        "router_settings",
        "litellm_settings",
        "general_settings",
        "environment_variables",
        "credential_list",
        "include",
    ],
    said: &[
        (
            &["guardrails", "policies", "policy_attachments", "prompts"],
            NoteKind::Lost,
            "requests and answers are not changed, checked or filtered here",
        ),
        (
            &[
                "mcp_servers",
                "mcp_tools",
                "mcp_aliases",
                "agent_list",
                "vector_store_registry",
                "search_tools",
                "assistant_settings",
            ],
            NoteKind::Lost,
            "only requests for models are served here",
        ),
        (
            &["files_settings", "finetune_settings", "batch_settings"],
            NoteKind::Lost,
            "files, batches and fine-tuning go untouched to the default_upstream, where one is set",
        ),
        (
            &["callback_settings"],
            NoteKind::Lost,
            "there are no callbacks; see the metrics and OTLP",
        ),
    ],
};
