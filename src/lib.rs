//! Tower middleware that routes LLM requests to the model most likely to succeed right now.

pub mod classify;
pub mod dialect;
