use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::{session, start};
use ringbolt_tests::{
    Client, Config, End, Folder, Ringbolt, Server, Signal, binary, children, command, ended,
    finish, kill, need, until,
};
use serde_json::Value;

/// Goal: a port that is taken is exit 3, and the message names who has it, also when the holder
/// would share it (SO_REUSEPORT). Method: a second instance on the first one's port.
#[test]
fn a_second_instance_names_the_first() {
    need!(Binary);
    let (server, ringbolt) = start(|config| config);
    let folder = Folder::new();
    let config = Config::new().bind(&ringbolt.address().to_string()).servers([server.address()]);
    let file = folder.write("second.toml", &config.text());
    let second = finish(command(&["run", &file]));
    assert_eq!(second.code, Ok(3), "{second:?}");
    let numbers: Vec<&str> = second.stderr.split(|c: char| !c.is_ascii_digit()).collect();
    assert!(numbers.contains(&ringbolt.pid().to_string().as_str()), "{second:?}");
    assert!(numbers.contains(&ringbolt.address().port().to_string().as_str()), "{second:?}");
    session(&server, &ringbolt); // the first one goes on
}

/// Goal: the ready line is written in one piece, so that no line of the engine's gets into it. Method:
/// what the supervisor writes, as strace sees it.
#[test]
fn the_ready_line_is_one_piece() {
    need!(Binary, Strace);
    let (server, folder) = (Server::listen(), Folder::new());
    let trace = folder.file("trace");
    let mut command = Command::new("strace");
    command.args(["--daemonize=grandchild", "--trace=write", "--string-limit=200"]);
    command.args(["--output", &trace]).arg(binary());
    let config = Config::new().servers([server.address()]);
    let mut ringbolt = Ringbolt::start_by(command, &config.text());
    ringbolt.signal(Signal::SIGTERM);
    assert_eq!(ringbolt.exit_code(), 0);
    let line = format!("write(2, \"ringbolt: ready, 1 listeners: {}\\n\"", ringbolt.address());
    until("strace has written it down", || {
        std::fs::read_to_string(&trace).ok().filter(|text| text.contains(&line))
    });
}

/// Goal: TERM and INT stop it: live sessions are reset on both sides, the exit code is 0, the port
/// is free, the engine is gone. Method: each signal, under a live session.
#[test]
fn term_and_int_stop() {
    need!(Binary);
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let (server, mut ringbolt) = start(|config| config);
        let engine = ringbolt.engine();
        let (mut client, mut serving) = session(&server, &ringbolt);
        ringbolt.signal(signal);
        assert_eq!(client.end(), End::Reset);
        assert_eq!(serving.end(), End::Reset);
        assert_eq!(ringbolt.exit_code(), 0);
        until("the engine has ended", || ended(engine).then_some(()));
        TcpListener::bind(ringbolt.address()).expect("the port is free");
    }
}

/// Waits until new clients are refused or reset. A client that is served before the signal has been
/// taken proves nothing and leaves again.
fn wait_for_drain(server: &Server, ringbolt: &Ringbolt) {
    until("new clients are turned away", || {
        let client = Client::default().try_connect(ringbolt.address());
        let Ok(client) = client else { return Some(()) };
        until("served or turned away", || (!client.silent() || !server.nobody()).then_some(()));
        if server.nobody() {
            return Some(());
        }
        drop(client);
        server.accept();
        None
    });
}

/// Goal: USR1 drains: nobody new, live sessions go on, and it ends with 0 when they have ended.
/// Method: two live sessions; new clients are turned away; bytes and both ends still cross.
#[test]
fn usr1_drains() {
    need!(Binary);
    let (server, mut ringbolt) = start(|config| config);
    let (mut one, mut serving_one) = session(&server, &ringbolt);
    let (mut two, mut serving_two) = session(&server, &ringbolt);
    ringbolt.signal(Signal::SIGUSR1);
    wait_for_drain(&server, &ringbolt);
    for _ in 0..100 {
        one.exchange(&mut serving_one);
        two.exchange(&mut serving_two);
    }
    for (client, serving) in [(&mut one, &mut serving_one), (&mut two, &mut serving_two)] {
        client.finish();
        assert_eq!(serving.end(), End::Fin);
        serving.send(b"bye");
        serving.finish();
        assert_eq!(client.receive_all(), (b"bye".to_vec(), End::Fin));
    }
    assert_eq!(ringbolt.exit_code(), 0);
}

