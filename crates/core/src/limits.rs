//! Every bound of the product by its name, and the relations between bounds, checked when compiled.
//!
//! A limit that an operator sets stands in the `spec`; here stand those that the design sets.

/// Most worker threads.
pub const WORKERS_MAX: usize = 256;

/// Most servers of one configuration, over all pools.
pub const SERVERS_MAX: usize = 4096;

/// Most addresses to connect to one server from.
pub const SOURCES_PER_SERVER_MAX: usize = 16;

/// Most addresses to connect from in one configuration, each counted at every server that names it.
pub const SOURCES_MAX: usize = 4096;

/// Most addresses listened on in one configuration, over all listeners.
pub const BINDS_MAX: usize = 256;

/// Most pools and most listeners of one configuration, each.
pub const NAMES_MAX: usize = 4096;

/// Most servers tried for one session.
pub const ATTEMPTS_MAX: u8 = 16;

/// Largest weight of a server.
pub const WEIGHT_MAX: u32 = 65_535;

/// Most live sessions of one worker: a slot number has 24 bits in a token.
pub const SESSIONS_MAX: u32 = 1 << 24;

/// Bytes of one copied read, of the hot buffer, and of one direction's spill block. A copied read
/// never takes more than a spill block holds, so what a receiver does not take always has a place.
pub const BLOCK: usize = 16 * 1024;

/// Bytes that one direction may copy in a turn before other sessions have theirs.
pub const TURN_BYTES: usize = 16 * BLOCK;

/// Pipes of one worker. They bound how many receivers of bulk may be slow at a time without being
/// copied to.
pub const PIPES_PER_WORKER: usize = 64;

/// Bytes that a pipe is asked to hold, of one splice, and that one direction may splice in a turn.
/// It is also the most that an unprivileged user may ask for (pipe-max-size).
pub const PIPE_BYTES: usize = 1 << 20;

/// Bytes that a pipe must hold to be worth a splice: what a user without privileges gets while it
/// has few (pipe(7), pipe-user-pages-soft).
pub const PIPE_BYTES_LEAST: usize = 64 * 1024;

/// Bytes of a PROXY header in its text form, line end included (section 2.1 of its specification).
pub const PROXY_V1_BYTES_MAX: usize = 107;

/// Bytes of the place in which a PROXY header waits for its server: those of the text form, rounded up.
pub const PROXY_HEADER_PLACE: usize = 128;

/// Bytes of a PROXY header in either form. The binary one may have 64 KiB, of which its specification
/// asks a receiver to take 536 (section 2.2); certificates and the like among its extensions fit.
pub const PROXY_HEADER_BYTES_MAX: usize = 4096;

/// Entries of a worker's submission queue.
pub const SUBMISSION_ENTRIES: u32 = 512;

/// Entries of a worker's completion queue.
pub const COMPLETION_ENTRIES: u32 = 2048;

/// Descriptors that one session holds: its two sockets.
pub const DESCRIPTORS_PER_SESSION: u64 = 2;

/// Descriptors kept for the control thread: probes, admin and HTTP connections, log.
pub const CONTROL_DESCRIPTORS: u64 = 224;

/// HTTP connections at a time. One more takes the place of the one that has waited longest.
pub const HTTP_CONNECTIONS_MAX: usize = 32;

/// Connections to the runtime socket at a time, in the same way.
pub const ADMIN_CONNECTIONS_MAX: usize = 16;

/// Probes under way at a time. Servers whose turn comes then wait for one to end.
pub const PROBES_MAX: usize = 128;

/// Bytes of a server's answer that a probe looks at.
pub const PROBE_ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a line on the runtime socket.
pub const ADMIN_LINE_BYTES_MAX: usize = 64 * 1024;

/// Descriptors the process needs before it has a session or a listener: the standard three, the
/// region, the configuration, signals, wake-ups, and a few inherited ones.
pub const BASE_DESCRIPTORS: u64 = 32;

/// Descriptors of one worker beside its listening sockets: ring, wake-up, and two for each pipe.
pub const DESCRIPTORS_PER_WORKER: u64 = 2 + 2 * PIPES_PER_WORKER as u64;

