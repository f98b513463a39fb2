use ringbolt_tests::{
    Client, Config, End, Peer, Ringbolt, Server, Signal, kill, need, stopped, until,
};

use crate::path::{DOWN, Path, UP};
use crate::splice::{fill, queues};

/// What one end of a session does, in this order, while the balancer does nothing.
#[derive(Clone, Copy, Debug)]
struct Act {
    bytes: usize,
    fin: bool,
    reset: bool,
}

impl Act {
    /// Every one, with no bytes, with few, and with more than one read takes.
    fn all() -> impl Iterator<Item = Self> {
        let ends = [(false, false), (true, false), (false, true), (true, true)];
        [0, 1_000, 30_000]
            .into_iter()
            .flat_map(move |bytes| ends.map(|(fin, reset)| Self { bytes, fin, reset }))
    }

    /// Does it, and gives back who is still there.
    fn play(self, mut peer: Peer) -> Option<Peer> {
        peer.send_pattern(UP, 0, self.bytes);
        if self.fin {
            peer.finish();
        }
        if self.reset {
            peer.reset();
            return None;
        }
        Some(peer)
    }

    /// What an end that has done `own` must see of this act at the other.
    fn examine(self, own: Self, peer: &mut Peer) {
        peer.receive_pattern(UP, 0, self.bytes);
        if self.fin {
            assert_eq!(peer.end(), End::Fin);
            // Both directions of this connection are closed when it has ended too.
            if self.reset && !own.fin {
                peer.reset_after_fin();
            }
        } else if self.reset {
            assert_eq!(peer.end(), End::Reset);
        }
    }
}

/// Goal: whatever both ends do at once, each sees what the other did: every byte that was received,
/// then an end for an end and a reset for a reset, found by a poll, a read or a write; and nothing
/// is left behind. Method: all pairs of bytes, FIN and reset, in both orders, 288 sessions, done
/// while the engine is stopped, so that it finds all of it at once.
#[test]
fn whatever_both_do_at_once() {
    need!(Binary);
    for path in Path::both_ways() {
        let acts = Act::all().flat_map(|client| Act::all().map(move |server| (client, server)));
        let cases = acts.flat_map(|(client, server)| {
            [true, false].map(|client_first| (client, server, client_first))
        });
        let sessions: Vec<_> = cases.map(|case| (case, proven(&path))).collect();
        let mut played = Vec::new();
        path.while_stopped(|| {
            played.extend(sessions.into_iter().map(|(case, (client, server))| {
                let (client_act, server_act, client_first) = case;
                if client_first {
                    let client = client_act.play(client);
                    (case, client, server_act.play(server))
                } else {
                    let server = server_act.play(server);
                    (case, client_act.play(client), server)
                }
            }));
        });
        for (case, mut client, mut server) in played {
            println!("{case:?}");
            let (client_act, server_act, _) = case;
            if let Some(client) = &mut client {
                server_act.examine(client_act, client);
            }
            if let Some(server) = &mut server {
                client_act.examine(server_act, server);
            }
            let (Some(client), Some(server)) = (client, server) else { continue };
            for (from, mut to, act) in
                [(&client, server.other(), client_act), (&server, client.other(), server_act)]
            {
                if !act.fin {
                    from.finish();
                    assert_eq!(to.end(), End::Fin);
                }
            }
        }
        path.ringbolt().wait_for_base();
    }
}

