use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::session;
use ringbolt_tests::{
    Client, Count, Echo, End, Folder, Ringbolt, Server, Signal, accept_any, ask, command, finish,
    herd, kill, memory, need, until,
};

/// A configuration by its parts: listeners with their addresses and pools, pools with their servers.
#[derive(Clone, Default)]
struct Text {
    head: String,
    listeners: Vec<(&'static str, String, &'static str)>,
    pools: Vec<(&'static str, Vec<(&'static str, SocketAddr)>)>,
}

impl Text {
    fn new() -> Self {
        Self { head: "[global]\nworkers = 2\n".into(), ..Self::default() }
    }

    fn listener(mut self, name: &'static str, bind: impl ToString, pool: &'static str) -> Self {
        self.listeners.push((name, bind.to_string(), pool));
        self
    }

    fn pool(mut self, name: &'static str, servers: &[(&'static str, &Server)]) -> Self {
        let servers = servers.iter().map(|(name, server)| (*name, server.address()));
        self.pools.push((name, servers.collect()));
        self
    }

    fn text(&self) -> String {
        let mut text = self.head.clone();
        for (name, bind, pool) in &self.listeners {
            let _ = writeln!(text, "[listener.{name}]\nbind = \"{bind}\"\npool = \"{pool}\"");
        }
        for (name, servers) in &self.pools {
            let _ = writeln!(text, "[pool.{name}]");
            for (server, addr) in servers {
                let _ = writeln!(text, "[[pool.{name}.server]]\nname = \"{server}\"");
                let _ = writeln!(text, "addr = \"{addr}\"");
            }
        }
        text
    }
}

/// Writes the file, asks for a reload by signal, and waits until the log says that it is done.
fn reload(ringbolt: &Ringbolt, text: &Text) {
    let said = || ringbolt.lines().iter().filter(|line| line.contains("reload: ")).count();
    let before = said();
    ringbolt.write_configuration(&text.text());
    ringbolt.signal(Signal::SIGHUP);
    until("the reload is done", || (said() > before).then_some(()));
}

/// The address of the one new session of `client`, at whichever server it is.
fn meets(address: SocketAddr, servers: &[&Server]) -> SocketAddr {
    let mut client = Client::default().connect(address);
    let (index, mut serving) = accept_any(servers);
    client.exchange(&mut serving);
    servers[index].address()
}

/// Goal: a live session stays with its server through every change, and a new one meets a server of
/// the new configuration; no process changes. Method: the server is replaced, its pool is, its
/// listener's pool is; the same client connects each time.
#[test]
fn live_sessions_stay_and_new_ones_follow() {
    need!(Binary);
    let [one, two, three] = [(); 3].map(|()| Server::listen());
    let first = Text::new().listener("web", "127.0.0.1:0", "a").pool("a", &[("ws1", &one)]);
    let ringbolt = Ringbolt::start_text(&first.text());
    let engine = ringbolt.engine();
    let (mut client, mut serving) = session(&one, &ringbolt);
    let web = || Text::new().listener("web", "127.0.0.1:0", "a");
    let changes = [
        (web().pool("a", &[("ws2", &two)]), &two),
        (web().pool("b", &[("ws9", &one)]).pool("a", &[("ws3", &three)]), &three),
        (Text::new().listener("web", "127.0.0.1:0", "b").pool("b", &[("ws2", &two)]), &two),
        (first, &one),
    ];
    for (text, expected) in changes {
        reload(&ringbolt, &text);
        client.exchange(&mut serving);
        assert_eq!(meets(ringbolt.address(), &[&one, &two, &three]), expected.address());
    }
    client.finish();
    assert_eq!(serving.end(), End::Fin);
    serving.finish();
    assert_eq!(client.end(), End::Fin);
    assert_eq!(ringbolt.engine(), engine);
}

