//! Stories of splicing, each with one thing to show. Goal: the name of each. Method: one session
//! through a shard in memory, played by hand.

use std::time::Duration;

use ringbolt_core::kernel::Fd;
use ringbolt_core::limits::{BLOCK, PIPE_BYTES, PIPES_PER_WORKER};
use ringbolt_core::pipes::Fallback;
use ringbolt_core::record::Session;
use ringbolt_core::session::{DirectionId, Phase};
use ringbolt_core::spec::Splice;
use ringbolt_sim::ground::{snapshot, splicing};
use ringbolt_sim::kernel::{End, PipeSupply};
use ringbolt_sim::world::{ALL, CAPACITY, World, crowd, one_session, one_session_of, run};

const ALWAYS: Splice = Splice::Always;

fn session(policy: Splice) -> (World<'static>, Fd, Fd) {
    one_session_of(splicing(policy, snapshot(u64::from(CAPACITY))), ALL)
}

/// The bytes that a peer sends; no two places of a stretch look alike.
fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|place| (place % 251) as u8 ^ (place / 251) as u8).collect()
}

fn fallbacks(world: &World<'_>, reason: Fallback) -> u64 {
    world.region.counted.worker.fallbacks[reason as usize].read()
}

/// Bytes copied and spliced towards the server.
fn moved(world: &World<'_>) -> (u64, u64) {
    let counted = world.region.counted.worker;
    (counted.copied[0].read(), counted.spliced[0].read())
}

/// Lets the peer take everything until nothing happens any more.
fn drain(world: &mut World<'_>, fd: Fd) {
    while world.kernel.sockets[&fd].taken < world.kernel.sockets[&fd].written.len() {
        world.kernel.peer_takes(fd, usize::MAX);
        world.turns();
    }
}

#[test]
fn bulk_goes_over_to_splice_and_messages_come_back() {
    let (mut world, client, server) = one_session(ALL);
    world.kernel.peer_sends(client, &pattern(20 * BLOCK), false);
    world.turns();
    drain(&mut world, server);
    assert_eq!(moved(&world), (4 * BLOCK as u64, 16 * BLOCK as u64));
    for _ in 0..10 {
        world.kernel.peer_sends(client, &[1; 100], false);
        world.turns();
    }
    drain(&mut world, server);
    let (copied, spliced) = moved(&world);
    assert_eq!(spliced, 16 * BLOCK as u64 + 700, "the last splice of the bulk was a small one too");
    assert_eq!(copied, 4 * BLOCK as u64 + 300);
}

#[test]
fn splice_off_copies_everything() {
    let (mut world, client, server) = session(Splice::Off);
    world.kernel.peer_sends(client, &pattern(PIPE_BYTES), false);
    world.turns();
    drain(&mut world, server);
    assert_eq!(moved(&world), (PIPE_BYTES as u64, 0));
    assert_eq!(world.kernel.pipes.len(), 0);
}

#[test]
fn a_pipe_is_borrowed_for_a_turn_and_kept_only_with_something_in_it() {
    let (mut world, client, server) = session(ALWAYS);
    let slow = world.kernel.client(([198, 51, 100, 2], 9).into(), 1_000);
    run(&mut world);
    let record = |world: &World<'static>, fd: Fd| {
        world.shard.sessions().find(|(_, it)| it.socket(0) == fd).map(|(_, it)| it).unwrap()
    };
    world.kernel.peer_sends(client, b"question", false);
    run(&mut world);
    assert_eq!(record(&world, client).pipe(DirectionId::ToServer), None, "it was empty");
    let its_server = record(&world, slow).socket(1);
    world.kernel.peer_sends(its_server, &pattern(5_000), false);
    run(&mut world);
    assert_eq!(record(&world, slow).piped(DirectionId::ToClient), 4_000);
    let kept = record(&world, slow).pipe(DirectionId::ToClient).unwrap();
    world.kernel.peer_sends(client, &[9; 3_000], false);
    run(&mut world);
    assert_eq!(world.kernel.sockets[&server].written.len(), 3_008, "by another pipe");
    drain(&mut world, slow);
    assert_eq!(world.kernel.sockets[&slow].written, pattern(5_000));
    assert_eq!(record(&world, slow).pipe(DirectionId::ToClient), None);
    world.kernel.peer_sends(client, b"again", false);
    run(&mut world);
    assert_eq!(world.kernel.open_pipes(), 2, "the two are used again, and no third");
    assert!(world.kernel.is_open(kept.read));
}

