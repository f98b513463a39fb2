//! Files of nginx.

use super::*;

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

/// Goal: what files have that grew for years is carried or noted. Method: a file with all of it.
#[test]
fn a_wild_nginx() {
    let imported = nginx(&file("nginx/wild.conf"));
    let spec = spec(&imported);
    assert_eq!(binds(&spec, "chat.example"), ["127.0.0.1:8182"]);
    assert_eq!(binds(&spec, "chat.example-proxy"), ["127.0.0.1:8181"]);
    assert_eq!(binds(&spec, "127.0.0.34:3000"), ["127.0.0.1:8183"]);
    let chat = pool(&spec, "chat");
    assert_eq!(
        (chat.balance, addrs(chat)),
        (Balance::NginxIpHash, vec!["127.0.0.31:8765", "127.0.0.32:8765"])
    );
    assert_eq!(addrs(pool(&spec, "127.0.0.34:3000")), ["127.0.0.34:3000"]);
    let said = listed(&imported, &imported.notes);
    for note in [
        "set_real_ip_from is carried only where a listen has proxy_protocol",
        "server 127.0.0.33:8765 is not carried: it is a backup, which nginx-ip-hash has not",
        "proxy_pass http://$app:$port is carried as http://127.0.0.34:3000",
    ] {
        assert!(said.contains(note), "{note} in\n{said}");
    }
}

/// Goal: a `proxy_pass` leads where its variables do, as far as they are known without a request, and
/// whatever path follows. Method: forms that people write, with the servers that are then there.
#[test]
fn what_set_says_is_known() {
    for (within, expected) in [
        (
            "set $a 192.0.2.7; set $b 81; set $c http; location / { proxy_pass $c://$a:$b; }",
            "192.0.2.7:81",
        ),
        ("location / { set $a 192.0.2.7; set $b ${a}:82; proxy_pass http://$b; }", "192.0.2.7:82"),
        ("set $ab x; set $a 192.0.2.7; location / { proxy_pass http://$a; }", "192.0.2.7:80"),
        (
            "set $a 192.0.2.6; set $a 192.0.2.7; location / { proxy_pass http://$a/b$c; }",
            "192.0.2.7:80",
        ),
        ("location / { proxy_pass http://192.0.2.7:83$request_uri; }", "192.0.2.7:83"),
        ("location / { proxy_pass http://192.0.2.7$uri$is_args$args; }", "192.0.2.7:80"),
        ("location / { proxy_pass https://192.0.2.7/$1; }", "192.0.2.7:443"),
        ("location / { proxy_pass http://[2001:db8::7]:84; }", "[2001:db8::7]:84"),
        ("location / { proxy_pass http://unix:/run/a.sock:/b:c/; }", "unix:/run/a.sock"),
        ("location / { proxy_pass http://unix:/run/a.sock; }", "unix:/run/a.sock"),
    ] {
        let imported = nginx(&format!("http {{ server {{ listen 9; {within} }} }}"));
        assert_eq!(addrs(&spec(&imported).pools[0]), [expected], "{within}");
    }
    for within in [
        "location / { proxy_pass http://$a; }",
        "location / { proxy_pass http://192.0.2.7$a; }",
        "location / { proxy_pass http://192.0.2.7:$a; }",
        "set $a 192.0.2.7; set $a $b; location / { proxy_pass http://$a; }",
        "set $a 192.0.2.7; location / { if ($b) { set $a c; } proxy_pass http://$a; }",
        "location / { proxy_pass http:///a; }",
    ] {
        let imported = nginx(&format!("http {{ server {{ listen 9; {within} }} }}"));
        assert!(imported.toml.is_none(), "{within}: {:?}", imported.toml);
        let said = listed(&imported, &imported.notes);
        assert!(said.contains("what a variable holds"), "{within}: {said}");
    }
}

/// Goal: clients without a PROXY header are served where nginx serves them. Method: a server with an
/// address of each kind.
#[test]
fn addresses_with_a_header_are_a_listener_of_their_own() {
    let text = "stream { server { listen 81; listen 82 proxy_protocol; listen 83; proxy_pass 192.0.2.7:1; \
                set_real_ip_from 10.0.0.0/8; } }";
    let imported = nginx(text);
    let spec = spec(&imported);
    let name = "192.0.2.7:1";
    assert_eq!(binds(&spec, name), ["0.0.0.0:81", "0.0.0.0:83"]);
    assert_eq!(binds(&spec, &format!("{name}-proxy")), ["0.0.0.0:82"]);
    let headers: Vec<_> =
        spec.listeners.iter().map(|it| (it.accept_proxy.len(), it.accept_proxy_only)).collect();
    assert_eq!((headers, spec.pools.len()), (vec![(0, false), (1, true)], 1));
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
        (false, "", "", "listen 8766 proxy_protocol;", "", "a listener of their own, echo-proxy"),
        (
            false,
            "",
            "",
            "set_real_ip_from 10.0.0.0/8;",
            "",
            "only where a listen has proxy_protocol",
        ),
        (true, "", "set_real_ip_from 10.0.0.0/8;", "", "", "decides which server"),
        (
            true,
            "",
            "server { listen 9 proxy_protocol; set_real_ip_from ::/0; location / { proxy_pass http://echo; } }",
            "",
            "",
            "from the header X-Real-IP",
        ),
        (true, "", "real_ip_header X-Real-IP;", "", "", "decides which server"),
        (true, "", "init_by_lua_block { a = '}' }", "", "", "no other code"),
        (true, "", "", "", "balancer_by_lua_block { a() }", "chooses no server"),
        (
            true,
            "",
            "server { listen 9; set $x 192.0.2.7; location / { proxy_pass http://$x$request_uri; } }",
            "",
            "",
            "carried as http://192.0.2.7$request_uri",
        ),
        (
            true,
            "",
            "server { listen 9; set $x 192.0.2.7; if ($a) { set $x b; } location / { proxy_pass http://$x; } }",
            "",
            "",
            "what a variable holds",
        ),
        (
            false,
            "",
            "",
            "",
            "server 192.0.2.2:1 backup; hash $remote_addr;",
            "which nginx-hash has not",
        ),
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