/// Goal: a reader that is behind when its sender resets gets all that the balancer's machine had
/// received, and then the reset. Method: the sender pushes until nothing moves any more; its kernel
/// tells how much had not been received; it resets; the reader takes small pieces, then large
/// ones, while another session talks. Both directions.
#[test]
fn a_reader_that_is_behind_gets_what_was_received() {
    need!(Binary);
    for path in Path::both_ways() {
        let (mut client, mut server) = path.session();
        for direction in 0..2 {
            let (mut sender, mut receiver) = path.narrow_direction(direction);
            let sent = fill(&path, 0, |sent| sender.send_some(&UP.bytes(sent, 64 * 1024)));
            let lost = queues(&sender).unsent as usize;
            assert!(lost > 0, "nothing was full");
            sender.reset();
            let mut read = 0;
            for piece in 0..300 {
                let length = 1 + piece * 37 % 999;
                receiver.receive_pattern(UP, read, length);
                read += length;
                client.exchange(&mut server);
            }
            receiver.receive_pattern(UP, read, sent - lost - read);
            assert_eq!(receiver.end(), End::Reset);
        }
    }
}

/// Goal: 200 kB and what ends them arrive, however late they are read, whether or not the reader has
/// ended itself. Method: the sender resets, or ends and resets, when its bytes were received; only
/// then the reader reads, out of a short queue. Both directions.
#[test]
fn a_late_reader_sees_all_of_it() {
    need!(Binary);
    const LENGTH: usize = 200_000;
    for path in Path::both_ways() {
        for case in 0..8 {
            let [up, ended, fin] = [1, 2, 4].map(|bit| case & bit != 0);
            println!("up {up}, the reader has ended {ended}, FIN before the reset {fin}");
            let (mut sender, mut receiver) = path.narrow_direction(u64::from(!up));
            if ended {
                receiver.finish();
                assert_eq!(sender.end(), End::Fin);
            }
            sender.send_pattern(UP, 0, LENGTH);
            sender.wait_until_sent();
            if fin {
                sender.finish();
            }
            sender.reset();
            receiver.receive_pattern(UP, 0, LENGTH);
            assert_eq!(receiver.end(), if fin { End::Fin } else { End::Reset });
            if fin && !ended {
                receiver.reset_after_fin();
            }
        }
        path.ringbolt().wait_for_base();
    }
}

/// Goal: a reset is passed on, after what came before it, while bytes flow the other way. Method:
/// one end sends without a pause; the other takes some, answers 200 kB, and resets when they were
/// received. Whichever of the writer and the reader asks first is told of the reset, once. Both
/// directions.
#[test]
fn a_reset_against_the_stream() {
    need!(Binary);
    const LENGTH: usize = 200_000;
    for path in Path::both_ways() {
        for (mut flowing, mut resetting) in path.each_direction() {
            std::thread::scope(|scope| {
                let mut writing = flowing.other();
                let writer = scope.spawn(move || writing.send_until_refused(UP));
                resetting.receive(4 << 20);
                resetting.send_pattern(DOWN, 0, LENGTH);
                resetting.wait_until_sent();
                resetting.reset();
                let (bytes, end) = flowing.receive_all();
                let refused = writer.join().expect("the writer ends");
                assert_eq!(bytes.len(), LENGTH);
                DOWN.check(0, &bytes);
                let told = refused == std::io::ErrorKind::ConnectionReset;
                assert!(told || end == End::Reset, "{end:?}, {refused:?}");
            });
        }
    }
}

/// Goal: a reset behind a full queue is noticed though nothing is read there, and waiting for a
/// reader that does not come ends with the fin timeout: by a reset, after a true beginning. Method:
/// the sender pushes what the balancer's kernel takes alone, or until nothing is taken, and
/// resets; the balancer's sockets go although the reader does nothing; then it reads. Both
/// directions.
#[test]
fn waiting_for_a_reader_has_an_end() {
    need!(Binary);
    let timeouts = |config: Config| config.timeouts("idle = \"off\"").timeouts("fin = \"1s\"");
    for path in Path::both_ways_with(timeouts) {
        let mut readers = Vec::new();
        for direction in 0..2 {
            let (mut sender, receiver) = path.narrow_direction(direction);
            sender.send_pattern(UP, 0, 200_000);
            sender.wait_until_sent();
            sender.reset();
            readers.push((receiver, 200_000));

            let (mut sender, receiver) = path.narrow_direction(direction);
            let sent = stuff(&mut sender);
            sender.reset();
            readers.push((receiver, sent));
        }
        path.ringbolt().wait_for_base();
        assert_eq!(path.ended("fin-timeout"), 4.0);
        readers.into_iter().for_each(|(receiver, sent)| beginning_then_reset(receiver, sent));
    }
}

