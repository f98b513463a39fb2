use std::fs::File;
use std::process::{Command, Stdio};

use ringbolt_tests::{Config, Ended, Folder, binary, command, finish, need};
use serde_json::{Value, json};

use crate::explain::answers;

/// A pool of servers 10.0.0.1:8765 and on, named ws1 and on.
fn text(balance: &str, servers: &[u8]) -> String {
    let mut config = Config::new().pool(&format!("balance = \"{balance}\""));
    for last in servers {
        let address = format!("10.0.0.{last}:8765").parse().expect("an address");
        config = config.server(&format!("ws{last}"), address);
    }
    config.text()
}

/// Runs `ringbolt plan OLD NEW …` on two texts.
fn plan(old: &str, new: &str, arguments: &[&str]) -> Ended {
    let folder = Folder::new();
    let (old, new) = (folder.write("old.toml", old), folder.write("new.toml", new));
    finish(command(&[&["plan", old.as_str(), new.as_str()], arguments].concat()))
}

/// The pools of its answer in JSON.
fn pools(old: &str, new: &str, arguments: &[&str]) -> Vec<Value> {
    let ended = plan(old, new, &[&["--json"], arguments].concat());
    assert_eq!(ended.code, Ok(0), "{ended:?}");
    assert_eq!(ended.stderr, "");
    let answer: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    answer["pools"].as_array().expect("a list").clone()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value}"))
}

/// Goal: what moves is what theory says, and the answer has the promised form. Method: a million addresses,
/// one of three servers taken out, under `source` (a third), HAProxy's map (two thirds), and nginx's.
#[test]
fn a_server_is_taken_out() {
    need!(Binary);
    for (balance, least, most) in
        [("source", 0.330, 0.336), ("haproxy-source", 0.664, 0.670), ("nginx-ip-hash", 0.6, 0.75)]
    {
        let found = pools(&text(balance, &[1, 2, 3]), &text(balance, &[1, 2]), &[]);
        let [pool] = &found[..] else { panic!("{found:?}") };
        let names: Vec<&String> = pool.as_object().expect("an object").keys().collect();
        let mut expected =
            ["pool", "mapping_old", "mapping_new", "clients", "moved", "moved_share", "servers"];
        expected.sort_unstable();
        assert_eq!(names, expected);
        assert_eq!((&pool["pool"], number(&pool["clients"])), (&json!("echo"), 1_000_000));
        let share = pool["moved_share"].as_f64().expect("a number");
        assert!((least..most).contains(&share), "{balance}: {share}");
        assert!((number(&pool["moved"]) as f64 / 1e6 - share).abs() < 1e-6);
        let servers = pool["servers"].as_array().expect("a list");
        let of = |name: &str, key: &str| {
            let server = servers.iter().find(|server| server["server"] == name);
            number(&server.unwrap_or_else(|| panic!("{name} in {servers:?}"))[key])
        };
        assert_eq!((servers.len(), of("ws3", "after"), of("ws3", "gained")), (3, 0, 0));
        assert_eq!(of("ws3", "lost"), of("ws3", "before"));
        for name in ["ws1", "ws2"] {
            assert_eq!(
                of(name, "before") + of(name, "gained") - of(name, "lost"),
                of(name, "after")
            );
            assert_eq!(of(name, "lost") == 0, balance == "source", "only ws3's clients move");
        }
        let gained: u64 = ["ws1", "ws2", "ws3"].iter().map(|name| of(name, "gained")).sum();
        assert_eq!(gained, number(&pool["moved"]));
    }
}