#[test]
fn a_pipe_with_residue_is_closed_and_never_used_again() {
    let (mut world, client, server) = session(ALWAYS);
    world.kernel.peer_sends(server, &[0xCA; 5_000], false); // the client's window is 1,000
    run(&mut world);
    let record = world.shard.sessions().next().unwrap().1;
    let pipe = record.pipe(DirectionId::ToClient).unwrap();
    assert_eq!(record.piped(DirectionId::ToClient), 4_000);
    world.kernel.peer_resets(client);
    world.settle();
    assert_eq!(world.kernel.sockets[&server].closed, Some(End::Reset));
    assert!(!world.kernel.is_open(pipe.read), "its residue went with it");
    let next = world.kernel.client(([198, 51, 100, 2], 9).into(), 10_000);
    run(&mut world);
    let its_server = world.shard.sessions().next().unwrap().1.socket(1);
    world.kernel.peer_sends(its_server, &pattern(5_000), false);
    run(&mut world);
    assert_eq!(world.kernel.sockets[&next].written, pattern(5_000));
}

#[test]
fn a_session_that_is_stopped_leaves_no_pipe_with_residue() {
    let (mut world, _, server) = session(ALWAYS);
    world.kernel.peer_sends(server, &[0xCA; 5_000], false);
    run(&mut world);
    world.shard.stop(&mut world.kernel, world.now);
    world.settle();
    assert!(world.shard.is_over());
    assert_eq!(world.kernel.open_pipes(), 0);
}

#[test]
fn an_end_waits_for_the_pipe_and_a_reset_too() {
    for reset in [false, true] {
        let (mut world, client, server) = session(ALWAYS);
        world.kernel.peer_sends(server, &pattern(5_000), false);
        run(&mut world);
        if reset {
            world.kernel.peer_resets(server)
        } else {
            world.kernel.peer_ends(server)
        }
        run(&mut world);
        let before = &world.kernel.sockets[&client];
        assert!(!before.shut && before.closed.is_none() && before.written.len() == 1_000);
        drain(&mut world, client);
        world.settle();
        let after = &world.kernel.sockets[&client];
        assert_eq!(after.written, pattern(5_000), "everything is delivered first");
        assert_eq!((after.shut, after.closed), (!reset, reset.then_some(End::Reset)));
    }
}

#[test]
fn urgent_data_amid_bulk_loses_nothing() {
    let (mut world, client, server) = session(ALWAYS);
    for urgent in [false, true, false, true] {
        world.kernel.peer_sends(client, &pattern(3_000), urgent);
        world.turns();
    }
    world.kernel.peer_ends(client);
    world.turns();
    let expected: Vec<u8> = pattern(3_000).repeat(4);
    assert_eq!(world.kernel.sockets[&server].written, expected);
    assert!(world.kernel.sockets[&server].shut, "the false 0 at the mark was not taken for an end");
    assert!(world.shard.next_turn(world.now).is_none_or(|at| at > world.now), "nothing spins");
}

#[test]
fn a_turns_share_ends_and_the_session_goes_on() {
    let (mut world, client, server) = session(ALWAYS);
    world.kernel.peer_sends(client, &pattern(3 * PIPE_BYTES), false);
    let mut turns = 0;
    while world.kernel.sockets[&server].written.len() < 3 * PIPE_BYTES {
        world.kernel.peer_takes(server, usize::MAX);
        world.turns();
        turns += 1;
        assert!(turns < 1_000, "it sleeps on a full queue");
    }
    assert_eq!(world.kernel.sockets[&server].written, pattern(3 * PIPE_BYTES));
}

