//! Shows why stickiness by address breaks when the address changes, how often, and what helps.

#![forbid(unsafe_code)]

mod results;

fn main() {}
