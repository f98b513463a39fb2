//! PROXY headers: random ones in random pieces for `laws_hold`, and single stories. Goal: the name of
//! each. Method, unless it says another: one session through a shard in memory, played by hand.

use std::time::Duration;

use proptest::prelude::*;
use ringbolt_core::close::Cause;
use ringbolt_core::kernel::Fd;
use ringbolt_core::session::Phase;
use ringbolt_core::snapshot::Snapshot;
use ringbolt_core::spec::{SendProxy, Splice};
use ringbolt_sim::ground::{HEADER, on_unix, snapshot, splicing, with_headers};
use ringbolt_sim::heading::{ends, heading};
use ringbolt_sim::kernel::{Answer, End};
use ringbolt_sim::world::{ALL, CAPACITY, World, cause, one_session, one_session_of, run};

/// What a client sends as its header: mostly one, of any length, with a client's address or without.
pub(crate) fn header() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (3u8.., 0u8..4).prop_map(|(length, client)| heading(length, client)),
        1 => Just(b"GET /".to_vec()),
        1 => Just(vec![b'P', 2, 1]),
    ]
}

/// Which clients must send a header, and what is sent to servers.
pub(crate) fn headers() -> impl Strategy<Value = (Vec<u8>, SendProxy)> {
    let sources = prop_oneof![
        2 => Just(vec![]),
        1 => prop::sample::subsequence(vec![0, 1, 2, 3], 1..=4),
    ];
    let form =
        prop_oneof![2 => Just(SendProxy::Off), 1 => Just(SendProxy::V1), 1 => Just(SendProxy::V2)];
    (sources, form)
}

const SOURCE: u8 = 1;

/// A configuration in which the client of `one_session` must send a header.
fn proxied() -> Snapshot {
    with_headers(&[SOURCE], SendProxy::Off, snapshot(u64::from(CAPACITY)))
}

/// The record's phase of the only session.
fn phase(world: &World<'_>) -> Option<Phase> {
    world.shard.sessions().next().and_then(|(_, session)| session.phase())
}

/// What ended the only session, which was reset and never had a server.
fn refused(world: &World<'_>, client: Fd, why: Cause) {
    assert_eq!(world.kernel.sockets[&client].closed, Some(End::Reset), "{why:?}");
    assert_eq!(cause(world, why), 1, "{why:?}");
    assert_eq!(world.kernel.sockets.len(), 1, "nothing was connected to");
}

#[test]
fn the_client_in_a_header_is_the_key() {
    let (direct, ..) = one_session(ALL);
    let direct_server = |last| {
        let (mut world, ..) = one_session(ALL);
        let client = world.kernel.client(ends(last).client, 1_000);
        run(&mut world);
        let mut sessions = world.shard.sessions();
        sessions.find(|(_, session)| session.socket(0) == client).unwrap().1.server.get()
    };
    for last in 1..20 {
        let (mut world, client, _) = one_session_of(proxied(), ALL);
        world.kernel.peer_sends(client, &heading(9, last), false);
        run(&mut world);
        let (_, session) = world.shard.sessions().next().unwrap();
        assert_eq!(session.server.get(), direct_server(last));
        assert_eq!(session.client_port.get(), ends(last).client.port());
        assert_eq!((session.header_read.get(), session.header_sent.get()), (9, 0));
    }
    let (mut world, client, _) = one_session_of(proxied(), ALL);
    world.kernel.peer_sends(client, &heading(3, 0), false);
    run(&mut world);
    let server = |world: &World<'_>| world.shard.sessions().next().unwrap().1.server.get();
    assert_eq!(
        server(&world),
        server(&direct),
        "a header of nobody leaves the connection's address"
    );
}

#[test]
fn the_client_in_a_header_is_the_one_whose_sessions_are_counted() {
    let mut snapshot = proxied();
    snapshot.listeners[0].max_per_source = Some(1);
    let (mut world, first, _) = one_session_of(snapshot, ALL);
    // All by one relay; nobody is counted before it is known who it is.
    let others = [(); 2].map(|()| world.kernel.client(([198, 51, 100, 1], 9).into(), 1_000));
    run(&mut world);
    for (client, last) in [first, others[0], others[1]].into_iter().zip([5, 5, 6]) {
        world.kernel.peer_sends(client, &heading(9, last), false);
        run(&mut world);
    }
    let closed = |fd: Fd| world.kernel.sockets[&fd].closed;
    assert_eq!([first, others[0], others[1]].map(closed), [None, Some(End::Reset), None]);
    assert_eq!(cause(&world, Cause::SourceLimit), 1);
}

#[test]
fn a_header_in_pieces_is_looked_at_once_a_piece() {
    let (mut world, client, _) = one_session_of(proxied(), ALL);
    for byte in &heading(50, 1)[..49] {
        world.kernel.peer_sends(client, &[*byte], false);
        run(&mut world);
        assert_eq!(phase(&world), Some(Phase::Heading));
        let next = world.shard.next_turn(world.now).expect("a time limit");
        assert!(next > world.now, "it waits and does not look again");
    }
    assert_eq!(world.kernel.sockets.len(), 1, "nothing is connected to");
    world.kernel.peer_sends(client, b"\x07and more", false);
    run(&mut world);
    let (_, session) = world.shard.sessions().next().unwrap();
    assert_eq!(world.kernel.sockets[&session.socket(1)].written, b"and more");
    assert_eq!(session.received[0].get(), 8, "a header is not of the stream");
}

