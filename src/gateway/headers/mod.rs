//! What the gateway and its callers tell each other in headers, and what it takes off them.

mod hop;
mod names;
mod take;
mod tell;

pub(super) use self::{
    hop::{enter, leave, takes_trailers},
    names::Names,
};
pub use self::{
    names::{Headers, Hint},
    take::Trust,
};
