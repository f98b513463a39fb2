use std::net::SocketAddr;

use crate::{session, start};
use ringbolt_tests::{Config, End, Timer, need, sockets, until};

/// Goal: a session with no byte either way for `timeouts.idle` is reset on both sides; one that says
/// something now and then is not. Method: two sessions; one talks until the other is reset, and on.
#[test]
fn idle_sessions_are_reset() {
    need!(Binary);
    for config in
        [(|config: Config| config.timeouts("idle = \"1s\"")) as fn(Config) -> Config, |config| {
            config.timeouts("idle = \"off\"").listener("timeouts = { idle = \"1s\" }")
        }]
    {
        let (server, ringbolt) = start(config);
        let (mut idle, mut idle_server) = session(&server, &ringbolt);
        let (mut busy, mut busy_server) = session(&server, &ringbolt);
        until("the idle session has an end", || {
            busy.exchange(&mut busy_server);
            (!idle.silent()).then_some(())
        });
        assert_eq!(idle.end(), End::Reset);
        assert_eq!(idle_server.end(), End::Reset);
        busy.exchange(&mut busy_server);
    }
}

/// Goal: a half-closed session that says nothing for `timeouts.fin` is reset on both sides, whoever
/// ended; one that goes on sending is not. Method: as above, with one side ended.
#[test]
fn half_closed_sessions_are_reset_when_silent() {
    need!(Binary);
    let (server, ringbolt) = start(|config| config.timeouts("fin = \"1s\""));
    let (mut client, mut ended_by_client) = session(&server, &ringbolt);
    let (mut ended_by_server, serving) = session(&server, &ringbolt);
    let (mut busy, mut busy_server) = session(&server, &ringbolt);

    client.finish();
    assert_eq!(ended_by_client.end(), End::Fin);
    serving.finish();
    assert_eq!(ended_by_server.end(), End::Fin);
    busy.finish();
    assert_eq!(busy_server.end(), End::Fin);

    let mut serving = serving;
    until("the silent sessions have an end", || {
        busy_server.send(b"x");
        assert_eq!(busy.receive(1), b"x");
        (!client.silent() && !serving.silent()).then_some(())
    });
    assert_eq!(client.end(), End::Reset);
    ended_by_client.reset_after_fin();
    assert_eq!(serving.end(), End::Reset);
    ended_by_server.reset_after_fin();
    busy_server.send(b"x");
    assert_eq!(busy.receive(1), b"x");
}

/// Goal: keepalive is on, on both sides, with the pool's time. Method: the kernel's own table names
/// the running timer of both of the balancer's sockets and what is left of it: at most 60 s by
/// default, at most 600 s when told so, where the system's default would be 7,200; none when off.
#[test]
fn keepalive_is_on_both_sides() {
    need!(Binary);
    for (line, range) in [
        (None, Some(1..=60)),
        (Some("keepalive = \"10m\""), Some(61..=600)),
        (Some("keepalive = \"off\""), None),
    ] {
        let (server, ringbolt) = start(|config| match line {
            Some(line) => config.pool(line),
            None => config,
        });
        let (client, serving) = session(&server, &ringbolt);
        for (local, remote) in
            [(client.remote(), client.local()), (serving.remote(), serving.local())]
        {
            // A timer that sends again stands in the way until all is acknowledged.
            let timer = until("a quiet socket", || match timer(local, remote) {
                Timer::Retransmit | Timer::Other => None,
                quiet @ (Timer::None | Timer::Keepalive(_)) => Some(quiet),
            });
            match (&range, timer) {
                (Some(range), Timer::Keepalive(left)) => {
                    assert!(range.contains(&left), "{line:?}: {left} s left");
                }
                (None, Timer::None) => {}
                (_, timer) => panic!("{line:?}: {timer:?} on {local} to {remote}"),
            }
        }
    }
}

fn timer(local: SocketAddr, remote: SocketAddr) -> Timer {
    let mut table = sockets::all().into_iter();
    let socket = table.find(|socket| socket.local == local && socket.remote == remote);
    socket.expect("the balancer's socket").timer
}
