use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use ringbolt_tests::{BOUND, End, Pattern, Peer, need, sockets, until, until_asleep};

use crate::path::{Path, UP};

/// What a pipe of the product holds, and one direction splices in a turn.
const PIPE: u64 = 1 << 20;

/// Goal: a pipe that small segments fill by their number, over a receive queue that is not empty,
/// is resumed by room at the receiver alone. Method: bulk until the balancer's send queue is nearly
/// full, as an earlier session has shown; then segments of 1 to 3 bytes, until the pipe takes no
/// more though it is not half full by bytes; then odd ones until nothing more is taken anywhere.
/// The sender is silent for good; the receiver reads slowly, then all at once. The kernel's queues
/// tell what the pipe holds. Both directions.
#[test]
fn small_segments_before_a_reader_that_stalls() {
    need!(Binary);
    let path = Path::of_one_worker("always");
    for direction in 0..2 {
        let mut most = 0;
        let stalled = (0..5).find_map(|_| {
            let (mut sender, receiver) = path.narrow_direction(direction);
            sender.never_pace();
            let sent = send_small_segments(&path, &mut sender, most);
            let unread = queues_at_the_balancer(&sender).unread;
            let piped = piped(&sender, &receiver, sent);
            if most > 0 && unread > 0 && (1..PIPE / 2).contains(&piped) {
                return Some((sender, receiver, sent));
            }
            // How much the queue holds depends on the kernel's mood.
            fill(&path, sent, |sent| sender.send_some(&UP.bytes(sent, 64 * 1024)));
            most = queues_at_the_balancer(&receiver).unsent as usize;
            None
        });
        let (mut sender, mut receiver, sent) = stalled.expect("a pipe full of small segments");
        let sent = fill(&path, sent, |sent| sender.send_some(&UP.bytes(sent, 9_973)));
        println!("{} of {sent} bytes in the pipe", piped(&sender, &receiver, sent));
        let [unsent, unread] = [queues(&sender).unsent, queues_at_the_balancer(&sender).unread];
        assert!(unsent > 0 && unread > 0, "nothing is full");

        let mut read = 0;
        for piece in 0..1_000 {
            let length = 1 + piece % 13;
            receiver.receive_pattern(UP, read, length);
            read += length;
        }
        receiver.receive_pattern(UP, read, sent - read);
        sender.finish();
        assert_eq!(receiver.end(), End::Fin);
    }
}

/// Sends nearly `most` bytes of bulk, then small segments, more than that in all, and says
/// how many bytes it was. The engine is stopped meanwhile, so that all of them wait for it at once.
fn send_small_segments(path: &Path, sender: &mut Peer, most: usize) -> usize {
    let mut sent = most.saturating_sub(32 * 1024);
    sender.send_pattern(UP, 0, sent);
    until_asleep(path.ringbolt().engine());
    let end = sent + 256 * 1024;
    path.while_stopped(|| {
        while sent < end {
            let taken = sender.send_some(&UP.bytes(sent, 1 + sent % 3));
            if taken == 0 {
                break;
            }
            sent += taken;
        }
    });
    until_asleep(path.ringbolt().engine());
    sent
}

/// Goal: urgent data amid bulk loses nothing, ends nothing and spins nothing. Method: megabytes
/// with an urgent byte every few hundred kB, one of them last, after which the workers sleep while
/// the session lives; then more, and one right before the end. All of it arrives in line and in
/// place. Both directions, for copying, for ever splicing, and going over to it.
#[test]
fn urgent_data_amid_bulk() {
    need!(Binary);
    const LENGTH: usize = 8_000_000;
    let send = |mut sender: Peer, start: usize, last: bool| {
        for urgent in (start..start + LENGTH).step_by(LENGTH / 25).map(|at| at + LENGTH / 25 - 1) {
            sender.send_pattern(UP, urgent + 1 - LENGTH / 25, LENGTH / 25 - 1);
            sender.send_urgent(UP.bytes(urgent, 1)[0]);
        }
        if last {
            sender.finish();
        }
    };
    for path in ["off", "always", "auto"].map(Path::new) {
        for (sender, mut receiver) in path.each_direction() {
            for (start, last) in [(0, false), (LENGTH, true)] {
                let sender = sender.other();
                std::thread::scope(|scope| {
                    scope.spawn(move || send(sender, start, last));
                    receiver.receive_pattern(UP, start, LENGTH);
                });
                until_asleep(path.ringbolt().engine());
            }
            assert_eq!(receiver.end(), End::Fin);
        }
    }
}

