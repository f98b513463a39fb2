use std::fs::{self, File};
use std::io::Write;
use std::process::Command;

use ringbolt_tests::{Config, Folder, Pattern, Program, Ringbolt, Watched, finish, need, nginx};

const LENGTH: usize = 1 << 30;

/// Goal: 1 GiB over HTTP arrives as it was sent, down and up, whichever way the balancer moves the
/// bytes. Method: curl fetches a file from nginx, and puts it there under another name; each is
/// compared byte for byte with the original, which is more than a checksum; with `splice` off, with
/// it always on, and, down, as the balancer chooses by itself.
#[test]
fn a_gibibyte_each_way() {
    need!(Binary, Curl, Nginx);
    let server = Program::start(web_server);
    let original = server.folder().file("original");
    write_original(&original);
    for splice in ["off", "always", "auto"] {
        let config = Config::new().pool(&format!("splice = \"{splice}\""));
        let watched = Watched::start(config.servers([server.address()]));
        let ringbolt = &watched.ringbolt;
        fetch(ringbolt, &original);
        if splice != "auto" {
            put(ringbolt, &original, &server.folder().file("put"));
        }
        ringbolt.wait_for_base();
        relayed(&watched, splice);
    }
}

/// What the balancer itself says about the way that the bytes went. What was to be spliced may be
/// copied now and then; the counters say so.
fn relayed(watched: &Watched, splice: &str) {
    let metrics = watched.metrics();
    let by = |path| metrics.value(&format!("ringbolt_relay_bytes_total{{path=\"{path}\"}}"));
    let fallbacks = metrics.sum("ringbolt_splice_fallback_total");
    let times = if splice == "auto" { 1 } else { 2 };
    assert!(by("copy") + by("splice") >= (times * LENGTH) as f64, "{metrics:?}");
    if splice == "off" {
        assert_eq!((by("splice"), fallbacks), (0.0, 0.0), "{metrics:?}");
    } else if fallbacks == 0.0 {
        assert!(by("splice") > by("copy"), "{metrics:?}");
    }
}

/// nginx as one process, which touches nothing outside of its folder.
fn web_server(address: std::net::SocketAddr, folder: &Folder) -> Command {
    let configuration = format!(
        "daemon off; master_process off; pid pid; error_log stderr; events {{}}
        http {{
            access_log off;
            client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi; scgi_temp_path scgi;
            client_max_body_size 0; client_body_buffer_size 1m;
            server {{ listen {address}; root .; sendfile on; dav_methods PUT; }}
        }}"
    );
    let configuration = folder.write("nginx.conf", &configuration);
    let mut command = Command::new(nginx());
    command.args(["-e", "stderr", "-p", &folder.file(""), "-c", &configuration]);
    command
}

/// 1 GiB, of which no page is like another: the same bytes in every MiB, but for the number of the
/// page at its beginning. It is written faster so than if all of them were computed.
fn write_original(path: &str) {
    const MIB: usize = 1 << 20;
    const PAGE: usize = 4_096;
    let mut file = File::create(path).expect("a temporary file");
    let mut bytes = Pattern { seed: 1 }.bytes(0, MIB);
    for mib in 0..LENGTH / MIB {
        for (page, bytes) in bytes.chunks_exact_mut(PAGE).enumerate() {
            let number = mib * (MIB / PAGE) + page;
            bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
        }
        file.write_all(&bytes).expect("room for 1 GiB");
    }
}

/// Fetches the original, and compares what comes.
fn fetch(ringbolt: &Ringbolt, original: &str) {
    let mut command = Command::new("bash");
    command.args(["-c", "set -o pipefail; curl --noproxy '*' -fsS \"$1\" | cmp - \"$2\"", "bash"]);
    command.args([&format!("http://{}/original", ringbolt.address()), original]);
    let ended = finish(command);
    assert_eq!(ended.code, Ok(0), "{ended:?}");
}

/// Puts the original there once more, and compares what is there then.
fn put(ringbolt: &Ringbolt, original: &str, there: &str) {
    let mut command = Command::new("curl");
    command.args(["--noproxy", "*", "-fsS", "-w", "%{http_code} %{size_upload}", "-T", original]);
    command.arg(format!("http://{}/put", ringbolt.address()));
    let ended = finish(command);
    let created = (Ok(0), format!("201 {LENGTH}"));
    assert_eq!((ended.code, ended.stdout), created, "{}", ended.stderr);
    let mut command = Command::new("cmp");
    command.args([there, original]);
    let ended = finish(command);
    assert_eq!(ended.code, Ok(0), "{ended:?}");
    fs::remove_file(there).expect("nginx has put it there");
}
