//! Stories of what the machine runs out of. Goal: the name of each. Method: sessions through a shard in
//! memory, played by hand, while descriptors or ports are missing.

use std::time::Duration;

use ringbolt_core::close::Cause;
use ringbolt_core::kernel::Fd;
use ringbolt_core::shortage::Shortage;
use ringbolt_sim::ground::{snapshot, with_sources};
use ringbolt_sim::kernel::End;
use ringbolt_sim::world::{ALL, CAPACITY, World, cause, one_session, one_session_of, run, workers};

fn client(world: &mut World<'_>, last: u8) -> Fd {
    let client = world.kernel.client(([198, 51, 100, last], 9).into(), 1_000);
    run(world);
    client
}

fn short(world: &World<'_>, of: Shortage) -> u64 {
    world.region.counted.worker.shortages[of as usize].read()
}

/// A world in which clients have been accepted, many at a time, and no descriptor is left for their
/// servers' side.
fn starved(clients: u8) -> (World<'static>, Vec<Fd>) {
    let mut world = workers(1, CAPACITY, &snapshot(1 << 20), ALL).remove(0);
    world.kernel.open_fails = true;
    let client = |last| world.kernel.client(([198, 51, 100, last], 9).into(), 1_000);
    let clients: Vec<Fd> = (0..clients).map(client).collect();
    run(&mut world);
    assert_eq!(world.region.header.total.sessions(), clients.len() as u64);
    (world, clients)
}

fn relayed(world: &World<'_>, client: Fd) -> bool {
    world.kernel.sockets[&client].relayed
}

#[test]
fn a_session_waits_for_its_socket_and_goes_on() {
    let (mut world, clients) = starved(1);
    let next = world.shard.next_turn(world.now).expect("it tries again");
    assert!(next > world.now, "no spin");
    assert!(next.since(world.now) <= Duration::from_millis(80));
    assert!(short(&world, Shortage::Descriptors) > 0);
    world.kernel.open_fails = false;
    world.wait(Duration::from_millis(100));
    run(&mut world);
    assert!(relayed(&world, clients[0]));
    world.wait(Duration::from_secs(2));
    assert!(world.kernel.sockets[&clients[0]].closed.is_none(), "its limit is of the wait");
}

#[test]
fn a_descriptor_that_is_given_back_is_not_waited_for_long() {
    let (mut world, other, _) = one_session(ALL);
    world.kernel.open_fails = true;
    let waits = client(&mut world, 2);
    for _ in 0..10 {
        world.wait(Duration::from_millis(20)); // the pauses grow
    }
    world.kernel.open_fails = false;
    world.kernel.peer_resets(other);
    run(&mut world);
    world.wait(Duration::from_millis(2));
    run(&mut world);
    assert!(relayed(&world, waits));
}

#[test]
fn new_clients_wait_in_the_queue_of_the_listening_socket() {
    let (mut world, _) = starved(1);
    let late = world.kernel.client(([198, 51, 100, 9], 9).into(), 1_000);
    world.turn();
    assert_eq!(world.kernel.waiting(), 1);
    assert_eq!(world.region.header.total.sessions(), 1);
    world.kernel.open_fails = false;
    world.wait(Duration::from_millis(100));
    run(&mut world);
    assert!(relayed(&world, late));
}

#[test]
fn one_that_waits_for_the_whole_connect_timeout_is_reset() {
    let (mut world, clients) = starved(1);
    for _ in 0..9 {
        world.wait(Duration::from_millis(100));
    }
    run(&mut world);
    assert_eq!(world.kernel.sockets[&clients[0]].closed, None);
    world.wait(Duration::from_millis(150));
    run(&mut world);
    assert_eq!(world.kernel.sockets[&clients[0]].closed, Some(End::Reset));
    assert_eq!(cause(&world, Cause::Shortage), 1);
    let errors = world.region.counted.servers.iter().map(|it| it.connect_errors.read());
    assert_eq!(errors.sum::<u64>(), 0, "no server is to blame");
}

#[test]
fn those_who_leave_while_they_wait_are_forgotten() {
    let (mut world, clients) = starved(3);
    for left in &clients[..2] {
        world.kernel.peer_resets(*left);
    }
    run(&mut world);
    assert_eq!((cause(&world, Cause::ClientLeft), world.region.header.total.sessions()), (2, 1));
    let others = [7, 8].map(|last| client(&mut world, last));
    world.kernel.open_fails = false;
    world.wait(Duration::from_millis(100));
    run(&mut world);
    for client in [clients[2], others[0], others[1]] {
        assert!(relayed(&world, client));
    }
}

#[test]
fn a_server_without_ports_is_passed_over_and_not_blamed() {
    let mut snapshot = with_sources(1, snapshot(u64::from(CAPACITY)));
    snapshot.pools[0].servers.truncate(1);
    let (mut world, first, _) = one_session_of(snapshot, ALL);
    world.kernel.peer_resets(first);
    run(&mut world);
    world.kernel.exhausted.insert([10, 0, 0, 1].into());
    let refused = client(&mut world, 2);
    assert_eq!(world.kernel.sockets[&refused].closed, Some(End::Reset));
    assert_eq!((cause(&world, Cause::NoPort), short(&world, Shortage::Ports)), (1, 1));
    assert_eq!(world.region.counted.servers[1].connect_errors.read(), 0);
    assert_eq!(world.region.gauges.servers[1].sessions(), 0);
}
