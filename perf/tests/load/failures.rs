//! Goal: what is wrong with a server is seen, said or counted, and ends. Method: servers of our own that
//! refuse, lie, leave, or are mute.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::{Value, json};

use crate::processes::{Process, job, outcome, serve};

/// A server that does this with each connection, one after the other; who connected is told.
fn server(serve: impl Fn(TcpStream) + Send + 'static) -> (Value, Receiver<IpAddr>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (tell, told) = channel();
    thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let _ = tell.send(connection.peer_addr().unwrap().ip());
            serve(connection);
        }
    });
    (json!(addr), told)
}

fn connects(concurrency: u32) -> Value {
    json!({"kind": "connects", "concurrency": concurrency, "size": 8, "rate": null})
}

/// Two tasks, each of which ends with its first failure.
fn both_fail(to: &Value) {
    let outcome = outcome(&job(to, connects(2), 1000));
    let counted = (&outcome["units"], &outcome["failures"], &outcome["latency"]);
    assert_eq!(counted, (&json!(0), &json!(2), &json!(null)), "{outcome}");
}

#[test]
fn a_wrong_answer() {
    let (to, _) = server(|mut connection| {
        let mut message = [0; 8];
        let _ = connection.read_exact(&mut message);
        message[7] ^= 1;
        let _ = connection.write_all(&message);
    });
    both_fail(&to);
}

#[test]
fn a_short_answer() {
    let (to, _) = server(|mut connection| {
        let mut message = [0; 8];
        let _ = connection.read_exact(&mut message);
        let _ = connection.write_all(&message[..7]);
    });
    both_fail(&to);
}

#[test]
fn a_server_that_leaves() {
    let (to, _) = server(drop);
    both_fail(&to);
}

#[test]
fn nobody_there() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    both_fail(&json!(gone));
    for work in [
        json!({"kind": "ping-pong", "connections": 2, "size": 8, "rate": null}),
        json!({"kind": "bulk", "streams": 2, "way": "up"}),
        json!({"kind": "idle", "connections": 2}),
    ] {
        let reason = failed(&job(&json!(gone), work, 10));
        assert!(reason.contains(&gone.to_string()) && reason.contains("refused"), "{reason}");
    }
}

/// An answer that never comes is a failure after ten seconds; the connection in the ring ends too.
#[test]
fn a_mute_server() {
    let (keep, _kept) = channel();
    let (to, _) = server(move |connection| drop(keep.send(connection)));
    both_fail(&to);
}

/// A sink checks samples of what it gets, so bulk that lost a byte on its way is not counted on.
#[test]
fn bulk_with_a_byte_missing() {
    let (_serving, servers) = serve();
    let sink = servers["sink"].as_str().unwrap().to_owned();
    let (to, _) = server(move |mut client| {
        let mut sink = TcpStream::connect(&sink).unwrap();
        let (mut answers, mut client_again) =
            (sink.try_clone().unwrap(), client.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut answers, &mut client_again));
        thread::spawn(move || {
            let mut piece = vec![0; 65536];
            let mut crossed = 0;
            while let Ok(length @ 1..) = client.read(&mut piece) {
                // One byte on its own is a question for the count; it crosses.
                let missing =
                    usize::from(length > 1 && crossed < 1_000_000 && crossed + length >= 1_000_000);
                crossed += length;
                if sink.write_all(&piece[missing..length]).is_err() {
                    break;
                }
            }
        });
    });
    let work = json!({"kind": "bulk", "streams": 1, "way": "up"});
    let outcome = outcome(&job(&to, work, 64 << 20));
    assert_eq!(outcome["failures"], 1, "{outcome}");
    // The sample after the missing byte is 16 MiB into the stream; what arrived before the measured
    // part began does not count.
    assert!((1..=16 << 20).contains(&outcome["units"].as_u64().unwrap()), "{outcome}");
}

#[test]
fn a_mix_without_a_second_address() {
    let (_serving, servers) = serve();
    let work = json!({"kind": "mix", "connections": 1, "size": 8, "rate": null, "streams": 1});
    assert!(failed(&job(&servers["echo"], work, 1)).contains("beside"));
}

#[test]
fn a_rate_that_is_none() {
    let (_serving, servers) = serve();
    for rate in [0.0, -1.0, 1e7] {
        let work = json!({"kind": "connects", "concurrency": 1, "size": 8, "rate": rate});
        let reason = failed(&job(&servers["echo"], work, 1));
        assert!(reason.contains("rate"), "{reason}");
    }
}

/// Doors and servers are paired by their order, so one too many has no meaning.
#[test]
fn a_relay_with_a_door_to_nowhere() {
    let mut relay = Command::new(env!("CARGO_BIN_EXE_ringbolt-perf"));
    relay.args(["relay", "epoll", "--from=127.0.0.1:0", "--from=127.0.0.1:0", "--to=127.0.0.1:9"]);
    let output = relay.output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("2 --from and 1 --to: every --from needs its --to"), "{said}");
}

/// Connection n comes from the address n % sources beyond 127.0.0.1.
#[test]
fn clients_come_from_addresses_of_their_own() {
    let (to, clients) = server(|mut connection| {
        let mut message = [0; 8];
        let _ = connection.read_exact(&mut message);
        let _ = connection.write_all(&message);
    });
    assert_eq!(outcome(&job(&to, connects(1), 7))["units"], 7);
    let seen: Vec<String> = clients.try_iter().map(|ip| ip.to_string()).collect();
    let distinct: BTreeSet<&str> = seen.iter().map(String::as_str).collect();
    assert_eq!(distinct, BTreeSet::from(["127.0.0.1", "127.0.0.2", "127.0.0.3"]));
    assert_eq!((seen[0].as_str(), seen[3].as_str()), ("127.0.0.1", "127.0.0.1"));
}

/// Why a job cannot be done.
fn failed(job: &Value) -> String {
    let mut process = Process::start(&["load", &job.to_string()]);
    let reason = process.says()["failed"].as_str().unwrap().to_owned();
    assert_eq!(process.end(), Some(1), "{job}");
    reason
}
