use ringbolt_tests::{
    Client, Config, Count, Echo, End, Metrics, Pattern, Server, Signal, Watched, herd, kill, need,
    until,
};

/// What a session sends: to the server and back.
const SENT: [(usize, usize); 3] = [(1, 0), (70_000, 5), (0, 1 << 20)];

/// Goal: both ways to read the counters agree with what was sent, to the byte, for each listener,
/// pool and server, and with each other. Method: two listeners, a pool of one server and one of two;
/// sessions of known sizes through both; the test keeps the account.
#[test]
fn counters_are_exact() {
    need!(Binary);
    let (one, two) = (Server::listen(), Server::listen());
    let other = Server::listen();
    let more = format!(
        "[listener.side]\nbind = \"127.0.0.1:0\"\npool = \"other\"\n\
         [[pool.other.server]]\nname = \"only\"\naddr = \"{}\"\n",
        other.address()
    );
    let config = Config::new().servers([one.address(), two.address()]);
    let watched = Watched::start_with(config.pool("balance = \"round-robin\""), &more);
    let [web, side] = *watched.ringbolt.addresses() else { panic!("two listeners") };
    let (mut account, servers) = ([[0u64; 3]; 3], [&one, &two, &other]);
    for round in 0..4 {
        for (to, first) in [(web, 0), (side, 2)] {
            let mut client = Client::default().connect(to);
            let candidates = if first == 0 { &servers[..2] } else { &servers[2..] };
            let (place, mut server) = ringbolt_tests::accept_any(candidates);
            let (up, down) = SENT[(round + first) % SENT.len()];
            transfer(&mut client, &mut server, up, down);
            let [sessions, bytes_in, bytes_out] = &mut account[first + place];
            *sessions += 1;
            *bytes_in += up as u64;
            *bytes_out += down as u64;
        }
    }
    assert!(account[0][0] > 0 && account[1][0] > 0, "both servers had some: {account:?}");
    let sum: [u64; 3] = std::array::from_fn(|it| account[0][it] + account[1][it]);
    let rows = [
        ("frontend", "web", "FRONTEND", sum),
        ("frontend", "side", "FRONTEND", account[2]),
        ("backend", "echo", "BACKEND", sum),
        ("backend", "other", "BACKEND", account[2]),
        ("server", "echo", "ws1", account[0]),
        ("server", "echo", "ws2", account[1]),
        ("server", "other", "only", account[2]),
    ];
    wait_for_ended(&watched, 8.0);
    let metrics = watched.metrics();
    for (kind, proxy, server, account) in rows {
        let labels = match kind {
            "server" => format!("{{proxy=\"{proxy}\",server=\"{server}\"}}"),
            _ => format!("{{proxy=\"{proxy}\"}}"),
        };
        let row = watched.stat(proxy, server);
        let names = [("sessions", "stot"), ("bytes_in", "bin"), ("bytes_out", "bout")];
        for ((name, column), value) in names.into_iter().zip(account) {
            let key = format!("ringbolt_{kind}_{name}_total{labels}");
            assert_eq!(metrics.value(&key), value as f64, "{key}");
            assert_eq!(row[column], value.to_string(), "{column} of {proxy}/{server}");
        }
    }
    let all = sum[1] + sum[2] + account[2][1] + account[2][2];
    assert_eq!(metrics.sum("ringbolt_relay_bytes_total"), all as f64);
    assert_eq!(metrics.value("ringbolt_process_bytes_out_total"), all as f64);
    assert_eq!(metrics.value("ringbolt_process_connections_total"), 8.0);
    assert!(watched.ask("show info").lines().any(|it| it == format!("TotalBytesOut: {all}")));
}

/// Sends so many bytes each way and ends the session in order.
fn transfer(
    client: &mut ringbolt_tests::Peer,
    server: &mut ringbolt_tests::Peer,
    up: usize,
    down: usize,
) {
    let pattern = Pattern { seed: up as u64 };
    std::thread::scope(|scope| {
        let (mut far, mut near) = (server.other(), client.other());
        scope.spawn(move || far.receive_pattern(pattern, 0, up));
        scope.spawn(move || near.receive_pattern(pattern, 0, down));
        client.send_pattern(pattern, 0, up);
        server.send_pattern(pattern, 0, down);
    });
    client.finish();
    assert_eq!(server.end(), End::Fin);
    server.finish();
    assert_eq!(client.end(), End::Fin);
}

/// A session is counted as ended a moment after its peers have seen the end.
fn wait_for_ended(watched: &Watched, sessions: f64) -> Metrics {
    until("all sessions have ended", || {
        let metrics = watched.metrics();
        let ended = metrics.sum("ringbolt_sessions_ended_total");
        assert!(ended <= sessions, "{ended} ended");
        (ended == sessions).then_some(metrics)
    })
}

