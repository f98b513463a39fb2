use std::fs;
use std::process::Command;

use ringbolt_tests::{Config, Program, Ringbolt, finish, need};
use serde_json::Value;

const STREAMS: u64 = 8;
const LENGTH: u64 = 2 << 30;

/// What one end of iperf3 has counted itself, a number for each stream.
#[derive(Debug)]
struct Counted {
    sent: Vec<u64>,
    received: Vec<u64>,
}

impl Counted {
    fn of(report: &Value) -> Self {
        let mut counted = Self { sent: Vec::new(), received: Vec::new() };
        for stream in report["end"]["streams"].as_array().expect("streams") {
            match sends(stream) {
                true => counted.sent.push(bytes(&stream["sender"])),
                false => counted.received.push(bytes(&stream["receiver"])),
            }
        }
        counted
    }
}

/// Goal: eight streams at once carry 2 GiB from the client. Method: [`run`].
#[test]
fn eight_streams_up() {
    need!(Binary, Iperf);
    let (client, server) = run(&[]);
    carried("up", &client.sent, &server.received);
    assert!(client.received.is_empty() && server.sent.is_empty());
    assert!(client.sent.iter().sum::<u64>() >= LENGTH);
}

/// Goal: eight streams at once carry 2 GiB to the client. Method: [`run`] with `-R`.
#[test]
fn eight_streams_down() {
    need!(Binary, Iperf);
    let (client, server) = run(&["-R"]);
    carried("down", &server.sent, &client.received);
    assert!(client.sent.is_empty() && server.received.is_empty());
    assert!(client.received.iter().sum::<u64>() >= LENGTH);
}

/// Goal: eight streams each way at once carry 2 GiB the one way or the other. Method: [`run`] with
/// `--bidir`.
#[test]
fn eight_streams_each_way() {
    need!(Binary, Iperf);
    let (client, server) = run(&["--bidir"]);
    carried("up", &client.sent, &server.received);
    carried("down", &server.sent, &client.received);
    let most = client.sent.iter().sum::<u64>().max(client.received.iter().sum());
    assert!(most >= LENGTH);
}

/// Runs iperf3 through the balancer until 2 GiB are done, and gives what the client and the server
/// have counted. Neither may report an error, and what the server has told the client in the end
/// must be what it says itself.
fn run(mode: &[&str]) -> (Counted, Counted) {
    // A server for each run: it turns a client away that comes while it cleans up after another.
    let server = Program::start(|address, _| {
        let mut command = Command::new("iperf3");
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        command.args(["--server", "--json", "--bind", &ip, "--port", &port]);
        command
    });
    // One worker: with `--bidir` the server takes the first eight streams that it accepts as those
    // to receive from, so they must come in the order in which the client has opened them.
    let config = Config::new().servers([server.address()]).text();
    let ringbolt = Ringbolt::start_text(&config.replace("workers = 2", "workers = 1"));
    let mut command = Command::new("iperf3");
    let (ip, port) = (ringbolt.address().ip().to_string(), ringbolt.address().port().to_string());
    command.args(["--client", &ip, "--port", &port, "--json", "--get-server-output"]);
    command.args(["--parallel", &STREAMS.to_string(), "--bytes", &LENGTH.to_string()]);
    let ended = finish({
        command.args(mode);
        command
    });
    assert_eq!(ended.code, Ok(0), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let of_server = &report["server_output_json"];
    for report in [&report, of_server] {
        assert!(report["end"].is_object() && report["error"].is_null(), "{report}");
    }
    let (client, server) = (Counted::of(&report), Counted::of(of_server));
    let told = |sent_by_client: bool, what: &str| -> u64 {
        let streams = report["end"]["streams"].as_array().expect("streams").iter();
        streams.filter(|stream| sends(stream) == sent_by_client).map(|s| bytes(&s[what])).sum()
    };
    assert_eq!(told(true, "receiver"), server.received.iter().sum::<u64>(), "{report}");
    assert_eq!(told(false, "sender"), server.sent.iter().sum::<u64>(), "{report}");
    ringbolt.wait_for_base();
    (client, server)
}

/// Checks that each of the eight streams has moved bytes at both ends, and that the sums agree but
/// for what was under way in the end: iperf3 stops reading as soon as the sender has sent enough.
/// Which stream is which cannot be compared, since the server numbers them as it accepts them.
fn carried(way: &str, sent: &[u64], received: &[u64]) {
    for end in [sent, received] {
        assert_eq!(end.len() as u64, STREAMS, "{way}");
        assert!(end.iter().all(|bytes| *bytes > 0), "{way}: a stream stood still: {end:?}");
    }
    let (sent, received): (u64, u64) = (sent.iter().sum(), received.iter().sum());
    let under_way = sent.checked_sub(received).expect("no byte is received that was not sent");
    println!("{way}: {sent} sent, {under_way} of them under way in the end");
    assert!(under_way <= STREAMS * room(), "{way}: {under_way} of {sent} bytes are missing");
}

/// How many bytes of one stream can be under way: in the buffers of four sockets, as large as the
/// kernel lets them grow, and 2 MiB in the balancer itself.
fn room() -> u64 {
    let most = |name: &str| -> u64 {
        let text = fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).expect("a limit");
        text.split_whitespace()
            .nth(2)
            .and_then(|most| most.parse().ok())
            .expect("min, default, max")
    };
    2 * (most("tcp_rmem") + most("tcp_wmem")) + (2 << 20)
}

/// Whether the end that reports a stream is the one that sends.
fn sends(stream: &Value) -> bool {
    stream["sender"]["sender"].as_bool().expect("a direction")
}

fn bytes(side: &Value) -> u64 {
    side["bytes"].as_u64().expect("a number of bytes")
}
