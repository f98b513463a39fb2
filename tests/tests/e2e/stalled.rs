use ringbolt_tests::{End, Pattern, Peer, Ringbolt, memory, need, say, until_asleep};

use crate::path::Path;

/// Readers that stall at the same time.
const READERS: u64 = 8;
/// What is sent to each.
const LENGTH: usize = 64 << 20;
/// What a session may hold in memory of ours: a spill block each way.
const BOUND: u64 = 2 * 16 * 1024;
/// What a process's memory changes by for other reasons.
const NOISE: u64 = 256 * 1024;

/// Goal: a reader that stalls makes nobody else wait and holds bounded memory, however much is to come;
/// when it reads on, every byte comes. Method: 64 MiB for each of 8 readers that do not read, both
/// directions, all by one worker, until nobody can send more; the memory of both processes before and
/// then; 200 round trips of another client; then all is read. Copied and spliced.
#[test]
fn readers_that_stall() {
    need!(Binary);
    for splice in ["off", "always"] {
        let path = Path::of_one_worker(splice);
        let pairs: Vec<(Peer, Peer)> = (0..READERS).map(|n| path.narrow_direction(n)).collect();
        let (mut other, mut serving) = path.session();
        other.exchange(&mut serving);
        until_asleep(path.ringbolt().engine());
        let before = used(path.ringbolt());
        std::thread::scope(|scope| {
            let mut readers = Vec::new();
            for (number, (mut sender, receiver)) in (0..).zip(pairs) {
                scope.spawn(move || {
                    sender.send_pattern(Pattern { seed: number }, 0, LENGTH);
                    sender.finish();
                    assert_eq!(sender.end(), End::Fin);
                });
                readers.push((number, receiver));
            }
            until_asleep(path.ringbolt().engine());
            let held = used(path.ringbolt()).saturating_sub(before);
            say(&format!("{READERS} stalled readers, splice = {splice:?}: {} KB", held / 1024));
            assert!(held <= READERS * BOUND + NOISE, "{held} bytes");
            (0..200).for_each(|_| other.exchange(&mut serving));
            for (number, mut receiver) in readers {
                scope.spawn(move || {
                    receiver.receive_pattern(Pattern { seed: number }, 0, LENGTH);
                    assert_eq!(receiver.end(), End::Fin);
                    receiver.finish();
                });
            }
        });
        drop((other, serving));
        path.ringbolt().wait_for_base();
    }
}

/// Bytes of both processes, without the pages of files: those they share with every other balancer that
/// runs here, and have a larger part of when one ends.
fn used(ringbolt: &Ringbolt) -> u64 {
    let memory = memory(ringbolt.pid()) + memory(ringbolt.engine());
    memory.anonymous + memory.shared
}