#[test]
fn a_message_waits_for_one_share_of_bulk_and_bulk_is_not_starved() {
    let mut world = crowd(splicing(Splice::Auto, snapshot(5)));
    let records: Vec<&Session> = world.shard.sessions().map(|(_, session)| session).collect();
    let [talker, bulk @ ..] = records.as_slice() else { panic!("five sessions") };
    for session in bulk {
        world.kernel.peer_sends(session.socket(0), &pattern(20 * BLOCK), false);
        world.turns();
        drain(&mut world, session.socket(1));
        world.kernel.sockets.get_mut(&session.socket(1)).unwrap().window = usize::MAX;
    }
    let received = || bulk.iter().map(|it| it.received[0].get()).sum::<u64>();
    let share = PIPE_BYTES as u64;
    let all = received() + 4 * share;
    for session in bulk {
        world.kernel.peer_sends(session.socket(0), &pattern(PIPE_BYTES), false);
    }
    // One that comes with the bulk, and one that comes while bulk stands in line.
    for message in 1..=2 {
        let before = received();
        world.kernel.peer_sends(talker.socket(0), b"m", false);
        while let Some((token, result, more)) = world.kernel.completion(0) {
            world.shard.complete(&mut world.kernel, token, result, more, world.now);
        }
        assert_eq!(world.kernel.sockets[&talker.socket(1)].written.len(), message, "at once");
        assert_eq!(received(), before, "and bulk not before it");
        world.turn();
        let moved = received() - before;
        assert!((share..2 * share).contains(&moved), "one share a message, not {moved}");
    }
    world.wait(Duration::from_millis(100));
    assert_eq!(received(), all, "without messages a turn is everybody's");
}

#[test]
fn without_a_pipe_it_copies_and_counts() {
    let supplies =
        [(PipeSupply::AtMost(0), Fallback::NoPipe), (PipeSupply::Small, Fallback::SmallPipe)];
    for (supply, reason) in supplies {
        let (mut world, client, server) = session(ALWAYS);
        world.kernel.supply = supply;
        world.kernel.peer_sends(client, &pattern(300), false);
        run(&mut world);
        assert_eq!(world.kernel.sockets[&server].written, pattern(300));
        assert_eq!(moved(&world), (300, 0));
        assert!(fallbacks(&world, reason) > 0, "{reason:?}");
        assert_eq!(world.kernel.open_pipes(), 0, "one that is too small is closed");
        // The system is not asked again at once, and asked again later.
        world.kernel.supply = PipeSupply::Plenty;
        world.kernel.peer_sends(client, &pattern(300), false);
        run(&mut world);
        assert_eq!(moved(&world).1, 0);
        for _ in 0..100 {
            world.kernel.peer_sends(client, b"more", false);
            run(&mut world);
        }
        assert!(moved(&world).1 > 0);
    }
}

#[test]
fn a_refusal_of_the_kernel_is_believed_once_and_for_all() {
    let (mut world, client, server) = session(ALWAYS);
    world.kernel.splice_refused = true;
    for _ in 0..5 {
        world.kernel.peer_sends(client, &pattern(300), false);
        run(&mut world);
    }
    assert_eq!(world.kernel.sockets[&server].written, pattern(300).repeat(5));
    assert_eq!(fallbacks(&world, Fallback::Refused), 1);
}

#[test]
fn the_last_pipe_is_lent_and_the_next_direction_copies() {
    // More slow receivers than pipes: every session is slow, and each keeps one.
    let sessions = PIPES_PER_WORKER as u32 + 1;
    let mut world = crowd(splicing(ALWAYS, snapshot(u64::from(sessions))));
    let servers: Vec<Fd> = world.shard.sessions().map(|(_, it)| it.socket(1)).collect();
    assert_eq!(servers.len(), sessions as usize);
    for fd in servers {
        world.kernel.peer_sends(fd, &pattern(5_000), false);
        run(&mut world);
    }
    assert_eq!(world.kernel.open_pipes(), PIPES_PER_WORKER);
    assert!(fallbacks(&world, Fallback::AllLent) > 0);
    let spilled = world.shard.sessions().filter(|(_, it)| it.spill(DirectionId::ToClient).1 > 0);
    assert_eq!(spilled.count(), 1);
    world.settle();
    for (_, session) in world.shard.sessions() {
        assert_eq!(session.phase(), Some(Phase::Relaying));
        assert_eq!(world.kernel.sockets[&session.socket(0)].written, pattern(5_000));
    }
}
