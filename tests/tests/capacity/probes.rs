use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use ringbolt_tests::{
    Config, Memory, Network, Watched, descriptors, memory, need, say, threads, until,
};

use crate::alone;

const HEALTHY: usize = 1_000;
const SILENT: usize = 50;
/// Probes that may be under way.
const PROBES_MAX: usize = 128;
const WATCH: Duration = Duration::from_secs(10);
/// What the rise of memory over that time may be: pages that somebody touches for the first time.
const RISE_MAX: u64 = 512 * 1024;

/// Goal: many probes cost few descriptors and no growing memory. Method: 1,000 servers that take
/// connections and 50 whose machine is not there, probed every 2 s, in a network of their own; when the
/// 50 have been found out, descriptors and memory over 10 s.
#[test]
fn a_thousand_healthy_and_fifty_silent() {
    need!(Binary, Network);
    let _alone = alone();
    let network = Network::new();
    network.ip("link add here type veth peer name there");
    network.ip("addr add 10.8.0.1/24 dev here");
    network.ip("link set here up");
    network.ip("link set there up");
    network.ip("neigh add 10.8.0.2 lladdr 02:00:00:00:00:02 dev here");
    network.ip("route add 10.9.0.0/24 via 10.8.0.2");
    network.inside(|| {
        let healthy = TcpListener::bind("0.0.0.0:7000").expect("a network of our own");
        thread::spawn(move || healthy.incoming().for_each(drop));
        let healthy = (0..HEALTHY).map(|number| ([127, 2, (number / 250) as u8, (number % 250) as u8 + 1], 7000).into());
        let silent = (0..SILENT).map(|number| ([10, 9, 0, number as u8 + 1], 7000).into());
        let config = Config::new().servers(healthy.chain(silent));
        let watched = Watched::start(config.pool("health = { kind = \"tcp\", interval = \"2s\" }"));
        until("the silent ones are found out", || {
            let left = watched.metrics().value("ringbolt_backend_active_servers{proxy=\"echo\"}");
            (left == HEALTHY as f64).then_some(())
        });
        until("all are probed", || {
            (!watched.ask("show stat").contains(",INI,")).then_some(())
        });
        let ringbolt = &watched.ringbolt;
        let all_memory = || memory(ringbolt.pid()) + memory(ringbolt.engine());
        let control = || threads(ringbolt.engine(), "control").remove(0).cpu_ns;
        let (began, before, cpu) = (Instant::now(), all_memory(), control());
        let (mut least, mut most) = (usize::MAX, 0);
        until("the watch is over", || {
            let now = descriptors(ringbolt.pid());
            (least, most) = (least.min(now), most.max(now));
            (began.elapsed() >= WATCH).then_some(())
        });
        let after = all_memory();
        let share = (control() - cpu) as f64 / began.elapsed().as_nanos() as f64;
        say(&format!("1,050 servers probed every 2 s: {least} to {most} descriptors, {} KiB, then {} KiB, {:.1} % of a core", kib(before), kib(after), 100.0 * share));
        assert!(most - least <= PROBES_MAX, "{least} to {most}");
        assert!(after.all <= before.all + RISE_MAX, "{before:?}, then {after:?}");
        let left = watched.metrics().value("ringbolt_backend_active_servers{proxy=\"echo\"}");
        assert_eq!(left, HEALTHY as f64, "all that time");
    });
}

fn kib(memory: Memory) -> u64 {
    memory.all / 1024
}
