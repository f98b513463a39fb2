use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ringbolt_tests::{Client, Config, Echo, End, Pattern, Peer, Ringbolt, Signal, need, until};

use crate::path::Path;
use crate::{session, start};

/// What decides how sessions end.
const CHOICES: Pattern = Pattern { seed: 0x5707 };

/// How one end of a session leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    /// Sends its FIN, then reads what comes.
    First,
    /// Reads what comes, then sends its FIN.
    Last,
    /// Resets.
    Reset,
    /// Sends its FIN and resets at once.
    FinThenReset,
}

/// What one end has seen of the other: how many bytes, and what ended them; nothing when it did not
/// look.
type Seen = Option<(usize, End)>;

impl Leave {
    fn by(number: u8) -> Self {
        [Self::First, Self::Last, Self::Reset, Self::FinThenReset][usize::from(number % 4)]
    }

    /// Waits for so many turns of a loop that does nothing, says something, and leaves.
    fn play(self, mut peer: Peer, delay: usize, bytes: usize) -> Seen {
        (0..delay * 40).for_each(|_| std::hint::spin_loop());
        let broken = peer.try_send(&vec![7; bytes]).err();
        if matches!(self, Self::First | Self::FinThenReset) {
            peer.try_finish();
        }
        if matches!(self, Self::Reset | Self::FinThenReset) {
            peer.reset();
            return None;
        }
        let (received, end) = peer.receive_all();
        Some((received.len(), broken.unwrap_or(end)))
    }

    /// Whether it ends by a reset.
    fn resets(self) -> bool {
        match self {
            Self::First | Self::Last => false,
            Self::Reset | Self::FinThenReset => true,
        }
    }
}

/// Goal: however the ends of many sessions meet, nobody is told of an end that was none, a session
/// that nobody resets is complete, and nothing stays behind: descriptors, places, gauges. Method:
/// 2,400 sessions for each way to move bytes, on 4 threads; both ends leave at once, each in one of
/// four manners, with bytes and after a pause that a seed chooses.
#[test]
fn ends_that_meet() {
    need!(Binary);
    const SESSIONS: usize = 2_400;
    for path in Path::both_ways() {
        let (next, connecting) = (AtomicUsize::new(0), Mutex::new(()));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        if number >= SESSIONS {
                            return;
                        }
                        // Whom the server accepts is then the one who connected.
                        let one_at_a_time = connecting.lock().expect("nobody panics meanwhile");
                        let ends = path.session();
                        drop(one_at_a_time);
                        meet(ends, number);
                    }
                });
            }
        });
        path.wait_for_no_session();
    }
}

/// Lets both ends of a session leave at once, and judges what each has seen.
fn meet((client, server): (Peer, Peer), number: usize) {
    let choice: Vec<usize> = CHOICES.bytes(8 * number, 8).into_iter().map(usize::from).collect();
    let client_leaves = Leave::by(choice[0] as u8);
    let mut server_leaves = Leave::by(choice[1] as u8);
    if [client_leaves, server_leaves] == [Leave::Last; 2] {
        server_leaves = Leave::First; // somebody has to be
    }
    let (up, down) = (choice[2] * 100, choice[3] * 100);
    let (client_waits, server_waits) = (choice[4], choice[5]);
    let (at_client, at_server) = std::thread::scope(|scope| {
        let server = scope.spawn(move || server_leaves.play(server, server_waits, down));
        let at_client = client_leaves.play(client, client_waits, up);
        (at_client, server.join().expect("the server plays"))
    });
    let what = format!("{client_leaves:?} saw {at_client:?}; {server_leaves:?} saw {at_server:?}");
    for (seen, other, bytes) in [(at_client, server_leaves, down), (at_server, client_leaves, up)] {
        let Some((received, end)) = seen else { continue };
        assert!(other != Leave::Reset || end == End::Reset, "an end that was none: {what}");
        assert!(received <= bytes && (end == End::Reset || received == bytes), "{what}");
    }
    if !client_leaves.resets() && !server_leaves.resets() {
        assert_eq!((at_client, at_server), (Some((down, End::Fin)), Some((up, End::Fin))));
    }
}