/// Goal: what is left after `timeouts.drain` is reset. Method: one second, and a session that stays.
#[test]
fn drain_has_an_end() {
    need!(Binary);
    let (server, mut ringbolt) = start(|config| config.timeouts("drain = \"1s\""));
    let (mut client, mut serving) = session(&server, &ringbolt);
    ringbolt.signal(Signal::SIGUSR1);
    wait_for_drain(&server, &ringbolt);
    assert_eq!(client.end(), End::Reset);
    assert_eq!(serving.end(), End::Reset);
    assert_eq!(ringbolt.exit_code(), 0);
}

/// Goal: a second USR1 ends the drain at once. Method: drain without a limit and a session that
/// stays; the second signal is sent when the first has taken effect.
#[test]
fn a_second_usr1_ends_the_drain() {
    need!(Binary);
    let (server, mut ringbolt) = start(|config| config);
    let (mut client, mut serving) = session(&server, &ringbolt);
    ringbolt.signal(Signal::SIGUSR1);
    wait_for_drain(&server, &ringbolt);
    client.exchange(&mut serving);
    ringbolt.signal(Signal::SIGUSR1);
    assert_eq!(client.end(), End::Reset);
    assert_eq!(serving.end(), End::Reset);
    assert_eq!(ringbolt.exit_code(), 0);
}

/// Goal: TERM ends a drain too, and a drain with no session ends at once. Method: each.
#[test]
fn drains_end_early() {
    need!(Binary);
    let (server, mut ringbolt) = start(|config| config);
    let (mut client, _serving) = session(&server, &ringbolt);
    ringbolt.signal(Signal::SIGUSR1);
    wait_for_drain(&server, &ringbolt);
    ringbolt.signal(Signal::SIGTERM);
    assert_eq!(client.end(), End::Reset);
    assert_eq!(ringbolt.exit_code(), 0);

    let (_server, mut ringbolt) = start(|config| config);
    ringbolt.signal(Signal::SIGUSR1);
    assert_eq!(ringbolt.exit_code(), 0);
}

/// Goal: an engine that dies during a drain does not undo it. Method: drain, kill the engine: its
/// session goes on, new clients are still turned away, and it ends with the session.
#[test]
fn a_drain_survives_the_engine() {
    need!(Binary);
    // A client of the wait below that has left and was not looked at before the kill is the next
    // engine's: its session ends by the fin timeout, since nobody here accepts it.
    let (server, mut ringbolt) = start(|config| config.timeouts("fin = \"1s\""));
    let (mut client, mut serving) = session(&server, &ringbolt);
    let engine = ringbolt.engine();
    ringbolt.signal(Signal::SIGUSR1);
    wait_for_drain(&server, &ringbolt);
    kill(engine, Signal::SIGKILL);
    ringbolt.engine_after(engine);
    client.exchange(&mut serving);
    assert!(Client::default().try_connect(ringbolt.address()).is_err(), "nobody new is taken");
    drop((client, serving));
    assert_eq!(ringbolt.exit_code(), 0);
}

/// Goal: engines that die during a drain do not put its end off. Method: one dies every 700 ms while a drain
/// of 2 s lasts; with a session that stays it would never end.
#[test]
fn deaths_do_not_put_the_end_of_a_drain_off() {
    need!(Binary);
    let (server, mut ringbolt) = start(|config| config.timeouts("drain = \"2s\""));
    let (mut client, mut serving) = session(&server, &ringbolt);
    ringbolt.signal(Signal::SIGUSR1);
    let mut began = Instant::now();
    until("the drain ends", || {
        if began.elapsed() > Duration::from_millis(700) {
            children(ringbolt.pid()).into_iter().for_each(|engine| kill(engine, Signal::SIGKILL));
            began = Instant::now();
        }
        ended(ringbolt.pid()).then_some(())
    });
    assert_eq!(ringbolt.exit_code(), 0);
    assert_eq!(client.end(), End::Reset);
    assert_eq!(serving.end(), End::Reset);
}

