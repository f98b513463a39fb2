//! Files of HAProxy.

use super::*;

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
    assert_eq!(unlike.servers.iter().map(|server| server.id).collect::<Vec<_>>(), [20, 2]);
    assert_eq!(
        binds(&spec, "unlike"),
        ["0.0.0.0:9000", "[::]:9000", "0.0.0.0:9100", "0.0.0.0:9101", "0.0.0.0:9102"]
    );
    assert_eq!(spec.listeners[2].idle_timeout, Some(Duration::from_secs(90)));
}

/// A listener and a pool of HAProxy, to which lines are added.
pub(crate) fn proxies(front: &str, back: &str) -> String {
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
