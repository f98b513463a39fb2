use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use ringbolt_tests::{
    Client, Clients, ClosedPort, Config, Echo, EchoServer, Folder, Haproxy, Language, Peer,
    Program, Server, Signal, Watched, expect_reset, kill, need, nginx, until,
};

use crate::session;

/// Probes in quick succession that may take long, so that a busy machine makes no server bad.
const QUICK: &str = "interval = \"100ms\", fast_interval = \"50ms\", timeout = \"20s\"";

/// No probe comes before the test is over: a server begins up, and one bad result away from down.
const NEVER: &str = "interval = \"20h\", fast_interval = \"10h\"";

/// A line for a pool.
fn health(kind: &str, pace: &str) -> String {
    format!("health = {{ kind = \"{kind}\", {pace} }}")
}

/// Waits until a server is as the first word of its status says.
fn wait_for(watched: &Watched, server: &str, status: &str) {
    until(&format!("{server} is {status}"), || {
        let row = watched.stat("echo", server);
        (row["status"].split(' ').next() == Some(status)).then_some(())
    });
}

/// Clients come to a server that refuses and are served by the other, until that is noticed.
fn refused_until_down(watched: &Watched, other: &Server) {
    until("ws1 is DOWN", || {
        session(other, &watched.ringbolt);
        (watched.stat("echo", "ws1")["status"] == "DOWN").then_some(())
    });
}

/// Waits until a server is up and nothing speaks against it.
fn wait_for_settled(watched: &Watched, server: &str) {
    until(&format!("{server} is well"), || {
        (watched.stat("echo", server)["status"] == "UP").then_some(())
    });
}

/// Goal: a server that goes down loses only its own clients, and has them back when it returns; live
/// sessions of the others go on. Method: the article's three servers, probed by WebSocket handshakes, and
/// clients of 24 addresses; one server is killed, is found down, and is started again.
#[test]
fn only_its_clients_move_and_come_back() {
    need!(Binary, Python);
    let names = ["ws1", "ws2", "ws3"];
    let mut servers: BTreeMap<_, _> =
        names.map(|name| (name.to_owned(), EchoServer::start(name))).into();
    let config = Config::new().servers(servers.values().map(EchoServer::address));
    let watched = Watched::start(config.pool(&health("websocket", QUICK)));
    names.iter().for_each(|server| wait_for_settled(&watched, server));
    let mut clients = Clients::start(Language::Python);
    let mut meet = |round: &str, keep: bool| -> Vec<String> {
        let visit = |last| {
            let (address, id) = (Ipv4Addr::new(127, 10, last, 7), format!("{last} {round}"));
            let met = clients.open(&id, address, watched.ringbolt.address());
            if keep {
                assert_eq!(clients.echo(&id, 1_000, 1), met);
            } else {
                clients.close(&id);
            }
            met
        };
        (0..24).map(visit).collect()
    };
    let before = meet("first", true);
    let gone = before[0].clone();
    let address = servers[&gone].address();
    servers.remove(&gone).expect("one of three").kill();
    wait_for(&watched, &gone, "DOWN");
    watched.ringbolt.line_with(&format!("server echo/{gone} is down: "));
    let connects = watched.stat("echo", &gone)["econ"].clone();
    let meanwhile = meet("second", false);
    for (before, meanwhile) in before.iter().zip(&meanwhile) {
        assert_ne!(meanwhile, &gone);
        assert!(*before == gone || before == meanwhile, "{before} to {meanwhile}");
    }
    assert_eq!(watched.stat("echo", &gone)["econ"], connects, "nobody is sent there to find out");
    servers.insert(gone.clone(), EchoServer::start_again(&gone, address));
    wait_for(&watched, &gone, "UP");
    watched.ringbolt.line_with(&format!("server echo/{gone} is up: "));
    assert_eq!(meet("third", false), before);
    for (last, met) in before.iter().enumerate().filter(|(_, met)| **met != gone) {
        assert_eq!(
            clients.echo(&format!("{last} first"), 1_000, 2),
            *met,
            "it was there all along"
        );
    }
}

/// nginx that says it is well as long as there is a file `up`.
fn web_server(address: SocketAddr, folder: &Folder) -> Command {
    folder.write("up", "well");
    let configuration = format!(
        "daemon off; master_process off; pid pid; error_log stderr; events {{}}
        http {{
            access_log off;
            client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi; scgi_temp_path scgi;
            server {{ listen {address}; root .; location /hello {{ return 200 hello; }} }}
        }}"
    );
    let configuration = folder.write("nginx.conf", &configuration);
    let mut command = Command::new(nginx());
    command.args(["-e", "stderr", "-p", &folder.file(""), "-c", &configuration]);
    command
}

