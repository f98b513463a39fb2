use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener};

use nix::net::if_::if_nametoindex;
use ringbolt_tests::{
    Client, Config, Echo, Inherited, Network, Peer, Ringbolt, Server, accept_any, need,
};
use socket2::{Domain, Socket, Type};

/// A server on IPv6.
fn on_v6() -> (TcpListener, SocketAddr) {
    let server = TcpListener::bind("[::1]:0").expect("a port");
    let address = server.local_addr().expect("bound");
    (server, address)
}

/// Sends a byte through a session and one back.
fn exchange(mut client: Peer, server: &TcpListener) {
    let (stream, _) = server.accept().expect("a connection");
    let mut serving = Peer::of(stream);
    client.exchange(&mut serving);
}

/// Goal: "[::]:PORT" is IPv6 only, so that "0.0.0.0:PORT" stands beside it; servers of either family
/// serve clients of either. Method: both on one port; a client of each family before a server of each.
#[test]
fn both_side_by_side() {
    need!(Binary, Network);
    Network::new().inside(|| {
        let (v6, v6_address) = on_v6();
        let v4 = TcpListener::bind("127.0.0.1:0").expect("a port");
        let v4_address = v4.local_addr().expect("bound");
        let cases = [(&v4, v4_address, 7000), (&v6, v6_address, 7001)];
        for (server, address, port) in cases {
            let text = Config::new().bind("BOTH").servers([address]).text();
            let text = text.replace("\"BOTH\"", &format!("[\"[::]:{port}\", \"0.0.0.0:{port}\"]"));
            let _ringbolt = Ringbolt::start_text(&text);
            for to in [IpAddr::from([127, 0, 0, 1]), Ipv6Addr::LOCALHOST.into()] {
                exchange(Client::default().connect((to, port).into()), server);
            }
        }
        let only = Ringbolt::start(&Config::new().bind("[::]:7002").servers([v6_address]));
        let v4 = Client::default().try_connect(([127, 0, 0, 1], 7002).into());
        assert_eq!(v4.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
        drop(only);
    });
}

/// Goal: a client of IPv4 meets the same server whether it comes as itself or mapped into IPv6. Method:
/// a listener of IPv4, and an inherited socket of both families, before three servers; 20 addresses.
#[test]
fn mapped_addresses_meet_the_same_server() {
    need!(Binary);
    let servers = [Server::listen(), Server::listen(), Server::listen()];
    let dual = Socket::new(Domain::IPV6, Type::STREAM, None).expect("a socket");
    dual.set_only_v6(false).expect("a new socket");
    dual.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into()).expect("a port");
    dual.listen(128).expect("a bound socket");
    let config = Config::new().bind("fd@3").servers(servers.iter().map(Server::address));
    let text = config.text().replace("\"fd@3\"", "[\"fd@3\", \"127.0.0.1:0\"]");
    let ringbolt = Inherited::new(dual).start_text(&text);
    let [mapped, plain] = ringbolt.addresses() else { panic!("{:?}", ringbolt.addresses()) };
    assert!(mapped.is_ipv6() && plain.is_ipv4());
    let mut met = [0; 3];
    for last in 1..=20 {
        let meets = |to: SocketAddr| {
            let mut client = Client::default().from([65, 0, last]).connect(to);
            let (position, mut serving) = accept_any(&servers.each_ref());
            client.exchange(&mut serving);
            position
        };
        let by_v4 = meets(*plain);
        assert_eq!(meets(([127, 0, 0, 1], mapped.port()).into()), by_v4, "127.65.0.{last}");
        met[by_v4] += 1;
    }
    assert!(met.iter().all(|count| *count < 20), "one server for all shows nothing: {met:?}");
}

/// Goal: addresses of a link work on every side: a listener's, a client's, a server's, a source's.
/// Method: two networks with a cable between them; the balancer in one, client and server in the
/// other.
#[test]
fn addresses_of_a_link() {
    need!(Binary, Network);
    let (here, there) = (Network::new(), Network::new());
    here.ip(&format!("link add near type veth peer name far netns {}", there.name()));
    for (network, device, address) in [(&here, "near", "fe80::1"), (&there, "far", "fe80::2")] {
        network.ip(&format!("link set {device} up"));
        network.ip(&format!("address add {address}/64 dev {device} nodad"));
    }
    let link = |network: &Network, device: &str, address: &str, port| {
        let scope = network.inside(|| if_nametoindex(device)).expect("a device");
        SocketAddrV6::new(address.parse().expect("an address"), port, 0, scope)
    };
    let server = there.inside(|| {
        TcpListener::bind(link(&there, "far", "fe80::2", 0)).expect("an address of the link")
    });
    let port = server.local_addr().expect("bound").port();
    let bind = link(&here, "near", "fe80::1", 7000);
    let config = Config::new().bind(&bind.to_string());
    let config = config.server("ws1", link(&here, "near", "fe80::2", port).into());
    let config = config.of_server("source = [\"fe80::1\"]");
    let ringbolt = here.inside(|| Ringbolt::start(&config));
    assert_eq!(ringbolt.addresses(), [SocketAddr::from(bind)]);
    let to = link(&there, "far", "fe80::1", 7000);
    for _ in 0..3 {
        let client = there.inside(|| Client::default().connect(to.into()));
        let (stream, from) = server.accept().expect("a connection");
        assert_eq!(from.ip(), "fe80::1".parse::<Ipv6Addr>().expect("an address"));
        let (mut client, mut serving) = (client, Peer::of(stream));
        client.exchange(&mut serving);
    }
    // And one that is valid everywhere, for those who come by the link.
    let echo = here.inside(Echo::start);
    let any =
        here.inside(|| Ringbolt::start(&Config::new().bind("[::]:7001").servers([echo.address()])));
    let to = link(&there, "far", "fe80::1", 7001);
    there.inside(|| Client::default().connect(to.into()).round_trip(b"x"));
    drop(any);
}
