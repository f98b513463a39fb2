//! Single stories, each with one thing to show that random play reaches too seldom. Goal: the name of
//! each. Method, unless it says another: one session through a shard in memory, played by hand.

use std::time::Duration;

use ringbolt_core::adopt::Death;
use ringbolt_core::close::Cause;
use ringbolt_core::kernel::Fd;
use ringbolt_core::pipes::Pipe;
use ringbolt_core::record::Flags;
use ringbolt_core::region::Extent;
use ringbolt_core::session::{DirectionId, Phase};
use ringbolt_core::token::Op;
use ringbolt_sim::ground::{FIN, IDLE, only_place, snapshot};
use ringbolt_sim::kernel::{Answer, Call, End, MemoryKernel, Probe};
use ringbolt_sim::world::{
    ALL, CAPACITY, LOOK, Page, World, cause, memory, one_session, run, workers,
};
use zerocopy::IntoBytes;

#[test]
fn silence_ends_a_session_and_a_byte_puts_it_off() {
    let (mut world, client, server) = one_session(ALL);
    world.wait(IDLE / 2);
    world.kernel.peer_sends(client, b"x", false);
    run(&mut world);
    world.kernel.peer_takes(server, usize::MAX);
    world.wait(IDLE / 2 + Duration::from_millis(10));
    run(&mut world);
    assert_eq!(world.kernel.sockets[&client].closed, None, "the byte was activity");
    world.wait(IDLE / 2);
    run(&mut world);
    assert_eq!(world.kernel.sockets[&client].closed, Some(End::Reset));
    assert_eq!(world.kernel.sockets[&server].closed, Some(End::Reset));
    assert_eq!(cause(&world, Cause::IdleTimeout), 1);
}

#[test]
fn what_an_urgent_mark_hides_comes_after_a_moment_and_then_at_once() {
    let (mut world, client, server) = one_session(ALL);
    for (hidden, waits) in [(true, 1), (false, 0)] {
        let before = world.kernel.sockets[&server].written.len();
        world.kernel.peer_sends(client, b"before the mark", false);
        world.kernel.peer_sends(client, b", behind it", true);
        assert!(world.kernel.completion(0).is_some(), "the kernel tells of both at once");
        run(&mut world);
        let passed = world.kernel.sockets[&server].written[before..].to_vec();
        assert_eq!(passed == b"before the mark", hidden, "the first time a short read is believed");
        (0..waits).for_each(|_| world.wait(LOOK));
        run(&mut world);
        assert!(world.kernel.sockets[&server].written.ends_with(b"before the mark, behind it"));
    }
    assert_eq!(world.kernel.sockets[&server].closed, None);
}

#[test]
fn half_closed_silence_ends_a_session() {
    let (mut world, client, server) = one_session(ALL);
    world.kernel.peer_ends(client);
    run(&mut world);
    assert!(world.kernel.sockets[&server].shut);
    world.wait(FIN + Duration::from_millis(10));
    run(&mut world);
    assert_eq!(world.kernel.sockets[&server].closed, Some(End::Reset));
    assert_eq!(cause(&world, Cause::FinTimeout), 1);
}

#[test]
fn a_flush_is_bounded() {
    let (mut world, client, server) = one_session(ALL);
    world.kernel.peer_sends(server, &[7; 900], false);
    run(&mut world);
    world.kernel.peer_resets(server);
    run(&mut world);
    for _ in 0..200 {
        world.wait(Duration::from_millis(50)); // the client takes nothing
    }
    run(&mut world);
    assert_eq!(world.kernel.sockets[&client].closed, Some(End::Reset));
    assert_eq!(cause(&world, Cause::FinTimeout), 1);
}

#[test]
fn a_client_that_leaves_while_connecting_ends_at_once() {
    let (mut world, client, server) = one_session([Answer::IsSilent; 3]);
    world.kernel.peer_resets(client);
    run(&mut world);
    assert!(world.kernel.sockets[&server].closed.is_some(), "without waiting for the time limit");
    assert_eq!(cause(&world, Cause::ClientLeft), 1);
}

