//! Stories of places: servers on UNIX sockets, and sources to connect from. Goal: the name of each.
//! Method: one session through a shard in memory, played by hand; only the server at place 1 is there
//! unless it says otherwise.

use ringbolt_core::close::Cause;
use ringbolt_core::kernel::Fd;
use ringbolt_core::session::Phase;
use ringbolt_core::snapshot::Snapshot;
use ringbolt_sim::ground::{on_unix, snapshot, with_sources};
use ringbolt_sim::kernel::{Answer, End};
use ringbolt_sim::world::{ALL, CAPACITY, LOOK, World, cause, one_session_of, run};

/// Every server on a UNIX socket.
fn unix() -> Snapshot {
    on_unix(&[1, 2, 3], snapshot(u64::from(CAPACITY)))
}

/// A world whose only server is connected to from so many sources; its first session is over.
fn sourced(count: u8) -> World<'static> {
    let mut snapshot = with_sources(count, snapshot(u64::from(CAPACITY)));
    snapshot.pools[0].servers.truncate(1);
    let (mut world, client, _) = one_session_of(snapshot, ALL);
    world.kernel.peer_resets(client);
    run(&mut world);
    world
}

/// One more session; its client's socket and where the server's is bound.
fn next(world: &mut World<'_>) -> (Fd, Option<[u8; 4]>) {
    let client = world.kernel.client(([198, 51, 100, 7], 9).into(), 1_000);
    run(world);
    let session = world.shard.sessions().find(|(_, session)| session.socket(0) == client);
    let from = session.and_then(|(_, session)| world.kernel.sockets[&session.socket(1)].from);
    let octets = from.map(|addr| match addr {
        std::net::IpAddr::V4(addr) => addr.octets(),
        std::net::IpAddr::V6(_) => panic!("{addr}"),
    });
    (client, octets)
}

fn live_from(world: &World<'_>) -> Vec<u64> {
    world.region.gauges.sources[1..4].iter().map(|gauge| gauge.sessions()).collect()
}

#[test]
fn a_full_queue_or_no_listener_is_passed_over_at_once() {
    for answer in [Answer::IsSilent, Answer::Refuses] {
        let first = {
            let (world, ..) = one_session_of(unix(), ALL);
            world.shard.sessions().next().unwrap().1.server.get()
        };
        let mut answers = ALL;
        answers[usize::from(first) - 1] = answer;
        let (world, ..) = one_session_of(unix(), answers);
        let (_, session) = world.shard.sessions().next().expect("it lives");
        assert_eq!(session.phase(), Some(Phase::Relaying), "{answer:?}");
        assert_ne!(session.server.get(), first);
        assert!(session.is_unix());
        let errors = world.region.counted.servers[usize::from(first)].connect_errors.read();
        assert_eq!(errors, 1);
    }
}

#[test]
fn the_next_choice_may_be_of_another_kind() {
    let (world, ..) = one_session_of(unix(), ALL);
    let first = world.shard.sessions().next().unwrap().1.server.get();
    let mut answers = ALL;
    answers[usize::from(first) - 1] = Answer::Refuses;
    let (world, ..) = one_session_of(on_unix(&[first], snapshot(u64::from(CAPACITY))), answers);
    let (_, session) = world.shard.sessions().next().expect("it lives");
    assert!(!session.is_unix(), "what is written down is of the server that was reached");
}

#[test]
fn a_reset_client_leaves_its_bytes_with_a_server_that_reads_late() {
    let (mut world, client, server) = one_session_of(unix(), ALL);
    world.kernel.peer_sends(client, &[7; 900], false);
    world.kernel.peer_resets(client);
    run(&mut world);
    let socket = &world.kernel.sockets[&server];
    assert_eq!((socket.closed, socket.written.len()), (Some(End::Fin), 900), "nobody waits");
    assert_eq!(cause(&world, Cause::ClientReset), 1);
}

#[test]
fn a_close_with_something_unread_is_a_reset() {
    let (mut world, client, server) = one_session_of(unix(), ALL);
    world.kernel.peer_resets(client);
    world.kernel.peer_sends(server, b"too late", false); // and is never read
    run(&mut world);
    assert_eq!(world.kernel.sockets[&server].closed, Some(End::Reset));
}

#[test]
fn a_short_read_of_a_unix_socket_proves_nothing() {
    let (mut world, client, server) = one_session_of(unix(), ALL);
    world.kernel.peer_sends(server, b"a piece", false);
    world.kernel.peer_sends(server, b" and another", true);
    assert!(world.kernel.completion(0).is_some(), "the kernel tells of both at once");
    run(&mut world);
    assert_eq!(world.kernel.sockets[&client].written, b"a piece", "believed to be all");
    world.wait(LOOK);
    run(&mut world);
    assert_eq!(world.kernel.sockets[&client].written, b"a piece and another");
}

#[test]
fn sources_take_turns() {
    let mut world = sourced(3);
    let from: Vec<_> = (0..3).map(|_| next(&mut world)).collect();
    let last = |(_, from): &(Fd, Option<[u8; 4]>)| from.unwrap()[3];
    assert_eq!(from.iter().map(last).collect::<Vec<_>>(), [2, 3, 1]);
    assert_eq!(live_from(&world), [1, 1, 1]);
    for (client, _) in from {
        world.kernel.peer_resets(client);
    }
    world.settle();
    assert_eq!(live_from(&world), [0, 0, 0]);
}

#[test]
fn a_source_without_ports_or_gone_is_passed_over_at_the_same_server() {
    let mut world = sourced(3);
    world.kernel.exhausted.insert([10, 0, 0, 1].into());
    world.kernel.unknown.insert([10, 0, 0, 2].into());
    for _ in 0..3 {
        let (client, from) = next(&mut world);
        assert_eq!(from, Some([10, 0, 0, 3]));
        assert_eq!(live_from(&world), [0, 0, 1]);
        world.kernel.peer_resets(client);
        run(&mut world);
    }
    let server = &world.region.counted.servers[1];
    assert_eq!(server.connect_errors.read(), 0, "the server is not to blame");
    assert_eq!(world.region.counted.worker.retries.read(), 0, "and it was one attempt each");
}

#[test]
fn without_any_source_the_next_server_is_tried() {
    for all_unknown in [false, true] {
        let snapshot = with_sources(2, snapshot(u64::from(CAPACITY)));
        let mut world = {
            // Whoever has the server at place 1 as its first choice.
            let mut only = snapshot.clone();
            only.pools[0].servers.truncate(1);
            one_session_of(only, ALL).0
        };
        world.renew(snapshot, &[(ringbolt_sim::kernel::LISTENER, 0)]);
        let sources = [1, 2].map(|last| std::net::IpAddr::from([10, 0, 0, last]));
        if all_unknown {
            world.kernel.unknown.extend(sources);
        } else {
            world.kernel.exhausted.extend(sources);
        }
        for last in 0..40 {
            let client = world.kernel.client(([198, 51, 100, last], 9).into(), 1_000);
            run(&mut world);
            let found = world.shard.sessions().find(|(_, session)| session.socket(0) == client);
            assert_ne!(found.expect("it lives").1.server.get(), 1);
            world.kernel.peer_resets(client);
            run(&mut world);
        }
        assert!(
            world.region.counted.worker.retries.read() > 0,
            "some had it as their first choice"
        );
    }
}
