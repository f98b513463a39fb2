use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use ringbolt_tests::{
    Client, End, Ended, Folder, Network, Ringbolt, Server, Signal, accept_any, binary, command,
    finish, haproxy, need, nginx, until,
};
use serde_json::Value;

use crate::session;

/// The files of `tests/configurations`, with what each includes.
const FILES: [(&str, &[&str]); 8] = [
    ("article/haproxy.cfg", &[]),
    ("haproxy/debian.cfg", &[]),
    ("haproxy/edge.cfg", &[]),
    ("haproxy/wild.cfg", &[]),
    ("article/nginx.conf", &[]),
    ("nginx/edge.conf", &["nginx/conf.d/app.conf"]),
    ("nginx/sites.conf", &[]),
    ("nginx/wild.conf", &[]),
];

fn configurations() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("configurations")
}

fn path(name: &str) -> String {
    configurations().join(name).to_str().expect("a plain path").to_owned()
}

fn ran(arguments: &[&str]) -> Ended {
    let ended = finish(command(arguments));
    assert!(!ended.stderr.contains("panicked"), "{arguments:?}: {ended:?}");
    ended
}

/// Goal: `convert` prints a configuration that checks clean, and a line for everything that it does not
/// carry, each with file and line; the file itself checks clean too. Method: every file, the article's
/// byte for byte.
#[test]
fn converted_files_check_clean() {
    need!(Binary);
    let folder = Folder::new();
    for (name, _) in FILES {
        let path = path(name);
        let ended = ran(&["convert", &path]);
        assert_eq!(ended.code, Ok(0), "{name}: {ended:?}");
        let lines: Vec<&str> = ended.stderr.lines().collect();
        assert!(!lines.is_empty(), "{name}");
        let folder_of = Path::new(&path).parent().and_then(Path::to_str).expect("a folder");
        for line in lines {
            let place = line.strip_prefix(folder_of).and_then(|rest| rest.split(' ').next());
            let numbers: Vec<_> = place.unwrap_or(line).split(':').collect();
            assert!(numbers.len() == 4 && numbers[1].parse::<u32>().is_ok(), "{name}: {line}");
            assert!(line.contains("; "), "what to do: {line}");
        }
        let toml = folder.write("converted.toml", &ended.stdout);
        for file in [&toml, &path] {
            let checked = ran(&["check", file, "--json"]);
            assert_eq!(checked.code, Ok(0), "{name}: {checked:?}");
            let value: Value = serde_json::from_str(&checked.stdout).expect("JSON");
            assert_eq!(value["errors"], Value::Array(Vec::new()), "{name}");
        }
    }
}

/// Goal: converting moves nobody, and the article's mappings are the products' own. Method: `plan` from
/// each file to what it is converted to; `explain` of both of the article's.
#[test]
fn converting_moves_nobody() {
    need!(Binary);
    let folder = Folder::new();
    for (name, _) in FILES {
        let path = path(name);
        let toml = folder.write("converted.toml", &ran(&["convert", &path]).stdout);
        let ended = ran(&["plan", &path, &toml, "--sample", "10000", "--json"]);
        assert_eq!(ended.code, Ok(0), "{name}: {ended:?}");
        let plan: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        let pools = plan["pools"].as_array().expect("a list");
        assert!(!pools.is_empty(), "{name}");
        for pool in pools {
            assert_eq!(pool["moved"], 0, "{name}: {pool}");
        }
    }
    for (name, mapping) in
        [("article/haproxy.cfg", "haproxy-source"), ("article/nginx.conf", "nginx-ip-hash")]
    {
        let ended = ran(&["explain", &path(name), "203.0.113.9", "--json"]);
        assert_eq!(ended.code, Ok(0), "{name}: {ended:?}");
        let answers: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        assert_eq!(answers[0]["mapping"], mapping, "{name}");
        assert!(answers[0]["server"].is_string(), "{name}: {answers}");
    }
}

/// Goal: the article's files are served as they are, but for addresses of this machine. Method: a
/// session through each.
#[test]
fn the_articles_files_are_served() {
    need!(Binary);
    for (name, here) in [("article/haproxy.cfg", "*:80"), ("article/nginx.conf", "listen 80")] {
        let server = Server::listen();
        let mut text = fs::read_to_string(path(name)).expect("a file of the repository");
        text =
            text.replace(here, &here.replace("*:80", "127.0.0.1:0").replace("80", "127.0.0.1:0"));
        let first = server.address().to_string();
        for number in 0..3 {
            text = text.replace(&format!("192.168.1.10{number}:8765"), &first);
        }
        // Nobody answers HTTP here.
        text = text.replace(" check", "");
        let folder = Folder::new();
        folder.write("file", &text);
        let ringbolt = start(folder, "file", ("UNUSED", ""));
        session(&server, &ringbolt);
    }
}

