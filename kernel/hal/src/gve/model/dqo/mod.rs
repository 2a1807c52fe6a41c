//! Queues of the format DQO.

mod completions;
mod descriptors;
mod receive;
mod transmit;