/// Goal: what a file cannot be put in force for changes nothing and is said with its place. Method: a
/// syntax error, a key that is not built, a port that another process has; by signal and by `ctl`.
#[test]
fn a_bad_file_changes_nothing() {
    need!(Binary);
    let server = Server::listen();
    let folder = Folder::new();
    let socket = folder.file("admin.sock");
    let mut good = Text::new().listener("web", "127.0.0.1:0", "a").pool("a", &[("ws1", &server)]);
    let _ = writeln!(good.head, "admin = \"{socket}\"");
    let ringbolt = Ringbolt::start_text(&good.text());
    let (mut client, mut serving) = session(&server, &ringbolt);
    let taken = Server::listen();
    let bad = [
        (format!("{}\nbalance =\n", good.text()), "ringbolt.toml:"),
        (good.text().replace("admin =", "user = \"nobody\"\nadmin ="), "global.user"),
        (
            good.clone().listener("more", taken.address(), "a").text(),
            &*format!("{} is in use by", taken.address()),
        ),
    ];
    for (text, reason) in bad {
        ringbolt.write_configuration(&text);
        let ended = finish(command(&["ctl", "-s", &socket, "reload"]));
        assert_eq!(ended.code, Ok(1), "{ended:?}");
        assert!(ended.stderr.contains(reason), "{reason} in {ended:?}");
        ringbolt.signal(Signal::SIGHUP);
        until("the log says so twice", || {
            let lines = ringbolt.lines();
            let said = lines.iter().filter(|it| it.contains("refused") && it.contains(reason));
            (said.count() >= 2).then_some(())
        });
        client.exchange(&mut serving);
        session(&server, &ringbolt);
    }
    ringbolt.write_configuration(&good.text());
    let ended = finish(command(&["ctl", "-s", &socket, "reload"]));
    assert_eq!((ended.code, ended.stdout.trim()), (Ok(0), "nothing has changed"), "{ended:?}");
    // Sockets that were opened for a change that did not come to be are closed.
    drop((client, serving));
    ringbolt.wait_for_base();
}

/// Goal: listeners and their addresses come and go; a listener that stays is not touched; sessions
/// of one that went live on. Method: a port is added, moved to another listener, and taken away.
#[test]
fn listeners_come_and_go() {
    need!(Binary);
    let server = Server::listen();
    let pool = |text: Text| text.pool("a", &[("ws1", &server)]);
    let base = pool(Text::new().listener("web", "127.0.0.1:0", "a"));
    let ringbolt = Ringbolt::start_text(&base.text());
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let extra = free.local_addr().expect("a bound socket");
    drop(free);
    let connect = |address| {
        let mut client = Client::default().connect(address);
        let mut serving = server.accept();
        client.exchange(&mut serving);
        (client, serving)
    };
    let web = || Text::new().listener("web", "127.0.0.1:0", "a");
    reload(&ringbolt, &pool(web().listener("more", extra, "a")));
    let (mut client, mut serving) = connect(extra);
    reload(&ringbolt, &pool(web().listener("other", extra, "a")));
    connect(extra);
    reload(&ringbolt, &base);
    until("the port is refused", || Client::default().try_connect(extra).err());
    client.exchange(&mut serving);
    connect(ringbolt.address());
    drop((client, serving));
    ringbolt.wait_for_base();
}

/// Goal: an engine that is started anew serves what was accepted last, whatever the file says by
/// then. Method: a reload, a broken file, a `kill -9`.
#[test]
fn the_next_engine_serves_what_was_accepted() {
    need!(Binary);
    let [one, two] = [(); 2].map(|()| Server::listen());
    let web = || Text::new().listener("web", "127.0.0.1:0", "a");
    let ringbolt = Ringbolt::start_text(&web().pool("a", &[("ws1", &one)]).text());
    let engine = ringbolt.engine();
    reload(&ringbolt, &web().pool("a", &[("ws2", &two)]));
    ringbolt.write_configuration("nonsense");
    kill(engine, Signal::SIGKILL);
    ringbolt.engine_after(engine);
    assert_eq!(meets(ringbolt.address(), &[&one, &two]), two.address());
}