/// Goal: these files are what HAProxy and nginx themselves take. Method: both judge them; in a network
/// of its own, since nginx binds what it checks. (The article's nginx has no events section, without
/// which nginx takes nothing: it gets one.)
#[test]
fn the_products_take_these_files() {
    need!(Haproxy, Nginx, Network);
    let network = Network::new();
    for (name, included) in FILES {
        let text = fs::read_to_string(path(name)).expect("a file of the repository");
        if name.ends_with(".cfg") {
            let mut program = Command::new(haproxy());
            program.args(["-c", "-f", &path(name)]);
            let ended = finish(program);
            assert_eq!(ended.code, Ok(0), "{name}: {ended:?}");
            continue;
        }
        let folder = Folder::new();
        fs::create_dir(folder.file("conf.d")).expect("an empty folder");
        for file in included {
            let short = file.strip_prefix("nginx/").expect("beside the file");
            folder.write(short, &fs::read_to_string(path(file)).expect("a file of the repository"));
        }
        folder.write("mime.types", "types { text/html html; }\n");
        let mut text = text;
        if !text.contains("events") {
            text.push_str("events {}\n");
        }
        if !text.contains("pid ") {
            text.push_str("pid nginx.pid;\n");
        }
        // Where the module is not a file, it is in nginx.
        let module = text.lines().find_map(|line| line.strip_prefix("load_module "));
        let module = module.map(|path| path.trim_end_matches(';').to_owned());
        if let Some(module) = module.filter(|module| !Path::new(module).is_file()) {
            text = text.replace(&format!("load_module {module};"), "");
        }
        let file = folder.write("nginx.conf", &text);
        let mut program = Command::new(nginx());
        let prefix = folder.file("");
        program.args(["-t", "-e", "stderr", "-p", &prefix, "-c", &file]);
        let ended = network.inside(|| finish(program));
        assert_eq!(ended.code, Ok(0), "{name}: {ended:?}");
    }
}

/// Goal: exit codes are as promised. Method: a file of each kind for `convert`.
#[test]
fn exit_codes_of_convert() {
    need!(Binary);
    let folder = Folder::new();
    let toml = "[listener.a]\nbind = \"127.0.0.1:0\"\npool = \"p\"\n[pool.p]\n[[pool.p.server]]\n\
                name = \"a\"\naddr = \"127.0.0.1:1\"\n";
    let stats = "listen stats\n bind :1\n stats enable\n";
    for (name, text, said) in [
        ("ringbolt.toml", toml, "already"),
        ("stats.cfg", stats, "nothing of this HAProxy configuration"),
        ("broken.conf", "http { upstream a {", "not closed"),
        ("hello.txt", "hello", "no configuration of ringbolt, HAProxy or nginx"),
    ] {
        let ended = ran(&["convert", &folder.write(name, text)]);
        assert_eq!(ended.code, Ok(1), "{name}: {ended:?}");
        assert_eq!(ended.stdout, "", "{name}");
        assert!(ended.told().contains(said), "{name}: {ended:?}");
    }
    assert_eq!(ran(&["convert"]).code, Ok(2));
    assert_eq!(ran(&["convert", "--format", "apache", "x"]).code, Ok(2));
    // What is to be mended in the text is no reason to withhold it.
    let named = "listen a\n bind web.example:80\n server a 192.0.2.1:1\n";
    let ended = ran(&["convert", &folder.write("named.cfg", named)]);
    assert_eq!(ended.code, Ok(0), "{ended:?}");
    assert!(
        ended.stdout.contains("web.example") && ended.told().contains("is a name"),
        "{ended:?}"
    );
}

/// Goal: what a file is can be said, and is told by its content otherwise. Method: a file that could be
/// told from nothing, with and without a word.
#[test]
fn a_format_can_be_said() {
    need!(Binary);
    let folder = Folder::new();
    let file = folder.write("site", "server { listen 8765; proxy_pass 127.0.0.1:1; }\n");
    let unsaid = ran(&["check", &file]);
    assert_eq!(unsaid.code, Ok(1));
    assert!(unsaid.told().contains("--format"), "{unsaid:?}");
    assert_eq!(ran(&["check", &file, "--format", "nginx"]).code, Ok(0));
    let wrong = ran(&["check", &file, "--format", "haproxy"]);
    assert_eq!(wrong.code, Ok(1));
    assert!(wrong.told().contains("before the first section"), "{wrong:?}");
    assert_eq!(ran(&["check", &path("article/nginx.conf"), "--format", "toml"]).code, Ok(1));
}