/// Goal: what is spliced and what is copied is counted apart, and together it is all that was sent.
/// Method: 2 MiB each way, with `splice` off and always on; pipes may be scarce, which is counted.
#[test]
fn bytes_by_path() {
    need!(Binary);
    const LENGTH: usize = 2 << 20;
    for splice in ["off", "always"] {
        let server = Server::listen();
        let config = Config::new().servers([server.address()]);
        let watched = Watched::start(config.pool(&format!("splice = \"{splice}\"")));
        let mut client = Client::default().connect(watched.ringbolt.address());
        transfer(&mut client, &mut server.accept(), LENGTH, LENGTH);
        let metrics = wait_for_ended(&watched, 1.0);
        let by = |path| metrics.value(&format!("ringbolt_relay_bytes_total{{path=\"{path}\"}}"));
        assert_eq!(by("copy") + by("splice"), 2.0 * LENGTH as f64, "{metrics:?}");
        let fallbacks = metrics.sum("ringbolt_splice_fallback_total");
        if splice == "off" {
            assert_eq!((by("splice"), fallbacks), (0.0, 0.0), "{metrics:?}");
        } else {
            assert!(by("splice") > 0.0 || fallbacks > 0.0, "{metrics:?}");
        }
    }
}

/// Goal: live sessions are shown while they live, with their worker, and the most there were stays.
/// Method: three sessions, of which one ends, then all.
#[test]
fn live_sessions_are_shown() {
    need!(Binary);
    let server = Server::listen();
    let watched = Watched::start(Config::new().servers([server.address()]));
    let mut live: Vec<_> = (0..3).map(|_| crate::session(&server, &watched.ringbolt)).collect();
    for left in [3, 2, 0] {
        live.truncate(left);
        let gone = until("those that ended are gone", || {
            let metrics = watched.metrics();
            let now = metrics.value("ringbolt_process_current_connections");
            (now == left as f64).then_some(metrics)
        });
        assert_eq!(gone.sum("ringbolt_worker_sessions{"), left as f64);
        for (proxy, server) in [("web", "FRONTEND"), ("echo", "ws1"), ("echo", "BACKEND")] {
            let row = watched.stat(proxy, server);
            assert_eq!([&row["scur"], &row["smax"], &row["stot"]], [&left.to_string(), "3", "3"]);
        }
        let key = "ringbolt_server_current_sessions{proxy=\"echo\",server=\"ws1\"}";
        assert_eq!(gone.value(key), left as f64);
        assert_eq!(gone.value("ringbolt_frontend_max_sessions{proxy=\"web\"}"), 3.0);
    }
}

/// Goal: failures are counted at the server that they happened at. Method: a server that refuses
/// (its sessions go on to the other), a client that resets, a server that resets, and a pool where
/// nobody answers.
#[test]
fn failures_have_their_place() {
    need!(Binary);
    let (closed, open) = (Server::listen().close(), Server::listen());
    let alone = format!(
        "[listener.side]\nbind = \"127.0.0.1:0\"\npool = \"gone\"\n\
         [[pool.gone.server]]\nname = \"only\"\naddr = \"{}\"\n",
        closed.address()
    );
    let config = Config::new().servers([closed.address(), open.address()]);
    let config = config.of_server("backup = true");
    let watched = Watched::start_with(config, &alone);
    let (client, mut serving) = crate::session(&open, &watched.ringbolt);
    client.reset();
    assert_eq!(serving.end(), End::Reset);
    let (mut client, serving) = crate::session(&open, &watched.ringbolt);
    serving.reset();
    assert_eq!(client.end(), End::Reset);
    ringbolt_tests::expect_reset(Client::default(), watched.ringbolt.addresses()[1]);
    let metrics = wait_for_ended(&watched, 3.0);
    let of = |server: &str, column: &str| watched.stat("echo", server)[column].clone();
    assert_eq!([of("ws1", "econ"), of("ws1", "wredis"), of("ws1", "stot")], ["2", "2", "0"]);
    assert_eq!([of("ws2", "econ"), of("ws2", "wredis"), of("ws2", "stot")], ["0", "0", "2"]);
    assert_eq!([of("ws2", "cli_abrt"), of("ws2", "srv_abrt")], ["1", "1"]);
    assert_eq!([of("BACKEND", "econ"), of("BACKEND", "wredis")], ["2", "2"]);
    let server = |name: &str, server: &str| {
        metrics.value(&format!("ringbolt_server_{name}{{proxy=\"echo\",server=\"{server}\"}}"))
    };
    assert_eq!(server("connection_errors_total", "ws1"), 2.0);
    assert_eq!(server("redispatch_warnings_total", "ws1"), 2.0);
    assert_eq!(server("client_aborts_total", "ws2"), 1.0);
    assert_eq!(server("server_aborts_total", "ws2"), 1.0);
    let refused = "ringbolt_sessions_refused_total";
    assert_eq!(metrics.value(&format!("{refused}{{reason=\"connect-failed\"}}")), 1.0);
    assert_eq!(metrics.sum(refused), 1.0);
    let ended = |reason: &str| {
        metrics.value(&format!("ringbolt_sessions_ended_total{{reason=\"{reason}\"}}"))
    };
    assert_eq!([ended("client-reset"), ended("server-reset"), ended("ended")], [1.0, 1.0, 0.0]);
}

