//! Network cards of Google's machines: gVNIC.

#[cfg(test)]
mod model;
