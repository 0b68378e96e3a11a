//! Guides: how to stack the layers, who repeats what, what the classes mean, which providers are
//! understood, which target can take a request, how the router decides and learns, how several learn
//! together, and how to come from LiteLLM.

#[doc = include_str!("failure_classes.md")]
pub mod failure_classes {}

#[doc = include_str!("fit.md")]
pub mod fit {}

#[doc = include_str!("fleet.md")]
pub mod fleet {}

#[doc = include_str!("layer_order.md")]
pub mod layer_order {}

#[doc = include_str!("learning.md")]
pub mod learning {}

#[cfg(feature = "gateway")]
#[doc = include_str!("litellm.md")]
pub mod litellm {}

#[doc = include_str!("providers.md")]
pub mod providers {}

#[doc = include_str!("retries.md")]
pub mod retries {}
