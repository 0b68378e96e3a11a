//! Guides: how to stack the layers, who repeats what, and what the classes mean.

#[doc = include_str!("failure_classes.md")]
pub mod failure_classes {}

#[doc = include_str!("layer_order.md")]
pub mod layer_order {}

#[doc = include_str!("retries.md")]
pub mod retries {}