/// Goal: `ctl reload` says what is added, removed and changed, and what only a start reads. Method:
/// one of each.
#[test]
fn the_difference_is_told() {
    need!(Binary);
    let server = Server::listen();
    let folder = Folder::new();
    let socket = folder.file("admin.sock");
    let head = format!("[global]\nworkers = 2\nadmin = \"{socket}\"\n");
    let text = |head: &str| Text { head: head.into(), ..Text::default() };
    let old = text(&head)
        .listener("web", "127.0.0.1:0", "a")
        .pool("a", &[("ws1", &server), ("ws2", &server)])
        .pool("old", &[("x", &server)]);
    let ringbolt = Ringbolt::start_text(&old.text());
    let other_head = head.replace("workers = 2", "workers = 1\nmax_sessions = 100\nseed = 7");
    let new = text(&format!("{other_head}[timeouts]\ndrain = \"1m\"\n"))
        .listener("web", "127.0.0.1:0", "new")
        .pool("a", &[("ws3", &server), ("ws1", &server)])
        .pool("new", &[("x", &server)]);
    ringbolt.write_configuration(&new.text());
    let answer = ask(&socket, "reload\n");
    let said: BTreeSet<&str> = answer.lines().filter(|line| !line.is_empty()).collect();
    let expected = [
        "global.workers is for the next start",
        "changed key global.max_sessions",
        "changed key global.seed",
        "changed key timeouts.drain",
        "changed listener web",
        "removed pool old",
        "added pool new",
        "removed server a/ws2",
        "removed server old/x",
        "added server a/ws3",
        "added server new/x",
    ];
    let warning = |line: &&str| line.starts_with("warning: ");
    let said: BTreeSet<&str> = said.into_iter().filter(|line| !warning(line)).collect();
    assert_eq!(said, BTreeSet::from(expected), "{answer}");
}

/// Goal: an order of servers that moves clients is told of, and one that moves none is not. Method: both
/// pools name their servers the other way round, ids as they were; one has HAProxy's map.
#[test]
fn a_new_order_is_told_where_it_counts() {
    need!(Binary);
    let server = Server::listen();
    let folder = Folder::new();
    let socket = folder.file("admin.sock");
    let addr = server.address();
    let text = |ids: [u32; 2]| {
        let mut text = format!("[global]\nadmin = \"{socket}\"\n");
        for (pool, balance) in [("ours", "source"), ("theirs", "haproxy-source")] {
            let _ = writeln!(text, "[listener.{pool}]\nbind = \"127.0.0.1:0\"\npool = \"{pool}\"");
            let _ = writeln!(text, "[pool.{pool}]\nbalance = \"{balance}\"");
            for id in ids {
                let _ = writeln!(text, "[[pool.{pool}.server]]\nname = \"ws{id}\"\nid = {id}");
                let _ = writeln!(text, "addr = \"{addr}\"");
            }
        }
        text
    };
    let ringbolt = Ringbolt::start_text(&text([1, 2]));
    ringbolt.write_configuration(&text([2, 1]));
    let answer = ask(&socket, "reload\n");
    let said: Vec<&str> = answer.lines().filter(|line| line.starts_with("changed")).collect();
    assert_eq!(said, ["changed pool theirs"], "{answer}");
}

/// Goal: a drain is not undone, nor left with sockets that nobody serves. Method: a reload that adds
/// a listener, while a session keeps the drain going.
#[test]
fn a_drain_takes_no_change() {
    need!(Binary);
    let server = Server::listen();
    let folder = Folder::new();
    let socket = folder.file("admin.sock");
    let mut text = Text::new().listener("web", "127.0.0.1:0", "a").pool("a", &[("ws1", &server)]);
    let _ = writeln!(text.head, "admin = \"{socket}\"");
    let ringbolt = Ringbolt::start_text(&text.text());
    let (mut client, mut serving) = session(&server, &ringbolt);
    ringbolt.signal(Signal::SIGUSR1);
    ringbolt.line_with("draining");
    ringbolt.write_configuration(&text.listener("more", "127.0.0.1:0", "a").text());
    let ended = finish(command(&["ctl", "-s", &socket, "reload"]));
    assert_eq!(ended.code, Ok(1), "{ended:?}");
    assert!(ended.stderr.contains("drains"), "{ended:?}");
    client.exchange(&mut serving);
}