/// Points on the ring of a pool, of a mapping that has one: what the most servers have at HAProxy's largest
/// weight, 128 MiB.
pub const RING_POINTS_MAX: u64 = 1 << 24;

/// Bytes of a configuration file; of an nginx.conf, together with the files that it includes.
pub const CONFIG_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Files that an nginx.conf may be made of.
pub const IMPORT_FILES_MAX: usize = 1_000;

/// How deep an nginx.conf may nest: files in files, and blocks in blocks, each.
pub const IMPORT_DEPTH_MAX: usize = 32;

/// Words of an haproxy.cfg or an nginx.conf, each counted as often as its file is included.
pub const IMPORT_WORDS_MAX: usize = 1 << 19;

/// Words of one line of an haproxy.cfg, or of one directive of an nginx.conf.
pub const IMPORT_LINE_WORDS_MAX: usize = 4_096;

/// Bytes of one word of either. nginx itself takes 4,096, HAProxy lines of any length.
pub const IMPORT_WORD_BYTES_MAX: usize = 16 * 1024;

/// Bytes that environment variables may add to an haproxy.cfg.
pub const IMPORT_VARIABLE_BYTES_MAX: usize = 1 << 20;

/// Addresses to listen on that an haproxy.cfg, or ranges of ports of an nginx.conf, may come to: far more
/// than a configuration may have, few enough to be written down.
pub const IMPORT_BINDS_MAX: usize = 16 * BINDS_MAX;

/// Notes of one conversion; how many more there are is said.
pub const IMPORT_NOTES_MAX: usize = 1_000;

const _: () = assert!(TURN_BYTES >= BLOCK, "a turn moves at least one block");
const _: () = assert!(PIPE_BYTES >= PIPE_BYTES_LEAST && PIPE_BYTES <= 1 << 20, "see splice(2)");
const _: () = assert!(
    (HTTP_CONNECTIONS_MAX + ADMIN_CONNECTIONS_MAX + PROBES_MAX + 16) as u64 <= CONTROL_DESCRIPTORS,
    "16: the listening sockets of both, and what the runtime needs"
);
const _: () = assert!(PROXY_V1_BYTES_MAX <= PROXY_HEADER_PLACE, "and the binary form is shorter");
const _: () = assert!(PROXY_HEADER_BYTES_MAX <= BLOCK, "it is read into the hot buffer");
const _: () = assert!(BLOCK <= u16::MAX as usize, "a spill's offset and length are 16 bits");
const _: () = assert!(
    COMPLETION_ENTRIES >= 4 * SUBMISSION_ENTRIES,
    "a batch of submissions cannot overflow an empty completion queue"
);

/// Descriptors needed beside those of sessions, with `workers` workers that each listen on `binds`
/// addresses.
pub fn fixed_descriptors(workers: u64, binds: u64) -> u64 {
    BASE_DESCRIPTORS + CONTROL_DESCRIPTORS + workers * (DESCRIPTORS_PER_WORKER + binds)
}

/// Live sessions that a descriptor limit leaves room for; 0 when there is no room at all.
pub fn sessions_for(descriptors: u64, workers: u64, binds: u64) -> u64 {
    descriptors.saturating_sub(fixed_descriptors(workers, binds)) / DESCRIPTORS_PER_SESSION
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: the limit most machines here have holds what the design promises. Method: by hand.
    #[test]
    fn twenty_thousand_descriptors_hold_9_600_sessions() {
        assert!(sessions_for(20_000, 2, 3) >= 9_600);
        assert_eq!(sessions_for(100, 2, 3), 0);
    }

    // Goal: the two sums agree. Method: what is needed is exactly enough.
    #[test]
    fn what_is_needed_is_enough() {
        for (workers, binds, sessions) in [(1, 1, 1), (2, 3, 9_600), (256, 256, 1_000_000)] {
            let needed = fixed_descriptors(workers, binds) + DESCRIPTORS_PER_SESSION * sessions;
            assert_eq!(sessions_for(needed, workers, binds), sessions);
            assert_eq!(sessions_for(needed - 1, workers, binds), sessions - 1);
        }
    }
}
