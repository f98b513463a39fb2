//! What Ringbolt decides, and nothing it does: no I/O, no clock, no random source, no unsafe code.
//!
//! Time and everything from outside enters as an argument; effects leave through the
//! [`kernel::Kernel`] trait, which the engine implements with a ring and tests in memory.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod adopt;
mod back_off;
pub mod census;
pub mod change;
pub mod close;
mod direction;
mod fingerprint;
pub mod gauge;
pub mod header;
pub mod health;
pub mod kernel;
pub mod key;
pub mod keys;
pub mod limits;
mod listener;
pub mod mapping;
pub mod pipes;
pub mod plan;
pub mod proxy_header;
pub mod record;
pub mod region;
pub mod roster;
pub mod session;
pub mod shard;
pub mod shortage;
mod slab;
pub mod snapshot;
pub mod spec;
pub mod stats;
pub mod time;
mod timers;
pub mod token;
