use std::collections::BTreeSet;

use ringbolt_tests::{Call, Client, Echo, End, Peer, Server, Signal, Traced, ignores, need};

use crate::path::{Path, UP, configuration};

/// Round trips of each session.
const ROUNDS: usize = 100;
/// Waits that a worker may have for its own sake, while it is looked at.
const FEW: usize = 10;

/// The product with one worker under strace, before a server that the test plays.
fn start(splice: &str) -> (Server, Traced) {
    let server = Server::listen();
    let traced = Traced::start(configuration(splice, &server));
    (server, traced)
}

fn session(server: &Server, traced: &Traced) -> (Peer, Peer) {
    let mut client = Client::default().connect(traced.ringbolt.address());
    let mut serving = server.accept();
    client.exchange(&mut serving);
    (client, serving)
}

/// Carries bulk from one peer to the other.
fn carry(from: &Peer, to: &mut Peer, length: usize) {
    let mut from = from.other();
    std::thread::scope(|scope| {
        scope.spawn(move || from.send_pattern(UP, 0, length));
        to.receive_pattern(UP, 0, length);
    });
}

fn of<'c>(calls: &'c [Call], name: &str) -> impl Iterator<Item = &'c Call> {
    calls.iter().filter(move |call| call.name == name)
}

/// Checks that no other calls were made than these.
fn only(calls: &[Call], allowed: &[&str]) {
    let others: BTreeSet<_> =
        calls.iter().map(|call| &call.name).filter(|name| !allowed.contains(&&name[..])).collect();
    assert!(others.is_empty(), "{others:?}");
}

/// Bytes that these calls moved.
fn bytes<'c>(calls: impl Iterator<Item = &'c Call>) -> u64 {
    calls.filter_map(Call::value).sum()
}

/// Goal: to be connected, served and closed takes no call that could wait, beside the one of the
/// ring: accept, connect, poll, timers and close go through it. Method: all calls of the worker
/// while 100 sessions come and go, one after the other.
#[test]
fn sessions_come_and_go_through_the_ring() {
    need!(Binary, Descriptors, Strace);
    let echo = Echo::start();
    let config = ringbolt_tests::Config::new().servers([echo.address()]);
    let traced = Traced::start(config);
    // A server that is reached for the first time gets its histogram, which takes memory.
    Client::default().connect(traced.ringbolt.address()).round_trip(b"x");
    traced.ringbolt.wait_for_base();
    let calls = traced.calls_during(|| {
        for _ in 0..100 {
            Client::default().connect(traced.ringbolt.address()).round_trip(b"x");
        }
        traced.ringbolt.wait_for_base();
    });
    let at_once = ["getpeername", "socket", "setsockopt", "getsockopt", "shutdown", "ioctl"];
    only(&calls, &[&at_once[..], &["io_uring_enter", "recvfrom", "sendto"]].concat());
    assert_eq!(of(&calls, "socket").count(), 100);
    // Accepted, connected, a message, its answer, the two ends and the closes; some at once.
    let waits = of(&calls, "io_uring_enter").count();
    assert!(waits <= 100 * 7 + FEW, "{waits} waits");
}

/// Goal: a small message costs one wait, one receive and one send, and a pause in the talk one
/// receive more. Method: all calls of the worker for 100 round trips of each of 4 sessions, one
/// after the other.
#[test]
fn a_message_is_received_and_sent_once() {
    need!(Binary, Strace);
    let (server, traced) = start("auto");
    let mut sessions: Vec<_> = (0..4).map(|_| session(&server, &traced)).collect();
    let messages = 2 * ROUNDS * sessions.len();
    let calls = traced.calls_during(|| {
        for _ in 0..ROUNDS {
            sessions.iter_mut().for_each(|(client, server)| client.exchange(server));
        }
    });
    only(&calls, &["io_uring_enter", "recvfrom", "sendto"]);
    assert_eq!(of(&calls, "sendto").count(), messages);
    assert_eq!(of(&calls, "recvfrom").filter_map(Call::value).count(), messages);
    assert!(of(&calls, "recvfrom").count() <= messages + messages / 10);
    let waits = of(&calls, "io_uring_enter").count();
    assert!((messages..=messages + messages / 10).contains(&waits), "{waits} waits");
}

