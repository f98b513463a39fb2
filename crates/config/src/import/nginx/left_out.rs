//! What an nginx.conf may say that is not carried: for each directive why, and what to do.

use super::tree::Directive;
use crate::import::notes::Notes;
use crate::import::word::{Word, shown};

/// Why something is not carried, and what to do.
type Why = (&'static str, &'static str);

const UNKNOWN: Why = ("it is not known here", "see whether nginx knows it: `nginx -t -c FILE`");

const REQUESTS: Why = (
    "Layer 4 does not see requests, and passes them on as they are",
    "nothing to do, if servers do not need it; otherwise keep nginx in front of ringbolt for it",
);

const ANSWERS: Why =
    ("ringbolt answers no requests itself", "let a server answer it, or keep nginx for it");

const RULES: Why = (
    "ringbolt refuses nobody by rules",
    "let the firewall do it; max_per_source at a listener limits the sessions of a client",
);

const LOGS: Why = (
    "the log goes to standard error, in the form that global.log says",
    "nothing to do: the service manager takes it from there",
);

const TLS: Why = (
    "ringbolt does not speak TLS",
    "nothing to do, if clients and servers speak TLS with each other; otherwise keep nginx in front for it",
);

const VARIABLES: Why =
    ("there are no variables", "see the notes on the lines that use what it makes");

const TRANSPORT: Why = (
    "ringbolt has its own ways with buffers and sockets",
    "nothing to do: bytes are passed on as they come",
);

const CODE: Why = (
    "no other code is run",
    "nothing to do, if it changes requests that servers take as they are; otherwise keep nginx in front of \
     ringbolt for it",
);

const HEADER: Why = (
    "the client's address is that of its connection or of a PROXY header, and no other: this also decides \
     which server it has",
    "let the balancer in front send the PROXY protocol and write accept_proxy; without it all clients of \
     that balancer are one",
);

const PROCESS: Why = ("it concerns nginx's own process", "nothing to do");

/// Says why a directive outside of all blocks is not carried.
pub(super) fn main(directive: &Directive, notes: &mut Notes) {
    let why = match directive.name() {
        "error_log" => LOGS,
        "worker_connections" => (
            "sessions are not counted by worker",
            "set global.max_sessions; by default it is what the limit of descriptors allows",
        ),
        "worker_rlimit_nofile" => (
            "the limit of descriptors is the service manager's",
            "set LimitNOFILE= to two for each session and 600 more",
        ),
        "worker_cpu_affinity" => {
            ("every worker has a core of those that it may run on", "taskset or CPUAffinity=")
        }
        "mail" => ("mail is not carried", "keep nginx for it"),
        "events"
        | "pid"
        | "daemon"
        | "load_module"
        | "master_process"
        | "worker_priority"
        | "env"
        | "pcre_jit"
        | "thread_pool"
        | "timer_resolution"
        | "lock_file"
        | "ssl_engine"
        | "use"
        | "multi_accept"
        | "accept_mutex"
        | "accept_mutex_delay"
        | "worker_aio_requests"
        | "debug_points"
        | "debug_connection"
        | "working_directory"
        | "worker_rlimit_core"
        | "google_perftools_profiles" => PROCESS,
        _ => UNKNOWN,
    };
    say(&directive.words, why, notes);
}

/// Says why a directive of an upstream is not carried.
pub(super) fn upstream(directive: &Directive, notes: &mut Notes) {
    let why = match directive.name() {
        "keepalive" | "keepalive_requests" | "keepalive_time" | "keepalive_timeout" | "ntlm" => {
            ("every session has a connection of its own to its server", "nothing to do")
        }
        _ if is_code(directive.name()) => (
            "no other code is run, so it chooses no server",
            "see that the servers of this upstream are those that it chooses from",
        ),
        "zone" | "state" => ("all workers see the same servers anyway", "nothing to do"),
        "resolver" | "resolver_timeout" => (
            "names are asked for again every 10 s by the system's resolver",
            "nothing to do, unless other name servers must be asked",
        ),
        "queue" => (
            "there is no queue",
            "nothing to do: a full server's clients go to their next choice at once",
        ),
        "check"
        | "check_http_send"
        | "check_http_expect_alive"
        | "check_shm_size"
        | "health_check" => {
            ("probes are a table of the pool", "write [pool.NAME.health] with a kind")
        }
        _ => UNKNOWN,
    };
    say(&directive.words, why, notes);
}