/// Goal: a plan counts what `explain` says, client by client. Method: a list of addresses of both families,
/// across two mappings, each address explained under both files.
#[test]
fn agrees_with_explain() {
    need!(Binary);
    let (old, new) = (text("haproxy-source", &[1, 2, 3]), text("source", &[1, 2, 4]));
    let clients: Vec<String> = (0..200)
        .map(|number| match number % 3 {
            0 => format!("2001:db8:{number:x}::{number:x}"),
            1 => format!("::ffff:198.51.100.{number}"),
            _ => format!("192.0.2.{number}"),
        })
        .collect();
    let folder = Folder::new();
    let list = format!("# who came today\n\n{}\n", clients.join("\n"));
    let file = folder.write("clients.txt", &list);
    let found = pools(&old, &new, &["--clients", &file]);
    let arguments: Vec<&str> = clients.iter().map(String::as_str).collect();
    let (before, after) = (answers(&old, &arguments), answers(&new, &arguments));
    let mut moved = 0;
    for (before, after) in before.iter().zip(&after) {
        moved += u64::from(before["server"] != after["server"]);
    }
    assert_eq!((number(&found[0]["clients"]), number(&found[0]["moved"])), (200, moved));
    assert!(moved > 50, "{moved}");
    for server in found[0]["servers"].as_array().expect("a list") {
        let met = |answers: &[Value]| {
            answers.iter().filter(|answer| answer["server"] == server["server"]).count() as u64
        };
        assert_eq!(
            (number(&server["before"]), number(&server["after"])),
            (met(&before), met(&after))
        );
    }
    assert_eq!(found[0]["mapping_old"], "haproxy-source");
    assert_eq!(found[0]["mapping_new"], "rendezvous-1");
}

/// Goal: files that differ in nothing that counts move nobody: under `source` the order of servers, under
/// every mapping the names of pools behind one address and of servers at one address. Method: such pairs.
#[test]
fn what_moves_nobody() {
    need!(Binary);
    let bind = |text: String| text.replace("127.0.0.1:0", "127.0.0.1:8765");
    let old = bind(text("source", &[1, 2, 3]));
    let same = bind(text("source", &[3, 1, 2]));
    let ended = plan(&old, &same, &["--sample", "1000"]);
    assert!(ended.stdout.contains("Nobody moves."), "{ended:?}");
    for balance in ["haproxy-source", "haproxy-source-consistent", "nginx-hash-consistent"] {
        let old = bind(text(balance, &[1, 2, 3]));
        let renamed = old.replace("echo", "quay").replace("\"ws", "\"server");
        let found = pools(&old, &renamed, &["--sample", "5000"]);
        assert_eq!((found.len(), number(&found[0]["moved"])), (1, 0), "{found:?}");
        assert_eq!(
            (&found[0]["pool"], &found[0]["servers"][0]["server"]),
            (&json!("quay"), &json!("server1"))
        );
    }
}

/// Goal: pools that are in one file only are told. Method: another address and another name.
#[test]
fn pools_that_are_gone_or_new() {
    need!(Binary);
    let old = text("source", &[1, 2]);
    let new = old.replace("echo", "quay");
    let found = pools(&old, &new, &["--sample", "100"]);
    let ends: Vec<(&Value, bool, bool)> = found
        .iter()
        .map(|it| (&it["pool"], it["mapping_old"].is_null(), it["mapping_new"].is_null()))
        .collect();
    assert_eq!(ends, [(&json!("echo"), false, true), (&json!("quay"), true, false)]);
    let ended = plan(&old, &new, &["--sample", "100"]);
    for part in ["It is not in the new file.", "It is only in the new file.", "the same when"] {
        assert!(ended.stdout.contains(part), "{part} in {ended:?}");
    }
}

/// Goal: a person sees who moves, from where to where. Method: the lines and bars of a server that goes.
#[test]
fn a_table_for_people() {
    need!(Binary);
    let ended = plan(&text("source", &[1, 2, 3]), &text("source", &[1, 2]), &["--sample", "30000"]);
    assert_eq!(ended.code, Ok(0), "{ended:?}");
    for part in [
        "30,000 clients, a sample of all IPv4 addresses",
        "pool echo: rendezvous-1",
        "clients would meet another server: 33.",
        "10.0.0.3:8765",
        "  ws3 → ws1  ",
        "  ws3 → ws2  ",
        "█",
    ] {
        assert!(ended.stdout.contains(part), "{part} in:\n{}", ended.stdout);
    }
    assert!(!ended.stdout.contains("ws1 → ws2"), "{}", ended.stdout);
    assert!(ended.stdout.lines().all(|line| line.chars().count() <= 100), "{}", ended.stdout);
}

/// Goal: IPv6 has a sample of its own. Method: the same change under a mapping that folds addresses.
#[test]
fn a_sample_of_ipv6() {
    need!(Binary);
    let (old, new) = (text("haproxy-source", &[1, 2, 3]), text("haproxy-source", &[1, 2]));
    let found = pools(&old, &new, &["--family", "v6", "--sample", "50000"]);
    let share = found[0]["moved_share"].as_f64().expect("a number");
    assert!((0.65..0.69).contains(&share), "{share}");
    let ended = plan(&old, &new, &["--family", "v6", "--sample", "100"]);
    assert!(ended.stdout.starts_with("100 clients, a sample of all global IPv6"), "{ended:?}");
}