/// Goal: the idle timeout resets both ends, whether nothing was ever said or a receiver stalls, and
/// only bytes put it off, not the probes of a peer's keepalive. Method: a session of each kind; both
/// ends, and the counted reason.
#[test]
fn idle_is_reset_at_both_ends() {
    need!(Binary);
    for path in Path::both_ways_with(|config| config.timeouts("idle = \"2s\"")) {
        let (mut client, mut server) = path.session();
        let (mut probing, mut probed) = path.session();
        probing.keepalive();
        probed.keepalive();
        let stalled = [0, 1].map(|direction| {
            let (mut sender, receiver) = path.narrow_direction(direction);
            let sent = stuff(&mut sender);
            (sender, receiver, sent)
        });
        for peer in [&mut client, &mut server, &mut probing, &mut probed] {
            assert_eq!(peer.end(), End::Reset);
        }
        for (mut sender, receiver, sent) in stalled {
            assert_eq!(sender.end(), End::Reset);
            beginning_then_reset(receiver, sent);
        }
        path.ringbolt().wait_for_base();
        assert_eq!(path.ended("idle-timeout"), 4.0);
    }
}

/// Goal: the fin timeout resets both ends of a half-closed session in which nothing moves, also one
/// whose receiver stalls. Method: each end ends first; then silence, or bytes until no more are
/// taken.
#[test]
fn half_closed_is_reset_at_both_ends() {
    need!(Binary);
    let timeouts = |config: Config| config.timeouts("idle = \"off\"").timeouts("fin = \"1s\"");
    for path in Path::both_ways_with(timeouts) {
        let cases = [(0, false), (1, false), (0, true), (1, true)];
        let sessions = cases.map(|(direction, stalls)| {
            let (mut sender, receiver) = path.narrow_direction(direction);
            receiver.finish();
            assert_eq!(sender.end(), End::Fin);
            let sent = if stalls { stuff(&mut sender) } else { 0 };
            (sender, receiver, sent)
        });
        for (sender, receiver, sent) in sessions {
            sender.reset_after_fin();
            beginning_then_reset(receiver, sent);
        }
        path.ringbolt().wait_for_base();
        assert_eq!(path.ended("fin-timeout"), 4.0);
    }
}

/// Goal: what a drain's deadline, a second USR1 or TERM leaves over is reset at both ends, whatever
/// state it is in, and the exit code is 0. Method: each of the three, with sessions that are silent,
/// half-closed each way, and stalled each way.
#[test]
fn the_end_of_a_drain_resets_both_ends() {
    need!(Binary);
    for (drain, signal) in
        [("1s", None), ("off", Some(Signal::SIGUSR1)), ("off", Some(Signal::SIGTERM))]
    {
        println!("drain = {drain:?}, then {signal:?}");
        let timeouts = |config: Config| {
            config.timeouts("idle = \"off\"").timeouts(&format!("drain = \"{drain}\""))
        };
        for mut path in Path::both_ways_with(timeouts) {
            let (mut client, mut server) = proven(&path);
            let half_closed = [0, 1].map(|direction| {
                let (ending, mut other) = path.narrow_direction(direction);
                ending.finish();
                assert_eq!(other.end(), End::Fin);
                (ending, other)
            });
            let stalled = [0, 1].map(|direction| {
                let (mut sender, receiver) = path.narrow_direction(direction);
                let sent = stuff(&mut sender);
                (sender, receiver, sent)
            });
            path.drain();
            if let Some(signal) = signal {
                client.exchange(&mut server); // nothing has ended so far
                path.ringbolt().signal(signal);
            }
            assert_eq!((client.end(), server.end()), (End::Reset, End::Reset));
            for (mut ending, other) in half_closed {
                assert_eq!(ending.end(), End::Reset);
                other.reset_after_fin();
            }
            for (mut sender, receiver, sent) in stalled {
                assert_eq!(sender.end(), End::Reset);
                beginning_then_reset(receiver, sent);
            }
            assert_eq!(path.exit_code(), 0);
        }
    }
}

