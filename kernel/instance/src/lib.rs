//! What an instance has of its own, found where it runs: from a cloud's metadata service, or from a volume that was attached for it.
//!
//! - [`Service`] is a cloud's: Amazon's (`IMDSv2` only) or Google's, asked over HTTP on the link-local address.
//! - [`volume`] reads a `cidata` volume, FAT or ISO 9660, as the `NoCloud` data source of cloud-init has it.
//!
//! Nothing that comes from outside is believed further than it goes: lengths have limits, and what makes no sense is a [`Failure`], which reads as a
//! sentence. How bytes get here and what time it is, the kernel says by [`Transport`] and [`volume::Volume`]; on the host, tests do.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod failure;
mod http;
mod service;
mod transport;
pub mod volume;

pub use failure::Failure;
pub use http::Malformed;
pub use service::Service;
pub use transport::{Stream, Transport, Trouble};

use alloc::string::String;
use alloc::vec::Vec;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// The instance's configuration, as the host or the user wrote it.
    pub configuration: Option<Vec<u8>>,
    /// The instance's name, without its domain.
    pub hostname: Option<String>,
}

/// The most bytes of a configuration: what Google allows, which is more than others do.
pub const MOST_CONFIGURATION: usize = 256 << 10;

/// A host name in text from outside: the first label of a name that RFC 1123 allows.
fn host_name(text: &[u8]) -> Option<String> {
    let text = core::str::from_utf8(text).ok()?.trim();
    let label = text.split('.').next()?;
    let is_valid = (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-');
    is_valid.then(|| label.into())
}

#[cfg(test)]
mod tests {
    use super::host_name;

    #[test]
    fn a_host_name_is_the_first_label_of_a_valid_name() {
        assert_eq!(host_name(b"ip-10-0-0-1.ec2.internal\n").as_deref(), Some("ip-10-0-0-1"));
        assert_eq!(host_name(b"web").as_deref(), Some("web"));
        for bad in [
            &b""[..],
            b".internal",
            b"a b",
            b"-a",
            b"a-",
            b"<html>",
            b"\xff",
            &[b'a'; 64],
        ] {
            assert_eq!(host_name(bad), None, "{bad:?}");
        }
    }
}
