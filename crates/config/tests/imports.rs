//! Whole configurations of HAProxy and nginx, through the public interface: what they come to, what is
//! said of the rest, and where.
//!
//! The files are those of `tests/configurations`, which the end-to-end tests give to the real programs
//! too. Single lines are tested beside their readers.

use std::collections::BTreeMap;
use std::time::Duration;

use insta::assert_snapshot;
use ringbolt_config::{
    Checked, Diagnostic, Imported, Included, Machine, Product, Surroundings, check, import, json,
    pictures,
};
use ringbolt_core::spec::{Balance, Bind, Place, Pool, Probe, SendProxy, Spec, Splice};

const MACHINE: Machine = Machine { descriptors: 20_000, cores: 2 };

/// Files and variables of a test.
#[derive(Default)]
struct Around {
    files: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
}

impl Surroundings for Around {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn include(&self, pattern: &str, most: usize) -> Result<Vec<Included>, Diagnostic> {
        let stem = pattern.strip_suffix("*.conf");
        let fits = |name: &str| stem.map_or(name == pattern, |stem| name.starts_with(stem));
        let named = self.files.iter().filter(|(name, _)| fits(name));
        let file =
            |(name, text): (&String, &String)| Included { name: name.clone(), text: text.clone() };
        let files: Vec<_> = named.map(file).take(most).collect();
        if files.is_empty() && stem.is_none() {
            return Err(Diagnostic::error(format!("{pattern}: no such file")).mend("write it"));
        }
        Ok(files)
    }
}

fn file(name: &str) -> String {
    let path = format!("{}/../../tests/configurations/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn haproxy(text: &str) -> Imported {
    import(Product::Haproxy, "haproxy.cfg", text, &Around::default())
}

fn nginx(text: &str) -> Imported {
    import(Product::Nginx, "nginx.conf", text, &Around::default())
}

/// The spec of what has no error; and what is written for a person is what is in force.
fn spec(imported: &Imported) -> Spec {
    let checked = imported.check(&MACHINE);
    assert_eq!(checked.errors, []);
    let toml = imported.toml.as_deref().expect("it has no errors");
    let alone = check(toml, &MACHINE);
    assert_eq!(alone.errors, [], "{toml}");
    assert_eq!(alone.spec, checked.spec);
    checked.spec.expect("it has no errors")
}

/// A line for each diagnostic, with file and line.
fn listed(imported: &Imported, list: &[Diagnostic]) -> String {
    let source = imported.source("f");
    let line = |it: &Diagnostic| match source.position(it) {
        Some(at) => format!("{}:{}:{} {}", source.name_of(it), at.line, at.column, it.message),
        None => format!("- {}", it.message),
    };
    list.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn pool<'s>(spec: &'s Spec, name: &str) -> &'s Pool {
    spec.pools.iter().find(|pool| pool.name == name).unwrap_or_else(|| panic!("{name}"))
}

fn addrs(pool: &Pool) -> Vec<&str> {
    pool.servers.iter().map(|server| server.addr.text.as_str()).collect()
}

fn names(pool: &Pool) -> Vec<&str> {
    pool.servers.iter().map(|server| server.name.as_str()).collect()
}

fn binds(spec: &Spec, listener: &str) -> Vec<String> {
    let listener = spec.listeners.iter().find(|it| it.name == listener).expect("a listener");
    let shown = |bind: &Bind| match bind {
        Bind::Address(addr) => addr.to_string(),
        Bind::Inherited(name) => format!("fd@{name}"),
    };
    listener.binds.iter().map(shown).collect()
}

