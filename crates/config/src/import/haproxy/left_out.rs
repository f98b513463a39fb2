//! What an haproxy.cfg may say that is not carried: for each keyword why, and what to do.

use crate::import::notes::Notes;
use crate::import::word::{Word, shown, span};

/// Why something is not carried, and what to do.
type Why = (&'static str, &'static str);

const REQUESTS: Why = (
    "Layer 4 does not see requests, and passes all of their headers on as they are",
    "nothing to do, if servers do not need it; otherwise keep HAProxy in front of ringbolt for it",
);

const ANSWERS: Why =
    ("ringbolt answers no requests itself", "let a server answer it, or keep HAProxy for it");

const RULES: Why = (
    "ringbolt refuses nobody by rules",
    "let the firewall do it; max_per_source at a listener limits the sessions of a client",
);

const CHOICE: Why = (
    "Layer 4 chooses a server by the client's address alone",
    "give what is chosen here a listener of its own",
);

const LOGS: Why = (
    "the log goes to standard error, in the form that global.log says",
    "nothing to do: the service manager takes it from there",
);

const PROCESS: Why = ("it concerns HAProxy's own process", "nothing to do");

const TLS: Why = (
    "ringbolt does not speak TLS",
    "nothing to do, if clients and servers speak TLS with each other",
);

const STATS: Why = (
    "it is about HAProxy's own page",
    "set global.http: ringbolt serves /metrics and its state there",
);

const UNKNOWN: Why = ("it is not known here", "see whether HAProxy knows it: `haproxy -c -f FILE`");

const CLIENT: Why = (
    "the client's address is that of its connection or of a PROXY header, and no other: this also \
     decides which server it has",
    "let the balancer in front send the PROXY protocol and write accept-proxy; without it all clients of \
     that balancer are one",
);

/// Says why a line of a proxy is not carried.
pub(super) fn statement(words: &[Word], notes: &mut Notes) {
    let keyword = words.first().map_or("", |word| &*word.text);
    let has = |text: &str| words.iter().skip(1).take(2).any(|word| word.text == text);
    let why = match keyword {
        "http-request" | "tcp-request" if has("set-src") => CLIENT,
        "no" if has("log") => LOGS,
        "acl" => (
            "conditions are about requests, or choose by rules",
            "see the notes on the lines that use it",
        ),
        "http-request"
        | "http-response"
        | "http-after-response"
        | "reqadd"
        | "reqdel"
        | "reqrep"
        | "reqirep"
        | "rspadd"
        | "rspdel"
        | "rspirep"
        | "rsprep"
        | "compression"
        | "filter"
        | "http-reuse"
        | "http-send-name-header"
        | "capture"
        | "declare"
        | "unique-id-format"
        | "unique-id-header"
        | "max-keep-alive-queue"
        | "max-session-srv-conns"
        | "dynamic-cookie-key"
        | "use-fcgi-app"
        | "server-state-file-name"
        | "load-server-state-from-file" => REQUESTS,
        "redirect" | "errorfile" | "errorfiles" | "errorloc" | "errorloc302" | "errorloc303"
        | "http-error" | "monitor-uri" | "monitor-net" | "monitor" => ANSWERS,
        "tcp-request" | "tcp-response" | "block" | "rate-limit" => RULES,
        "use-server" | "force-persist" | "ignore-persist" | "persist" => CHOICE,
        "log" | "log-format" | "log-format-sd" | "error-log-format" | "log-tag" | "log-steps" => {
            LOGS
        }
        "stats" => STATS,
        "description" | "id" | "guid" | "bind-process" | "external-check" | "email-alert" => {
            PROCESS
        }
        "retry-on" => (
            "a connect that fails is tried at the next choice, up to `attempts` in all, and nothing else is",
            "nothing to do, unless answers of servers were to be tried again",
        ),
        "fullconn" => ("limits of servers do not move with the load", "set maxconn at servers"),
        "hash-balance-factor" => (
            "the mapping is by address alone, however loaded servers are",
            "set maxconn at servers: a full one's clients go to their next choice",
        ),
        "hash-preserve-affinity" => (
            "a full server's clients always go to their next choice",
            "nothing to do, or a larger maxconn",
        ),
        "grace" => ("a drain begins at once", "nothing to do"),
        "transparent" => (
            "it is wherever the client wanted to go, which ringbolt does not know",
            "name the servers",
        ),
        "clitcpka-cnt" | "clitcpka-intvl" | "srvtcpka-cnt" | "srvtcpka-intvl" => (
            "six probes follow each other after a third of `keepalive`",
            "set keepalive to what a dead peer may cost",
        ),
        "stick" => ("nothing is remembered of answers", "nothing to do: mappings need no table"),
        _ => UNKNOWN,
    };
    say(words, why, notes);
}

