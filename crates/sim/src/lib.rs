//! The shard on a simulated kernel: what it promises, whatever its peers, its machine and those who
//! run it do, in whatever order it hears of it, and whenever its engine dies.
//!
//! Time is a number and every choice comes from a seed, so that a game that breaks a law can be played
//! again. Not here: the real kernel; the end-to-end tests play the same scripts there.

#![forbid(unsafe_code)]

pub mod game;
pub mod ground;
pub mod heading;
pub mod kernel;
pub mod laws;
pub mod plant;
pub mod player;
pub mod stage;
pub mod world;