#[test]
fn a_silent_server_is_given_up_when_its_time_is_over_and_not_before() {
    let (mut world, client, server) = one_session([Answer::IsSilent; 3]);
    let timeout = world.snapshot.pools[0].connect_timeout;
    world.wait(timeout - Duration::from_millis(1));
    run(&mut world);
    assert_eq!(world.kernel.sockets[&server].closed, None);
    world.wait(Duration::from_millis(1));
    run(&mut world);
    assert!(world.kernel.sockets[&server].closed.is_some());
    let next = world.shard.sessions().next().unwrap().1;
    assert_eq!((next.phase(), next.attempts.get()), (Some(Phase::Connecting), 2));
    world.wait(timeout);
    run(&mut world);
    assert_eq!(world.kernel.sockets[&client].closed, Some(End::Reset));
    assert_eq!(cause(&world, Cause::ConnectTimeout), 1);
}

#[test]
fn a_connect_that_succeeds_when_its_time_is_over_has_succeeded() {
    let (mut world, client, _) = one_session([Answer::IsSilent; 3]);
    world.kernel.faults.late = u8::MAX;
    world.wait(world.snapshot.pools[0].connect_timeout);
    run(&mut world);
    assert!(world.kernel.sockets[&client].relayed && world.kernel.cancels == 1);
}

#[test]
fn every_attempt_is_another_server_and_no_more_than_asked() {
    let (world, client, _) = one_session([Answer::Refuses; 3]);
    let tries: Vec<u64> =
        (1..=3).map(|at| world.region.counted.servers[at].connect_errors.read()).collect();
    assert_eq!((tries.iter().sum::<u64>(), tries.iter().max()), (2, Some(&1)), "attempts = 2");
    assert_eq!(world.kernel.sockets[&client].closed, Some(End::Reset));
    assert_eq!(cause(&world, Cause::ConnectFailed), 1);
}

#[test]
fn no_descriptors_pause_accepting_and_it_goes_on() {
    let (mut world, ..) = one_session(ALL);
    world.kernel.accept_fails = true;
    let second = world.kernel.client(([198, 51, 100, 2], 9).into(), 1_000);
    run(&mut world);
    world.kernel.accept_fails = false;
    assert!(world.shard.next_turn(world.now).is_some_and(|at| at > world.now), "no spin");
    world.wait(Duration::from_secs(2));
    run(&mut world);
    assert!(world.kernel.sockets[&second].relayed);
}

#[test]
fn a_drain_serves_the_queue_and_is_over_after_the_last_end() {
    let (mut world, client, _) = one_session(ALL);
    let late = world.kernel.client(([198, 51, 100, 2], 9).into(), 1_000);
    world.shard.drain(&mut world.kernel, world.now);
    run(&mut world);
    assert!(world.kernel.sockets[&late].relayed, "what waited is served");
    assert!(world.kernel.listener_closed && !world.shard.is_over());
    for fd in [client, late] {
        world.kernel.peer_ends(fd);
    }
    world.settle();
    let open: Vec<Fd> = world.kernel.sockets.keys().copied().collect();
    open.into_iter().for_each(|fd| world.kernel.peer_ends(fd));
    world.settle();
    assert!(world.shard.is_over());
}

#[test]
fn an_engine_after_another_polls_while_accepts_of_the_dead_may_be_left() {
    for (engines, at_once) in [(1, true), (2, false)] {
        let mut memory = memory();
        let place = only_place(memory.as_mut_bytes(), CAPACITY);
        (0..engines).for_each(|_| place.header.begin_epoch(0));
        let mut world = World::of(place, MemoryKernel::new(), snapshot(1 << 20));
        let accepts =
            |world: &World<'_>| world.kernel.accepting.is_some_and(|token| token.op == Op::Accept);
        assert_eq!(accepts(&world), at_once);
        world.wait(Duration::from_secs(10));
        run(&mut world);
        assert!(accepts(&world));
    }
}

