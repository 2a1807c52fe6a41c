//! Parameters of commands.

use alloc::vec::Vec;

/// Integers of commands, all big endian.
#[derive(Default)]
pub(in crate::gve::model::tests) struct Fields(pub(in crate::gve::model::tests) Vec<u8>);

impl Fields {
    pub(in crate::gve::model::tests) fn half(mut self, value: u16) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(in crate::gve::model::tests) fn word(mut self, value: u32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(in crate::gve::model::tests) fn long(mut self, value: u64) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    /// As it is, with other bytes at a place.
    pub(in crate::gve::model::tests) fn with(&self, at: usize, bytes: &[u8]) -> Self {
        let mut other = self.0.clone();
        other[at..at + bytes.len()].copy_from_slice(bytes);
        Self(other)
    }
}