const RELOADS: usize = 200;

/// Goal: 200 reloads under load: nobody is refused, nobody reset, a live session stays, memory stays
/// flat. Method: servers come and go and change their order while clients connect, echo and leave
/// without a pause; memory of its own that the engine has after half of them and after all. (Some
/// growth is none of the reloads': histograms of as many servers as there are sessions with.)
#[test]
fn two_hundred_reloads_under_load() {
    need!(Binary);
    let servers = [(); 3].map(|()| Echo::start());
    let folder = Folder::new();
    let socket = folder.file("admin.sock");
    let text = |round: usize| {
        let mut text = Text::new().listener("web", "127.0.0.1:0", "a");
        let _ = writeln!(text.head, "admin = \"{socket}\"");
        // A name that comes back, one that never does, and one that stays.
        let names: [&'static str; 3] =
            [["ws1", "ws2"][round % 2], Box::leak(format!("once{round}").into_boxed_str()), "ws3"];
        let mut named: Vec<_> = names.into_iter().zip(&servers).collect();
        named.rotate_left(round % 3);
        let named = named.into_iter().map(|(name, server)| (name, server.address()));
        text.pools.push(("a", named.collect()));
        text.text()
    };
    let ringbolt = Ringbolt::start_text(&text(0));
    let mut stays = Client::default().connect(ringbolt.address());
    stays.round_trip(b"here");
    let done = AtomicBool::new(false);
    let served = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut sum = Count::default();
            while !done.load(Ordering::Relaxed) {
                let count = herd(20, ringbolt.address(), |_| {});
                assert_eq!(count, Count { echoed: 20, ..Count::default() });
                sum.echoed += count.echoed;
            }
            sum.echoed
        });
        let mut early = 0;
        for round in 1..=RELOADS {
            ringbolt.write_configuration(&text(round));
            let answer = ask(&socket, "reload\n");
            assert!(answer.contains("added server"), "{answer}");
            if round == RELOADS / 2 {
                early = memory(ringbolt.engine()).anonymous;
            }
        }
        done.store(true, Ordering::Relaxed);
        let late = memory(ringbolt.engine()).anonymous;
        assert!(late < early + early / 2, "{early} bytes after half of them, {late} after all");
        load.join().expect("nobody was refused or reset")
    });
    assert!(served >= RELOADS, "only {served} sessions under all of it");
    stays.round_trip(b"still here");
    drop(stays);
    ringbolt.wait_for_base();
}

/// Goal: a reload that meets a drain leaves no socket that listens and that nobody serves. Method: one
/// session lives through it; another listener is added and the drain begun at once, in either order;
/// then nothing listens, and the session goes on.
#[test]
fn a_reload_that_meets_a_drain() {
    need!(Binary);
    let server = Server::listen();
    for round in 0..20 {
        let mut text =
            Text::new().listener("web", "127.0.0.1:0", "a").pool("a", &[("ws1", &server)]);
        text.head = "[global]\nworkers = 1\n".into();
        let ringbolt = Ringbolt::start_text(&text.text());
        let (mut client, mut serving) = session(&server, &ringbolt);
        ringbolt.write_configuration(&text.listener("more", "127.0.0.2:0", "a").text());
        let mut signals = [Signal::SIGHUP, Signal::SIGUSR1];
        signals.rotate_left(round % 2);
        signals.into_iter().for_each(|signal| ringbolt.signal(signal));
        ringbolt.line_with("draining");
        ringbolt.line_with("reload");
        // The session's two sockets, and the worker's listening one no more.
        ringbolt.wait_for_descriptors(1);
        client.exchange(&mut serving);
    }
}
