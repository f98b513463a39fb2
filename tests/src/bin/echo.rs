//! An echo server in a process of its own, for tests that need more descriptors than one process
//! may have. Says where it listens on standard output, and ends when its standard input does.

#![forbid(unsafe_code)]

use std::io::Read;

use ringbolt_tests::Echo;

fn main() {
    let echo = Echo::start();
    println!("{}", echo.address());
    let mut nothing = Vec::new();
    // Whatever ends it, nobody needs the server any more.
    let _ = std::io::stdin().read_to_end(&mut nothing);
}
