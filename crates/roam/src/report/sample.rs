//! Results for tests: figures that a run could have, in every part, and none that one had.

use crate::results::{
    Cell, Cost, Expected, Lane, Outcome, Point, Program, Remedy, Results, Skew, Skipped, Step,
    Story, Tally,
};

const STORIES: [(&str, &str, &str); 9] = [
    ("same-address", "The same address comes back", "nothing"),
    ("dhcp-renewal", "DHCP renewal inside the /24", "the last octet"),
    ("wifi-lte", "Wi-Fi to LTE and back", "the whole address, twice"),
    ("carrier-nat", "Carrier NAT, another address each time", "the whole address"),
    ("v6-privacy", "IPv6 privacy address", "the last 64 bits"),
    ("happy-eyeballs", "Happy Eyeballs", "the family"),
    ("server-added", "A server is added", "the pool"),
    ("server-drained", "A server is drained", "the pool"),
    ("server-lost", "A server is lost", "the pool"),
];

const REMEDIES: [(&str, &str, &str); 10] = [
    ("round-robin", "Round robin", "ringbolt, balance = \"round-robin\""),
    ("address", "Hash of the address", "ringbolt, key = { v4 = 32, v6 = 64 }"),
    ("prefix", "Hash of the /24 and /64", "ringbolt, key = { v4 = 24, v6 = 64 }"),
    ("haproxy-source", "HAProxy balance source", "HAProxy, balance source"),
    ("haproxy-consistent", "HAProxy source, consistent", "HAProxy, hash-type consistent"),
    ("haproxy-ipmask", "HAProxy ipmask(24,64)", "HAProxy, balance hash src,ipmask(24,64)"),
    ("nginx-ip-hash", "nginx ip_hash", "nginx, ip_hash"),
    ("cookie", "Cookie at layer 7", "HAProxy, cookie SERVER insert"),
    ("store", "Shared store", "ringbolt, and Redis behind the servers"),
    ("token", "Resume token", "ringbolt, and a token in the protocol"),
];

/// A run with everything in it, and one thing skipped.
pub(crate) fn results() -> Results {
    let story = |(name, title, changes): (&str, &str, &str)| Story {
        name: name.into(),
        title: title.into(),
        told: format!("A client has a session. Then this changes: {changes}. It connects again."),
        changes: changes.into(),
    };
    let office = ("office", "An office of 500 behind one address", "nothing");
    let stride = ("stride", "Addresses in a row of threes", "nothing");
    Results {
        seed: 20_261_124,
        made: "2026-11-24 18:00".into(),
        command: "roam all --report report --seed 20261124".into(),
        programs: [("ringbolt", "0.1.0"), ("HAProxy", "2.6.12"), ("nginx", "1.22.1")]
            .map(|(name, version)| Program { name: name.into(), version: version.into() })
            .into(),
        skipped: vec![Skipped {
            what: "Happy Eyeballs".into(),
            why: "no root, and it needs a network of its own".into(),
            mend: "run it as root".into(),
        }],
        stories: STORIES.into_iter().chain([office, stride]).map(story).collect(),
        remedies: REMEDIES
            .map(|(name, title, balancer)| Remedy {
                name: name.into(),
                title: title.into(),
                how: "One sentence on how it finds the state again, or why it does not.".into(),
                who_must_change: "the application and its clients".into(),
                balancer: balancer.into(),
            })
            .into(),
        matrix: matrix(),
        law: law(),
        skew: skew(),
        costs: costs(),
        lanes: lanes(),
    }
}

fn matrix() -> Vec<Cell> {
    let mut cells = Vec::new();
    for (place, (story, ..)) in STORIES.into_iter().enumerate() {
        for (column, (remedy, ..)) in REMEDIES.into_iter().enumerate() {
            for client in ["socket.io", "ws", "websockets"] {
                // The application's own remedies are there for one library each.
                if (remedy == "token" && client != "websockets") || story == "happy-eyeballs" {
                    continue;
                }
                let bad = if client == "socket.io" { Outcome::Refused } else { Outcome::Lost };
                let draw = |share: f64| Expected::Draw {
                    outcome: bad,
                    share,
                    otherwise: Outcome::Kept,
                    why: "(N-1)/N".into(),
                };
                let all = |outcome| Expected::All { outcome };
                let expected = match (story, remedy) {
                    (_, "store" | "token") => all(Outcome::Recovered),
                    (_, "round-robin") => draw(2.0 / 3.0),
                    ("same-address", _) => all(Outcome::Kept),
                    ("server-added" | "server-drained" | "server-lost", _) => draw(0.33),
                    (_, "cookie") => all(Outcome::Kept),
                    ("dhcp-renewal", "prefix" | "haproxy-ipmask" | "nginx-ip-hash") => {
                        all(Outcome::Kept)
                    }
                    ("v6-privacy", "prefix" | "address" | "haproxy-ipmask") => all(Outcome::Kept),
                    _ => draw(2.0 / 3.0),
                };
                let (tally, p_value) = tally(&expected, (place * 7 + column * 3) as u32 % 9);
                cells.push(Cell {
                    story: story.into(),
                    remedy: remedy.into(),
                    client: client.into(),
                    servers: 3,
                    tally,
                    expected,
                    p_value,
                    as_expected: true,
                });
            }
        }
    }
    cells
}