/// Asks nginx on a connection that stays.
fn hello(client: &mut Peer) {
    client.send(b"GET /hello HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        answer.extend(client.receive(1));
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
}

/// Goal: a server that is marked down keeps its live sessions and gets no new ones; one that comes back
/// gets them again. Method: two nginx servers with a page that says whether they are well; one loses it.
#[test]
fn live_sessions_are_not_touched() {
    need!(Binary, Nginx);
    let servers = [Program::start(web_server), Program::start(web_server)];
    let config = Config::new().servers(servers.each_ref().map(Program::address));
    let probe = health("http", &format!("path = \"/up\", {QUICK}"));
    let config = config.workers(1).pool("balance = \"round-robin\"");
    let watched = Watched::start(config.pool(&probe));
    ["ws1", "ws2"].iter().for_each(|server| wait_for_settled(&watched, server));
    let connect = || {
        let mut client = Client::default().connect(watched.ringbolt.address());
        hello(&mut client);
        client
    };
    let mut live = [connect(), connect()];
    let sessions = || ["ws1", "ws2"].map(|server| watched.stat("echo", server)["stot"].clone());
    assert_eq!(sessions(), ["1", "1"]);
    fs::remove_file(servers[0].folder().file("up")).expect("it is there");
    wait_for(&watched, "ws1", "DOWN");
    let row = watched.stat("echo", "ws1");
    assert_eq!([&row["check_status"], &row["check_code"]], ["L7STS", "404"]);
    let mut more = [connect(), connect(), connect()];
    assert_eq!(sessions(), ["1", "4"]);
    live.iter_mut().chain(&mut more).for_each(hello);
    servers[0].folder().write("up", "well again");
    wait_for_settled(&watched, "ws1");
    let _others = [connect(), connect()];
    assert_eq!(sessions(), ["2", "5"]);
    live.iter_mut().for_each(hello);
}

/// Goal: what HAProxy users have written means the same here: `option httpchk` asks with OPTIONS, which
/// a WebSocket server refuses, so it is down; kind "websocket" sees that it is up. Method: a real
/// HAProxy and two balancers, before the article's server.
#[test]
fn a_websocket_server_as_haproxy_sees_it() {
    need!(Binary, Python, Haproxy);
    let server = EchoServer::start("ws1");
    let haproxy = Haproxy::start_with(&format!(
        "option httpchk\n server ws1 {} check inter 100ms",
        server.address()
    ));
    until("HAProxy has found it down", || {
        (haproxy.stat("echo", "ws1")["status"] == "DOWN").then_some(())
    });
    let start = |probe: &str| {
        let config = Config::new().servers([server.address()]);
        Watched::start(config.pool(&health(probe, QUICK)))
    };
    let http = start("http\", method = \"OPTIONS\", path = \"/");
    wait_for(&http, "ws1", "DOWN");
    let (theirs, ours) = (haproxy.stat("echo", "ws1"), http.stat("echo", "ws1"));
    println!("HAProxy: {theirs:?}\nours: {ours:?}");
    let same = ["status", "chkdown", "check_status", "check_rise", "check_fall", "check_health"];
    for column in same.into_iter().chain(["check_code", "chkfail"]) {
        assert_eq!(ours[column], theirs[column], "{column}");
    }
    let websocket = start("websocket");
    wait_for_settled(&websocket, "ws1");
    let row = websocket.stat("echo", "ws1");
    assert_eq!([&row["check_status"], &row["check_code"]], ["L7OK", "101"]);
}

/// Goal: sessions that cannot be connected count, without a probe; who is down is not tried again.
/// Method: probes hours apart, one server that refuses and one that serves.
#[test]
fn failed_connects_count() {
    need!(Binary);
    let (closed, server) = (ClosedPort::new(), Server::listen());
    let config = Config::new().servers([closed.address(), server.address()]);
    let watched = Watched::start(config.pool(&health("tcp", NEVER)));
    assert_eq!(watched.stat("echo", "ws1")["status"], "UP 1/3");
    let meet = || {
        for last in 1..=40 {
            let mut client =
                Client::default().from([9, 1, last]).connect(watched.ringbolt.address());
            client.exchange(&mut server.accept());
        }
    };
    meet();
    wait_for(&watched, "ws1", "DOWN");
    watched.ringbolt.line_with("server echo/ws1 is down: sessions could not be connected; 1 of 2");
    let failed = watched.stat("echo", "ws1")["econ"].clone();
    assert_ne!(failed, "0");
    meet();
    let row = watched.stat("echo", "ws1");
    assert_eq!([&row["econ"], &row["check_status"]], [&failed, "INI"]);
    assert_eq!(watched.stat("echo", "ws2")["status"], "UP 1/3");
}

/// Goal: with all down a client is reset at once, for a reason of its own; with `fail_open` all are
/// treated as up. Method: an echo server whose probe fails, because it knows no HTTP, both ways.
#[test]
fn all_down() {
    need!(Binary);
    let echo = Echo::start();
    for fail_open in [false, true] {
        let config = Config::new().servers([echo.address()]);
        let config = config.pool(&format!("fail_open = {fail_open}"));
        let watched = Watched::start(config.pool(&health("http", QUICK)));
        wait_for(&watched, "ws1", "DOWN");
        watched.ringbolt.line_with("pool echo has no server left");
        let address = watched.ringbolt.address();
        if fail_open {
            Client::default().connect(address).round_trip(b"all the same");
        } else {
            expect_reset(Client::default(), address);
        }
        let metrics = watched.metrics();
        let refused = metrics.value("ringbolt_sessions_refused_total{reason=\"no-server\"}");
        assert_eq!(refused, if fail_open { 0.0 } else { 1.0 });
        let server = "proxy=\"echo\",server=\"ws1\"";
        for (key, value) in [
            (format!("ringbolt_server_status{{{server},state=\"DOWN\"}}"), 1.0),
            (format!("ringbolt_server_status{{{server},state=\"UP\"}}"), 0.0),
            (format!("ringbolt_server_check_status{{{server},state=\"L7RSP\"}}"), 1.0),
            (format!("ringbolt_server_check_up_down_total{{{server}}}"), 1.0),
            ("ringbolt_backend_status{proxy=\"echo\",state=\"DOWN\"}".into(), 1.0),
            ("ringbolt_backend_active_servers{proxy=\"echo\"}".into(), 0.0),
        ] {
            assert_eq!(metrics.value(&key), value, "{key}");
        }
        let failures = format!("ringbolt_server_check_failures_total{{{server}}}");
        assert_eq!(metrics.value(&failures), 1.0, "one was enough, and others do not count");
    }
}

/// Goal: the next engine knows who is down. Method: probes hours apart, so that it cannot find out by
/// itself; a failed connect takes the server down; the engine is killed.
#[test]
fn the_next_engine_knows() {
    need!(Binary);
    let (closed, server) = (ClosedPort::new(), Server::listen());
    let config = Config::new().servers([closed.address()]).server("spare", server.address());
    let config = config.of_server("backup = true");
    let watched = Watched::start(config.pool(&health("tcp", NEVER)));
    session(&server, &watched.ringbolt);
    wait_for(&watched, "ws1", "DOWN");
    let failed = watched.stat("echo", "ws1")["econ"].clone();
    let engine = watched.ringbolt.engine();
    kill(engine, Signal::SIGKILL);
    watched.ringbolt.engine_after(engine);
    session(&server, &watched.ringbolt);
    let row = watched.stat("echo", "ws1");
    assert_eq!([&row["status"], &row["econ"], &row["chkdown"]], ["DOWN", &failed, "1"]);
}

/// Goal: a reload keeps what is known of servers that stay, whatever else it changes; one that has
/// another address, or is probed in another way, begins up. Method: probes hours apart, and a server
/// that a failed connect has taken down.
#[test]
fn reloads_keep_what_is_known() {
    need!(Binary);
    let (closed, other, server) = (ClosedPort::new(), ClosedPort::new(), Server::listen());
    let config = |first: &ClosedPort, kind: &str, pace: &str| {
        let config = Config::new().servers([first.address()]).server("spare", server.address());
        config.of_server("backup = true").pool(&health(kind, pace))
    };
    let watched = Watched::start(config(&closed, "tcp", NEVER));
    let text = fs::read_to_string(watched.ringbolt.configuration()).expect("it is there");
    let reload = |first: &ClosedPort, kind: &str, pace: &str| {
        let (before, now) =
            (config(&closed, "tcp", NEVER).text(), config(first, kind, pace).text());
        let pool = |text: &str| text[text.find("[pool").expect("a pool")..].to_owned();
        watched.ringbolt.write_configuration(&text.replace(&pool(&before), &pool(&now)));
        let answer = watched.ask("reload");
        assert!(answer.contains("changed"), "{answer}");
        watched.stat("echo", "ws1")["status"].clone()
    };
    refused_until_down(&watched, &server);
    assert_eq!(reload(&closed, "tcp", &format!("{NEVER}, rise = 7")), "DOWN");
    assert_eq!(reload(&closed, "http", NEVER), "UP 1/3", "probed in another way");
    refused_until_down(&watched, &server);
    assert_eq!(reload(&other, "http", NEVER), "UP 1/3", "another address");
    refused_until_down(&watched, &server);
    watched.ringbolt.write_configuration(&text.replace(&health("tcp", NEVER), ""));
    watched.ask("reload");
    assert_eq!(watched.stat("echo", "ws1")["status"], "no check");
    let tried = watched.stat("echo", "ws1")["econ"].clone();
    session(&server, &watched.ringbolt);
    assert_ne!(watched.stat("echo", "ws1")["econ"], tried, "who is not probed is up");
}
