//! The model, driven by hand-written accesses: what is right goes through, and each check fails once.

mod admin;
mod bench;
mod description;
mod dqo;
mod gqi;
mod interrupts;
mod queues;
mod registers;
mod resources;
