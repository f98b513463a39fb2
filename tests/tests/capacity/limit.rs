use ringbolt_tests::{Client, DESCRIPTORS, Peer, need, say, until};

use crate::echo::EchoProcess;
use crate::{alone, sessions, start};

const SESSIONS_MIN: usize = 9_600;

/// Goal: 20,000 descriptors hold 9,600 sessions, and as many more as the balancer says it takes;
/// that number is reached exactly, and the next clients wait until one leaves. Method: the balancer
/// with that limit; so many sessions, each with an echo; two clients more, which get nothing while
/// every session has another echo and the server counts its connections; one session ends, one of
/// the two is served and the other is not; another ends, and the other is served.
#[test]
fn twenty_thousand_descriptors() {
    need!(Binary, Descriptors);
    let _alone = alone();
    let server = EchoProcess::start();
    let ringbolt = start(&server, |config| config);
    let most = promised(&ringbolt.line_with("max_sessions"));
    assert!(most >= SESSIONS_MIN, "{most} sessions");

    let mut live = sessions(most, &ringbolt);
    ringbolt.wait_for_descriptors(2 * most.cast_signed());
    let mut waiting = [0; 2].map(|_| Client::default().connect(ringbolt.address()));
    waiting.iter_mut().for_each(|client| client.send(b"?"));
    echo_again(&mut live);
    assert!(waiting.iter().all(Peer::silent), "more than {most} sessions");
    server.wait_for_connections(most);
    assert!(waiting.iter().all(Peer::silent), "more than {most} sessions");

    drop(live.pop());
    let first = until("a place for one", || waiting.iter().position(|client| !client.silent()));
    assert_eq!(waiting[first].receive(1), b"?");
    echo_again(&mut live);
    assert!(waiting.iter().all(Peer::silent), "two for one place");
    server.wait_for_connections(most);
    assert!(waiting.iter().all(Peer::silent), "two for one place");

    drop(live.pop());
    assert_eq!(waiting[1 - first].receive(1), b"?");
    ringbolt.wait_for_descriptors(2 * most.cast_signed());
    say(&format!("{DESCRIPTORS} descriptors: {most} sessions held, no more, each served"));
}

fn echo_again(live: &mut [Peer]) {
    live.iter_mut().for_each(|client| client.round_trip(b"again"));
}

/// The number of sessions in the line of the log that tells it.
fn promised(line: &str) -> usize {
    let (_, number) = line.split_once("\"max_sessions\":").expect("a line of JSON");
    let digits = number.find(|c: char| !c.is_ascii_digit()).expect("more follows");
    number[..digits].parse().expect("a number")
}
