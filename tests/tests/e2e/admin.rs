use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use ringbolt_tests::{
    BOUND, Config, Ended, Folder, Haproxy, Server, Signal, Watched, ask, binary, command, ended,
    finish, need, until,
};
use serde_json::Value;

fn start() -> (Server, Watched) {
    let server = Server::listen();
    let watched = Watched::start(Config::new().servers([server.address()]));
    (server, watched)
}

fn ctl(watched: &Watched, words: &[&str]) -> Ended {
    let socket = watched.socket();
    finish(command(&[&["ctl", "-s", socket.as_str()], words].concat()))
}

/// Goal: the socket is its owner's alone, and goes with an orderly end. Method: its mode; TERM.
#[test]
fn the_socket_is_its_owners() {
    need!(Binary);
    let (_server, mut watched) = start();
    let socket = watched.socket();
    let mode = std::fs::metadata(&socket).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    watched.ringbolt.signal(Signal::SIGTERM);
    assert_eq!(watched.ringbolt.exit_code(), 0);
    assert!(!Path::new(&socket).exists());
}

/// Goal: a path that a live balancer has is exit 3 and names it; one that a killed balancer left is
/// taken over; a file or a missing folder is exit 3 too and left alone. Method: each, on one path.
#[test]
fn a_path_that_is_taken() {
    need!(Binary);
    let (server, mut first) = start();
    let folder = Folder::new();
    let second = |path: &str| {
        let config = Config::new().servers([server.address()]);
        let config = config.global(&format!("admin = \"{path}\""));
        folder.write("second.toml", &config.text())
    };
    let refused = |path: &str, said: &str| {
        let ended = finish(command(&["run", &second(path)]));
        assert_eq!(ended.code, Ok(3), "{ended:?}");
        assert!(ended.stderr.contains(path) && ended.stderr.contains(said), "{ended:?}");
    };
    let socket = first.socket();
    refused(&socket, &format!("ringbolt (pid {})", first.ringbolt.pid()));
    assert!(first.ask("show info").starts_with("Name: Ringbolt\n"), "the first goes on");
    refused(&folder.write("file", "precious"), "no socket");
    refused(&folder.file("none/admin.sock"), "create its folder");

    let engine = first.ringbolt.engine();
    first.ringbolt.signal(Signal::SIGKILL);
    first.ringbolt.wait();
    until("the engine ends", || ended(engine).then_some(()));
    assert!(Path::new(&socket).exists(), "a killed balancer leaves its socket");
    let gone = ctl(&first, &["show", "info"]);
    assert_eq!(gone.code, Ok(1), "{gone:?}");
    assert!(gone.stderr.contains("nobody answers"), "{gone:?}");
    let text = std::fs::read_to_string(second(&socket)).expect("just written");
    let _next = ringbolt_tests::Ringbolt::start_text(&text);
    assert!(ask(&socket, "show info\n").starts_with("Name: Ringbolt\n"));
}

/// Goal: HAProxy's protocol: a line is answered and the connection ends; `;` joins; `prompt` goes on
/// until `quit`; what is not there yet says so by name, what nobody knows gets the list. Method: each.
#[test]
fn the_protocol() {
    need!(Binary);
    let (_server, watched) = start();
    let info = watched.ask("show info");
    assert!(info.starts_with("Name: Ringbolt\nVersion: ") && info.ends_with("\n\n"), "{info}");
    let pid = watched.ringbolt.pid();
    for line in [format!("Pid: {pid}"), "Nbthread: 2".into(), "Stopping: 0".into()] {
        assert!(info.lines().any(|it| it == line), "{line} in {info}");
    }
    let both = watched.ask("show info; show stat");
    assert!(both.starts_with("Name: ") && both.contains("\n\n# pxname,svname,"), "{both}");
    assert_eq!(watched.ask("show sess"), "`show sess` is not available yet.\n\n");
    let unknown = watched.ask("shwo info");
    assert!(
        unknown.starts_with("Unknown command.") && unknown.contains("  show stat "),
        "{unknown}"
    );
    assert!(watched.ask("help").contains("  quit "));

    let talk =
        ask(&watched.socket(), "prompt\nshow sess\n\nshow sess;show sess\nquit\nshow sess\n");
    let one = "`show sess` is not available yet.\n\n> ";
    assert_eq!(talk, format!("\n> {one}\n> {one}{one}"));
    assert_eq!(ask(&watched.socket(), "quit\n"), "");
    let json = |line: &str| serde_json::from_str::<Value>(&watched.ask(line)).expect("JSON");
    assert_eq!(json("show info json")[0]["value"]["value"], "Ringbolt");
    let rows = json("show stat json");
    assert_eq!(rows.as_array().map(Vec::len), Some(3), "listener, server, pool: {rows}");
}