#[test]
fn a_stop_ends_every_phase() {
    let (mut world, client, server) = one_session(ALL);
    world.kernel.peer_sends(server, &[7; 900], false);
    run(&mut world);
    world.kernel.peer_resets(server); // flushing: the client takes nothing
    run(&mut world);
    world.shard.stop(&mut world.kernel, world.now);
    run(&mut world);
    assert!(world.shard.is_over() && world.kernel.listener_closed);
    assert_eq!(world.kernel.sockets[&client].closed, Some(End::Reset));
}

#[test]
fn a_stop_ends_what_was_accepted_before_it_was_known() {
    let memory: &'static mut [Page] = Box::leak(
        vec![Page([0; 4096]); Extent { workers: 1, capacity: 4 }.bytes() / 4096 + 1]
            .into_boxed_slice(),
    );
    // Room enough for a multishot accept.
    let mut world = World::new(memory, snapshot(1 << 20), ALL);
    let client = world.kernel.client(([198, 51, 100, 1], 9).into(), 1_000);
    world.shard.stop(&mut world.kernel, world.now); // the accept's completion is on its way
    run(&mut world);
    assert!(world.kernel.sockets[&client].closed.is_some(), "a session outlives the stop");
    assert!(world.shard.is_over());
}

#[test]
fn a_reset_after_an_end_is_passed_on() {
    let (mut world, client, server) = one_session(ALL);
    world.kernel.peer_ends(client);
    run(&mut world);
    world.kernel.peer_resets(client);
    run(&mut world);
    assert_eq!(world.kernel.sockets[&server].closed, Some(End::Reset));
}

#[test]
fn a_receiver_that_still_takes_is_not_silent() {
    let (mut world, client, server) = one_session(ALL);
    world.kernel.peer_sends(server, &[7; 900], false);
    world.kernel.peer_ends(server);
    run(&mut world);
    for _ in 0..20 {
        world.kernel.peer_takes(client, 40);
        world.wait(FIN / 2);
        run(&mut world);
    }
    assert_eq!(world.kernel.sockets[&client].taken, 800, "a slow client lost what was sent to it");
}

#[test]
fn a_receiver_that_takes_what_came_at_once_is_not_idle() {
    let (mut world, client, server) = one_session(ALL);
    world.kernel.peer_sends(server, &[7; 900], false); // in the millisecond of the connect
    run(&mut world);
    for _ in 0..20 {
        world.kernel.peer_takes(client, 40);
        world.wait(IDLE / 2);
        run(&mut world);
    }
    assert_eq!(world.kernel.sockets[&client].taken, 800, "a slow client lost what was sent to it");
    for _ in 0..3 {
        world.wait(IDLE);
        run(&mut world);
    }
    assert_eq!(world.kernel.sockets[&client].closed, Some(End::Reset), "one that stalls is idle");
}

