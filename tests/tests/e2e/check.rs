use ringbolt_tests::{Config, Ended, Folder, command, finish, need};
use serde_json::Value;

/// A configuration that is right, for tests that break it.
fn good() -> String {
    Config::new().servers(["127.0.0.1:9".parse().expect("an address")]).text()
}

/// Runs `ringbolt COMMAND FILE …` on a text.
fn run(name: &str, text: &str, arguments: &[&str]) -> Ended {
    let folder = Folder::new();
    let file = folder.write("ringbolt.toml", text);
    finish(command(&[&[name, file.as_str()], arguments].concat()))
}

fn json(text: &str) -> (Ended, Value) {
    let ended = run("check", text, &["--json"]);
    let value = serde_json::from_str(&ended.stdout);
    let value = value.unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    (ended, value)
}

/// Goal: a good file passes, with warnings too. Method: a good one; one with a pool nobody names.
#[test]
fn good_files_pass() {
    need!(Binary);
    let ended = run("check", &good(), &[]);
    assert_eq!(ended.code, Ok(0), "{ended:?}");
    let spare = "[pool.spare]\n[[pool.spare.server]]\nname = \"s\"\naddr = \"127.0.0.1:9\"\n";
    let (ended, value) = json(&format!("{}{spare}", good()));
    assert_eq!(ended.code, Ok(0), "{ended:?}");
    assert_eq!(value["errors"], Value::Array(Vec::new()));
    let warnings = value["warnings"].to_string();
    assert!(warnings.contains("spare"), "{warnings}");
}

/// Goal: all errors at once, each with file, line, column, reason and mend, in text with a picture
/// of the line. Method: a file with three errors on known lines.
#[test]
fn every_error_has_its_place() {
    need!(Binary);
    let text = "[listener.web]\nbind = \"127.0.0.1:0\"\npoool = \"echo\"\npool = \"echo\"\n\
                [pool.echo]\nattempts = 99\n[[pool.echo.server]]\nname = \"ws1\"\naddr = \"127.0.0.1:0\"\n";
    let (ended, value) = json(text);
    assert_eq!(ended.code, Ok(1), "{ended:?}");
    let errors = value["errors"].as_array().expect("a list");
    let lines: Vec<Option<u64>> = errors.iter().map(|error| error["line"].as_u64()).collect();
    for line in [3, 6, 9] {
        assert!(lines.contains(&Some(line)), "line {line}: {value:#}");
    }
    for error in errors {
        assert!(error["column"].as_u64().is_some_and(|column| column >= 1), "{error}");
        assert!(error["file"].as_str().is_some_and(|f| f.ends_with("ringbolt.toml")), "{error}");
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
    }
    assert!(errors[0].to_string().contains("pool"), "a suggestion for poool: {}", errors[0]);

    let ended = run("check", text, &[]);
    assert_eq!(ended.code, Ok(1), "{ended:?}");
    let shown = format!("{}{}", ended.stdout, ended.stderr);
    for picture in ["poool = \"echo\"", "attempts = 99", "addr = \"127.0.0.1:0\""] {
        assert!(shown.contains(picture), "{picture} in:\n{shown}");
    }
}

/// Goal: `run` and `check` are of one mind about errors. Method: what `check` refuses `run` refuses,
/// with exit 1 and the same reason, before it listens.
#[test]
fn run_refuses_what_check_refuses() {
    need!(Binary);
    let good = good();
    let cases = [
        ("unknown key", good.replace("workers = 2", "wrokers = 2"), "workers"),
        ("not TOML", format!("{good}\n= broken"), ""),
        ("empty pool", good.split("[[pool").next().expect("a beginning").to_owned(), "echo"),
        ("every weight 0", format!("{good}weight = 0\n"), "weight"),
        ("a name twice", format!("{good}{}", second_server("ws1")), "ws1"),
        ("no such pool", good.replace("pool = \"echo\"", "pool = \"echoo\""), "echo"),
        (
            "too many sessions",
            good.replace("workers", "max_sessions = 9999999\nworkers"),
            "max_sessions",
        ),
    ];
    for (case, text, said) in cases {
        for name in ["check", "run"] {
            let ended = run(name, &text, &[]);
            assert_eq!(ended.code, Ok(1), "{case}, {name}: {ended:?}");
            let shown = format!("{}{}", ended.stdout, ended.stderr);
            assert!(shown.contains(said), "{case}, {name}: {shown}");
            assert!(!shown.contains("panicked"), "{case}, {name}: {shown}");
        }
    }
}