/// Goal: every connect and every session is in the histograms once, however many ask at a time.
/// Method: a herd of 500, while eight others scrape without a pause; then the counts, and quantiles
/// in order.
#[test]
fn nothing_measured_is_lost() {
    need!(Binary);
    const CLIENTS: usize = 500;
    let echo = Echo::start();
    let watched = Watched::start(Config::new().servers([echo.address()]));
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    watched.metrics();
                }
            });
        }
        let count = herd(CLIENTS, watched.ringbolt.address(), |_| {});
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(count, Count { echoed: CLIENTS, ..Count::default() });
    });
    let connects = "ringbolt_server_connect_seconds";
    let labels = "proxy=\"echo\",server=\"ws1\"";
    let metrics = until("all are counted", || {
        let metrics = watched.metrics();
        let counts = [
            metrics.value(&format!("{connects}_count{{{labels}}}")),
            metrics.value("ringbolt_session_seconds_count"),
        ];
        assert!(counts.iter().all(|count| *count <= CLIENTS as f64), "{counts:?}");
        (counts == [CLIENTS as f64; 2]).then_some(metrics)
    });
    let mut last = 0.0;
    for quantile in ["0.5", "0.9", "0.99", "0.999"] {
        let connect = format!("{connects}{{{labels},quantile=\"{quantile}\"}}");
        assert!(metrics.value(&connect) > 0.0, "{metrics:?}");
        let session = format!("ringbolt_session_seconds{{quantile=\"{quantile}\"}}");
        let session = metrics.value(&session);
        assert!(session >= last && session >= metrics.value(&connect) / 2.0, "{metrics:?}");
        last = session;
    }
    let sum = metrics.value("ringbolt_session_seconds_sum");
    assert!(sum > 0.0 && sum <= last * 1.02 * CLIENTS as f64 + 30.0, "{metrics:?}");
}

/// Goal: counters outlive the engine, who went on is counted and shown as live, and both ways to read them
/// work again. Method: one ended and one live session, `kill -9`, questions asked at once, which the next
/// engine answers.
#[test]
fn counters_outlive_the_engine() {
    need!(Binary);
    let server = Server::listen();
    let watched = Watched::start(Config::new().servers([server.address()]));
    drop(crate::session(&server, &watched.ringbolt));
    let before = wait_for_ended(&watched, 1.0);
    let (mut client, mut serving) = crate::session(&server, &watched.ringbolt);
    watched.ringbolt.wait_for_descriptors(2);
    let engine = watched.ringbolt.engine();
    kill(engine, Signal::SIGKILL);
    client.exchange(&mut serving);
    let metrics = watched.metrics();
    assert_eq!(watched.stat("web", "FRONTEND")["stot"], "2");
    assert_ne!(watched.ringbolt.engine(), engine);
    let same = "ringbolt_process_start_time_seconds";
    assert_eq!(metrics.value(same), before.value(same));
    assert_eq!(metrics.value("ringbolt_process_engines_total"), 2.0);
    assert_eq!(metrics.value("ringbolt_sessions_adopted_total"), 1.0);
    assert_eq!(metrics.sum("ringbolt_sessions_lost_total"), 0.0);
    assert_eq!(metrics.value("ringbolt_frontend_sessions_total{proxy=\"web\"}"), 2.0);
    for live in ["ringbolt_worker_sessions", "ringbolt_server_current_sessions"] {
        assert_eq!(metrics.sum(live), 1.0, "{live}");
    }
    assert_eq!(metrics.value("ringbolt_process_current_connections"), 1.0);
    drop((client, serving));
    wait_for_ended(&watched, 2.0);
    crate::session(&server, &watched.ringbolt);
    wait_for_ended(&watched, 3.0);
    watched.ringbolt.wait_for_base();
}

/// Goal: whoever asks for OpenMetrics gets it, everybody else Prometheus' own format, and both are
/// well-formed and say the same. Method: a strict reader.
#[test]
fn both_formats_are_well_formed() {
    need!(Binary);
    let server = Server::listen();
    let watched = Watched::start(Config::new().servers([server.address()]));
    crate::session(&server, &watched.ringbolt);
    // Workers are not asked for their histograms at every scrape.
    until("the session is measured", || {
        let measured = watched.metrics().value("ringbolt_session_seconds_count");
        (measured == 1.0).then_some(())
    });
    let plain = watched.get("/metrics");
    assert!(plain.head.contains("content-type: text/plain; version=0.0.4"), "{}", plain.head);
    let open = watched.request(
        "GET /metrics HTTP/1.1\r\nHost: test\r\n\
         Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3\r\n\r\n",
    );
    let kind = "content-type: application/openmetrics-text; version=1.0.0";
    assert!(open.head.contains(kind), "{}", open.head);
    assert!(open.body.ends_with("\n# EOF\n") && !plain.body.contains("# EOF"));
    let (plain, open) = (Metrics::parse(&plain.body), Metrics::parse(&open.body));
    for key in ["ringbolt_process_connections_total", "ringbolt_session_seconds_count"] {
        assert_eq!((plain.value(key), open.value(key)), (1.0, 1.0), "{key}");
    }
}
