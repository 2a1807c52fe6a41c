//! As much of HTTP/1.1 (RFC 9112) as asking a service for a text takes: one request a connection, no redirects, no cookies, no cache.

mod client;
mod parser;

#[cfg(test)]
mod tests;

pub(crate) use client::{Request, exchange};
pub use parser::Malformed;
pub(crate) use parser::Response;
