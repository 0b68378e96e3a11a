//! Finding and replacing values in JSON without parsing it.