/// Goal: a survivor finds written down what could have happened. Method: look at the region at
/// each call into the kernel.
#[test]
fn stores_come_before_their_acts() {
    let memory: &'static mut [Page] = Box::leak(memory().into_boxed_slice());
    let place = only_place(memory.as_mut_bytes(), CAPACITY);
    let (journal, records) = (place.part.journal, place.part.sessions);
    let owner = move |fd: Fd| {
        records.iter().enumerate().find_map(|(slot, record)| {
            (0..2)
                .find(|side| record.phase() != Some(Phase::Free) && record.socket(*side) == fd)
                .map(|side| (slot as u32, side, record))
        })
    };
    let mut kernel = MemoryKernel::new();
    kernel.probe = Some(Probe(Box::new(move |call| match call {
        Call::Receive(fd) => {
            let (slot, side, record) = owner(fd).expect("a receive for nobody");
            let id = DirectionId::BOTH[side];
            assert_eq!(journal.in_hand(), Some((slot, id, record.received[side].get())));
        }
        Call::Send | Call::Ask | Call::Done => {}
        Call::ShutDown(fd) => {
            let (_, side, record) = owner(fd).expect("a shutdown for nobody");
            assert!(record.is(Flags::SHUT, DirectionId::BOTH[1 - side]));
        }
        Call::Connect(fd) => {
            assert!(owner(fd).is_some_and(|(_, _, record)| record.attempts.get() > 0))
        }
        Call::SpliceIn(fd, pipe) | Call::SpliceOut(fd, pipe) => {
            let (_, side, record) = owner(fd).expect("a splice for nobody");
            let into = matches!(call, Call::SpliceIn(..));
            let id = DirectionId::BOTH[if into { side } else { 1 - side }];
            assert_eq!(record.pipe(id), Some(Pipe { read: pipe, write: pipe + 1 }));
            assert_eq!(record.piped(id) > 0, !into, "bytes in a pipe are written down");
        }
        Call::Close(fd) => {
            let named = records.iter().any(|record| {
                record.phase() != Some(Phase::Free) && record.descriptors().any(|it| it == fd)
            });
            assert!(!named, "{fd} is closed while a record names it");
        }
    })));
    let mut world = World::of(place, kernel, snapshot(4));
    let client = world.kernel.client(([198, 51, 100, 1], 9).into(), 100);
    run(&mut world);
    let server = world.shard.sessions().next().unwrap().1.socket(1);
    for (fd, bytes) in [(client, 5_000), (server, 5_000), (client, 400_000)] {
        world.kernel.peer_sends(fd, &vec![1; bytes], false);
        run(&mut world);
        assert_eq!(journal.in_hand(), None, "the journal is cleared");
    }
    for fd in [client, server] {
        world.kernel.peer_ends(fd);
    }
    world.settle();
    assert!(world.kernel.sockets[&client].closed.is_some());
}

/// Goal: a pipe that was taken out of a record holds nothing for the next engine. Method: an engine dies
/// between that and its writing down that nothing is in it.
#[test]
fn a_pipe_that_was_taken_out_holds_nothing() {
    let (mut world, client, server) = one_session(ALL);
    world.shard.sessions().next().unwrap().1.set_piped(DirectionId::ToServer, 900);
    world.die(0, 0, Death::Outside, &[]);
    world.kernel.peer_sends(client, &[7; 10], false);
    run(&mut world);
    assert_eq!(world.kernel.sockets[&server].written, [7; 10]);
}

/// Goal: a session that was about to be reset when its engine died is not counted as ended. Method: a record
/// of one whose both ends had come, and whose server was broken when the last was to be passed on.
#[test]
fn a_reset_amid_a_death_is_no_end() {
    let (mut world, client, _) = one_session(ALL);
    let session = world.shard.sessions().next().unwrap().1;
    for id in DirectionId::BOTH {
        session.mark(Flags::ENDED, id);
        session.mark(Flags::SHUT, id);
    }
    session.mark(Flags::FAILED, DirectionId::ToServer);
    session.set_phase(Phase::Closing);
    world.die(0, 0, Death::Outside, &[]);
    run(&mut world);
    assert_eq!(world.kernel.sockets[&client].closed, Some(End::Reset));
    assert_eq!([Cause::Ended, Cause::EngineDied].map(|it| cause(&world, it)), [0, 1]);
}

/// Goal: whoever gives a place back wakes the workers that wait for one. Method: two workers, one
/// place.
#[test]
fn a_place_given_back_wakes_the_other_worker() {
    let mut worlds = workers(2, 4, &snapshot(1), ALL);
    let first = worlds[0].kernel.client(([198, 51, 100, 1], 9).into(), 1_000);
    run(&mut worlds[0]);
    let second = worlds[1].kernel.client(([198, 51, 100, 2], 9).into(), 1_000);
    run(&mut worlds[1]);
    assert!(!worlds[1].kernel.sockets[&second].relayed, "one place");
    assert_eq!(worlds[1].shard.next_turn(worlds[1].now), None, "it sleeps");
    worlds[0].kernel.peer_resets(first);
    run(&mut worlds[0]);
    assert_eq!(worlds[0].kernel.wakes, [1]);
    worlds[1].turn();
    run(&mut worlds[1]);
    assert!(worlds[1].kernel.sockets[&second].relayed);
}