/// Says why a parameter of a server is not carried.
pub(super) fn server(name: &str, parameter: &Word, notes: &mut Notes) {
    let why = match name {
        "max_fails" | "fail_timeout" => (
            "a failed connect is passed over at once, and the next client tries that server again",
            "write [pool.NAME.health] with kind \"tcp\" to keep clients off a server that is down",
        ),
        "slow_start" => ("a server that comes back gets its whole share at once", "nothing to do"),
        "resolve" | "service" => (
            "names are asked for again every 10 s by the system's resolver",
            "nothing to do; service records (SRV) are not asked for: write address and port",
        ),
        "route" | "drain" => ("it belongs to cookies, which Layer 4 does not see", "nothing to do"),
        "weight" | "max_conns" => ("it is no number", "write a number"),
        _ => UNKNOWN,
    };
    say(std::slice::from_ref(parameter), why, notes);
}

/// Says why a directive of http or stream, or of a server or location in it, is not carried.
pub(super) fn inner(directive: &Directive, notes: &mut Notes) {
    let name = directive.name();
    let header = directive.value().map(|word| word.text.to_ascii_lowercase());
    let why = match name {
        "proxy_set_header" => match header.as_deref() {
            Some("upgrade" | "connection" | "host") => (
                "the header is the stream's own and passes through as the client sent it",
                "nothing to do: this is what a WebSocket needs",
            ),
            Some(
                "x-forwarded-for" | "x-real-ip" | "forwarded" | "x-forwarded-proto"
                | "x-forwarded-host",
            ) => (
                "ringbolt adds no headers",
                "send_proxy = \"v2\" in the pool tells servers the client's address, if they understand it",
            ),
            Some(_) | None => {
                ("ringbolt adds no headers", "nothing to do, if servers do not need it")
            }
        },
        "real_ip_header" | "real_ip_recursive" => HEADER,
        "proxy_http_version" => (
            "the version is the client's own and passes through",
            "nothing to do: a WebSocket client speaks 1.1",
        ),
        "server_name" => (
            "Layer 4 does not see names: all clients of an address are one listener's",
            "nothing to do, if there is one name at the address; give others an address of their own",
        ),
        "proxy_send_timeout" => ("one time bounds silence both ways", "see timeouts.idle"),
        "proxy_half_close" => {
            ("a half-closed session goes on in the other direction anyway", "nothing to do")
        }
        "proxy_upload_rate" | "proxy_download_rate" | "limit_rate" | "limit_rate_after" => {
            ("nobody is slowed down", "nothing to do, or limits of the network")
        }
        "resolver" | "resolver_timeout" => (
            "names are asked for again every 10 s by the system's resolver",
            "nothing to do, unless other name servers must be asked",
        ),
        "allow"
        | "deny"
        | "limit_conn"
        | "limit_conn_zone"
        | "limit_req"
        | "limit_req_zone"
        | "limit_conn_status"
        | "limit_req_status"
        | "limit_except"
        | "auth_basic"
        | "auth_basic_user_file"
        | "auth_request"
        | "satisfy"
        | "auth_jwt"
        | "limit_conn_log_level"
        | "limit_req_log_level" => RULES,
        "access_log"
        | "error_log"
        | "log_format"
        | "open_log_file_cache"
        | "log_not_found"
        | "rewrite_log"
        | "log_subrequest" => LOGS,
        "map"
        | "geo"
        | "set"
        | "split_clients"
        | "js_import"
        | "js_set"
        | "js_path"
        | "perl_set"
        | "map_hash_bucket_size"
        | "map_hash_max_size"
        | "variables_hash_max_size"
        | "js_preread"
        | "variables_hash_bucket_size"
        | "geoip_country"
        | "geoip_city"
        | "geoip2"
        | "ssl_preread" => VARIABLES,
        "return"
        | "root"
        | "alias"
        | "index"
        | "try_files"
        | "error_page"
        | "autoindex"
        | "expires"
        | "add_header"
        | "more_set_headers"
        | "stub_status"
        | "rewrite"
        | "default_type"
        | "types"
        | "include"
        | "charset"
        | "internal"
        | "open_file_cache"
        | "open_file_cache_valid"
        | "etag"
        | "open_file_cache_min_uses"
        | "open_file_cache_errors"
        | "fastcgi_pass"
        | "uwsgi_pass"
        | "scgi_pass"
        | "memcached_pass"
        | "empty_gif"
        | "dav_methods"
        | "api"
        | "status"
        | "mp4"
        | "flv"
        | "absolute_redirect"
        | "server_name_in_redirect"
        | "port_in_redirect" => ANSWERS,
        "sendfile"
        | "tcp_nopush"
        | "tcp_nodelay"
        | "aio"
        | "directio"
        | "output_buffers"
        | "postpone_output"
        | "proxy_buffer_size"
        | "proxy_buffers"
        | "proxy_buffering"
        | "proxy_request_buffering"
        | "proxy_busy_buffers_size"
        | "sendfile_max_chunk"
        | "preread_buffer_size"
        | "preread_timeout"
        | "reset_timedout_connection"
        | "read_ahead"
        | "lingering_close"
        | "lingering_time"
        | "lingering_timeout"
        | "proxy_socket_keepalive" => TRANSPORT,
        "if" => ("Layer 4 does not choose", "give what is chosen here a listener of its own"),
        _ if is_code(name) => CODE,
        _ if name.starts_with("ssl_")
            || name.starts_with("proxy_ssl")
            || name == "http2"
            || name == "http3" =>
        {
            TLS
        }
        _ if name.starts_with("proxy_")
            || name.starts_with("client_")
            || name.starts_with("keepalive_")
            || name.starts_with("gzip")
            || name.starts_with("brotli")
            || name.starts_with("large_client_")
            || name.starts_with("fastcgi_")
            || name.starts_with("uwsgi_")
            || name.starts_with("grpc_")
            || name.starts_with("send_")
            || name.starts_with("http2_")
            || name.starts_with("sub_filter")
            || name.starts_with("types_hash")
            || name.starts_with("server_names_hash")
            || name.starts_with("add_trailer")
            || name.starts_with("mirror")
            || name.starts_with("chunked_")
            || matches!(
                name,
                "server_tokens"
                    | "merge_slashes"
                    | "underscores_in_headers"
                    | "websocket"
                    | "ignore_invalid_headers"
                    | "connection_pool_size"
                    | "request_pool_size"
                    | "max_ranges"
                    | "if_modified_since"
                    | "msie_padding"
                    | "msie_refresh"
                    | "disable_symlinks"
            ) =>
        {
            REQUESTS
        }
        _ => UNKNOWN,
    };
    say(&directive.words, why, notes);
}

/// Whether a directive is about Lua.
fn is_code(name: &str) -> bool {
    name.contains("_by_lua") || name.starts_with("lua_")
}

/// Says that a header names the client, where no PROXY header does.
pub(super) fn client_by_header(at: &std::ops::Range<usize>, notes: &mut Notes) {
    let message = format!(
        "set_real_ip_from is carried only where a listen has proxy_protocol; elsewhere {}",
        HEADER.0
    );
    notes.note(at, message, HEADER.1);
}

/// Says that nginx takes the client's address from another header than the PROXY one.
pub(super) fn client_by_default_header(at: &std::ops::Range<usize>, notes: &mut Notes) {
    let message = "without `real_ip_header proxy_protocol` nginx takes the client's address from the header \
                   X-Real-IP, which Layer 4 does not see; here the PROXY header says who the client is, which \
                   also decides which server it has";
    notes.note(at, message, "nothing to do, if both headers name the same client");
}

fn say(words: &[Word], (why, mend): Why, notes: &mut Notes) {
    let at = crate::import::word::span(words);
    notes.note(&at, format!("`{}` is not carried: {why}", shown(words)), mend);
}
