use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use ringbolt_tests::{Client, binary, command, finish, need, until};

/// The address of a port that was free a moment ago: `try` takes a number, and says no other.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("a bound socket").port()
}

/// Goal: `try --once` needs nothing, ends by itself with 0, and its table names three servers and
/// which demo address went where. Method: run it, look for the names and addresses.
#[test]
fn once() {
    need!(Binary);
    let port = free_port().to_string();
    let ended = finish(command(&["try", "--once", "--port", &port]));
    assert_eq!(ended.code, Ok(0), "{ended:?}");
    for name in ["ws1", "ws2", "ws3"] {
        assert!(ended.stdout.contains(name), "{name} in:\n{}", ended.stdout);
    }
    // A line that names a demo address and the server that it met.
    let shown = |line: &&str| line.contains("127.") && line.contains("ws");
    assert!(ended.stdout.lines().filter(shown).count() >= 3, "addresses in:\n{}", ended.stdout);
    assert!(ended.stdout.contains(&port), "the port in:\n{}", ended.stdout);
    let by_path = ended.stdout.lines().find(|line| line.contains("copied and"));
    let by_path = by_path.unwrap_or_else(|| panic!("bytes by path in:\n{}", ended.stdout));
    let none = by_path.split_whitespace().any(|word| word == "0");
    assert!(by_path.contains("MB spliced") && !none, "both ways are used: {by_path}");
}

/// Goal: `try --torture` kills engines under its clients and loses none of them: anyone can watch.
/// Method: with `--once`, which ends by itself with 0; five deaths, sessions that went on, none lost.
#[test]
fn tortured() {
    need!(Binary);
    let ended = finish(command(&["try", "--torture", "--once", "--port", "0"]));
    assert_eq!(ended.code, Ok(0), "{ended:?}");
    let told = ended.stdout.lines().find(|line| line.contains("engines killed"));
    let told = told.unwrap_or_else(|| panic!("deaths in:\n{}", ended.stdout));
    assert!(told.starts_with("5 engines killed: ") && told.contains(", 0 lost;"), "{told}");
    assert!(!told.contains(" went on 0 times"), "{told}");
    assert!(ended.stdout.contains("no session lost"), "{}", ended.stdout);
}

/// Goal: on a terminal `try` shows its table until Ctrl-C, which ends it with 0 and leaves nobody.
/// Method: `script` gives it a terminal and passes on its exit code; when the port answers and the
/// third server's name was shown, Ctrl-C is typed.
#[test]
fn on_a_terminal() {
    need!(Binary, Script);
    let port = free_port();
    let folder = ringbolt_tests::Folder::new();
    let shown = folder.file("shown");
    let mut command = Command::new("script");
    // `exec`: a shell that stays beside it, as dash does, would take the Ctrl-C as its own end.
    let run = format!("exec '{}' try --port {port}", binary().display());
    command.args(["--quiet", "--flush", "--return", "--command", &run, &shown]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut terminal = command.spawn().expect("script starts");
    let mut keys = terminal.stdin.take().expect("piped");
    let screen = || std::fs::read(&shown).map(|b| String::from_utf8_lossy(&b).into_owned());
    until("the table is shown", || {
        let status = terminal.try_wait().expect("our child");
        assert!(status.is_none(), "{status:?}: {}", screen().unwrap_or_default());
        screen().ok().filter(|text| text.contains("ws3"))
    });
    let address = ([127, 0, 0, 1], port).into();
    until("the port answers", || Client::default().try_connect(address).ok());
    keys.write_all(b"\x03").expect("the terminal takes a key");
    let status = until("try ends", || terminal.try_wait().expect("our child"));
    assert_eq!(status.code(), Some(0), "{}", screen().unwrap_or_default());
    until("the port is free", || TcpListener::bind(("127.0.0.1", port)).ok());
}

/// Goal: a taken port is said, with exit 3. Method: take it first.
#[test]
fn a_taken_port() {
    need!(Binary);
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("a bound socket").port().to_string();
    let ended = finish(command(&["try", "--once", "--port", &port]));
    assert_eq!(ended.code, Ok(3), "{ended:?}");
    assert!(ended.stderr.contains(&port), "{ended:?}");
}
