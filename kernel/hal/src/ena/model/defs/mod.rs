//! The vendor's public definitions, as far as the model uses them. Names are theirs without the prefixes `ENA_REGS_`, `ENA_ADMIN_` and
//! `ENA_ETH_IO_`; the driver has its own copy of the facts, so that a mistake in one is seen by the other.

pub(super) mod admin;
pub(super) mod eth_io;
pub(super) mod regs;