/// Goal: `ctl` prints an answer and ends with 0; what is refused is told on standard error and ends
/// with 1, wrong usage with 2; a reader that leaves is no error. Method: each.
#[test]
fn ctl_exit_codes() {
    need!(Binary);
    let (_server, watched) = start();
    let stat = ctl(&watched, &["show", "stat"]);
    assert_eq!((stat.code, stat.stderr.as_str()), (Ok(0), ""), "{stat:?}");
    assert!(stat.stdout.starts_with("# pxname,svname,"), "{stat:?}");
    assert!(!stat.stdout.ends_with("\n\n"), "the empty line is the protocol's: {stat:?}");
    assert_eq!(stat.stdout.lines().count(), 4);
    let words = ctl(&watched, &["show", "stat", "-1", "4", "-1"]);
    assert_eq!((words.code, words.stdout.lines().count()), (Ok(0), 2), "{words:?}");
    let both = ctl(&watched, &["show info;show stat"]);
    assert_eq!((both.code, both.stdout.matches("\n\n").count()), (Ok(0), 1), "{both:?}");

    for (words, said) in [
        (&["show", "sess"][..], "`show sess` is not available yet"),
        (&["shwo", "stat"], "Unknown command"),
        (&["show", "stat", "nobody", "1", "-1"], "No such proxy"),
        (&["show", "info", "typed"], "Usage: show info"),
    ] {
        let refused = ctl(&watched, words);
        assert_eq!((refused.code, refused.stdout.as_str()), (Ok(1), ""), "{refused:?}");
        assert!(refused.stderr.contains(said), "{refused:?}");
    }
    let half = ctl(&watched, &["show sess;show info"]);
    assert_eq!(half.code, Ok(1), "{half:?}");
    assert!(half.stdout.starts_with("Name: Ringbolt\n"), "{half:?}");

    let none = finish(command(&["ctl", "-s", &Folder::new().file("none"), "show", "info"]));
    assert_eq!(none.code, Ok(1), "{none:?}");
    assert!(none.stderr.contains("none") && none.stderr.contains("global.admin"), "{none:?}");
    for usage in [&["ctl"][..], &["ctl", "-s"], &["ctl", "--quickly"], &["ctl", "a\nb"]] {
        let wrong = finish(command(usage));
        assert_eq!(wrong.code, Ok(2), "{usage:?}: {wrong:?}");
        assert!(!wrong.stderr.contains("panicked"), "{wrong:?}");
    }
}

