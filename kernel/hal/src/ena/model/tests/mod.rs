//! The model, driven by hand-written accesses: what is right goes through, and each check fails once.

mod admin;
mod bench;
mod events;
mod llq;
mod offload;
mod phc;
mod receive;
mod registers;
mod submission;
mod transmit;
