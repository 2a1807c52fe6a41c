//! The model, driven by hand-written accesses: what is right goes through, and each check fails once.

mod admin;
mod bench;
mod description;
mod dqo_receive;
mod dqo_transmit;
mod gqi_receive;
mod gqi_transmit;
mod interrupts;
mod queues;
mod registers;
mod resources;