/// Goal: when all servers refuse, a client is reset, also one whose bytes or end nobody has read.
/// Method: clients that wait in the listener's queue while the engine is stopped have said
/// nothing, something, or something and their end.
#[test]
fn refused_by_all_after_saying_something() {
    need!(Binary);
    for splice in ["off", "always"] {
        let closed: Vec<_> = (0..3).map(|_| Server::listen().close()).collect();
        let config = Config::new().pool(&format!("splice = \"{splice}\""));
        let config = config.servers(closed.iter().map(|port| port.address()));
        let ringbolt = Ringbolt::start(&config);
        let engine = ringbolt.engine();
        kill(engine, Signal::SIGSTOP);
        until("the engine is stopped", || stopped(engine).then_some(()));
        let mut clients: Vec<_> = (0..30)
            .map(|number| {
                let mut client = Client::default().connect(ringbolt.address());
                client.send_pattern(UP, 0, if number % 3 == 0 { 0 } else { 5_000 });
                if number % 3 == 2 {
                    client.finish();
                }
                client
            })
            .collect();
        kill(engine, Signal::SIGCONT);
        for client in &mut clients {
            assert_eq!(client.end(), End::Reset);
        }
        ringbolt.wait_for_base();
    }
}

/// Goal: a stream in the smallest segments that there are is like any other. Method: 300 kB each way
/// at once in segments of 88 bytes, and both ends.
#[test]
fn the_smallest_segments() {
    need!(Binary);
    const LENGTH: usize = 300_000;
    const SMALLEST: u32 = 88;
    for path in Path::both_ways() {
        path.server.segment(SMALLEST);
        let (client, server) = path.session_of(Client::default().segment(SMALLEST));
        assert!(client.largest_segment() <= SMALLEST && server.largest_segment() <= SMALLEST);
        std::thread::scope(|scope| {
            for (from, to) in [(&client, &server), (&server, &client)] {
                let [mut from, mut to] = [from, to].map(Peer::other);
                scope.spawn(move || {
                    from.send_pattern(UP, 0, LENGTH);
                    from.finish();
                });
                scope.spawn(move || {
                    to.receive_pattern(UP, 0, LENGTH);
                    assert_eq!(to.end(), End::Fin);
                });
            }
        });
    }
}

/// A session through which a byte has gone each way.
fn proven(path: &Path) -> (Peer, Peer) {
    let (mut client, mut server) = path.session();
    client.exchange(&mut server);
    (client, server)
}

/// Sends until nothing was taken for a few looks, and says how much it was.
fn stuff(sender: &mut Peer) -> usize {
    let (mut sent, mut refusals) = (0, 0);
    until("the connection takes no more", || {
        let before = sent;
        while let taken @ 1.. = sender.send_some(&UP.bytes(sent, 64 * 1024)) {
            sent += taken;
        }
        refusals = if sent > before { 0 } else { refusals + 1 };
        (refusals == 10).then_some(sent)
    })
}

/// What a reader finds that comes too late: a true beginning of what was sent, and a reset.
fn beginning_then_reset(mut receiver: Peer, sent: usize) {
    let (bytes, end) = receiver.receive_all();
    UP.check(0, &bytes);
    assert!(bytes.len() <= sent && (sent == 0 || !bytes.is_empty()), "{} of {sent}", bytes.len());
    assert_eq!(end, End::Reset);
}
