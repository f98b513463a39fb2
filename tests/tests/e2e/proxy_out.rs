use std::net::{Ipv6Addr, SocketAddr};

use ringbolt_tests::{
    Client, Config, End, Pattern, Peer, Ringbolt, Server, UnixServer, accept_any, need, proxy,
};

/// Takes a header off what somebody receives.
type Take = fn(&mut dyn FnMut(usize) -> Vec<u8>) -> Option<(SocketAddr, SocketAddr)>;

const FORMS: [(&str, Take); 2] =
    [("v1", |receive| proxy::take_v1(receive)), ("v2", |receive| proxy::take_v2(receive))];

fn sending(form: &str) -> Config {
    Config::new().pool(&format!("send_proxy = \"{form}\""))
}

fn take(take: Take, serving: &mut Peer) -> Option<(SocketAddr, SocketAddr)> {
    take(&mut |length| serving.receive(length))
}

/// Goal: the first that a server gets is the header of its client, with the address that the client
/// connected to, and after it the stream, each way whole. Method: both forms, copied and spliced; a
/// client that says nothing, one that sends 1 MB and ends, servers on TCP and on UNIX sockets.
#[test]
fn before_the_stream() {
    need!(Binary);
    const LENGTH: usize = 1_000_000;
    let pattern = Pattern { seed: 5 };
    for ((form, take_it), splice) in FORMS.into_iter().flat_map(|it| [(it, "off"), (it, "always")])
    {
        let server = Server::listen();
        let config = sending(form).pool(&format!("splice = \"{splice}\""));
        let ringbolt = Ringbolt::start(&config.clone().servers([server.address()]));
        let mut client = Client::default().from([68, 0, 1]).connect(ringbolt.address());
        let ends = Some((client.local(), ringbolt.address()));
        let mut serving = server.accept();
        assert_eq!(take(take_it, &mut serving), ends, "a server may wait for it");
        assert!(serving.silent());
        client.exchange(&mut serving);
        client.send_pattern(pattern, 0, LENGTH);
        client.finish();
        serving.receive_pattern(pattern, 0, LENGTH);
        assert_eq!(serving.end(), End::Fin);
        drop(serving);
        assert_eq!(client.end(), End::Fin);
        ringbolt.wait_for_base();

        let server = UnixServer::listen();
        let ringbolt = Ringbolt::start(&config.server_at("ws1", &server.place()));
        let mut client = Client::default().connect(ringbolt.address());
        client.send(b"hello");
        client.finish();
        let mut serving = server.accept();
        let ends = Some((client.local(), ringbolt.address()));
        assert_eq!(take_it(&mut |length| serving.receive(length)), ends);
        assert_eq!(serving.receive(5), b"hello");
        assert_eq!(serving.end(), End::Fin);
        drop((client, serving));
        ringbolt.wait_for_base();
    }
}

/// Goal: a server that is passed over leaves the header for the next one. Method: of three servers two
/// refuse; 20 clients.
#[test]
fn to_the_server_that_is_reached() {
    need!(Binary);
    for (form, take_it) in FORMS {
        let server = Server::listen();
        let closed = [Server::listen().close(), Server::listen().close()];
        let config = sending(form).servers(closed.iter().map(|it| it.address()));
        let ringbolt = Ringbolt::start(&config.server("good", server.address()));
        for last in 1..=20 {
            let mut client = Client::default().from([68, 1, last]).connect(ringbolt.address());
            client.send(b"x");
            let mut serving = server.accept();
            assert_eq!(take(take_it, &mut serving), Some((client.local(), ringbolt.address())));
            assert_eq!(serving.receive(1), b"x");
        }
        ringbolt.wait_for_base();
    }
}

/// Goal: a header that came in goes out with the same client and destination, in the form that the
/// pool has; two families become one; a header of nobody gives the connection's own ends. Method: both
/// forms in and out.
#[test]
fn what_came_in_goes_out() {
    need!(Binary);
    let v4 = |last: u8, port| SocketAddr::from(([203, 0, 113, last], port));
    let v6 = |last: u16, port| {
        SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last), port))
    };
    for (form, take_it) in FORMS {
        let server = Server::listen();
        let config = sending(form).listener("accept_proxy = [\"127.66.0.1\"]");
        let ringbolt = Ringbolt::start(&config.servers([server.address()]));
        for ends in [(v4(1, 0), v4(2, 443)), (v6(1, 65_535), v6(2, 1))] {
            for header in [proxy::v1(ends.0, ends.1), proxy::v2(ends.0, ends.1, &[4, 0, 1, 0])] {
                let mut client = Client::default().from([66, 0, 1]).connect(ringbolt.address());
                client.send(&[&header[..], b"x"].concat());
                let mut serving = server.accept();
                assert_eq!(take(take_it, &mut serving), Some(ends));
                assert_eq!(serving.receive(1), b"x");
            }
        }
        for header in [b"PROXY UNKNOWN\r\n".to_vec(), proxy::binary(0x20, 0, b"")] {
            let mut client = Client::default().from([66, 0, 1]).connect(ringbolt.address());
            client.send(&header);
            let mut serving = server.accept();
            assert_eq!(take(take_it, &mut serving), Some((client.local(), ringbolt.address())));
            client.exchange(&mut serving);
        }
        ringbolt.wait_for_base();
    }
}

/// Goal: a chain of balancers is one: whoever comes by two of them meets the server that it meets by
/// the last one, and that server learns who it is. Method: one before another, in both forms; 20
/// addresses.
#[test]
fn a_chain_of_two() {
    need!(Binary);
    for (form, take_it) in FORMS {
        let servers = [Server::listen(), Server::listen(), Server::listen()];
        let config = sending(form).servers(servers.iter().map(Server::address));
        let last = Ringbolt::start(&config.listener("accept_proxy = [\"127.0.0.1\"]"));
        let first = Ringbolt::start(&sending(form).servers([last.address()]));
        let mut met = [0; 3];
        for number in 1..=20 {
            let meets = |to: &Ringbolt| {
                let from = Client::default().from([68, 2, number]);
                let mut client = from.connect(to.address());
                let (position, mut serving) = accept_any(&servers.each_ref());
                let ends = Some((client.local(), to.address()));
                assert_eq!(take(take_it, &mut serving), ends);
                client.exchange(&mut serving);
                position
            };
            let direct = meets(&last);
            assert_eq!(meets(&first), direct);
            met[direct] += 1;
        }
        assert!(met.iter().all(|count| *count < 20), "one server for all: {met:?}");
    }
}

/// Goal: a header of IPv6 clients says so. Method: a listener and a client of IPv6.
#[test]
fn of_ipv6() {
    need!(Binary);
    for (form, take_it) in FORMS {
        let server = Server::listen();
        let ringbolt = Ringbolt::start(&sending(form).bind("[::1]:0").servers([server.address()]));
        let client = Client::default().connect(ringbolt.address());
        let ends = (client.local(), ringbolt.address());
        assert_eq!(take(take_it, &mut server.accept()), Some(ends));
    }
}