/// Says why an option is not carried; `words` begin with `option`.
pub(super) fn option(words: &[Word], notes: &mut Notes) {
    let why = match words.get(1).map_or("", |word| &*word.text) {
        "httplog"
        | "logasap"
        | "dontlognull"
        | "dontlog-normal"
        | "log-health-checks"
        | "log-separate-errors"
        | "error-log"
        | "httpslog"
        | "tcp-smart-log" => LOGS,
        "forwardfor" | "originalto" => (
            "ringbolt adds no headers",
            "send_proxy = \"v2\" in the pool tells servers the client's address, if they understand it",
        ),
        "http-server-close"
        | "httpclose"
        | "http-keep-alive"
        | "http-buffer-request"
        | "http-ignore-probes"
        | "http-no-delay"
        | "http-pretend-keepalive"
        | "http-tunnel"
        | "http-use-htx"
        | "http-use-proxy-header"
        | "http_proxy"
        | "accept-invalid-http-request"
        | "accept-invalid-http-response"
        | "accept-unsafe-violations-in-http-request"
        | "accept-unsafe-violations-in-http-response"
        | "checkcache"
        | "h1-case-adjust-bogus-client"
        | "h1-case-adjust-bogus-server"
        | "http-restrict-req-hdr-names"
        | "http-drop-request-trailers"
        | "http-drop-response-trailers"
        | "disable-h2-upgrade"
        | "forceclose"
        | "prefer-last-server"
        | "use-small-buffers" => REQUESTS,
        "abortonclose" => (
            "a session ends at both sides whoever ends it",
            "nothing to do: a client that leaves while it waits for a server leaves nothing behind",
        ),
        "persist" | "transparent" => CHOICE,
        "nolinger" => ("sockets end as their peers did", "nothing to do"),
        "tcp-smart-accept"
        | "tcp-smart-connect"
        | "contstats"
        | "socket-stats"
        | "idle-close-on-response"
        | "independent-streams" => PROCESS,
        _ => UNKNOWN,
    };
    say(words, why, notes);
}