/// An haproxy.cfg with a port from the kernel, and these servers in turn.
fn haproxy_text(servers: &[SocketAddr]) -> String {
    let mut text = "global\n nbthread 2\ndefaults\n timeout connect 5s\n timeout client 1h\n timeout server 1h\n \
                    option redispatch\nlisten echo\n bind 127.0.0.1:0\n balance roundrobin\n option forwardfor\n"
        .to_owned();
    for (index, server) in servers.iter().enumerate() {
        text.push_str(&format!(" server ws{index} {server}\n"));
    }
    text
}

/// Starts `run` on files of a folder, with a variable of the environment.
fn start(folder: Folder, file: &str, variable: (&str, &str)) -> Ringbolt {
    let mut command = Command::new(binary());
    command.env(variable.0, variable.1);
    Ringbolt::start_in(command, Stdio::null(), folder, file)
}

/// Writes a file, asks for a reload by signal, and waits until the log tells of it.
fn reload(ringbolt: &Ringbolt, file: &str, text: &str, outcome: &str) {
    let said = || ringbolt.lines().iter().filter(|line| line.contains(outcome)).count();
    let before = said();
    ringbolt.folder().write(file, text);
    ringbolt.signal(Signal::SIGHUP);
    until("the reload is told of", || (said() > before).then_some(()));
}

/// Goal: an haproxy.cfg is served as it is, its notes are in the log with their lines, and a reload
/// puts another in force without touching a session; one with an error is refused at its line.
/// Method: a session through it; another server after a reload; an unknown backend.
#[test]
fn an_haproxy_cfg_is_served_and_reloaded() {
    need!(Binary);
    let [one, two] = [(); 2].map(|()| Server::listen());
    let folder = Folder::new();
    folder.write("haproxy.cfg", &haproxy_text(&[one.address()]));
    let ringbolt = start(folder, "haproxy.cfg", ("UNUSED", ""));
    let note = ringbolt.line_with("forwardfor");
    assert!(note.contains("haproxy.cfg") && note.contains("11"), "{note}");
    let (mut client, mut serving) = session(&one, &ringbolt);
    reload(&ringbolt, "haproxy.cfg", &haproxy_text(&[two.address()]), "reload: ");
    client.exchange(&mut serving);
    session(&two, &ringbolt);
    let lost = format!(
        "{}frontend f\n bind 127.0.0.1:0\n default_backend gone\n",
        haproxy_text(&[one.address()])
    );
    reload(&ringbolt, "haproxy.cfg", &lost, "reload refused");
    let refused = ringbolt.line_with("gone");
    assert!(refused.contains("haproxy.cfg:15:"), "{refused}");
    client.exchange(&mut serving);
    session(&two, &ringbolt);
    client.finish();
    assert_eq!(serving.end(), End::Fin);
}

/// Goal: the same of an nginx.conf, whose servers are in a file that it includes by pattern. Method:
/// the same; the included file changes, and its error names it.
#[test]
fn an_nginx_conf_is_served_and_reloaded() {
    need!(Binary);
    let [one, two] = [(); 2].map(|()| Server::listen());
    let folder = Folder::new();
    fs::create_dir(folder.file("conf.d")).expect("an empty folder");
    let upstream = |server: &Server, more: &str| {
        format!("upstream echo {{\n  server {}{more};\n}}\n", server.address())
    };
    folder.write("conf.d/echo.conf", &upstream(&one, ""));
    folder.write("conf.d/.hidden.conf", "nonsense");
    folder.write(
        "nginx.conf",
        "worker_processes 2;\nevents {}\nstream {\n  include conf.d/*.conf;\n  server {\n    listen 127.0.0.1:0;\n    \
         proxy_pass echo;\n  }\n}\n",
    );
    let ringbolt = start(folder, "nginx.conf", ("UNUSED", ""));
    let (mut client, mut serving) = session(&one, &ringbolt);
    reload(&ringbolt, "conf.d/echo.conf", &upstream(&two, ""), "reload: ");
    session(&two, &ringbolt);
    reload(&ringbolt, "conf.d/echo.conf", &upstream(&one, " weight=99999"), "reload refused");
    let refused = ringbolt.line_with("reload refused");
    assert!(refused.contains("conf.d/echo.conf:2:"), "{refused}");
    client.exchange(&mut serving);
    session(&two, &ringbolt);
}

/// Goal: variables are those of the environment that it is started in. Method: a server's port and the
/// words of its line come from two of them.
#[test]
fn variables_come_from_the_environment() {
    need!(Binary);
    let server = Server::listen();
    let folder = Folder::new();
    let address = server.address();
    let text = haproxy_text(&[]) + &format!(" server ws1 {}:\"${{ECHO_PORT}}\"\n", address.ip());
    folder.write("haproxy.cfg", &text);
    let ringbolt = start(folder, "haproxy.cfg", ("ECHO_PORT", &address.port().to_string()));
    session(&server, &ringbolt);
}

