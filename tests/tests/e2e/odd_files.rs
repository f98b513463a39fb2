use std::fs::File;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use ringbolt_tests::{Config, Folder, Ringbolt, Server, Signal, command, finish, need};
use serde_json::Value;

use crate::session;

/// Each with what it is and a word that its error says.
fn odd_files(folder: &Folder) -> Vec<(&'static str, String, &'static str)> {
    let fifo = folder.file("fifo");
    mkfifo(&*fifo, Mode::S_IRWXU).expect("a fifo");
    let huge = folder.file("huge.toml");
    // A hole costs no disk; its bytes read as NUL.
    File::create(&huge).and_then(|file| file.set_len(100 << 20)).expect("a file of 100 MB");
    let depth = 100_000;
    let spelt = |name: &str, text: String| folder.write(name, &text);
    vec![
        ("a folder", std::env::temp_dir().display().to_string(), "directory"),
        ("a device without an end", "/dev/zero".into(), "device"),
        ("a device that is empty", "/dev/null".into(), "device"),
        ("a fifo that nobody writes to", fifo, "nobody has written"),
        ("100 MB", huge, "more than 4194304 bytes"),
        ("nothing", spelt("empty.toml", String::new()), "listener"),
        ("no text", spelt("nul.toml", "\0\u{1}\u{feff}".into()), ""),
        ("nested lists", spelt("lists.toml", format!("a = {}", "[".repeat(depth))), ""),
        ("nested tables", spelt("tables.toml", format!("a = {}", "{ a = ".repeat(depth))), ""),
        ("a long dotted key", spelt("key.toml", format!("{}a = 1", "a.".repeat(depth))), ""),
        ("a long table name", spelt("name.toml", format!("[{}a]", "a.".repeat(depth))), ""),
        ("a file that is not there", folder.file("missing.toml"), "No such file"),
    ]
}

/// Goal: whatever the path names, there is an error with a place, and no hanging and no crash.
/// Method: each odd file, for `check` and for `run`; the end of both is awaited.
#[test]
fn odd_files_are_errors() {
    need!(Binary);
    let folder = Folder::new();
    for (what, path, said) in odd_files(&folder) {
        let checked = finish(command(&["check", &path, "--json"]));
        assert_eq!(checked.code, Ok(1), "{what}: {}", checked.stderr);
        let value: Value = serde_json::from_str(&checked.stdout).expect("JSON");
        let errors = value["errors"].as_array().expect("a list");
        assert!(!errors.is_empty(), "{what}");
        for error in errors {
            assert_eq!(error["file"].as_str(), Some(&path[..]), "{what}");
        }
        assert!(checked.stdout.contains(said), "{what}: {}", checked.stdout);
        let run = finish(command(&["run", &path]));
        assert_eq!(run.code, Ok(1), "{what}: {}", run.stderr);
        assert!(run.stderr.contains(said), "{what}: {}", run.stderr);
    }
}

/// Goal: the same of a file that was good when the balancer started: a reload is refused, and it
/// goes on. Method: a fifo takes the file's place; a session lives on and a new one begins.
#[test]
fn a_reload_refuses_an_odd_file() {
    need!(Binary);
    let server = Server::listen();
    let ringbolt = Ringbolt::start(&Config::new().servers([server.address()]));
    let (mut client, mut serving) = session(&server, &ringbolt);
    let file = ringbolt.configuration();
    std::fs::remove_file(&file).expect("the file is there");
    mkfifo(&*file, Mode::S_IRWXU).expect("a fifo");
    ringbolt.signal(Signal::SIGHUP);
    ringbolt.line_with("reload refused");
    client.exchange(&mut serving);
    session(&server, &ringbolt);
}
