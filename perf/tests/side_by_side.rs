//! `perf/run` from end to end, with what needs no installed product: no balancer and the
//! yardsticks.

mod skip;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

const PRODUCTS: [&str; 3] = ["direct", "relay-epoll", "relay-uring"];
const SCENARIO: &str = "messages";
const ROUNDS: usize = 3;

/// Goal: every product has its turn in every round, with figures that can be; the page has a
/// plot and is the same when it is made anew; the table for README is there.
/// Method: turns of half a second in a network of their own; no figure is judged.
#[test]
fn every_product_has_its_turns() {
    let folder = Folder::new("turns");
    let Some(output) = run(&folder, &["--only", SCENARIO]) else { return };
    assert!(output.status.success(), "{output:?}");
    let run = json(&folder);
    assert_eq!(run["complete"], true);
    assert_eq!(run["broken"], Value::Array(Vec::new()));
    let measurements = run["measurements"].as_array().unwrap();
    assert_eq!(measurements.len(), PRODUCTS.len() * ROUNDS);
    for one in measurements {
        assert!(one["outcome"]["units"].as_u64().unwrap() > 0, "{one}");
        let cpu = one["spent"]["cpu_ns"].as_u64();
        assert_eq!(cpu.is_some_and(|cpu| cpu > 0), one["product"] != "direct", "{one}");
        let hlog = format!(
            "hlog/{}-{}-{}.hlog",
            text(one, "scenario"),
            text(one, "product"),
            one["round"]
        );
        assert!(folder.0.join(&hlog).is_file(), "{hlog}");
    }
    let page = fs::read_to_string(folder.0.join("report.html")).unwrap();
    assert_eq!(page.matches("<figure>").count(), 1);
    let again = command(&["report"]).arg(&folder.0).output().unwrap();
    assert!(again.status.success(), "{again:?}");
    assert_eq!(fs::read_to_string(folder.0.join("report.html")).unwrap(), page);
    let readme = command(&["readme"]).arg(&folder.0).output().unwrap();
    // Nobody of ours is there to be held against them.
    let said = String::from_utf8_lossy(&readme.stdout);
    assert!(said.contains("\n| bare epoll relay | "), "{readme:?}");
}

/// Goal: the yardstick of bulk has its turns in the bulk that it is the floor of.
/// Method: bulk each way with it alone, through the doors that every balancer has.
#[test]
fn bulk_has_its_yardstick() {
    let folder = Folder::new("bulk");
    let only = ["--products", "relay-splice", "--only", "bulk"];
    let Some(output) = run(&folder, &only) else { return };
    assert!(output.status.success(), "{output:?}");
    let run = json(&folder);
    let measurements = run["measurements"].as_array().unwrap();
    for scenario in ["bulk-up", "bulk-down"] {
        let of_it = measurements.iter().filter(|one| one["scenario"] == scenario);
        let units = of_it.map(|one| one["outcome"]["units"].as_u64().unwrap());
        assert_eq!(units.filter(|units| *units > 0).count(), ROUNDS, "{run}");
    }
}

/// Goal: a product that cannot take part is left out by name, one that fails is told and makes the
/// run a broken one. Method: HAPROXY names nothing; NGINX names a program that ends at once.
#[test]
fn what_is_missing_and_what_breaks_is_said() {
    let folder = Folder::new("missing");
    let products = ["--products", "haproxy,nginx", "--only", "messages"];
    let Some(output) = run(&folder, &products) else { return };
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let run = json(&folder);
    assert_eq!(text(&run["left_out"][0], "product"), "haproxy");
    assert_eq!(run["broken"].as_array().unwrap().len(), ROUNDS);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("left out: HAProxy: no such program"), "{said}");
    assert!(said.contains("nginx does not start"), "{said}");
}

/// Goal: who asks for what is not there is told what there is.
#[test]
fn an_unknown_scenario() {
    let folder = Folder::new("unknown");
    let mut run = command(&["run", "--only", "nonsense", "--out"]);
    let output = run.arg(&folder.0).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("`nonsense`") && said.contains("bulk-up"), "{said}");
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringbolt-perf"));
    command.args(arguments);
    command
}

/// A short run in a network of its own, while no other has the cores: what moves bulk stands back for
/// everybody, and beside another run it would not move at all. `None`, said loudly, where there is no
/// network to be had.
fn run(folder: &Folder, arguments: &[&str]) -> Option<Output> {
    static CORES: Mutex<()> = Mutex::new(());
    let _alone = CORES.lock().unwrap_or_else(PoisonError::into_inner);
    if !Command::new("unshare").args(["--net", "true"]).status().is_ok_and(|s| s.success()) {
        skip::skip("no network of its own: needs root and unshare");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"]);
    command.arg(env!("CARGO_BIN_EXE_ringbolt-perf")).args(["run", "--quick", "--seconds", "0.5"]);
    command.arg("--out").arg(&folder.0).args(arguments);
    if !arguments.contains(&"--products") {
        command.arg("--products").arg(PRODUCTS.join(","));
    }
    command.env("HAPROXY", "/nonexistent").env("NGINX", "/bin/true");
    Some(command.output().unwrap())
}

fn json(folder: &Folder) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.0.join("run.json")).unwrap()).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

/// A results folder that is gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = fs::remove_dir_all(&self.0);
    }
}
