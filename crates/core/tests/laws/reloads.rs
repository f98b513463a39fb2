//! Stories of reloads: the configuration changes under a shard that serves. Goal: the name of each.
//! Method: one session through a shard in memory, played by hand.

use std::sync::Arc;

use ringbolt_core::close::Cause;
use ringbolt_core::roster::Fresh;
use ringbolt_core::session::Phase;
use ringbolt_sim::kernel::{Answer, End, LISTENER};
use ringbolt_sim::world::{ALL, cause, one_session, run};

#[test]
fn a_live_session_is_not_touched() {
    let (mut world, client, server) = one_session(ALL);
    let place = world.shard.sessions().next().unwrap().1.server.get();
    world.reload(7 & !(1 << (place - 1))); // its own server is gone
    for fd in [client, server] {
        world.kernel.peer_sends(fd, b"still here", false);
    }
    run(&mut world);
    assert_eq!(world.kernel.sockets[&server].written, b"still here");
    assert_eq!(world.kernel.sockets[&client].written, b"still here");
    assert_eq!(world.region.gauges.servers[usize::from(place)].sessions(), 1);
    for fd in [client, server] {
        world.kernel.peer_ends(fd);
    }
    world.settle();
    assert_eq!(world.kernel.sockets[&client].closed, Some(End::Fin));
    assert_eq!(world.region.gauges.servers[usize::from(place)].sessions(), 0);
}

#[test]
fn a_session_whose_server_is_taken_away_while_it_connects_meets_another() {
    let (mut world, _, _) = one_session([Answer::IsSilent; 3]);
    let place = world.shard.sessions().next().unwrap().1.server.get();
    for port in 1..4 {
        world.kernel.answers.insert(([192, 0, 2, 1], port).into(), Answer::Accepts);
    }
    world.reload(7 & !(1 << (place - 1)));
    world.kernel.connects_time_out();
    run(&mut world);
    let (_, session) = world.shard.sessions().next().expect("it lives");
    assert_eq!(session.phase(), Some(Phase::Relaying));
    assert_ne!(session.server.get(), place);
    assert_eq!(world.region.gauges.servers[usize::from(place)].sessions(), 0);
}

#[test]
fn a_new_session_meets_a_server_of_the_new_configuration() {
    let (mut world, _, _) = one_session(ALL);
    for servers in [0b001, 0b010, 0b100] {
        world.reload(servers);
        let client = world.kernel.client(([198, 51, 100, 7], 9).into(), 1_000);
        run(&mut world);
        let found = world.shard.sessions().find(|(_, session)| session.socket(0) == client);
        assert_eq!(1 << (found.unwrap().1.server.get() - 1), servers);
        world.kernel.peer_resets(client);
        run(&mut world);
    }
}

#[test]
fn a_listener_that_goes_serves_what_waits_and_closes() {
    let (mut world, client, _) = one_session(ALL);
    let late = world.kernel.client(([198, 51, 100, 2], 9).into(), 1_000);
    let snapshot = world.snapshot.clone();
    world.renew(snapshot, &[]);
    run(&mut world);
    assert!(world.kernel.sockets[&late].relayed, "what waited is served");
    assert!(world.kernel.listener_closed);
    world.kernel.peer_sends(client, b"on and on", false);
    run(&mut world);
    assert_eq!(world.kernel.sockets[&client].closed, None);
    assert!(!world.shard.is_over(), "it is a reload and no drain");
}

#[test]
fn a_drain_goes_on_under_another_configuration() {
    let (mut world, _, _) = one_session(ALL);
    world.shard.drain(&mut world.kernel, world.now);
    run(&mut world);
    world.reload(7); // names the listening socket, which is closed by now
    run(&mut world);
    let late = world.kernel.client(([198, 51, 100, 2], 9).into(), 1_000);
    run(&mut world);
    assert!(!world.kernel.sockets[&late].relayed);
}

#[test]
fn a_place_with_a_new_owner_counts_from_zero() {
    let (mut world, client, _) = one_session(ALL);
    world.kernel.peer_resets(client);
    run(&mut world);
    assert_eq!(cause(&world, Cause::ClientReset), 1);
    let counted = world.region.counted;
    let sum = || counted.servers.iter().map(|it| it.sessions.read()).sum::<u64>();
    assert_eq!((sum(), counted.listeners[0].sessions.read()), (1, 1));
    let fresh = Fresh { listeners: vec![0], pools: vec![], servers: vec![1, 2, 3] };
    let snapshot = Arc::new(world.snapshot.clone());
    world.shard.renew(&mut world.kernel, snapshot, &[(LISTENER, 0)], &fresh, world.now);
    assert_eq!((sum(), counted.listeners[0].sessions.read()), (0, 0));
}
