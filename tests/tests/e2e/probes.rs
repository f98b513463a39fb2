use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::thread;

use ringbolt_tests::{
    ClosedPort, Config, EchoServer, Folder, Program, Server, Watched, fresh_address, need, nginx,
    until,
};

/// Probes in quick succession.
fn quick(probe: &str, timeout: &str) -> String {
    let pace = "interval = \"100ms\", fast_interval = \"50ms\"";
    format!("health = {{ {probe}, {pace}, timeout = \"{timeout}\" }}")
}

/// What the last probe of the only server came to, once it is `expected`.
fn wait_for(watched: &Watched, expected: &str) {
    until(&format!("a probe that ends with {expected}"), || {
        (watched.stat("echo", "ws1")["check_status"] == expected).then_some(())
    });
}

/// Goal: each kind of probe finds a good server up. Method: real servers: redis for a bare connect and
/// for words, the article's server for a handshake and, refusing, for HTTP; the latter on a UNIX socket
/// too.
#[test]
fn good_servers_are_up() {
    need!(Binary, Redis, Python);
    let redis = Program::start(|address, folder| {
        let mut command = Command::new("redis-server");
        command.args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--dir", &folder.file("")]);
        command
    });
    let redis = redis.address().to_string();
    let folder = Folder::new();
    let on_unix = EchoServer::start_on_unix("ws1", &folder.file("ws1.sock"));
    let on_inet = EchoServer::start("ws1");
    let cases = [
        ("kind = \"tcp\"", redis.as_str(), "L4OK"),
        ("kind = \"send-expect\", send = \"PING\\r\\n\", expect = \"+PONG\"", &redis, "L7OK"),
        ("kind = \"http\", status = \"426\"", on_inet.place(), "L7OK"),
        ("kind = \"websocket\"", on_inet.place(), "L7OK"),
        ("kind = \"websocket\"", on_unix.place(), "L7OK"),
        ("kind = \"tcp\"", on_unix.place(), "L4OK"),
    ];
    for (probe, place, expected) in cases {
        println!("{probe} at {place}");
        let config = Config::new().server_at("ws1", place).pool(&quick(probe, "20s"));
        let watched = Watched::start(config);
        wait_for(&watched, expected);
        until("it is well", || (watched.stat("echo", "ws1")["status"] == "UP").then_some(()));
    }
}

/// Goal: where servers expect a PROXY header, probes send one. Method: nginx that wants one, both forms, and
/// none.
#[test]
fn headers_come_first() {
    need!(Binary, Nginx);
    let server = Program::start(|address, folder| {
        let configuration = format!(
            "daemon off; master_process off; pid pid; error_log stderr; events {{}}
            http {{
                access_log off;
                client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                server {{ listen {address} proxy_protocol; location / {{ return 200; }} }}
            }}"
        );
        let configuration = folder.write("nginx.conf", &configuration);
        let mut command = Command::new(nginx());
        command.args(["-e", "stderr", "-p", &folder.file(""), "-c", &configuration]);
        command
    });
    for (send_proxy, expected) in [("v1", "L7OK"), ("v2", "L7OK"), ("off", "L7RSP")] {
        let config = Config::new().servers([server.address()]);
        let config = config.pool(&format!("send_proxy = \"{send_proxy}\""));
        let watched = Watched::start(config.pool(&quick("kind = \"http\"", "20s")));
        wait_for(&watched, expected);
    }
}

/// Goal: each way in which a server can be bad is found, told apart, and leaves nothing behind.
/// Method: servers that refuse, are silent, are mute, send byte after byte, break off, answer nonsense,
/// or answer what was not asked for; each until it is down, and descriptors at base when the probes end.
#[test]
fn bad_servers_are_down() {
    need!(Binary);
    let closed = ClosedPort::new();
    let silent = Server::listen();
    let _hole = silent.blackhole();
    let folder = Folder::new();
    let nowhere = format!("unix:{}", folder.file("nobody"));
    let websocket = "kind = \"websocket\"";
    let http = "kind = \"http\"";
    let expect = "kind = \"send-expect\", expect = \"+PONG\"";
    check(http, &closed.address().to_string(), "L4CON");
    check(http, &nowhere, "L4CON");
    check(http, &silent.address().to_string(), "L4TOUT");
    let answered = |probe, answer: &'static [u8], pieces, ends, expected| {
        check(probe, &answering(answer, pieces, ends).to_string(), expected);
    };
    answered(http, b"", false, false, "L7TOUT");
    answered(http, b"HTTP/1.1 200 O", true, false, "L7TOUT");
    answered(http, b"HTTP/1.1 200 O", true, true, "L7RSP");
    answered(http, b"SSH-2.0-dropbear\r\n", false, false, "L7RSP");
    answered(http, b"HTTP/1.1 503 no\r\n\r\n", true, true, "L7STS");
    answered(websocket, b"HTTP/1.1 101 ok\r\n\r\n", true, false, "L7RSP");
    answered(websocket, b"HTTP/1.1 200 ok\r\n\r\n", false, false, "L7STS");
    answered(expect, b"-ERR", false, true, "L7RSP");
    answered(expect, &[b'x'; 40_000], false, false, "L7RSP");
    answered(expect, b"-ERR", false, false, "L7TOUT");
}

/// The only server of a pool is found to be down so, and every probe takes its descriptor with it.
fn check(probe: &str, place: &str, expected: &str) {
    println!("{probe} at {place}: {expected}");
    let watched = Watched::start(Config::new().server_at("ws1", place));
    let without = fs::read_to_string(watched.ringbolt.configuration()).expect("it is there");
    let with = without.replace("[pool.echo]", &format!("[pool.echo]\n{}", quick(probe, "300ms")));
    for (text, probed) in [(with, true), (without, false)] {
        watched.ringbolt.write_configuration(&text);
        assert!(watched.ask("reload").contains("changed pool echo"));
        if probed {
            wait_for(&watched, expected);
            assert!(watched.stat("echo", "ws1")["status"].starts_with("DOWN"));
        }
    }
    watched.ringbolt.wait_for_base();
}

/// A server that says the same to everybody, whole or byte by byte, and then ends or says no more. It
/// lives as long as the test's process.
fn answering(answer: &'static [u8], pieces: bool, ends: bool) -> SocketAddr {
    let listener = TcpListener::bind((fresh_address(), 0)).expect("a port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().map_while(Result::ok) {
            // A probe may have heard enough.
            let mut say = |piece| drop(stream.write_all(piece));
            if pieces {
                answer.chunks(1).for_each(&mut say)
            } else {
                say(answer)
            }
            if !ends {
                open.push(stream);
            }
        }
    });
    address
}
