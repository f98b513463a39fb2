//! `ringbolt-sim`: plays games, those of known seeds or as many as there is time for, and names the seed
//! of the first that breaks a law.

#![forbid(unsafe_code)]

use std::hash::{BuildHasher, RandomState};
use std::panic;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use ringbolt_sim::game::{self, Played};
use ringbolt_sim::plant::Plant;

#[derive(Debug, Parser)]
#[command(about = "Plays the shard on a simulated kernel until a law breaks")]
struct Arguments {
    /// The first game; left out, a fresh one.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How many games; left out, one if a seed was given.
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    games: Option<u64>,
    /// Plays for so long.
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Makes a mistake that must be noticed.
    #[arg(long, value_name = "MISTAKE", value_parser = Plant::named)]
    plant: Option<Plant>,
}

/// How long it plays when nothing is said.
const SECONDS: u64 = 10;

/// The game that is being played, for who panics.
static SEED: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if cfg!(panic = "abort") {
        eprintln!(
            "an engine's death is an unwinding here, and this build aborts: leave out --release"
        );
        return ExitCode::from(2);
    }
    let plant = arguments.plant;
    let told = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        told(info);
        again(plant);
    }));
    let first = arguments.seed.unwrap_or_else(|| RandomState::new().hash_one(0) >> 24);
    let unbounded = arguments.seed.is_none() && arguments.games.is_none();
    let seconds =
        if unbounded { Some(arguments.seconds.unwrap_or(SECONDS)) } else { arguments.seconds };
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let games = match end {
        Some(_) => u64::MAX,
        None => arguments.games.unwrap_or(1),
    };
    println!("seeds from {first}");
    let mut played = Played::default();
    while played.games < games && end.is_none_or(|end| Instant::now() < end) {
        let seed = first.wrapping_add(played.games);
        SEED.store(seed, Ordering::Relaxed);
        match game::play(seed, plant) {
            Ok(one) => played.add(one),
            Err(law) => {
                eprintln!("seed {seed}: {law}");
                again(plant);
                return ExitCode::FAILURE;
            }
        }
    }
    let Played { games, sessions, deaths, adopted } = played;
    println!(
        "{games} games, {sessions} sessions, {deaths} engines died, {adopted} sessions went on: all laws hold"
    );
    ExitCode::SUCCESS
}

/// Says how to play the game again.
fn again(plant: Option<Plant>) {
    let seed = SEED.load(Ordering::Relaxed);
    let plant = plant.map(|plant| format!(" --plant {}", plant.name())).unwrap_or_default();
    eprintln!("again: cargo run -p ringbolt-sim -- --seed {seed}{plant}");
}