fn second_server(name: &str) -> String {
    format!("[[pool.echo.server]]\nname = \"{name}\"\naddr = \"127.0.0.2:9\"\n")
}

/// Goal: `run` refuses keys whose absence would be dangerous while they are not built, by name;
/// `check` lets them pass. Method: each such key alone.
#[test]
fn dangerous_keys_are_refused_by_name() {
    need!(Binary);
    let good = good();
    let cases = [
        ("user", good.replace("workers", "user = \"nobody\"\nworkers")),
        ("group", good.replace("workers", "group = \"nogroup\"\nworkers")),
    ];
    for (key, text) in cases {
        let checked = run("check", &text, &[]);
        assert_eq!(checked.code, Ok(0), "{key}: {checked:?}");
        let refused = run("run", &text, &[]);
        assert!(matches!(refused.code, Ok(1 | 3)), "{key}: {refused:?}");
        assert!(refused.stderr.contains(key), "{key}: {refused:?}");
        assert!(refused.stderr.contains("not available yet"), "{key}: {refused:?}");
    }
}

/// Goal: keys that are harmless while they are not built are warned about by name. Method: a log
/// form and Multipath TCP in one file; an admin socket, which is built, is not among them.
#[test]
fn harmless_keys_are_warned_about() {
    need!(Binary);
    let text = good()
        .replace("workers", "admin = \"/run/ringbolt/admin.sock\"\nworkers")
        .replace("pool = \"echo\"", "pool = \"echo\"\nmptcp = true")
        .replace("[global]", "[global]\nlog = \"tcplog\"");
    let (ended, value) = json(&text);
    assert_eq!(ended.code, Ok(0), "{ended:?}");
    let warnings = value["warnings"].to_string();
    for key in ["mptcp", "tcplog"] {
        assert!(warnings.contains(key), "{key}: {value:#}");
    }
    assert!(!warnings.contains("admin"), "{value:#}");
}

/// Goal: what a mapping does to clients is told in numbers, each with the mend, and a file is valid with
/// it; `source` has nothing to be told. Method: one file under mappings of each kind.
#[test]
fn mappings_are_warned_about_in_numbers() {
    need!(Binary);
    let server = |last: u8| format!("10.0.0.{last}:8765").parse().expect("an address");
    let config = Config::new().bind("[::]:0").servers((1..=5).map(server));
    let of = |balance: &str| {
        let text = config.clone().pool(&format!("balance = \"{balance}\"")).text();
        let (ended, value) = json(&text);
        assert_eq!(ended.code, Ok(0), "{ended:?}");
        let warnings = value["warnings"].as_array().expect("a list").clone();
        for warning in &warnings {
            assert!(warning["line"].is_u64() && warning["help"].is_string(), "{warning}");
        }
        warnings
            .iter()
            .map(|it| it["message"].as_str().unwrap_or("").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("source"), Vec::<String>::new());
    let cases = [
        ("haproxy-source", "moves 80.0 % of all clients under haproxy-source, against 20.0 %"),
        ("haproxy-source", "meets another server in 80.0 % of cases"),
        ("haproxy-source-consistent", "without ids, taking \"ws1\" out of the file moves"),
        ("haproxy-source-consistent", "at these weights the ring gives \"ws"),
        ("haproxy-source-consistent-raw", "256 of them, spread over 10.0.0.0/16, meet"),
        ("nginx-ip-hash", "taking one of these 5 servers out of the file moves"),
    ];
    for (balance, expected) in cases {
        let found = of(balance);
        assert!(found.iter().any(|message| message.contains(expected)), "{balance}: {found:?}");
    }
}
