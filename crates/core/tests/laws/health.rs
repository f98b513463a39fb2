//! Stories of health: servers go down and up under a shard that serves. Goal: the name of each.
//! Method: clients of many addresses through a shard in memory, played by hand.

use ringbolt_core::close::Cause;
use ringbolt_core::kernel::{Fd, NO_FD};
use ringbolt_core::session::Phase;
use ringbolt_core::snapshot::Snapshot;
use ringbolt_sim::ground::snapshot;
use ringbolt_sim::kernel::{Answer, End};
use ringbolt_sim::world::{ALL, CAPACITY, World, cause, one_session, one_session_of, run};

const CLIENTS: u8 = 40;

/// Takes the servers down whose bit is set, and all others up.
fn take_down(world: &World<'_>, servers: u8) {
    for place in 1..=3_u8 {
        world.set_down(place, servers & 1 << (place - 1) != 0);
    }
}

/// From now on a server answers so.
fn answers(world: &mut World<'_>, place: u16, answer: Answer) {
    world.kernel.answers.insert(([192, 0, 2, 1], place).into(), answer);
}

/// A client comes; the place of the server that it meets, and its socket.
fn connect(world: &mut World<'_>, last: u8) -> (Option<u16>, Fd) {
    let client = world.kernel.client(([198, 51, 100, last], 9).into(), 1_000);
    run(world);
    let found = world.shard.sessions().find(|(_, session)| session.socket(0) == client);
    let relays = found.filter(|(_, session)| session.phase() == Some(Phase::Relaying));
    (relays.map(|(_, session)| session.server.get()), client)
}

/// The server of each of many clients; none of them stays.
fn owners(world: &mut World<'_>) -> Vec<Option<u16>> {
    let visit = |last| {
        let (owner, client) = connect(world, last);
        if owner.is_some() {
            world.kernel.peer_resets(client);
            run(world);
        }
        owner
    };
    (0..CLIENTS).map(visit).collect()
}

#[test]
fn a_server_that_goes_down_loses_its_own_clients_and_gets_them_back() {
    let (mut world, ..) = one_session(ALL);
    let before = owners(&mut world);
    for place in 1..=3 {
        take_down(&world, 1 << (place - 1));
        for (was, is) in before.iter().zip(owners(&mut world)) {
            let owned = *was == Some(place);
            assert!(if owned { is != *was && is.is_some() } else { is == *was }, "{was:?} {is:?}");
        }
    }
    take_down(&world, 0);
    assert_eq!(owners(&mut world), before);
}

#[test]
fn a_live_session_is_not_touched() {
    let (mut world, client, server) = one_session(ALL);
    take_down(&world, 0b111);
    for fd in [client, server] {
        world.kernel.peer_sends(fd, b"still here", false);
    }
    run(&mut world);
    assert_eq!(world.kernel.sockets[&server].written, b"still here");
    assert_eq!(world.kernel.sockets[&client].written, b"still here");
}

#[test]
fn with_all_down_a_client_is_reset_at_once() {
    let (mut world, ..) = one_session(ALL);
    take_down(&world, 0b111);
    let connects = world.region.counted.worker.connects.read();
    let (owner, client) = connect(&mut world, 7);
    assert_eq!((owner, world.kernel.sockets[&client].closed), (None, Some(End::Reset)));
    assert_eq!(cause(&world, Cause::NoServer), 1);
    assert_eq!(world.region.counted.worker.connects.read(), connects, "nobody was asked");
}

#[test]
fn fail_open_treats_all_as_up_once_all_are_down() {
    let mut open: Snapshot = snapshot(u64::from(CAPACITY));
    open.pools[0].fail_open = true;
    open.pools[0].servers[0].weight = 0;
    let (mut world, ..) = one_session_of(open, ALL);
    let before = owners(&mut world);
    take_down(&world, 0b011);
    assert!(owners(&mut world).iter().all(|owner| *owner == Some(3)), "one is up");
    take_down(&world, 0b110);
    assert_eq!(owners(&mut world), before, "who is up takes nobody: weights count");
}

#[test]
fn the_next_choice_passes_over_servers_that_are_down() {
    for (refuses, down) in [(1, 2), (2, 3), (3, 1), (1, 3), (2, 1), (3, 2)] {
        let (mut world, ..) = one_session(ALL);
        let before = owners(&mut world);
        answers(&mut world, refuses, Answer::Refuses);
        take_down(&world, 1 << (down - 1));
        let left = 6 - refuses - down;
        for (was, is) in before.iter().zip(owners(&mut world)) {
            assert_eq!(is, Some(left), "{was:?} was its owner");
        }
    }
}

#[test]
fn a_server_that_goes_down_amid_a_connect_has_a_next_choice() {
    let (mut world, client, server) = one_session([Answer::IsSilent; 3]);
    assert_ne!(server, NO_FD);
    let (_, session) = world.shard.sessions().next().unwrap();
    let place = session.server.get();
    for other in (1..=3).filter(|other| *other != place) {
        answers(&mut world, other, Answer::Accepts);
    }
    take_down(&world, 1 << (place - 1));
    world.kernel.connects_time_out();
    run(&mut world);
    assert_eq!(session.phase(), Some(Phase::Relaying));
    assert_ne!(session.server.get(), place);
    assert_eq!(world.kernel.sockets[&client].closed, None);
}