#[test]
fn whoever_sends_no_header_is_reset_for_its_reason() {
    let (mut world, client, _) = one_session_of(proxied(), ALL);
    world.kernel.peer_sends(client, b"GET / HTTP/1.1\r\n", false);
    run(&mut world);
    refused(&world, client, Cause::BadProxyHeader);

    for resets in [false, true] {
        let (mut world, client, _) = one_session_of(proxied(), ALL);
        world.kernel.peer_sends(client, &heading(9, 1)[..8], false);
        if resets {
            world.kernel.peer_resets(client);
        } else {
            world.kernel.peer_ends(client);
        }
        run(&mut world);
        refused(&world, client, Cause::ProxyHeaderCut);
    }

    let (mut world, client, _) = one_session_of(proxied(), ALL);
    world.wait(HEADER - Duration::from_millis(2));
    world.kernel.peer_sends(client, b"P", false);
    run(&mut world);
    assert_eq!(phase(&world), Some(Phase::Heading), "a byte in time");
    world.wait(Duration::from_millis(4));
    run(&mut world);
    refused(&world, client, Cause::ProxyHeaderTimeout);

    let mut others = proxied();
    others.listeners[0].accept_proxy_only = true;
    let (mut world, ..) = one_session_of(others, ALL);
    let stranger = world.kernel.client(([198, 51, 100, 2], 9).into(), 1_000);
    run(&mut world);
    assert_eq!(world.kernel.sockets[&stranger].closed, Some(End::Reset));
    assert_eq!(cause(&world, Cause::NoProxy), 1);
}

#[test]
fn a_stop_ends_who_waits_for_a_header() {
    let (mut world, client, _) = one_session_of(proxied(), ALL);
    world.shard.stop(&mut world.kernel, world.now);
    run(&mut world);
    assert!(world.shard.is_over());
    refused(&world, client, Cause::Stopped);
}

#[test]
fn an_end_behind_a_header_is_passed_on() {
    let (mut world, client, _) = one_session_of(proxied(), ALL);
    world.kernel.peer_sends(client, &heading(9, 1), false);
    world.kernel.peer_ends(client);
    run(&mut world);
    let (_, session) = world.shard.sessions().next().expect("half of it lives");
    let server = &world.kernel.sockets[&session.socket(1)];
    assert!(server.shut && server.written.is_empty());
}

#[test]
fn a_reset_behind_a_header_is_not_waited_with() {
    let answers = [Answer::IsSilent; 3];
    let (mut world, client, _) = one_session_of(proxied(), answers);
    world.kernel.peer_sends(client, &heading(9, 1), false);
    world.kernel.peer_resets(client);
    run(&mut world);
    assert_eq!(cause(&world, Cause::ClientLeft), 1);
    assert!(world.kernel.sockets.values().all(|socket| socket.closed.is_some()));
}

#[test]
fn a_header_is_sent_to_the_server_that_is_reached() {
    for form in [SendProxy::V1, SendProxy::V2] {
        for unix in [&[][..], &[1, 2, 3]] {
            for policy in [Splice::Off, Splice::Always] {
                let first = one_session(ALL).0.shard.sessions().next().unwrap().1.server.get();
                let mut answers = ALL;
                answers[usize::from(first) - 1] = Answer::Refuses;
                let snapshot = on_unix(unix, snapshot(u64::from(CAPACITY)));
                let snapshot = with_headers(&[], form, splicing(policy, snapshot));
                let (mut world, client, server) = one_session_of(snapshot, answers);
                assert_eq!(world.shard.sessions().next().unwrap().1.attempts.get(), 2);
                world.kernel.peer_sends(client, b"hello", false);
                run(&mut world);
                let header = world.header_of(client).expect("one is due");
                let expected = [header.as_bytes(), b"hello"].concat();
                assert_eq!(world.kernel.sockets[&server].written, expected);
                assert_eq!(world.region.counted.worker.spills.read(), 0, "nobody was slow");
            }
        }
    }
}

#[test]
fn a_header_that_is_taken_in_pieces_stays_ahead_of_the_stream() {
    for form in [SendProxy::V1, SendProxy::V2] {
        for policy in [Splice::Off, Splice::Always] {
            let snapshot = snapshot(u64::from(CAPACITY));
            let snapshot = with_headers(&[SOURCE], form, splicing(policy, snapshot));
            let (mut world, client, _) = one_session_of(snapshot, ALL);
            world.kernel.server_window = Some(3);
            world.kernel.peer_sends(client, &[&heading(9, 1)[..], b"hello"].concat(), false);
            run(&mut world);
            let (_, session) = world.shard.sessions().next().unwrap();
            let server = session.socket(1);
            assert_eq!(world.kernel.sockets[&server].written.len(), 3);
            assert_eq!(session.received[0].get(), 0, "nothing is read while it waits");
            world.settle();
            let header = world.header_of(client).expect("one is due");
            let expected = [header.as_bytes(), b"hello"].concat();
            assert_eq!(world.kernel.sockets[&server].written, expected);
            assert_eq!(usize::from(session.header_sent.get()), header.as_bytes().len());
        }
    }
}
