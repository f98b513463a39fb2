//! The built `roam` as its users see it: what it prints, how it ends, and what it leaves behind.
//!
//! Stories that are cheap stand for all: what every story must show is what `roam all --check`
//! checks.

mod needs;
mod program;

use std::net::{Ipv4Addr, TcpListener};

use nix::sys::signal::Signal;

use crate::needs::{Need, all_there};
use crate::program::{Ended, roam};

/// Goal: a stranger finds out what there is. Method: the list, which names every scenario and
/// remedy.
#[test]
fn it_lists_scenarios_and_remedies() {
    let Ended { code, out, .. } = roam(&["list"]).ended();
    assert_eq!(code, 0);
    for name in ["wifi-lte", "carrier-nat", "server-lost", "law", "costs", "cookie", "token"] {
        assert!(out.lines().any(|line| line.trim_start().starts_with(name)), "{name} in {out}");
    }
}

/// Goal: wrong arguments are told apart from everything else. Method: code 2, and words that help.
#[test]
fn wrong_arguments_are_code_2_and_name_what_there_is() {
    let cases: [(&[&str], &str); 5] = [
        (&["run", "wifi"], "wifi-lte"),
        (&["run", "law", "--remedy", "cookies"], "cookie"),
        (&["run", "law", "--seed", "one"], "one"),
        (&["run", "law", "--port", "0"], "0"),
        (&[], "Usage"),
    ];
    for (arguments, words) in cases {
        let Ended { code, errors, .. } = roam(arguments).ended();
        assert_eq!(code, 2, "{arguments:?}");
        assert!(errors.contains(words), "{arguments:?}: {errors}");
    }
}

/// Goal: a result can be had again. Method: one seed twice, another once; where sessions lie
/// depends on addresses, and on nothing else.
#[test]
fn a_seed_makes_the_same_results_again() {
    if !all_there("a_seed", &[Need::Ringbolt, Need::Node, Need::Haproxy]) {
        return;
    }
    let stride = |seed| roam(&["run", "stride", "--check", "--seed", seed]).ended();
    let [first, again, other] = [stride("5"), stride("5"), stride("6")];
    assert_eq!([first.code, again.code, other.code], [0; 3], "{first:?}");
    assert_eq!(first.out, again.out);
    assert_ne!(first.out, other.out);
    assert!(first.out.contains("seed 5") && first.out.contains("one server has all"), "{first:?}");
}

/// Goal: a real session of each library survives where it is stated to. Method: one remedy in one
/// story.
#[test]
fn all_three_libraries_keep_their_sessions() {
    if !all_there("libraries", &[Need::Ringbolt, Need::Node, Need::Python]) {
        return;
    }
    let ended =
        roam(&["run", "dhcp-renewal", "--remedy", "prefix", "--check", "--seed", "5"]).ended();
    assert_eq!(ended.code, 0, "{ended:?}");
    let head = ended.out.lines().find(|line| line.ends_with("stated")).expect("a table's head");
    let head: Vec<&str> = head.split_whitespace().collect();
    assert_eq!(head, ["socket.io", "websockets", "ws", "stated"], "{}", ended.out);
    assert!(ended.out.contains("Every session went on under: Prefix (ringbolt)."), "{}", ended.out);
    assert!(ended.out.contains("3 outcomes, all as stated"), "{}", ended.out);
}

/// Goal: whether Socket.IO comes into a session depends on addresses, and not on who is faster.
/// Method: behind a carrier's NAT, once with state in memory and once in Redis, which takes longer
/// to answer; the balancer and the seed are the same.
#[test]
fn a_slower_server_refuses_as_many() {
    if !all_there("openings", &[Need::Ringbolt, Need::Node, Need::Python, Need::Redis]) {
        return;
    }
    let [memory, store] = ["address", "store"].map(|remedy| {
        let arguments = ["run", "carrier-nat", "--remedy", remedy, "--check", "--seed", "1"];
        let ended = roam(&arguments).ended();
        assert_eq!(ended.code, 0, "{ended:?}");
        let refused = ended.out.split_whitespace().find(|word| word.starts_with('!'));
        refused.expect("some are refused").to_owned()
    });
    assert_eq!(memory, store);
}

/// Goal: the check can fail. Method: a balancer that goes by turns is planted where the address
/// should decide.
#[test]
fn a_planted_balancer_is_found() {
    if !all_there("planted", &[Need::Ringbolt, Need::Node, Need::Python, Need::Haproxy]) {
        return;
    }
    let arguments =
        ["run", "same-address", "--remedy", "address", "--plant", "address=round-robin"];
    let checked = roam(&[arguments.as_slice(), &["--check"]].concat()).ended();
    assert_eq!(checked.code, 1, "{checked:?}");
    let of_ws = "not as stated: same-address, remedy address, ws: ";
    assert!(checked.out.contains(of_ws), "{}", checked.out);
    assert!(checked.out.contains("where all kept was stated"), "{}", checked.out);
    assert!(!checked.out.contains("all as stated"), "{}", checked.out);
}

