//! Memory that drivers share with their devices.

mod buffer;
#[cfg(test)]
pub(crate) mod reach;
mod shared;

pub(crate) use buffer::Buffer;
pub(crate) use shared::Shared;