/// Goal: a format that was said holds for a reload, which another process does. Method: a file that can
/// be told from nothing is served, and reloaded with another server.
#[test]
fn a_said_format_holds_for_reloads() {
    need!(Binary);
    let [one, two] = [(); 2].map(|()| Server::listen());
    let text = |server: &Server| {
        format!("server {{ listen 127.0.0.1:0; proxy_pass {}; }}\n", server.address())
    };
    let folder = Folder::new();
    folder.write("site", &text(&one));
    let arguments = ["--format", "nginx"];
    let command = Command::new(binary());
    let ringbolt = Ringbolt::start_arguments(command, Stdio::null(), folder, "site", &arguments);
    session(&one, &ringbolt);
    reload(&ringbolt, "site", &text(&two), "reload: ");
    session(&two, &ringbolt);
}

/// Goal: clients of an imported configuration are spread over its servers. Method: two servers in turn,
/// with weights of two and one.
#[test]
fn weights_are_carried() {
    need!(Binary);
    let servers = [(); 2].map(|()| Server::listen());
    let [one, two] = [&servers[0], &servers[1]];
    let folder = Folder::new();
    folder.write(
        "nginx.conf",
        &format!(
            "worker_processes 1; events {{}} stream {{ upstream echo {{ server {} weight=2; server {}; }}\n\
             server {{ listen 127.0.0.1:0; proxy_pass echo; }} }}\n",
            one.address(),
            two.address()
        ),
    );
    let ringbolt = start(folder, "nginx.conf", ("UNUSED", ""));
    let mut met = [0; 2];
    for _ in 0..30 {
        let mut client = Client::default().connect(ringbolt.address());
        let (index, mut serving) = accept_any(&[one, two]);
        client.exchange(&mut serving);
        met[index] += 1;
    }
    assert_eq!(met, [20, 10]);
}

/// Goal: whatever a path or an include names, there is an error that says what it is, and no hanging
/// and no crash. Method: each odd thing in both places, for `check`, `convert` and `run`.
#[test]
fn odd_input_is_an_error() {
    need!(Binary);
    let folder = Folder::new();
    let fifo = folder.file("fifo");
    mkfifo(&*fifo, Mode::S_IRWXU).expect("a fifo");
    fs::create_dir(folder.file("folder")).expect("an empty folder");
    let huge = folder.file("huge");
    // A hole costs no disk; its bytes read as NUL.
    File::create(&huge).and_then(|file| file.set_len(100 << 20)).expect("a file of 100 MB");
    folder.write("binary", "upstream a {\0}");
    folder.write("a.conf", "include b.conf;");
    folder.write("b.conf", "include a.conf;");
    let filled = |head: &str| format!("{head}{}", "# filled\n".repeat(12 << 20));
    let including = |what: &str| format!("events {{}}\nstream {{\n include {what};\n}}\n");
    let cases = [
        ("100 MB of HAProxy", filled("global\n"), "more than 4194304 bytes"),
        ("100 MB of nginx", filled("stream {\n}\n"), "more than 4194304 bytes"),
        ("a NUL in HAProxy", "listen a\n bind :80\0\n".into(), "NUL"),
        ("a NUL in nginx", "stream {\0}\n".into(), "NUL"),
        ("an open quote", "listen a\n bind \":80\n".into(), "not closed"),
        ("an open block", "stream {\n server {\n".into(), "not closed"),
        ("blocks without end", "stream {".repeat(100_000), "blocks"),
        ("words without end", format!("listen a\n bind {}", "x ".repeat(100_000)), "words"),
        ("an include loop", including("a.conf"), "include loop"),
        ("an include that is not there", including("gone.conf"), "No such file"),
        ("an include of a folder", including("folder"), "directory"),
        ("an include of a fifo", including("fifo"), "a fifo"),
        ("an include of a device", including("/dev/zero"), "device"),
        ("an include of 100 MB", including("huge"), "NUL"),
        ("an include of what is no text", including("binary"), "NUL"),
    ];
    for (what, text, said) in cases {
        let file = folder.write("odd", &text);
        for name in ["check", "convert", "run"] {
            let ended = ran(&[name, &file]);
            assert_eq!(ended.code, Ok(1), "{what}, {name}: {}", ended.stderr);
            assert!(ended.told().contains(said), "{what}, {name}: {}", ended.stderr);
        }
    }
    for (path, said) in [(&fifo, "nobody has written"), (&huge, "more than")] {
        let ended = ran(&["convert", path]);
        assert_eq!(ended.code, Ok(1), "{path}");
        assert!(ended.told().contains(said), "{}", ended.stderr);
    }
}
