//! What idle connections cost: alone in its process, so that nobody else's memory counts.
#![cfg(target_os = "linux")]
#![allow(unreachable_pub, reason = "nothing is reachable in a test binary")]

mod support;

use std::sync::Arc;

use net::{Configuration, Stack};

use support::{AF_INET, Blocking, RealEnvironment, STREAM, inet};

const COUNT: usize = 4000;

#[test]
fn an_idle_connection_takes_less_than_two_kibibytes() {
    // Both ends live in this process, with their sockets: four objects for each connection.
    let stack = Stack::new(Arc::new(RealEnvironment::default()), None, Configuration::default());
    let server = Blocking::listen(&stack, 80);
    let mut open = Vec::new();
    let before = resident();
    for _ in 0..COUNT {
        let client = Blocking::new(&stack, AF_INET, STREAM);
        client.connect(inet([127, 0, 0, 1], 80)).expect("it listens");
        open.push((client, server.accept().expect("it waits")));
    }
    assert_eq!(stack.connections(), 2 * COUNT);
    assert_eq!(stack.buffer_memory_used(), 0);
    let each = (resident() - before) / (2 * COUNT);
    println!("{each} bytes for each end of an idle connection");
    assert!(each < 2048, "{each} bytes for each end");
}

/// Bytes of memory that this process holds.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let pages: usize = statm
        .split_whitespace()
        .nth(1)
        .and_then(|field| field.parse().ok())
        .expect("a number");
    pages * 4096
}