/// Goal: the article's HAProxy is carried with its mapping, and all that is otherwise is said. Method:
/// its file, byte for byte.
#[test]
fn the_articles_haproxy() {
    let imported = haproxy(&file("article/haproxy.cfg"));
    let spec = spec(&imported);
    assert_eq!(binds(&spec, "http_frontend"), ["0.0.0.0:80"]);
    let pool = pool(&spec, "websocket_backend");
    assert_eq!(pool.balance, Balance::HaproxySource);
    assert_eq!(addrs(pool), ["192.168.1.100:8765", "192.168.1.101:8765", "192.168.1.102:8765"]);
    assert_eq!(names(pool), ["ws1", "ws2", "ws3"]);
    let Probe::Http { method, path, .. } = &pool.health.probe else { panic!("{:?}", pool.health) };
    assert_eq!((method.as_str(), path.as_str()), ("OPTIONS", "/"));
    assert_eq!(
        (pool.health.interval, pool.health.rise, pool.health.fall),
        (Duration::from_secs(2), 2, 3)
    );
    assert_eq!((spec.listeners[0].idle_timeout, pool.attempts), (None, 1));
    assert_snapshot!(listed(&imported, &imported.notes), @r#"
    f:2:10 frontend http_frontend has no timeout client, server or tunnel: idle = "off", since HAProxy then never ends a silent session
    f:5:9 backend websocket_backend: attempts = 1, since HAProxy tries no other server without option redispatch (but the same one 3 times more)
    f:5:9 backend websocket_backend has no timeout connect: an attempt takes 5s at most here
    f:7:1 this probe asks with OPTIONS, which a WebSocket server refuses (405): it is then down, as under HAProxy
    "#);
}

/// Goal: the article's nginx is carried with its mapping; what Layer 4 does not carry is said. Method:
/// its file, byte for byte.
#[test]
fn the_articles_nginx() {
    let imported = nginx(&file("article/nginx.conf"));
    let spec = spec(&imported);
    assert_eq!(binds(&spec, "your.domain.com"), ["0.0.0.0:80"]);
    let pool = pool(&spec, "websocket_backend");
    assert_eq!(pool.balance, Balance::NginxIpHash);
    assert_eq!(addrs(pool), ["192.168.1.100:8765", "192.168.1.101:8765", "192.168.1.102:8765"]);
    assert_eq!(names(pool), addrs(pool));
    assert_eq!(spec.listeners[0].idle_timeout, Some(Duration::from_secs(86_400)));
    assert_eq!(pool.connect_timeout, Duration::from_secs(60));
    assert_snapshot!(listed(&imported, &imported.notes), @r#"
    f:3:10 servers of upstream websocket_backend have no names in nginx: here a server's address is its name, such as 192.168.1.100:8765
    f:10:8 the http server at 0.0.0.0:80 is carried as TCP: the bytes of requests and of a WebSocket pass through as they are; nothing chooses by path or name, and no header is added or changed
    f:11:1 `server_name your.domain.com` is not carried: Layer 4 does not see names: all clients of an address are one listener's
    f:12:1 location / is carried for the whole address: Layer 4 does not see paths, so all clients are led where it leads
    f:14:1 `proxy_http_version 1.1` is not carried: the version is the client's own and passes through
    f:15:1 `proxy_set_header Upgrade $http_upgrade` is not carried: the header is the stream's own and passes through as the client sent it
    f:16:1 `proxy_set_header Connection upgrade` is not carried: the header is the stream's own and passes through as the client sent it
    f:17:1 `proxy_set_header Host $host` is not carried: the header is the stream's own and passes through as the client sent it
    "#);
}

/// Goal: the text is one that a person can go on with. Method: the article's, whole.
#[test]
fn the_text_is_for_people() {
    let imported = haproxy(&file("article/haproxy.cfg"));
    assert_snapshot!(imported.toml.as_deref().expect("no errors"), @r#"
    # From haproxy.cfg, a configuration of HAProxy, by `ringbolt convert`.

    # haproxy.cfg:2
    [listener.http_frontend]
    bind = ["0.0.0.0:80"]
    pool = "websocket_backend"

    [listener.http_frontend.timeouts]
    idle = "off"

    # haproxy.cfg:5
    [pool.websocket_backend]
    balance = "haproxy-source"
    attempts = 1

    [pool.websocket_backend.health]
    kind = "http"
    method = "OPTIONS"
    path = "/"
    interval = "2s"
    fast_interval = "2s"
    timeout = "2s"

    [[pool.websocket_backend.server]]
    name = "ws1"
    addr = "192.168.1.100:8765"

    [[pool.websocket_backend.server]]
    name = "ws2"
    addr = "192.168.1.101:8765"

    [[pool.websocket_backend.server]]
    name = "ws3"
    addr = "192.168.1.102:8765"
    "#);
}

/// Goal: every part of a distribution's file has its place here. Method: part by part.
#[test]
fn a_distributions_haproxy() {
    let imported = haproxy(&file("haproxy/debian.cfg"));
    let spec = spec(&imported);
    assert_eq!(spec.global.admin.as_deref(), Some("/run/haproxy/admin.sock"));
    assert_eq!(
        (spec.global.user.as_deref(), spec.global.group.as_deref()),
        (Some("haproxy"), Some("haproxy"))
    );
    assert_eq!(binds(&spec, "www"), ["0.0.0.0:8080"]);
    assert_eq!(binds(&spec, "www-proxy"), ["0.0.0.0:8081"]);
    assert_eq!(spec.listeners[1].accept_proxy.len(), 2, "everybody, of both families");
    assert!(spec.listeners.iter().all(|it| it.idle_timeout == Some(Duration::from_secs(3_600))));
    let ws = pool(&spec, "ws");
    assert_eq!(ws.balance, Balance::HaproxySourceConsistent);
    let ids: Vec<_> = ws.servers.iter().map(|server| (server.id, server.weight)).collect();
    assert_eq!(ids, [(1, 1), (2, 1), (3, 0)]);
    let Probe::Http { method, path, host, status } = &ws.health.probe else { panic!() };
    assert_eq!(
        (method.as_str(), path.as_str(), host.as_deref()),
        ("GET", "/health", Some("ws.example"))
    );
    assert_eq!((status.as_slice(), ws.health.rise, ws.health.fall), (&[200..=399][..], 3, 2));
    assert_eq!(ws.connect_timeout, Duration::from_secs(5));
    assert_eq!(pool(&spec, "static").balance, Balance::RoundRobin);
    assert!(imported.toml.as_deref().expect("no errors").contains("id = 3\n"));
    assert!(spec.listeners.iter().all(|listener| listener.name != "stats"));
}

/// Goal: what a TCP balancer has of HAProxy is carried key by key. Method: a file with all of it.
#[test]
fn an_edges_haproxy() {
    let imported = haproxy(&file("haproxy/edge.cfg"));
    let spec = spec(&imported);
    let global = &spec.global;
    assert_eq!((global.workers, global.max_sessions), (Some(2), Some(4_000)));
    assert_eq!(global.drain_timeout, Some(Duration::from_secs(600)));
    assert_eq!(binds(&spec, "mqtt"), ["192.0.2.1:1883", "192.0.2.2:1883", "[2001:db8::1]:1883"]);
    let mqtt = &spec.listeners[0];
    assert_eq!((mqtt.max_sessions, mqtt.backlog), (Some(3_000), 1_024));
    assert_eq!(
        (mqtt.idle_timeout, mqtt.fin_timeout),
        (Some(Duration::from_secs(7_200)), Duration::from_secs(20))
    );
    let brokers = pool(&spec, "brokers");
    assert_eq!(
        (brokers.attempts, brokers.send_proxy, brokers.splice),
        (2, SendProxy::V2, Splice::Auto)
    );
    assert_eq!(brokers.connect_timeout, Duration::from_secs(3));
    assert_eq!(
        addrs(brokers),
        ["10.2.0.1:1883", "10.2.0.2:8765", "[2001:db8::2]:1883", "10.2.0.9:1883"]
    );
    let weights: Vec<_> =
        brokers.servers.iter().map(|it| (it.weight, it.max_sessions, it.backup)).collect();
    assert_eq!(
        weights,
        [(10, Some(500), false), (30, Some(500), false), (20, Some(500), false), (1, None, true)]
    );
    let sources: Vec<_> = brokers.servers.iter().map(|server| server.source.len()).collect();
    assert_eq!(sources, [1, 1, 0, 1], "not where the family is another");
    let health = &brokers.health;
    assert_eq!(
        health.probe,
        Probe::SendExpect { send: b"PING\r\n".to_vec(), expect: b"+PONG".to_vec() }
    );
    assert_eq!(
        [health.interval, health.fast_interval, health.timeout].map(|it| it.as_millis()),
        [2_000, 500, 800]
    );
    let redis = pool(&spec, "redis");
    assert_eq!(redis.servers[0].addr.place, Place::Unix("/run/redis/redis.sock".into()));
    assert_eq!((redis.balance, redis.servers[1].id), (Balance::LeastSessions, 7));
    let unlike = pool(&spec, "unlike");
    assert_eq!((unlike.balance, unlike.attempts), (Balance::HaproxySourceConsistentRaw, 1));
    assert_eq!(unlike.servers.iter().map(|server| server.id).collect::<Vec<_>>(), [20, 1]);
    assert_eq!(
        binds(&spec, "unlike"),
        ["0.0.0.0:9000", "[::]:9000", "0.0.0.0:9100", "0.0.0.0:9101", "0.0.0.0:9102"]
    );
    assert_eq!(spec.listeners[2].idle_timeout, Some(Duration::from_secs(90)));
}

/// Goal: stream of nginx is carried key by key, from several files. Method: a file that includes one.
#[test]
fn an_edges_nginx() {
    let included = file("nginx/conf.d/app.conf");
    let around = Around {
        files: BTreeMap::from([("conf.d/app.conf".to_owned(), included)]),
        ..Around::default()
    };
    let imported = import(Product::Nginx, "nginx.conf", &file("nginx/edge.conf"), &around);
    let spec = spec(&imported);
    assert_eq!(
        (spec.global.workers, spec.global.drain_timeout),
        (Some(2), Some(Duration::from_secs(600)))
    );
    assert_eq!(binds(&spec, "mqtt"), ["127.0.0.1:1883", "[::1]:1883"]);
    assert_eq!(binds(&spec, "127.0.0.21:9000"), ["127.0.0.1:9000", "127.0.0.1:9001"]);
    let app = &spec.listeners[0];
    assert_eq!(
        (app.name.as_str(), app.accept_proxy.len(), app.accept_proxy_only),
        ("app", 1, true)
    );
    assert_eq!(app.idle_timeout, Some(Duration::from_secs(43_200)));
    assert_eq!(pool(&spec, "app").balance, Balance::NginxHashBinaryConsistent);
    assert_eq!(pool(&spec, "app").servers[1].weight, 0);
    let mqtt = pool(&spec, "mqtt");
    assert_eq!((mqtt.balance, mqtt.attempts), (Balance::NginxHashConsistent, 2));
    assert_eq!((mqtt.send_proxy, mqtt.connect_timeout), (SendProxy::V1, Duration::from_secs(2)));
    assert_eq!((mqtt.servers[0].weight, mqtt.servers[0].max_sessions), (5, Some(500)));
    assert_eq!(addrs(mqtt)[2], "unix:/run/mqtt.sock");
    assert_eq!(mqtt.servers.iter().map(|it| it.source.len()).collect::<Vec<_>>(), [1, 1, 0]);
    assert_eq!(pool(&spec, "127.0.0.21:9000").attempts, 1);
    let said = listed(&imported, &imported.notes);
    assert!(said.contains("conf.d/app.conf:5:28 server 127.0.0.32:8765 is down"), "{said}");
}

/// Goal: an http proxy is carried for the address that it has, and the rest of it is said. Method: a
/// file with two names at one address, paths, a redirect and static files.
#[test]
fn a_site_of_nginx() {
    let imported = nginx(&file("nginx/sites.conf"));
    let spec = spec(&imported);
    assert_eq!(spec.listeners.len(), 1, "{:?}", spec.listeners);
    assert_eq!(binds(&spec, "chat.example"), ["0.0.0.0:8080", "[::]:8080"]);
    let chat = pool(&spec, "chat");
    assert_eq!((chat.balance, chat.attempts), (Balance::NginxIpHash, 4));
    assert_eq!(chat.servers[1].weight, 2);
    assert_eq!(spec.listeners[0].idle_timeout, Some(Duration::from_secs(3_600)));
    let said = listed(&imported, &imported.notes);
    for note in [
        "another server has 0.0.0.0:8080 too",
        "location ~ ^/api/ is not carried",
        "location /ws/ is carried for the whole address",
        "`location /` is not carried",
        "`return 301",
        "this server passes no connection on",
        "`map $http_upgrade $connection_upgrade` is not carried",
        "mime.types is left out",
    ] {
        assert!(said.contains(note), "{note} in\n{said}");
    }
}

/// A listener and a pool of HAProxy, to which lines are added.
fn proxies(front: &str, back: &str) -> String {
    format!(
        "defaults\n timeout connect 5s\n timeout client 1h\n timeout server 1h\n option redispatch\n\
         frontend web\n bind :8765\n default_backend echo\n{front}\nbackend echo\n balance roundrobin\n \
         server ws1 192.0.2.1:8765\n{back}\n"
    )
}

/// Goal: what is not carried as it was is said at its line, once, with what to do. Method: a line of
/// each kind in a file that is silent without it.
#[test]
fn every_line_of_haproxy_is_accounted_for() {
    let silent = haproxy(&proxies("", ""));
    assert_eq!(listed(&silent, &silent.notes), "");
    spec(&silent);
    for (front, back, said) in [
        (" mode http", "", "is mode http and is carried as TCP"),
        (" acl a path /x", "", "acl a path /x"),
        (" use_backend echo if a", "", "all clients go there"),
        (" use_backend %[hdr(host)]", "", "does not see requests"),
        (" http-request deny", "", "http-request deny"),
        (" tcp-request connection reject if { src 10.0.0.1 }", "", "refuses nobody"),
        (" tcp-request connection expect-proxy layer4 if x", "", "would reach the servers"),
        (" bind /run/a.sock", "", "UNIX sockets"),
        (" bind :443 ssl crt /a", "", "TLS"),
        (" stick-table type ip size 1m", "", "nothing is remembered"),
        (" timeout client 2h", "", "differ"),
        (" timeout http-request 5s", "", "does not see requests"),
        (" timeout queue 5s", "", "no queue"),
        (" timeout nonsense 5s", "", "not known here"),
        (" timeout client soon", "", "no time"),
        (" timeout client-fin 1s\n timeout server-fin 2s", "", ""),
        (" backlog 100000", "", "carried as 65535"),
        (" maxconn many", "", "no number"),
        (" option forwardfor", "", "adds no headers"),
        (" option nonsense", "", "not known here"),
        (" nonsense", "", "not known here"),
        (" log global", "", "standard error"),
        (" errorfile 503 /a", "", "answers no requests"),
        (" redirect scheme https", "", "answers no requests"),
        (" monitor-uri /up", "", "answers no requests"),
        (" description x", "", "own process"),
        ("", " cookie SRV insert", "cookie SRV insert is not carried"),
        ("", " stick on src", "stick on src is not carried"),
        ("", " balance uri", "balance uri needs what Layer 4 does not see"),
        ("", " balance first", "balance first"),
        ("", " no option redispatch", "attempts = 1"),
        ("", " retries 0", "attempts = 1"),
        ("", " balance source", "redispatch meets the same server"),
        ("", " balance source\n hash-type consistent", "3.0 to 3.2"),
        ("", " timeout connect 0", "no timeout connect"),
        ("", " hash-balance-factor 150", "by address alone"),
        ("", " option httpchk", "nobody is probed"),
        ("", " option external-check", "probes only connect"),
        ("", " fullconn 100", "do not move with the load"),
        ("", " use-server ws1 if x", "client's address alone"),
        ("", " bind :80", "a backend does not listen"),
        ("", " server ws2 192.0.2.2", ""),
        ("", " server ws2 *:80", "wherever the client wanted to go"),
        ("", " server ws2", "without a name or an address"),
        ("", " server ws2 192.0.2.2:1 check", "has no `check`"),
        ("", " server ws2 192.0.2.2:1 maxconn 9", "queue"),
        ("", " server ws2 192.0.2.2:1 send-proxy", "another PROXY header"),
        ("", " server ws2 192.0.2.2:1 disabled", "weight = 0"),
        ("", " server ws2 192.0.2.2:1 slowstart 5s", "slowstart"),
        ("", " server w/s2 192.0.2.2:1", "carried as \"w-s2\""),
        ("", " server a 192.0.2.2:1 backup\n server b 192.0.2.3:1 backup", "first backup alone"),
        (
            "",
            " option allbackups\n balance source\n server a 192.0.2.2:1 backup\n server b 192.0.2.3:1 backup",
            "option allbackups is not carried",
        ),
        ("", " server a 192.0.2.2:1 check inter 1s\n server b 192.0.2.3:1 check", "of its own"),
        ("", " server-template w 3 ws.example:1", "servers of one name"),
        ("", " source 0.0.0.0 usesrc clientip", "usesrc"),
        ("", " source 192.0.2.9:1024-2000", "ports of a source"),
        ("", "cache c\n total-max-size 4", "cache c"),
        ("", "peers p\n peer a 192.0.2.1:1", "peers p"),
        ("", "listen stats\n bind :9000\n stats enable", "HAProxy's own page"),
        ("", "listen off\n bind :9000\n disabled", "is disabled"),
        ("", "listen health\n bind :9000\n mode health", "carries no clients"),
        ("", "frontend none\n default_backend echo", "listens nowhere"),
        (
            "",
            "frontend some\n bind :9000\n use_backend echo if x\n use_backend other if y",
            "no single backend",
        ),
        ("", "frontend lost\n bind :9000\n default_backend empty\nbackend empty", "has no server"),
        ("global\n chroot /a\nfrontend web2\n bind :9\n default_backend echo", "", "chroot"),
        (
            "global\n stats socket ipv4@127.0.0.1:1\nfrontend web2\n bind :9\n default_backend echo",
            "",
            "is a path",
        ),
        ("global\n nonsense\nfrontend web2\n bind :9\n default_backend echo", "", "not known here"),
    ] {
        let text = proxies(front, back);
        let imported = haproxy(&text);
        assert_eq!(imported.errors, [], "{text}");
        let notes = listed(&imported, &imported.notes);
        assert!(notes.contains(said), "{said:?} in\n{notes}\nof\n{text}");
        assert!(said.is_empty() || !notes.is_empty());
        for note in &imported.notes {
            let at = note.span.as_ref().expect("every note has a place");
            assert!(at.start < at.end && at.end <= text.len(), "{note:?}");
            assert!(note.help.is_some(), "{note:?}");
        }
    }
}

/// Goal: a server without a port has the one that its clients connect to. Method: one port, and two.
#[test]
fn a_port_may_be_the_clients() {
    let text = proxies("", " server ws2 192.0.2.2\n server ws3 192.0.2.3:+1");
    assert_eq!(
        addrs(pool(&spec(&haproxy(&text)), "echo"))[1..],
        ["192.0.2.2:8765", "192.0.2.3:8766"]
    );
    let imported = haproxy(&proxies(" bind :8766", " server ws2 192.0.2.2"));
    let said = listed(&imported, &imported.notes);
    assert!(
        said.contains("server ws2 is not carried: its port is the one that the client"),
        "{said}"
    );
}

/// A server and an upstream of nginx's stream or http, to which lines are added.
fn site(is_http: bool, main: &str, inner: &str, server: &str, upstream: &str) -> String {
    let pass = if is_http {
        "location / { proxy_pass http://echo; proxy_read_timeout 1h; }"
    } else {
        "proxy_pass echo; proxy_timeout 1h;"
    };
    let block = if is_http { "http" } else { "stream" };
    format!(
        "{main}\n{block} {{\nproxy_connect_timeout 5s;\n{inner}\nserver {{\nlisten 8765;\n{server}\n{pass}\n}}\n\
         upstream echo {{\n{upstream}\nserver 192.0.2.1:8765;\n}}\n}}\n"
    )
}

/// Goal: the same for nginx. Method: the same, in stream and in http, of which every file has its own
/// few notes that are there without any line.
#[test]
fn every_directive_of_nginx_is_accounted_for() {
    let usual = |is_http| {
        let imported = nginx(&site(is_http, "", "", "", ""));
        spec(&imported);
        imported.notes.len()
    };
    assert_eq!((usual(false), usual(true)), (1, 3));
    for (is_http, main, inner, server, upstream, said) in [
        (false, "user a b;", "", "", "", ""),
        (false, "worker_connections 5;", "", "", "", "by worker"),
        (false, "mail { }", "", "", "", "mail"),
        (false, "nonsense;", "", "", "", "not known here"),
        (false, "", "map $a $b { default 1; }", "", "", "no variables"),
        (false, "", "access_log off;", "", "", "standard error"),
        (false, "", "", "deny all;", "", "refuses nobody"),
        (false, "", "", "ssl_preread on;", "", "no variables"),
        (false, "", "", "proxy_ssl on;", "", "does not speak TLS"),
        (false, "", "", "proxy_buffer_size 16k;", "", "own ways with buffers"),
        (false, "", "", "proxy_download_rate 1k;", "", "slowed down"),
        (false, "", "", "proxy_bind $remote_addr transparent;", "", "is not carried"),
        (false, "", "", "proxy_next_upstream_timeout 5s;", "", "every attempt"),
        (false, "", "", "proxy_timeout soon;", "", "no time"),
        (false, "", "", "listen 53 udp;", "", "carries TCP"),
        (false, "", "", "listen unix:/a;", "", "UNIX sockets"),
        (false, "", "", "listen 443 ssl;", "", "bytes of TLS"),
        (false, "", "", "listen 8766 proxy_protocol;", "", "want a PROXY header and some do not"),
        (false, "", "server { listen 9; return 1; }", "", "", "passes no connection on"),
        (false, "", "server { listen 9; proxy_pass $x; }", "", "", "what a variable holds"),
        (
            false,
            "",
            "server { listen 9; proxy_pass echo; proxy_protocol on; }",
            "",
            "",
            "one PROXY header",
        ),
        (false, "", "upstream spare { server 192.0.2.9:1; }", "", "", "no server leads to"),
        (false, "", "", "", "hash $binary_remote_addr;", "no mapping of ringbolt's"),
        (false, "", "", "", "hash $ssl_preread_server_name;", "does not see"),
        (false, "", "", "", "random two;", "least-sessions"),
        (false, "", "", "", "zone a 64k;", "same servers"),
        (false, "", "", "", "server ws.example:1;", "is a name"),
        (false, "", "", "", "server 192.0.2.2;", "no port"),
        (false, "", "", "", "server 192.0.2.2:1 down;", "weight = 0"),
        (false, "", "", "", "ip_hash; server 192.0.2.2:1 down;", "clients of the others move"),
        (false, "", "", "", "server 192.0.2.2:1 max_fails=2;", "kind \"tcp\""),
        (false, "", "", "", "server 192.0.2.2:1 max_conns=2;", "all workers"),
        (false, "", "", "", "server 192.0.2.2:1 nonsense;", "not known here"),
        (true, "", "gzip on;", "", "", "does not see requests"),
        (true, "", "", "server_name a.example;", "", "does not see names"),
        (true, "", "", "ssl_certificate /a;", "", "does not speak TLS"),
        (true, "", "", "listen [::]:8765 ipv6only=off;", "", "two addresses"),
        (true, "", "", "location /a { proxy_pass http://192.0.2.7; }", "", "does not see paths"),
        (true, "", "", "location /a { root /a; }", "", "passes these on too"),
        (true, "", "", "if ($a) { return 1; }", "", "passes these on too"),
        (true, "", "", "proxy_set_header Upgrade $http_upgrade;", "", "stream's own"),
        (true, "", "", "proxy_set_header X-Forwarded-For $a;", "", "adds no headers"),
        (
            true,
            "",
            "server { location / { proxy_pass https://192.0.2.7/a; } }",
            "",
            "",
            "bytes go to the server",
        ),
        (true, "", "server { location / { proxy_pass http://192.0.2.7/a; } }", "", "", "path /a"),
        (
            true,
            "",
            "server { listen 9; location / { proxy_pass http://$x; } }",
            "",
            "",
            "what a variable holds",
        ),
        (
            true,
            "",
            "server { listen 8765; location / { proxy_pass http://192.0.2.7; } }",
            "",
            "",
            "does not see names",
        ),
        (
            true,
            "",
            "server { listen 9; location / { fastcgi_pass a; } }",
            "",
            "",
            "answers no requests",
        ),
        (
            true,
            "",
            "",
            "",
            "hash $remote_addr consistent; server 192.0.2.2;",
            "by the text of addresses",
        ),
        (true, "", "", "", "sticky cookie a;", "mapping of their addresses"),
        (true, "", "", "", "keepalive 5;", "connection of its own"),
    ] {
        let text = site(is_http, main, inner, server, upstream);
        let imported = nginx(&text);
        assert_eq!(imported.errors, [], "{text}");
        let notes = listed(&imported, &imported.notes);
        let helps: String = imported.notes.iter().filter_map(|note| note.help.clone()).collect();
        assert!(notes.contains(said) || helps.contains(said), "{said:?} in\n{notes}\nof\n{text}");
        assert!(said.is_empty() || imported.notes.len() > usual(is_http), "{notes}\nof\n{text}");
        for note in &imported.notes {
            let at = note.span.as_ref().expect("every note has a place");
            assert!(at.start < at.end && at.end <= text.len(), "{note:?}");
            assert!(note.help.is_some(), "{note:?}");
        }
    }
}

/// Goal: what is inherited is so until one's own takes its place. Method: rules of a probe in defaults,
/// and networks in stream, each with and without one's own.
#[test]
fn lists_are_inherited_until_there_are_own_ones() {
    let text = "defaults\n timeout connect 5s\n timeout client 1h\n timeout server 1h\n option redispatch\n \
                option tcp-check\n tcp-check send a\n tcp-check expect string b\n\
                listen one\n bind :1\n server s 192.0.2.1:1 check\n\
                listen two\n bind :2\n tcp-check expect string c\n server s 192.0.2.1:1 check\n";
    let haproxy = spec(&haproxy(text));
    let ask =
        |send: &[u8], expect: &[u8]| Probe::SendExpect { send: send.into(), expect: expect.into() };
    assert_eq!(pool(&haproxy, "one").health.probe, ask(b"a", b"b"));
    assert_eq!(pool(&haproxy, "two").health.probe, ask(b"", b"c"));
    let text = "stream { set_real_ip_from 10.0.0.0/8; set_real_ip_from 10.1.2.3/16;\n\
                server { listen 1 proxy_protocol; proxy_pass 192.0.2.1:1; }\n\
                server { listen 2 proxy_protocol; set_real_ip_from 192.0.2.9; proxy_pass 192.0.2.2:1; } }";
    let nginx = spec(&nginx(text));
    let networks = nginx.listeners.iter().map(|it| it.accept_proxy.len()).collect::<Vec<_>>();
    assert_eq!(networks, [2, 1]);
}

/// Goal: a file that http or stream includes is a configuration too. Method: one of each.
#[test]
fn files_of_conf_d_stand_alone() {
    let http = "upstream a { ip_hash; server 192.0.2.1:1; server 192.0.2.2:1; }\n\
                server { listen 80; location / { proxy_pass http://a; } }";
    assert_eq!(spec(&nginx(http)).pools[0].balance, Balance::NginxIpHash);
    let stream = "upstream a { hash $remote_addr; server 192.0.2.1:1; }\n\
                  server { listen 80; proxy_pass a; }";
    assert_eq!(spec(&nginx(stream)).pools[0].balance, Balance::NginxHash);
}

/// Goal: an address beside every address is left out, and said. Method: both in two servers, the one for
/// every address last.
#[test]
fn an_address_beside_every_address_is_left_out() {
    let text = "stream { server { listen 127.0.0.1:1; proxy_pass 192.0.2.1:1; }\n\
                server { listen 1; listen [::1]:1; proxy_pass 192.0.2.2:1; } }";
    let imported = nginx(text);
    let spec = spec(&imported);
    assert_eq!(spec.listeners.len(), 1);
    assert_eq!(binds(&spec, "192.0.2.2:1"), ["0.0.0.0:1", "[::1]:1"]);
    let said = listed(&imported, &imported.notes);
    assert!(said.contains("f:1:26 127.0.0.1:1 is not listened on"), "{said}");
}

/// Goal: http and stream may have upstreams of one name. Method: both, with different servers.
#[test]
fn pools_of_one_name_are_two() {
    let text = "http { upstream a { server 192.0.2.1:1; } server { listen 1; location / { proxy_pass http://a; } } }\n\
                stream { upstream a { server 192.0.2.2:1; } server { listen 2; proxy_pass a; } }";
    let spec = spec(&nginx(text));
    let led: Vec<_> = spec.listeners.iter().map(|it| addrs(&spec.pools[it.pool])).collect();
    assert_eq!(led, [["192.0.2.1:1"], ["192.0.2.2:1"]]);
}

/// Goal: what is wrong with the text that is made is told at the line that it was made from, in the
/// file that has it. Method: values that ringbolt refuses, in both products and in an included file.
#[test]
fn errors_are_told_at_the_line_that_was_written() {
    let told = |imported: &Imported| {
        let Checked { errors, .. } = imported.check(&MACHINE);
        listed(imported, &errors)
    };
    assert_snapshot!(
        told(&haproxy(&proxies(
            " bind web.example:80\n maxconn 99999999",
            " server ws2 192.0.2.2:0\n server ws1 192.0.2.3:1 weight 99999"
        ))),
        @r#"
    f:9:7 listener.web.bind: "web.example:80" is a name, and a listener has an address
    f:10:2 listener.web.max_sessions: 99999999 is not between 1 and 16777216
    f:15:32 pool.echo.server.weight: 99999 is not between 0 and 65535
    "#
    );
    assert_snapshot!(told(&haproxy("frontend web\n bind :1\n default_backend ecco\nbackend echo\n server a 192.0.2.1:1")), @r#"f:3:18 there is no backend "ecco""#);
    assert_snapshot!(told(&haproxy("global\n maxconn 1000000\nlisten a\n bind :1\n bind :1\n server a 192.0.2.1:1")), @r#"
    f:2:2 max_sessions = 1000000 needs 2 x 1000000 + 520 descriptors, and this process may open 20000
    f:5:7 0.0.0.0:1 is bound twice
    "#);
    let around = Around {
        files: BTreeMap::from([(
            "d/a.conf".to_owned(),
            "upstream a {\n server 192.0.2.1:1 weight=99999;\n}".to_owned(),
        )]),
        ..Around::default()
    };
    let text = "stream {\n include d/*.conf;\n server {\n listen 80;\n proxy_pass a;\n }\n}";
    assert_snapshot!(told(&import(Product::Nginx, "nginx.conf", text, &around)), @"d/a.conf:2:21 pool.a.server.weight: 99999 is not between 0 and 65535");
}

/// Goal: a file that nothing can be made of is an error. Method: each reason.
#[test]
fn what_nothing_can_be_made_of_is_an_error() {
    for (imported, said) in [
        (haproxy(""), "nothing of this HAProxy configuration"),
        (haproxy("listen stats\n bind :1\n stats enable"), "nothing of this HAProxy configuration"),
        (haproxy("bind :80"), "before the first section"),
        (haproxy("frontend\n bind :80"), "no name"),
        (haproxy("defaults d from x"), "no defaults section"),
        (haproxy("listen a\n bind \":80\n"), "not closed"),
        (haproxy("listen a\0"), "NUL"),
        (haproxy(".if version_atleast(2)\n.endif"), "for HAProxy to judge"),
        (haproxy(&"#".repeat(5 << 20)), "more than 4194304 bytes"),
        (nginx(""), "nothing of this nginx configuration"),
        (nginx("http { server { listen 80; return 1; } }"), "nothing of this nginx configuration"),
        (nginx("http {"), "not closed"),
        (nginx("include gone;"), "no such file"),
        (nginx("\0"), "NUL"),
        (nginx(&"#".repeat(5 << 20)), "more than 4194304 bytes"),
    ] {
        assert!(imported.toml.is_none() && imported.check(&MACHINE).spec.is_none());
        let errors = listed(&imported, &imported.errors);
        assert!(errors.contains(said), "{said:?} in {errors}");
        // And it can be shown.
        assert!(!pictures(&imported.source("f"), &imported.errors, false).is_empty());
        assert!(json(&imported.source("f"), &imported.errors, &imported.notes).contains("errors"));
    }
}
