use ringbolt_tests::{Config, Ended, Folder, command, finish, need};
use serde_json::{Value, json};

/// A pool of three servers under a way of balancing.
fn text(balance: &str) -> String {
    let server = |last: u8| format!("10.0.0.{last}:8765").parse().expect("an address");
    let config = Config::new().pool(&format!("balance = \"{balance}\""));
    config.servers((1..=3).map(server)).text()
}

/// Runs `ringbolt explain FILE …` on a text.
fn explain(text: &str, arguments: &[&str]) -> Ended {
    let folder = Folder::new();
    let file = folder.write("ringbolt.toml", text);
    finish(command(&[&["explain", file.as_str()], arguments].concat()))
}

/// Its answers in JSON.
pub(crate) fn answers(text: &str, arguments: &[&str]) -> Vec<Value> {
    let ended = explain(text, &[&["--json"], arguments].concat());
    assert_eq!(ended.code, Ok(0), "{ended:?}");
    assert_eq!(ended.stderr, "");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// Goal: the answer in JSON has the form that is promised, for every mapping. Method: whole answers, of
/// mappings whose numbers are known from elsewhere; the keys of all others.
#[test]
fn answers_in_json() {
    need!(Binary);
    let known = [
        ("source", "203.0.113.9", "rendezvous-1", "203.0.113.9/32"),
        ("source", "2001:db8::7", "rendezvous-1", "2001:db8::/64"),
        ("source", "::ffff:203.0.113.9", "rendezvous-1", "203.0.113.9/32"),
        ("haproxy-source", "192.0.2.1", "haproxy-source", "192.0.2.1/32"),
        ("haproxy-source-avalanche", "2001:db8::7", "haproxy-source-avalanche", "2001:db8::7/128"),
        (
            "haproxy-source-consistent",
            "::ffff:192.0.2.1",
            "haproxy-source-consistent",
            "::ffff:192.0.2.1/128",
        ),
        (
            "haproxy-source-consistent-raw",
            "192.0.2.1",
            "haproxy-source-consistent-raw",
            "192.0.2.1/32",
        ),
        (
            "haproxy-source-consistent-3.0",
            "192.0.2.1",
            "haproxy-source-consistent-3.0",
            "192.0.2.1/32",
        ),
        ("nginx-ip-hash", "192.0.2.1", "nginx-ip-hash", "192.0.2.0/24"),
        ("nginx-ip-hash", "2001:db8::7", "nginx-ip-hash", "2001:db8::7/128"),
        ("nginx-hash", "192.0.2.1", "nginx-hash", "192.0.2.1"),
        ("nginx-hash-consistent", "2001:DB8::7", "nginx-hash-consistent", "2001:db8::7"),
        ("nginx-hash-binary-consistent", "192.0.2.1", "nginx-hash-binary-consistent", "0xc0000201"),
    ];
    for (balance, address, mapping, key) in known {
        let found = answers(&text(balance), &[address]);
        let [answer] = &found[..] else { panic!("{found:?}") };
        let names: Vec<&String> = answer.as_object().expect("an object").keys().collect();
        let mut expected =
            ["address", "hash", "key", "mapping", "next", "pool", "server", "slot"].to_vec();
        expected.sort_unstable();
        assert_eq!(names, expected);
        assert_eq!((&answer["mapping"], &answer["key"]), (&json!(mapping), &json!(key)));
        assert_eq!(answer["pool"], "echo");
        let hash = answer["hash"].as_str().expect("a hash");
        assert!(u64::from_str_radix(hash.strip_prefix("0x").expect("0x"), 16).is_ok(), "{hash}");
        assert_eq!(answer["slot"].is_null(), balance == "source", "{answer}");
        let mut all: Vec<&str> =
            answer["next"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        all.push(answer["server"].as_str().expect("a server"));
        all.sort_unstable();
        assert_eq!(all, ["ws1", "ws2", "ws3"], "{answer}");
    }
    // By the vectors of these mappings: HAProxy's map is 0 1 2, and 0xc0000201 modulo 3 is 0.
    let found = answers(&text("haproxy-source"), &["192.0.2.1"]);
    let expected = json!({
        "address": "192.0.2.1", "pool": "echo", "mapping": "haproxy-source", "key": "192.0.2.1/32",
        "hash": "0xc0000201", "slot": 0, "server": "ws1", "next": ["ws3", "ws2"],
    });
    assert_eq!(found, [expected]);
}

/// Goal: an answer for each address and pool, in that order; `--pool` leaves the others out. Method: two
/// addresses, two pools.
#[test]
fn addresses_and_pools() {
    need!(Binary);
    let spare = "[pool.spare]\n[[pool.spare.server]]\nname = \"s\"\naddr = \"127.0.0.1:9\"\n";
    let both = format!("{}{spare}", text("source"));
    let of = |arguments: &[&str]| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let found = answers(&both, arguments);
        found.iter().map(|answer| (text(&answer["address"]), text(&answer["pool"]))).collect()
    };
    let pair = |address: &str, pool: &str| (address.to_owned(), pool.to_owned());
    let (one, two) = ("192.0.2.1", "::1");
    assert_eq!(
        of(&[one, two]),
        [pair(one, "echo"), pair(one, "spare"), pair(two, "echo"), pair(two, "spare")]
    );
    assert_eq!(of(&[one, "--pool", "spare"]), [pair(one, "spare")]);
}

/// Goal: with a server down the next choice is met, and with all down nobody. Method: each mapping; one
/// server after the other goes down, whichever is met.
#[test]
fn servers_that_are_down() {
    need!(Binary);
    for balance in
        ["source", "haproxy-source", "haproxy-source-consistent", "nginx-hash-consistent"]
    {
        let mut down: Vec<String> = Vec::new();
        let mut expected: Option<Value> = None;
        for _ in 0..3 {
            let mut arguments = vec!["198.51.100.77"];
            down.iter().for_each(|name| arguments.extend(["--down", name]));
            let answer = answers(&text(balance), &arguments).remove(0);
            assert!(expected.is_none_or(|expected| expected == answer["server"]), "{answer}");
            down.push(format!("echo/{}", answer["server"].as_str().expect("a server")));
            expected = Some(answer["next"][0].clone());
        }
        let mut arguments = vec!["198.51.100.77"];
        down.iter().for_each(|name| arguments.extend(["--down", name]));
        let answer = answers(&text(balance), &arguments).remove(0);
        assert_eq!((&answer["server"], &answer["next"]), (&Value::Null, &json!([])));
        let shown = explain(&text(balance), &arguments);
        assert!(shown.stdout.contains("meets nobody: no server is up"), "{shown:?}");
    }
}

/// Goal: when nobody is up a pool of `fail_open` serves all the same, as sessions see it, and says so; any other
/// serves nobody, also without affinity. Method: all servers down, of a pool of each kind.
#[test]
fn nobody_is_up() {
    need!(Binary);
    let down = ["--down", "echo/ws1", "--down", "echo/ws2", "--down", "echo/ws3"];
    let arguments = [&["192.0.2.1"], &down[..]].concat();
    let open = text("haproxy-source").replace("balance", "fail_open = true\nbalance");
    assert_eq!(answers(&open, &arguments), answers(&open, &arguments[..1]));
    assert_ne!(answers(&open, &arguments[..3]), answers(&open, &arguments[..1]), "one is down");
    let shown = explain(&open, &arguments);
    assert!(shown.stdout.contains("with fail_open all are treated as if"), "{shown:?}");
    let shown = explain(&text("round-robin"), &arguments);
    assert!(shown.stdout.contains("meets nobody: no server is up"), "{shown:?}");
    assert_eq!(answers(&text("round-robin"), &arguments)[0]["next"], json!([]));
}

/// Goal: a large pool is explained at once, under the mapping whose table is another one with every server that is
/// down. Method: all next choices of 300 servers of many weights, within the bound of a command.
#[test]
fn many_servers() {
    need!(Binary);
    let mut config = Config::new().pool("balance = \"haproxy-source\"");
    for number in 0..300_u16 {
        let address = format!("10.0.{}.{}:8765", number / 200, number % 200 + 1);
        config = config.server(&format!("ws{number}"), address.parse().expect("an address"));
        config = config.of_server(&format!("weight = {}", number % 200 + 1));
    }
    let answer = answers(&config.text(), &["192.0.2.1"]).remove(0);
    assert_eq!(answer["next"].as_array().expect("a list").len(), 299);
}

/// Goal: a pool without affinity has no server of a client, and all that are up next. Method: both ways.
#[test]
fn no_affinity() {
    need!(Binary);
    for balance in ["round-robin", "least-sessions"] {
        let answer = answers(&text(balance), &["192.0.2.1", "--down", "echo/ws2"]).remove(0);
        assert_eq!(answer["server"], Value::Null);
        assert_eq!(answer["next"], json!(["ws1", "ws3"]));
        assert_eq!((&answer["mapping"], &answer["key"]), (&json!(balance), &Value::Null));
    }
}

/// Goal: people are told server, address, key, the order of next choices, and why. Method: an answer of
/// each kind of mapping.
#[test]
fn answers_for_people() {
    need!(Binary);
    let cases = [
        ("source", "least cost"),
        ("haproxy-source", "modulo the slots of all servers that are up"),
        ("haproxy-source-consistent", "nearest to the hash"),
        ("nginx-ip-hash", "up or down"),
        ("nginx-hash-consistent", "first at or behind the hash"),
    ];
    for (balance, why) in cases {
        let ended = explain(&text(balance), &["192.0.2.1"]);
        assert_eq!(ended.code, Ok(0), "{ended:?}");
        for part in ["192.0.2.1 in pool echo meets ws", ":8765)", "  key ", "  next ", why] {
            assert!(ended.stdout.contains(part), "{part} in:\n{}", ended.stdout);
        }
    }
}

/// Goal: what is wrong is told, all at once, with 1; wrong usage with 2. Method: each thing.
#[test]
fn bad_input() {
    need!(Binary);
    let good = text("source");
    let broken = good.replace("workers", "wrokers");
    let cases: [(&str, &[&str], i32, &[&str]); 6] = [
        (&good, &["quay", "192.0.2.1:80"], 1, &["\"quay\" is not an address", "write 192.0.2.1"]),
        (&good, &["::1", "--pool", "ecco"], 1, &["no pool \"ecco\"", "known here: echo"]),
        (&good, &["::1", "--down", "echo/ws9"], 1, &["no server \"echo/ws9\"", "echo/ws1"]),
        (&good, &["::1", "--down", "ws1"], 1, &["no server \"ws1\""]),
        (&broken, &["::1"], 1, &["unknown key \"wrokers\"", "ringbolt.toml"]),
        (&good, &[], 2, &["ADDRESS"]),
    ];
    for (text, arguments, code, said) in cases {
        let ended = explain(text, arguments);
        assert_eq!(ended.code, Ok(code), "{arguments:?}: {ended:?}");
        for part in said {
            assert!(ended.told().contains(part), "{part} in {ended:?}");
        }
        assert_eq!(ended.stdout, "");
    }
    let ended = finish(command(&["explain", "/nowhere/ringbolt.toml", "::1"]));
    assert_eq!(ended.code, Ok(1), "{ended:?}");
    assert!(ended.told().contains("/nowhere/ringbolt.toml"), "{ended:?}");
}