/// Goal: what a missing program costs is said, with the mend, and what is left is no whole. Method:
/// HAProxy is looked for where it is not.
#[test]
fn a_missing_program_is_skipped_with_a_line() {
    if !all_there("missing", &[Need::Ringbolt, Need::Node]) {
        return;
    }
    let arguments = ["run", "stride", "--check"];
    let without = roam(&arguments).with("ROAM_HAPROXY", "/nowhere/haproxy").ended();
    assert_eq!(without.code, 0, "{without:?}");
    let line = "skipped skew of stride: HAProxy does not run; scripts/setup installs it";
    assert!(without.out.contains(line), "{}", without.out);
    assert!(without.out.contains("but it is not all"), "{}", without.out);
    assert!(without.out.contains("ringbolt"), "what can be done is: {}", without.out);

    let required = roam(&arguments)
        .with("ROAM_HAPROXY", "/nowhere/haproxy")
        .with("RINGBOLT_REQUIRE_ALL", "1")
        .ended();
    assert_eq!(required.code, 1, "{required:?}");
}

/// Goal: who is not root is told what is left out. Method: another user, for whom there is no
/// network of its own, in a story that needs one.
#[test]
fn without_root_there_is_no_ipv6_and_it_says_so() {
    if !all_there("no root", &[Need::OtherUser]) {
        return;
    }
    let ended = roam(&["run", "ipv6-privacy", "--check"]).without_root().ended();
    assert_eq!(ended.code, 0, "{ended:?}");
    let line = "skipped ipv6-privacy, happy-eyeballs: no network of its own with IPv6 addresses: \
                this user is not root; run it as root";
    assert!(ended.out.contains(line), "{}", ended.out);
    assert!(ended.out.contains("nothing was checked: see what was skipped"), "{}", ended.out);
    assert!(!ended.out.contains("all as stated"), "{}", ended.out);
}

/// Goal: a port that somebody has is named, and nothing is shown for what was not done. Method: we
/// have it; without root there is no other network to be in.
#[test]
fn a_port_in_use_is_skipped_with_a_line() {
    if !all_there("port", &[Need::Ringbolt, Need::Node, Need::Haproxy, Need::OtherUser]) {
        return;
    }
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let addr = holder.local_addr().expect("it has one");
    let port = addr.port().to_string();
    let ended = roam(&["run", "stride", "--check", "--port", &port]).without_root().ended();
    assert_eq!(ended.code, 0, "{ended:?}");
    let skipped: Vec<_> = ended.out.lines().filter(|line| line.starts_with("skipped")).collect();
    assert_eq!(skipped.len(), 3, "{}", ended.out);
    for line in skipped {
        assert!(line.contains(&format!("{addr} is in use")) && line.contains("--port"), "{line}");
    }
    assert!(!ended.out.contains("Sessions by server"), "{}", ended.out);
}

/// Goal: nothing is left behind, however it ends, and it says that it has no result. Method: it is
/// interrupted, and its terminal closed, while servers and a balancer run.
#[test]
fn an_interrupted_run_leaves_nothing_behind() {
    if !all_there("interrupted", &[Need::Ringbolt, Need::Node, Need::Haproxy]) {
        return;
    }
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGHUP, 129)] {
        let running = roam(&["run", "law"]).started();
        let family = running.until_it_has_started(4);
        let ended = running.ended_by(signal);
        assert_eq!(ended.code, code, "{ended:?}");
        assert!(ended.out.is_empty() && ended.errors.contains("there is no result"), "{ended:?}");
        ended.gone(&family);
    }
}

/// Goal: a folder that cannot be written is an error before minutes have passed. Method: a file is
/// there.
#[test]
fn a_report_needs_a_folder() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let path = file.path().to_string_lossy();
    let ended = roam(&["run", "stride", "--report", &path]).ended();
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.errors.contains(&format!("--report {path}")), "{}", ended.errors);
    assert!(ended.out.is_empty(), "{}", ended.out);
}

/// Goal: so is one that is there and may not be written. Method: another user's.
#[test]
fn a_report_needs_a_folder_that_can_be_written() {
    if !all_there("read-only", &[Need::OtherUser]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let read_only = std::os::unix::fs::PermissionsExt::from_mode(0o555);
    std::fs::set_permissions(folder.path(), read_only).expect("it is ours");
    let path = folder.path().to_string_lossy();
    let ended = roam(&["run", "stride", "--report", &path]).without_root().ended();
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.errors.contains(&format!("--report {path}")), "{}", ended.errors);
    assert!(ended.out.is_empty(), "nothing was run: {}", ended.out);
}