/// Goal: on a terminal a plan that takes long shows how far it is. Method: `script` gives it a terminal and
/// `timeout` ends it; the sample is too large to be done by then.
#[test]
fn a_long_plan_shows_progress() {
    need!(Binary, Script);
    let folder = Folder::new();
    let file = folder.write("ringbolt.toml", &text("source", &[1, 2, 3]));
    let shown = folder.file("shown");
    let plan = format!("'{}' plan {file} {file} --sample 10000000000", binary().display());
    let mut command = Command::new("script");
    let run = format!("exec timeout 5 {plan}");
    command.args(["--quiet", "--flush", "--return", "--command", &run, &shown]);
    command.env("TERM", "xterm").stdin(Stdio::null());
    let ended = finish(command);
    let shown = std::fs::read(&shown).expect("what script wrote");
    let shown = String::from_utf8_lossy(&shown);
    assert_eq!(ended.code, Ok(124), "{shown}");
    assert!(shown.contains("of 10,000,000,000 clients") && shown.contains('░'), "{shown}");
}

/// Goal: an answer that nobody reads to its end is no crash. Method: pipes whose reader is gone, and a device that
/// is full, for each command that answers.
#[test]
fn nobody_reads() {
    need!(Binary);
    let folder = Folder::new();
    let file = folder.write("ringbolt.toml", &text("haproxy-source", &[1, 2, 3]));
    let original = folder.write(
        "haproxy.cfg",
        "listen echo\n bind 127.0.0.1:1\n balance source\n server a 10.0.0.1:80\n",
    );
    let commands: [&[&str]; 7] = [
        &["plan", &file, &file, "--sample", "10"],
        &["plan", &file, &file, "--sample", "10", "--json"],
        &["explain", &file, "192.0.2.1"],
        &["explain", &file, "192.0.2.1", "--json"],
        &["check", &file],
        &["check", &file, "--json"],
        &["convert", &original],
    ];
    let nobody = || std::io::pipe().expect("a pipe").1;
    for words in commands {
        let mut piped = command(words);
        let ended = piped.stdin(Stdio::null()).stdout(nobody()).stderr(nobody()).status();
        assert_eq!(ended.expect("it runs").code(), Some(0), "{words:?}");
        let full = File::options().write(true).open("/dev/full").expect("a full device");
        let ended = command(words).stdin(Stdio::null()).stdout(full).output().expect("it runs");
        let told = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{words:?}: {told}");
        assert!(told.contains("standard output: No space left"), "{words:?}: {told}");
    }
}

/// Goal: what is wrong is told with 1, wrong usage with 2. Method: each thing.
#[test]
fn bad_input() {
    need!(Binary);
    let good = text("source", &[1, 2]);
    let broken = good.replace("workers", "wrokers");
    let folder = Folder::new();
    let wrong = folder.write("wrong", "192.0.2.1\nquay\n");
    let empty = folder.write("empty", "# nobody\n");
    let (nowhere, directory) = (folder.file("nowhere"), folder.file(""));
    let cases: [(&str, &str, &[&str], i32, &str); 9] = [
        (&broken, &good, &[], 1, "old.toml"),
        (&good, &broken, &[], 1, "new.toml"),
        (&good, &good, &["--clients", &wrong], 1, "line 2: \"quay\" is not an address"),
        (&good, &good, &["--clients", &empty], 1, "there is no address in it"),
        (&good, &good, &["--clients", &nowhere], 1, "cannot be read"),
        (&good, &good, &["--clients", &directory], 1, "it is a directory"),
        (&good, &good, &["--sample", "0"], 2, "--sample"),
        (&good, &good, &["--family", "v5"], 2, "v4, v6"),
        (&good, &good, &["--clients", &wrong, "--sample", "5"], 2, "cannot be used with"),
    ];
    for (old, new, arguments, code, said) in cases {
        let ended = plan(old, new, arguments);
        assert_eq!(ended.code, Ok(code), "{arguments:?}: {ended:?}");
        assert!(ended.told().contains(said), "{said} in {ended:?}");
        assert_eq!(ended.stdout, "");
    }
}
