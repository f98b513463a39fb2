use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ringbolt_tests::{
    Client, Clients, Config, EchoServer, Language, Ringbolt, Server, Timer, accept_any, need,
    sockets,
};

/// Longer than the minute after which so many proxies give up.
const SILENCE: Duration = Duration::from_secs(61);

/// Goal: a connection on which nobody says anything for longer than 60 s stays, and goes on with
/// the same server, with nothing configured for it. Method: a raw connection, and a WebSocket whose
/// client and server send no pings; no timer of the balancer is changed, none of the peers' sockets
/// has a keepalive; for 61 s nothing comes at either raw end; then bytes cross both ways.
#[test]
fn connections_stay() {
    need!(Binary, Python);
    let servers = [Server::listen(), Server::listen(), Server::listen()];
    let servers = servers.each_ref();
    let raw = Ringbolt::start(&Config::new().servers(servers.map(Server::address)));
    let mut client = Client::default().connect(raw.address());
    let (position, mut serving) = accept_any(&servers);
    client.exchange(&mut serving);

    let echoes = ["ws1", "ws2", "ws3"].map(EchoServer::start);
    let echoes = echoes.each_ref().map(EchoServer::address);
    let websocket = Ringbolt::start(&Config::new().servers(echoes));
    let mut clients = Clients::start(Language::Python);
    let server = clients.open("a", Ipv4Addr::LOCALHOST, websocket.address());

    let listeners = [raw.address(), websocket.address()];
    let servers_of_both = [&servers.map(Server::address)[..], &echoes].concat();
    let quiet = || {
        assert_eq!(peers(&listeners, &servers_of_both), [Timer::None; 4]);
    };
    // What was said before is acknowledged by now, or soon.
    ringbolt_tests::until("all is acknowledged", || {
        let timers = peers(&listeners, &servers_of_both);
        timers.iter().all(|timer| *timer != Timer::Retransmit).then_some(())
    });
    quiet();
    assert!(client.silent_for(SILENCE), "something came to the client");
    assert!(serving.silent(), "something came to the server");
    quiet();

    client.exchange(&mut serving);
    serving.exchange(&mut client);
    assert_eq!(clients.echo("a", 1_000, 1), server);
    assert_eq!(clients.close("a"), 1000);
    let _again = Client::default().connect(raw.address());
    assert_eq!(accept_any(&servers).0, position, "connecting again");
}

/// The timers of the clients' and of the servers' sockets.
fn peers(listeners: &[SocketAddr], servers: &[SocketAddr]) -> Vec<Timer> {
    let of_a_peer = |socket: &sockets::Entry| {
        let serving = socket.remote.port() != 0 && servers.contains(&socket.local);
        listeners.contains(&socket.remote) || serving
    };
    sockets::all().into_iter().filter(of_a_peer).map(|socket| socket.timer).collect()
}