/// Goal: a reader that has had enough is no error. Method: a pipe whose other end is closed before
/// `ctl` has anything to write.
#[test]
fn ctl_before_a_closed_pipe() {
    need!(Binary);
    let (_server, watched) = start();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut child = Command::new(binary());
    child.args(["ctl", "-s", &watched.socket(), "show", "stat"]).stdin(Stdio::null());
    let output = child.stdout(writer).stderr(Stdio::piped()).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

/// Goal: columns, names and tags are HAProxy's own. Method: a real HAProxy is asked the same; ours
/// are a beginning of its columns, and every field that both have is described alike.
#[test]
fn names_are_haproxys() {
    need!(Binary, Haproxy);
    let (_server, watched) = start();
    let haproxy = Haproxy::start();
    let head = |text: &str| text.lines().next().expect("a head").to_owned();
    let (ours, theirs) = (head(&watched.ask("show stat")), head(&haproxy.ask("show stat")));
    assert!(theirs.starts_with(&ours), "ours:\n{ours}\ntheirs:\n{theirs}");
    assert!(ours.ends_with(',') && ours.matches(',').count() >= 52, "{ours}");

    for line in ["show info json", "show stat json"] {
        let described = |text: &str| -> BTreeMap<String, String> {
            let value: Value = serde_json::from_str(text).expect("JSON");
            let mut fields = BTreeMap::new();
            gather(&value, &mut fields);
            fields
        };
        let (ours, theirs) = (described(&watched.ask(line)), described(&haproxy.ask(line)));
        assert!(ours.len() > 20, "{ours:?}");
        for (name, description) in ours {
            assert_eq!(theirs.get(&name), Some(&description), "{name} of `{line}`");
        }
    }
}

/// Fields with their positions, tags and types, by name and kind of row.
fn gather(value: &Value, fields: &mut BTreeMap<String, String>) {
    if let Some(list) = value.as_array() {
        return list.iter().for_each(|value| gather(value, fields));
    }
    let name = format!("{} {}", value["objType"], value["field"]["name"]);
    let described = [&value["field"]["pos"], &value["tags"], &value["value"]["type"]];
    fields.insert(name, described.map(Value::to_string).join(" "));
}

/// Goal: a line that never ends, a flood of connections and answers that nobody takes harm nobody
/// but themselves. Method: each is held open; another client is answered; descriptors come back.
#[test]
fn floods_harm_nobody() {
    need!(Binary);
    let (server, watched) = start();
    let connect = || {
        let stream = UnixStream::connect(watched.socket()).expect("a place in the queue");
        stream.set_read_timeout(Some(BOUND)).expect("a live socket");
        stream.set_write_timeout(Some(BOUND)).expect("a live socket");
        stream
    };
    let mut endless = connect();
    // Exactly one byte more than is taken, so that nothing is left unread.
    endless.write_all(&vec![b'x'; 64 * 1024 + 1]).expect("it is taken");
    let mut answer = String::new();
    endless.read_to_string(&mut answer).expect("an answer and the end");
    assert_eq!(answer, "The line is too long.\n\n");
    let mut longest = vec![b' '; 64 * 1024 - 5];
    longest.extend(b"help\n");
    assert!(ask(&watched.socket(), &String::from_utf8(longest).expect("text")).contains("quit"));

    for line in ["", "show st", "show stat;show stat;show stat;show stat\n"] {
        let held: Vec<UnixStream> = (0..100)
            .map(|_| {
                let mut stream = connect();
                stream.write_all(line.as_bytes()).expect("it is taken");
                stream
            })
            .collect();
        assert!(watched.ask("show info").starts_with("Name: "), "{line:?}");
        let beyond = watched.ringbolt.descriptors_beyond_base();
        assert!(beyond <= 17, "{beyond} descriptors for the runtime socket, after {line:?}");
        crate::session(&server, &watched.ringbolt);
        drop(held);
        watched.ringbolt.wait_for_base();
    }
}

/// Goal: an interactive client that sends without end and reads nothing stops at its own socket.
/// Method: it writes until nothing more is taken; others are answered, and it is cut off.
#[test]
fn a_client_that_never_reads() {
    need!(Binary);
    let (_server, watched) = start();
    let mut greedy = UnixStream::connect(watched.socket()).expect("somebody listens");
    greedy.write_all(b"prompt\n").expect("it is taken");
    greedy.set_nonblocking(true).expect("a live socket");
    let lines = "help\n".repeat(1_000);
    let mut full = false;
    until("it is full, and then cut off", || match greedy.write(lines.as_bytes()) {
        Ok(_) => None,
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            if !full {
                assert!(watched.ask("show info").starts_with("Name: "));
                assert_eq!(watched.get("/healthz").status, 200);
            }
            full = true;
            None
        }
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe, "{error}");
            Some(())
        }
    });
    assert!(full, "it was stopped before it was cut off");
    drop(greedy);
    watched.ringbolt.wait_for_base();
}