fn tally(expected: &Expected, noise: u32) -> (Tally, Option<f64>) {
    let some = |outcome: Outcome, count: u32, tally: Tally| match outcome {
        Outcome::Kept => Tally { kept: count, ..tally },
        Outcome::Recovered => Tally { recovered: count, ..tally },
        Outcome::Lost => Tally { lost: count, ..tally },
        Outcome::Refused => Tally { refused: count, ..tally },
    };
    match expected {
        Expected::All { outcome } => (some(*outcome, 100, Tally::default()), None),
        Expected::Draw { outcome, share, otherwise, .. } => {
            let count = (100.0 * share) as u32 + noise - 4;
            let tally = some(*outcome, count, Tally::default());
            (some(*otherwise, 100 - count, tally), Some(0.37))
        }
    }
}

fn law() -> Vec<Point> {
    let mut points = Vec::new();
    for balancer in ["ringbolt, /32", "HAProxy, source", "nginx, ip_hash"] {
        for (servers, lost) in [(2, 1_012), (3, 1_327), (5, 1_608), (8, 1_744)] {
            points.push(Point {
                balancer: balancer.into(),
                servers,
                reconnects: 2_000,
                lost: lost - balancer.len() as u32,
                expected: f64::from(servers - 1) / f64::from(servers),
                p_value: 0.42,
            });
        }
    }
    points
}

fn skew() -> Vec<Skew> {
    let one = |story: &str, balancer: &str, title: &str, sessions: [u32; 3]| Skew {
        story: story.into(),
        balancer: balancer.into(),
        title: title.into(),
        sessions_by_server: sessions.into(),
        expected: "what chance makes of it".into(),
        as_expected: true,
    };
    vec![
        one("office", "ringbolt, /32", "500 behind one address, 500 elsewhere", [168, 660, 172]),
        one("office", "HAProxy, leastconn with cookie", "the same clients", [334, 333, 333]),
        one("stride", "HAProxy, source", "1,000 addresses, three apart", [0, 1_000, 0]),
        one("stride", "ringbolt, /32", "the same addresses", [341, 322, 337]),
    ]
}

fn costs() -> Vec<Cost> {
    let rows = REMEDIES.into_iter().zip(0u32..);
    let cost = |((remedy, ..), place): ((&str, &str, &str), u32)| Cost {
        remedy: remedy.into(),
        round_trip_p50_us: 180 + 41 * place,
        round_trip_p99_us: 700 + 153 * place,
        reconnect_p50_us: 1_900 + 377 * place,
        largest_share: if remedy == "cookie" { 0.34 } else { 0.66 },
        note: "What else it costs, in a sentence.".into(),
    };
    rows.map(cost).collect()
}

fn lanes() -> Vec<Lane> {
    let lane = |remedy: &str, title: &str, servers: [u16; 3], sessions: [u32; 3], outcome| Lane {
        remedy: remedy.into(),
        title: title.into(),
        servers: 3,
        steps: [("Wi-Fi", "127.84.12.7"), ("LTE", "127.201.160.33"), ("Wi-Fi", "127.84.12.7")]
            .into_iter()
            .enumerate()
            .map(|(place, (event, address))| Step {
                at_ms: 412 * place as u32,
                event: event.into(),
                address: address.into(),
                server: Some(servers[place]),
                session: sessions[place],
                counter: if place > 0 && sessions[place] > sessions[place - 1] { 3 } else { 8 },
                outcome: [None, Some(outcome), Some(Outcome::Kept)][place],
            })
            .collect(),
    };
    vec![
        lane(
            "address",
            "ringbolt, three servers, hash of the address; the servers keep a counter in memory",
            [0, 2, 0],
            [1, 2, 1],
            Outcome::Lost,
        ),
        lane("cookie", "the cookie names the server", [0, 0, 0], [1, 1, 1], Outcome::Kept),
        lane(
            "token",
            "the token brings the session along",
            [0, 2, 0],
            [1, 1, 1],
            Outcome::Recovered,
        ),
    ]
}