/// Goal: USR2 is caught: it says that it is not available yet, and nothing else happens. Method: with
/// a live session and a new one.
#[test]
fn usr2_is_caught() {
    need!(Binary);
    let (server, ringbolt) = start(|config| config);
    let engine = ringbolt.engine();
    let (mut client, mut serving) = session(&server, &ringbolt);
    ringbolt.signal(Signal::SIGUSR2);
    ringbolt.line_with("not available yet");
    client.exchange(&mut serving);
    session(&server, &ringbolt);
    assert_eq!(ringbolt.engine(), engine);
}

/// Goal: the log is JSON when standard error is no terminal, or when told so; text when told so; and
/// the ready line is plain in both. Method: parse every line but that one.
#[test]
fn logs() {
    need!(Binary);
    for (line, json) in
        [(None, true), (Some("log = \"json\""), true), (Some("log = \"text\""), false)]
    {
        let (server, mut ringbolt) = start(|config| match line {
            Some(line) => config.global(line),
            None => config,
        });
        session(&server, &ringbolt);
        ringbolt.signal(Signal::SIGUSR2);
        ringbolt.line_with("not available yet");
        ringbolt.signal(Signal::SIGTERM);
        assert_eq!(ringbolt.exit_code(), 0);
        let lines = ringbolt.lines();
        let (ready, said): (Vec<_>, Vec<_>) =
            lines.iter().partition(|line| line.starts_with("ringbolt: ready, "));
        assert_eq!(ready.len(), 1, "{lines:?}");
        assert!(!said.is_empty(), "it logged something");
        for line in said {
            let parsed: Option<Value> = serde_json::from_str(line).ok();
            assert_eq!(parsed.is_some_and(|value| value.is_object()), json, "{line}");
        }
    }
}

/// Goal: what is wrong before anything starts has its exit code and says what it is. Method: a bad
/// configuration, a missing file, a folder, no such command, `run` without a file.
#[test]
fn exit_codes() {
    need!(Binary);
    let folder = Folder::new();
    let bad =
        folder.write("bad.toml", "[listener.web]\nbind = \"127.0.0.1:0\"\npool = \"nobody\"\n");
    let missing = folder.file("missing.toml");
    let cases: &[(&[&str], i32, &str)] = &[
        (&["run", &bad], 1, "nobody"),
        (&["run", &missing], 1, "missing.toml"),
        (&["check", &missing], 1, "missing.toml"),
        (&["run", "/proc"], 1, "/proc"),
        (&["run"], 2, "FILE"),
        (&["serve"], 2, "serve"),
        (&["run", "--quickly", &bad], 2, "--quickly"),
        (&["try", "--port", "many"], 2, "many"),
    ];
    for (arguments, code, said) in cases {
        let ended = finish(command(arguments));
        assert_eq!(ended.code, Ok(*code), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(said), "{arguments:?}: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{arguments:?}: {ended:?}");
    }
}

/// Goal: `--version` names the program and its version. Method: one line, exit 0.
#[test]
fn version() {
    need!(Binary);
    let ended = finish(command(&["--version"]));
    assert_eq!(ended.code, Ok(0), "{ended:?}");
    let version = ended.stdout.trim_end().strip_prefix("ringbolt ").expect("its name");
    assert!(version.split('.').count() == 3 && !version.contains('\n'), "{version}");
}

/// Goal: without io_uring it does not start, and says what to do. Method: `strace` makes every
/// io_uring_setup fail, as the kernel does where it is switched off (EPERM) or absent (ENOSYS).
#[test]
fn without_io_uring() {
    need!(Binary, Strace);
    let server = Server::listen();
    let folder = Folder::new();
    let file = folder.write("c.toml", &Config::new().servers([server.address()]).text());
    for errno in ["EPERM", "ENOSYS"] {
        let mut command = Command::new("strace");
        // As a grandchild, so that our child is the traced program itself.
        command.args([
            "--daemonize=grandchild",
            "--follow-forks",
            "--output=/dev/null",
            "--trace=io_uring_setup",
        ]);
        command.arg(format!("--inject=io_uring_setup:error={errno}"));
        command.arg(binary()).args(["run", &file]);
        let ended = finish(command);
        assert_eq!(ended.code, Ok(3), "{errno}: {ended:?}");
        assert!(ended.stderr.contains("io_uring"), "{errno}: {ended:?}");
        assert!(!ended.stderr.contains("ringbolt: ready, "), "{errno}: {ended:?}");
    }
}