/// Goal: a client that leaves while its server is being connected to leaves nothing behind, at
/// whatever moment, and a connect that succeeds too late is undone by a reset. Method: 1,500 clients,
/// one after the other, say their number and reset, or end, at once; the server must get every
/// number that was ended, and no end of the others.
#[test]
fn clients_that_leave_while_connecting() {
    need!(Binary);
    for path in Path::both_ways() {
        for number in 0..1_500_usize {
            let mut client = Client::default().connect(path.ringbolt().address());
            let delay = CHOICES.bytes(number, 1)[0];
            client.send(&number.to_le_bytes());
            (0..usize::from(delay) * 20).for_each(|_| std::hint::spin_loop());
            if number % 4 != 0 {
                client.reset();
                continue;
            }
            drop(client);
            until("the number", || {
                let (bytes, end) = path.server.accept().receive_all();
                if end == End::Fin {
                    assert_eq!(bytes, number.to_le_bytes());
                    return Some(());
                }
                assert_ne!(bytes, number.to_le_bytes(), "it was not reset");
                None
            });
        }
        path.wait_for_no_session();
        while !path.server.nobody() {
            let (_, end) = path.server.accept().receive_all();
            assert_eq!(end, End::Reset);
        }
    }
}

/// Goal: resets and ends amid a drain are as at any time, and the drain ends with the last session.
/// Method: 200 sessions, which end as above while the drain begins; the exit code is 0.
#[test]
fn ends_amid_a_drain() {
    need!(Binary);
    for mut path in Path::both_ways() {
        let sessions: Vec<_> = (0..200).map(|_| path.session()).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| path.ringbolt().signal(Signal::SIGUSR1));
            for (number, ends) in sessions.into_iter().enumerate() {
                meet(ends, number);
            }
        });
        assert_eq!(path.exit_code(), 0);
    }
}

/// Signals in a row.
const STORM: usize = 1_000;

/// Goal: a storm of HUP and USR2 harms no session and no process, whatever it interrupts. Method: a
/// thousand of each while a session talks and others come and go.
#[test]
fn a_storm_of_reloads() {
    need!(Binary);
    let echo = Echo::start();
    let ringbolt = Ringbolt::start(&Config::new().servers([echo.address()]));
    let engine = ringbolt.engine();
    let mut live = Client::default().connect(ringbolt.address());
    let raining = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..2 * STORM {
                let signals = [Signal::SIGHUP, Signal::SIGUSR2];
                ringbolt.signal(signals[number % 2]);
                raining.store(number + 1, Ordering::SeqCst);
                // The next falls into what this one has begun.
                (0..2_000).for_each(|_| std::hint::spin_loop());
            }
        });
        while raining.load(Ordering::SeqCst) < 2 * STORM {
            live.round_trip(b"still");
            Client::default().connect(ringbolt.address()).round_trip(b"new");
        }
    });
    live.round_trip(b"after");
    ringbolt.line_with("reload: ");
    drop(live);
    ringbolt.wait_for_base();
    assert_eq!(ringbolt.engine(), engine);
}

/// Goal: a storm of USR1 is a drain and its end; one of TERM, also amid reloads, is a stop: sessions
/// are reset at both ends, and the exit code is 0. Method: a thousand of each, between HUPs.
#[test]
fn storms_that_end_it() {
    need!(Binary);
    for (signal, reloads) in
        [(Signal::SIGUSR1, false), (Signal::SIGTERM, false), (Signal::SIGTERM, true)]
    {
        let (server, mut ringbolt) = start(|config| config);
        let (mut client, mut serving) = session(&server, &ringbolt);
        for _ in 0..STORM {
            if reloads {
                ringbolt.signal(Signal::SIGHUP);
            }
            ringbolt.signal(signal);
        }
        if signal == Signal::SIGUSR1 {
            // A thousand that were taken as one are one.
            until("the end of the drain", || {
                ringbolt.signal(signal);
                (!client.silent()).then_some(())
            });
        }
        assert_eq!((client.end(), serving.end()), (End::Reset, End::Reset));
        assert_eq!(ringbolt.exit_code(), 0);
    }
}
