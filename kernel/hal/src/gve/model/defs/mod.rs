//! The vendor's public definitions, as far as the model uses them. Names are theirs without the prefix `GVE_` and what the modules add; the
//! driver has its own copy of the facts, so that a mistake in one is seen by the other.

pub(super) mod admin;
pub(super) mod dqo;
pub(super) mod gqi;
pub(super) mod registers;
