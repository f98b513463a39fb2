use std::net::SocketAddr;
use std::process::Command;

use ringbolt_tests::{
    Client, Config, Echo, End, Folder, Program, Ringbolt, Server, Watched, accept_any, need,
    run_haproxy, run_nginx, until,
};

const FORMS: [&str; 2] = ["v1", "v2"];

/// An HTTP server of HAProxy's that answers with the ends in the header that it demands.
fn haproxy_server(address: SocketAddr, folder: &Folder) -> Command {
    let sections = format!(
        "frontend who\n mode http\n bind {address} accept-proxy\n \
         http-request return status 200 content-type text/plain \
         lf-string \"%[src]:%[src_port] %[dst]:%[dst_port]\""
    );
    run_haproxy(folder, &sections)
}

/// The same of nginx's.
fn nginx_server(address: SocketAddr, folder: &Folder) -> Command {
    let blocks = format!(
        "http {{ access_log off;
            client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi; scgi_temp_path scgi;
            server {{
                listen {address} proxy_protocol; set_real_ip_from 127.0.0.0/8;
                real_ip_header proxy_protocol;
                return 200 \"$remote_addr:$remote_port \
                            $proxy_protocol_server_addr:$proxy_protocol_server_port\";
            }} }}"
    );
    run_nginx(folder, &blocks)
}

/// Goal: real servers understand the header and take its client for theirs. Method: nginx and HAProxy
/// answer a request with the ends that the header named; both forms, 10 clients.
#[test]
fn servers_behind() {
    need!(Binary, Haproxy, Nginx);
    for program in [Program::start(nginx_server), Program::start(haproxy_server)] {
        for form in FORMS {
            let config = Config::new().pool(&format!("send_proxy = \"{form}\""));
            let ringbolt = Ringbolt::start(&config.servers([program.address()]));
            for last in 1..=10 {
                let client = Client::default().from([69, 0, last]);
                let mut client = client.connect(ringbolt.address());
                client.send(b"GET / HTTP/1.0\r\n\r\n");
                let (answer, end) = client.receive_all();
                let answer = String::from_utf8(answer).expect("text");
                assert_eq!(end, End::Fin);
                let (_, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
                assert_eq!(body, format!("{} {}", client.local(), ringbolt.address()));
            }
            ringbolt.wait_for_base();
        }
    }
}

/// Goal: the same client meets the same server directly and by real balancers that put a header before
/// it. Method: HAProxy with `send-proxy`, `send-proxy-v2` and its extensions with a checksum, and
/// nginx with `proxy_protocol on`, before ours with three servers; 12 addresses, with 1 MB each.
#[test]
fn balancers_before() {
    need!(Binary, Haproxy, Nginx);
    let servers = [Server::listen(), Server::listen(), Server::listen()];
    let config = Config::new().servers(servers.iter().map(Server::address));
    let ringbolt = Ringbolt::start(&config.listener("accept_proxy = [\"127.0.0.1\"]"));
    let ours = ringbolt.address();
    let by_haproxy = |how: &'static str| {
        Program::start(move |address, folder| {
            let listen = "listen before\n mode tcp\n balance roundrobin";
            run_haproxy(folder, &format!("{listen}\n bind {address}\n server ours {ours} {how}"))
        })
    };
    let by_nginx = Program::start(move |address, folder| {
        let before = format!("listen {address}; proxy_pass {ours}; proxy_protocol on;");
        run_nginx(folder, &format!("stream {{ server {{ {before} }} }}"))
    });
    let programs = [
        by_haproxy("send-proxy"),
        by_haproxy("send-proxy-v2"),
        by_haproxy("send-proxy-v2 proxy-v2-options crc32c,unique-id"),
        by_nginx,
    ];
    let mut met = [0; 3];
    for last in 1..=12 {
        let meets = |to: SocketAddr| {
            let mut client = Client::default().from([69, 1, last]).connect(to);
            client.send(b"?");
            let (position, mut serving) = accept_any(&servers.each_ref());
            assert_eq!(serving.receive(1), b"?");
            let megabyte = vec![last; 1 << 20];
            std::thread::scope(|scope| {
                scope.spawn(|| client.send(&megabyte));
                assert_eq!(serving.receive(1 << 20), megabyte);
            });
            position
        };
        let direct = meets(ours);
        for program in &programs {
            assert_eq!(meets(program.address()), direct, "127.69.1.{last}");
        }
        met[direct] += 1;
    }
    assert!(met.iter().all(|count| *count < 12), "one server for all shows nothing: {met:?}");
    drop(programs);
    ringbolt.wait_for_base();
}

/// Goal: the health checks of a balancer before ours, which put a header of nobody before them, find it
/// up, and no counter takes them for something wrong. Method: HAProxy checks by each form of header,
/// and serves once it is up; every server is an echo.
#[test]
fn checked_by_the_one_before() {
    need!(Binary, Haproxy);
    let echo = Echo::start();
    let config = Config::new().servers([echo.address()]);
    let watched = Watched::start(config.listener("accept_proxy = [\"127.0.0.1\"]"));
    let ours = watched.ringbolt.address();
    for how in ["send-proxy", "send-proxy-v2"] {
        let program = Program::start(move |address, folder| {
            let server = format!("server ours {ours} {how} check-send-proxy check inter 20ms");
            run_haproxy(folder, &format!("listen before\n mode tcp\n bind {address}\n {server}"))
        });
        let sessions = || watched.metrics().sum("ringbolt_frontend_sessions_total");
        let before = sessions();
        until("it was checked three times", || (sessions() >= before + 3.0).then_some(()));
        Client::default().connect(program.address()).round_trip(b"through both");
    }
    let refused = watched.metrics().sum("ringbolt_sessions_refused_total{reason=\"bad");
    assert_eq!(refused, 0.0);
}
