use std::io::ErrorKind;
use std::net::Ipv4Addr;

use ringbolt_tests::{
    Client, Clients, EchoServer, End, Language, Pattern, Server, Timer, accept_any, need, sockets,
};

/// Goal: a FIN and a reset are told apart, at once and after a FIN. Method: a direct connection for
/// each way to end one.
#[test]
fn ends_are_told_apart() {
    let server = Server::listen();
    let connect = || (Client::default().connect(server.address()), server.accept());

    let (mut client, serving) = connect();
    drop(serving);
    assert_eq!(client.end(), End::Fin);

    let (mut client, mut serving) = connect();
    serving.send(b"last words");
    serving.reset();
    assert_eq!(client.receive_all().1, End::Reset);

    let (client, mut serving) = connect();
    client.finish();
    assert_eq!(serving.end(), End::Fin);
    client.reset();
    serving.reset_after_fin();

    // Closing with unread input is a reset too.
    let (mut client, serving) = connect();
    client.send(b"never read");
    while serving.silent() {}
    drop(serving);
    assert_eq!(client.end(), End::Reset);
}

/// Goal: two FINs are not taken for a reset. Method: both sides end in order.
#[test]
#[should_panic(expected = "a reset, not two FINs")]
fn two_fins_are_no_reset() {
    let server = Server::listen();
    let client = Client::default().connect(server.address());
    let mut serving = server.accept();
    client.finish();
    assert_eq!(serving.end(), End::Fin);
    serving.finish();
    serving.reset_after_fin();
}

/// Goal: a closed port refuses and keeps its address; a server closed or in a black hole leaves its
/// connections alone. Method: connect before and after.
#[test]
fn closed_ports_refuse_and_black_holes_swallow() {
    let server = Server::listen();
    let mut client = Client::default().connect(server.address());
    let mut serving = server.accept();

    let hole = server.blackhole();
    let listening = server.address();
    // Whether a SYN is dropped cannot be seen without waiting, but its being sent again can.
    let thread = std::thread::spawn(move || Client::default().try_connect(listening));
    ringbolt_tests::until("the SYN is sent again", || {
        let waiting = |s: &sockets::Entry| s.remote == listening && s.unsent > 0;
        sockets::all().into_iter().find(waiting).filter(|s| s.timer == Timer::Retransmit).map(drop)
    });
    drop(hole);
    server.accept(); // the one that filled the queue
    thread.join().unwrap().expect("gets through once there is room");
    server.accept();

    let closed = server.close();
    let refused = Client::default().try_connect(closed.address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    client.send(b"x");
    assert_eq!(serving.receive(1), b"x");
}

/// Goal: clients come from the address they were told, and the right server is named. Method: two
/// servers, a client from 127.9.8.7.
#[test]
fn addresses_are_chosen() {
    let (one, two) = (Server::listen(), Server::listen());
    let client = Client::default().from([9, 8, 7]).connect(two.address());
    let (position, serving) = accept_any(&[&one, &two]);
    assert_eq!(position, 1);
    assert_eq!(serving.remote(), client.local());
    assert_eq!(serving.remote().ip(), Ipv4Addr::new(127, 9, 8, 7));
    assert!(one.nobody());
}

/// Goal: a stream larger than all buffers arrives whole. Method: 20 MB straight to the server.
#[test]
fn patterns_cross() {
    let server = Server::listen();
    let mut client = Client::default().connect(server.address());
    let mut serving = server.accept();
    let pattern = Pattern { seed: 1 };
    std::thread::scope(|scope| {
        scope.spawn(|| client.send_pattern(pattern, 0, 20_000_000));
        serving.receive_pattern(pattern, 0, 20_000_000);
    });
}

/// Goal: servers and clients of the article work without a balancer. Method: each client program
/// straight to a server: one byte, 16 MiB, a lost connection.
#[test]
fn websockets_straight() {
    need!(Python, Node);
    for language in [Language::Python, Language::Node] {
        let server = EchoServer::start("ws9");
        let mut clients = Clients::start(language);
        let from = Ipv4Addr::new(127, 1, 2, 3);
        assert_eq!(clients.open("a", from, server.address()), "ws9");
        assert_eq!(clients.open("b", from, server.address()), "ws9");
        for bytes in [1, 16 << 20] {
            assert_eq!(clients.echo("a", bytes, 5), "ws9");
        }
        assert_eq!(clients.close("a"), 1000);
        server.kill();
        assert_eq!(clients.lost("b"), 1006);
    }
}