/// Says why a line of the global section is not carried.
pub(super) fn global(words: &[Word], notes: &mut Notes) {
    let keyword = words.first().map_or("", |word| &*word.text);
    let why = match keyword {
        "log" | "log-tag" | "log-send-hostname" | "quiet" | "debug" | "zero-warning" => LOGS,
        "stats" => {
            ("the runtime socket has one form", "its path is global.admin, its rights are 0600")
        }
        "chroot" => (
            "ringbolt stays in the file system that it is started in",
            "let the service manager shut it in: RootDirectory=, ProtectSystem=",
        ),
        "uid" | "gid" => (
            "ringbolt is told names",
            "write user and group; until then it keeps the rights it was started with",
        ),
        "ulimit-n" => (
            "the limit of descriptors is the service manager's",
            "set LimitNOFILE= to two for each session and 600 more",
        ),
        "nbproc" => ("there is one process", "set global.workers to the number of cores"),
        "maxpipes" | "maxconnrate" | "maxsessrate" | "maxsslconn" | "maxsslrate"
        | "maxcomprate" | "maxcompcpuusage" | "maxzlibmem" | "fd-hard-limit" => (
            "there is no such limit",
            "nothing to do, or max_sessions and max_per_source at listeners",
        ),
        "cpu-map" | "cpu-policy" | "cpu-set" | "thread-groups" | "thread-group"
        | "numa-cpu-mapping" => {
            ("every worker has a core of those that it may run on", "taskset or CPUAffinity=")
        }
        "spread-checks" | "max-spread-checks" => ("probes are spread already", "nothing to do"),
        "close-spread-time" => (
            "nothing is closed at once but by order",
            "`drain P/S over 10m` closes at an even pace",
        ),
        "grace" => ("a drain begins at once", "nothing to do"),
        "server-state-base" | "server-state-file" => {
            ("what is known of servers outlives a reload and a crash by itself", "nothing to do")
        }
        "lua-load"
        | "lua-load-per-thread"
        | "lua-prepend-path"
        | "module-load"
        | "module-path"
        | "external-check"
        | "insecure-fork-wanted" => ("no other code is loaded", "nothing to do"),
        "daemon"
        | "master-worker"
        | "mworker-max-reloads"
        | "pidfile"
        | "node"
        | "description"
        | "nosplice"
        | "noepoll"
        | "nopoll"
        | "nokqueue"
        | "noevports"
        | "nogetaddrinfo"
        | "noreuseport"
        | "busy-polling"
        | "profiling.tasks"
        | "profiling.memory"
        | "default-path"
        | "localpeer"
        | "set-dumpable"
        | "strict-limits"
        | "unix-bind"
        | "h1-case-adjust"
        | "h1-case-adjust-file"
        | "h2-workaround-bogus-websocket-clients"
        | "expose-experimental-directives"
        | "expose-deprecated-directives"
        | "prealloc-fd"
        | "setcap"
        | "set-var"
        | "set-var-fmt"
        | "stats-file"
        | "shm-stats-file"
        | "harden.reject-privileged-ports.tcp"
        | "http-err-codes"
        | "http-fail-codes"
        | "anonkey"
        | "no"
        | "51degrees-data-file"
        | "http-client"
        | "limited-quic"
        | "no-quic"
        | "pp2-never-send-local"
        | "warn-blocked-traffic-after" => PROCESS,
        _ if keyword.starts_with("ssl-")
            || keyword.starts_with("ca-")
            || keyword.starts_with("crt-")
            || keyword.starts_with("issuers-")
            || keyword.starts_with("key-")
            || keyword == "ocsp-update.mode" =>
        {
            TLS
        }
        _ if keyword.starts_with("tune.")
            || keyword.starts_with("httpclient.")
            || keyword.starts_with("deviceatlas-")
            || keyword.starts_with("wurfl-") =>
        {
            PROCESS
        }
        _ => UNKNOWN,
    };
    say(words, why, notes);
}

/// Says why a whole section is not carried; `words` are its first line.
pub(super) fn section(words: &[Word], notes: &mut Notes) {
    let why = match words.first().map_or("", |word| &*word.text) {
        "resolvers" => (
            "names are asked for again every 10 s by the system's resolver",
            "nothing to do, unless other name servers must be asked",
        ),
        "peers" | "table" => {
            ("a mapping needs no tables, so there are none to share", "nothing to do")
        }
        "mailers" => ("ringbolt sends no mail", "let alerts come from /metrics"),
        "userlist" | "cache" | "http-errors" | "fcgi-app" | "httpclient" => REQUESTS,
        "ring" | "log-forward" | "log-profile" | "traces" => LOGS,
        "program" => ("no other programs are started", "let the service manager start it"),
        "crt-store" | "acme" => TLS,
        _ => UNKNOWN,
    };
    say(words, why, notes);
}

fn say(words: &[Word], (why, mend): Why, notes: &mut Notes) {
    notes.note(&span(words), format!("`{}` is not carried: {why}", shown(words)), mend);
}
