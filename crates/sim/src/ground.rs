//! What a shard stands on in tests: a region with one worker, and a configuration with one listener
//! and one pool of three servers, whose places are 1 to 3.

use std::time::Duration;

use ringbolt_core::kernel::Remote;
use ringbolt_core::mapping::Mapping;
use ringbolt_core::mapping::rendezvous::name_hash;
use ringbolt_core::region::{Extent, Part, Region};
use ringbolt_core::shard::Place;
use ringbolt_core::snapshot::{Listener, Pool, Server, Snapshot, Source};
use ringbolt_core::spec::{Health, KeyPrefix, Network, SendProxy, Splice};

/// The idle timeout.
pub const IDLE: Duration = Duration::from_secs(60);
/// The fin timeout.
pub const FIN: Duration = Duration::from_secs(5);
/// How long a PROXY header is waited for.
pub const HEADER: Duration = Duration::from_secs(3);

/// The place of the only worker of a new region in memory that is all zero.
pub fn only_place(memory: &mut [u8], capacity: u32) -> Place<'_> {
    let mut region = Region::format(memory, Extent { workers: 1, capacity }).unwrap();
    Place {
        worker: 0,
        workers: 1,
        header: region.header,
        gauges: region.gauges,
        health: region.health,
        counted: region.stats[0],
        part: Part::view(region.parts.pop().unwrap(), capacity).unwrap(),
    }
}

/// The configuration that all begin with.
pub fn snapshot(max_sessions: u64) -> Snapshot {
    let server = |name: &str, port: u16| Server {
        name: name.into(),
        name_hash: name_hash(name),
        addr: Remote::Inet(([192, 0, 2, 1], port).into()),
        sources: Vec::new(),
        weight: 1,
        max_sessions: None,
        backup: false,
        gauge: port,
    };
    Snapshot {
        listeners: vec![Listener {
            name: "web".into(),
            in_use: true,
            pool: 0,
            shared: false,
            idle_timeout: Some(IDLE),
            fin_timeout: FIN,
            accept_proxy: Vec::new(),
            accept_proxy_only: false,
            proxy_header_timeout: HEADER,
            max_sessions,
            max_per_source: None,
        }],
        pools: vec![Pool {
            name: "echo".into(),
            in_use: true,
            mapping: Mapping::Rendezvous1 { seed: 0 },
            fingerprint: 0,
            key: KeyPrefix { v4: 32, v6: 64 },
            attempts: 2,
            connect_timeout: Duration::from_secs(1),
            send_proxy: SendProxy::Off,
            splice: Splice::Auto,
            keepalive: None,
            fail_open: false,
            health: Health::OFF,
            servers: vec![server("ws1", 1), server("ws2", 2), server("ws3", 3)],
        }],
        max_sessions,
        drain_timeout: None,
    }
}

/// The same with another way to move bytes.
pub fn splicing(policy: Splice, mut snapshot: Snapshot) -> Snapshot {
    snapshot.pools.iter_mut().for_each(|pool| pool.splice = policy);
    snapshot
}

/// The same with servers on UNIX sockets, those whose place is in `places`.
pub fn on_unix(places: &[u16], mut snapshot: Snapshot) -> Snapshot {
    for server in &mut snapshot.pools[0].servers {
        if places.contains(&server.gauge) {
            server.addr = Remote::Unix(format!("/{}", server.gauge));
        }
    }
    snapshot
}

/// The same with so many sources for the server at place 1, unless that is on a UNIX socket: 10.0.0.1
/// and on, whose places are 1 and on.
pub fn with_sources(count: u8, mut snapshot: Snapshot) -> Snapshot {
    let server = &mut snapshot.pools[0].servers[0];
    let source = |last: u8| Source { addr: [10, 0, 0, last].into(), gauge: u16::from(last) };
    if matches!(server.addr, Remote::Inet(_)) {
        server.sources = (1..=count).map(source).collect();
    }
    snapshot
}

/// The same with PROXY headers from the clients 198.51.100.`sources`, and `form` towards servers.
pub fn with_headers(sources: &[u8], form: SendProxy, mut snapshot: Snapshot) -> Snapshot {
    let source = |last: &u8| Network { addr: [198, 51, 100, *last].into(), prefix: 32 };
    snapshot.listeners[0].accept_proxy = sources.iter().map(source).collect();
    snapshot.pools[0].send_proxy = form;
    snapshot
}
