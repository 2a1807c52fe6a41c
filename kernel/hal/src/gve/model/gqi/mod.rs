//! Queues of the format GQI.

mod receive;
mod transmit;