/// Goal: bulk is waited for and spliced, and nothing else: at most 1 MiB at a time, and never held
/// back for more to come (SPLICE_F_MORE). Method: all calls of the worker for 32 MiB in each
/// direction. What arrives just between a splice that found nothing and the receive that makes sure
/// is copied; it is little.
#[test]
fn bulk_is_spliced() {
    need!(Binary, Strace);
    const LENGTH: u64 = 32 << 20;
    let (server, traced) = start("always");
    let (mut client, mut serving) = session(&server, &traced);
    for up in [true, false] {
        let (from, to) = if up { (&client, &mut serving) } else { (&serving, &mut client) };
        let calls = traced.calls_during(|| carry(from, to, LENGTH as usize));
        only(&calls, &["io_uring_enter", "splice", "recvfrom", "sendto"]);
        let copied = bytes(of(&calls, "recvfrom"));
        assert_eq!(copied, bytes(of(&calls, "sendto")));
        assert!(copied < LENGTH / 20, "{copied} bytes copied");
        assert_eq!(bytes(of(&calls, "splice")), 2 * (LENGTH - copied), "in and out");
        for call in of(&calls, "splice") {
            // From, its offset, to, its offset, length, flags.
            let arguments: Vec<_> = call.arguments.split(", ").collect();
            let [_, _, _, _, length, flags] = arguments[..] else { panic!("{call:?}") };
            assert!(length.parse::<u64>().expect("a length") <= 1 << 20, "{call:?}");
            assert!(flags.contains("SPLICE_F_NONBLOCK"), "{call:?}");
            assert!(!flags.contains("SPLICE_F_MORE"), "{call:?}");
        }
    }
}

/// Goal: by itself a session copies messages, splices bulk, and copies messages again, each
/// direction for itself. Method: the worker's calls for messages, for 32 MiB, for messages, and for
/// bulk again.
#[test]
fn auto_goes_over_to_splice_and_comes_back() {
    need!(Binary, Strace);
    const LENGTH: u64 = 32 << 20;
    let (server, traced) = start("auto");
    let (mut client, mut serving) = session(&server, &traced);
    let talk = |client: &mut Peer, serving: &mut Peer| {
        (0..ROUNDS).for_each(|_| client.exchange(serving));
    };
    let calls = traced.calls_during(|| talk(&mut client, &mut serving));
    only(&calls, &["io_uring_enter", "recvfrom", "sendto"]);
    for up in [true, false] {
        let (from, to) = if up { (&client, &mut serving) } else { (&serving, &mut client) };
        let calls = traced.calls_during(|| carry(from, to, LENGTH as usize));
        let copied = bytes(of(&calls, "recvfrom"));
        assert!(copied < LENGTH / 4, "{copied} bytes copied");

        let calls = traced.calls_during(|| talk(&mut client, &mut serving));
        let last = calls.iter().rposition(|call| call.name == "splice").map_or(0, |at| at + 1);
        let spliced = of(&calls[..last], "splice").filter_map(Call::value).count() / 2;
        assert!(spliced < 20, "{spliced} messages were spliced");
        assert!(of(&calls[last..], "sendto").count() > 2 * (ROUNDS - 20), "messages are copied");
    }
}

/// Goal: to write to a peer that is gone ends the session, never the engine. Method: SIGPIPE is
/// ignored, as `/proc` says; and 20 servers reset amid bulk to them.
#[test]
fn a_write_to_nobody_ends_no_engine() {
    need!(Binary);
    for path in Path::both_ways() {
        let engine = path.ringbolt().engine();
        assert!(ignores(engine, Signal::SIGPIPE));
        for _ in 0..20 {
            let (mut client, server) = path.session();
            while client.send_some(&[0; 64 * 1024]) > 0 {}
            server.reset();
            assert_eq!(client.end(), End::Reset);
        }
        assert_eq!(path.ringbolt().engine(), engine);
    }
}