/// Goal: bulk has its share of a turn and others have theirs. Method: one worker; one session's
/// bulk flows without end, 64 MiB at least, until another has had 300 answers, and as many more,
/// without a pause, as it takes until some of it has arrived since the first question.
#[test]
fn messages_are_answered_amid_bulk() {
    need!(Binary);
    const AT_LEAST: usize = 64 << 20;
    for path in ["always", "auto"].map(Path::of_one_worker) {
        let (mut client, mut server) = path.session();
        for (mut sender, mut receiver) in path.each_direction() {
            let answered = AtomicBool::new(false);
            let sent = AtomicUsize::new(0);
            let arrived = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let mut position = 0;
                    while position < AT_LEAST || !answered.load(Ordering::SeqCst) {
                        sender.send_pattern(UP, position, 1 << 20);
                        position += 1 << 20;
                        sent.store(position, Ordering::SeqCst);
                    }
                    sender.finish();
                });
                let receiving = scope.spawn(|| receive_to_the_end(&mut receiver, UP, &arrived));
                until("bulk flows", || (arrived.load(Ordering::SeqCst) > 0).then_some(()));
                let before = arrived.load(Ordering::SeqCst);
                for _ in 0..300 {
                    client.exchange(&mut server);
                }
                let deadline = Instant::now() + BOUND;
                while arrived.load(Ordering::SeqCst) == before {
                    client.exchange(&mut server);
                    assert!(Instant::now() < deadline, "bulk stands still amid messages");
                }
                answered.store(true, Ordering::SeqCst);
                receiving.join().expect("all arrives");
            });
            assert_eq!(arrived.into_inner(), sent.into_inner());
        }
    }
}

/// Goal: a session whose share of a turn is used up goes on without being told of new bytes.
/// Method: bulk, so that the queues grow; the engine is stopped and more than one share is queued
/// before it; then it goes on, and nobody sends anything more.
#[test]
fn a_queue_longer_than_a_turns_share_is_emptied() {
    need!(Binary);
    for path in ["off", "always", "auto"].map(Path::of_one_worker) {
        for (mut sender, mut receiver) in path.each_direction() {
            let mut position = 0;
            let mut queued = 0;
            until("more than a share fits into the queue", || {
                std::thread::scope(|scope| {
                    let mut sender = sender.other();
                    scope.spawn(move || sender.send_pattern(UP, position, 32 << 20));
                    receiver.receive_pattern(UP, position, 32 << 20);
                });
                position += 32 << 20;
                until_asleep(path.ringbolt().engine());
                let mut sent = 0;
                path.while_stopped(|| {
                    sent = sender.send_some(&UP.bytes(position, 2 * PIPE as usize));
                    until("it has arrived", || {
                        let unsent = queues(&sender).unsent;
                        queued = queues_at_the_balancer(&sender).unread;
                        // Less than all when no more fits.
                        (unsent == 0 || queued + unsent == sent as u64).then_some(())
                    });
                });
                receiver.receive_pattern(UP, position, sent);
                position += sent;
                (queued > PIPE + PIPE / 4).then_some(())
            });
            until_asleep(path.ringbolt().engine());
        }
    }
}

/// Sends with `send` until nothing more is taken anywhere, from a position on, and says how far
/// that was.
pub(crate) fn fill(path: &Path, from: usize, mut send: impl FnMut(usize) -> usize) -> usize {
    let mut sent = from;
    loop {
        let before = sent;
        let mut refusals = 0;
        until("the connection takes no more", || {
            let before = sent;
            while let taken @ 1.. = send(sent) {
                sent += taken;
            }
            refusals = if sent > before { 0 } else { refusals + 1 };
            (refusals == 50).then_some(())
        });
        until_asleep(path.ringbolt().engine());
        if sent == before {
            return sent;
        }
    }
}

/// Receives a stream to its FIN, and tells how far it is.
fn receive_to_the_end(peer: &mut Peer, pattern: Pattern, arrived: &AtomicUsize) {
    loop {
        let bytes = peer.receive_some(256 * 1024);
        if bytes.is_empty() {
            return;
        }
        pattern.check(arrived.load(Ordering::SeqCst), &bytes);
        arrived.fetch_add(bytes.len(), Ordering::SeqCst);
    }
}

/// Of so many bytes sent, those that are in no socket: they are in the pipe.
fn piped(sender: &Peer, receiver: &Peer, sent: usize) -> u64 {
    let [taken, passed_on] = [sender, receiver].map(queues_at_the_balancer);
    let [unsent, arrived] = [sender, receiver].map(queues);
    let elsewhere = unsent.unsent + taken.unread + passed_on.unsent + arrived.unread;
    (sent as u64).checked_sub(elsewhere).expect("nothing moves any more")
}

/// The socket of a peer, as the kernel shows it.
pub(crate) fn queues(peer: &Peer) -> sockets::Entry {
    entry(peer.local(), peer.remote())
}

/// The balancer's socket at the other end.
fn queues_at_the_balancer(peer: &Peer) -> sockets::Entry {
    entry(peer.remote(), peer.local())
}

fn entry(local: std::net::SocketAddr, remote: std::net::SocketAddr) -> sockets::Entry {
    let entry = sockets::all().into_iter().find(|s| s.local == local && s.remote == remote);
    entry.expect("a live connection")
}
