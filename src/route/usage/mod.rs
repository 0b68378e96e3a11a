//! What a stream used, asked for without the caller noticing: the request gets an option, and the
//! event that answers it is taken out of the stream again.

mod ask;
mod filter;

pub(super) use self::{
    ask::{ask, refuses_to_tell},
    filter::UsageFilter,
};
