//! The Elastic Network Adapter, as AWS's machines have it.

#[cfg(test)]
mod model;
