use std::fmt::Write;
use std::net::IpAddr;
use std::process::Command;

use ringbolt_tests::{Folder, Program, ask, haproxy};

use crate::case::{Case, Down, Server};
use crate::index_through;

/// A running HAProxy.
#[derive(Debug)]
pub(crate) struct Haproxy {
    program: Program,
    /// Of each pool, the index of its first server among all that answer.
    first: Vec<usize>,
}

impl Haproxy {
    /// Starts one with these pools, and brings their servers into their states.
    pub(crate) fn start(cases: &[Case]) -> Self {
        let program = Program::start(|address, folder| {
            let sections: String = cases.iter().enumerate().map(|it| section(it, folder)).collect();
            let admin = folder.file("admin.sock");
            let configuration = folder.write(
                "haproxy.cfg",
                &format!(
                    "global\n stats socket {admin} mode 600 level admin\n\
                     defaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n\
                     frontend ready\n bind {address}\n{sections}"
                ),
            );
            let mut command = Command::new(haproxy());
            command.args(["-db", "-f", &configuration]);
            command
        });
        let first = cases.iter().map(|case| case.first).collect();
        let haproxy = Self { program, first };
        for (number, case) in cases.iter().enumerate() {
            for (index, server) in case.servers.iter().enumerate() {
                let states: &[&str] = match server.down {
                    Some(Down::Drain) => &["drain"],
                    Some(Down::Maint) => &["maint"],
                    Some(Down::Back) => &["maint", "ready"],
                    Some(Down::Written) | None => &[],
                };
                for state in states {
                    haproxy.tell(&format!("set server c{number}/{index} state {state}"));
                }
            }
        }
        haproxy
    }

    /// The index, in its pool, of the server that a client meets.
    pub(crate) fn meet(&self, number: usize, client: IpAddr) -> usize {
        index_through(&socket(number, self.program.folder()), client) - self.first[number]
    }

    /// Our names of what this version may do under one. From 3.0 on, until it was repaired within 3.0 to
    /// 3.2, the consistent one was another.
    pub(crate) fn names_of(&self, balance: &'static str) -> Vec<&'static str> {
        let of30 = ["3.0", "3.1", "3.2"].iter().any(|it| self.version().starts_with(it));
        if of30 && balance == "haproxy-source-consistent" {
            vec![balance, "haproxy-source-consistent-3.0"]
        } else {
            vec![balance]
        }
    }

    /// Its version.
    pub(crate) fn version(&self) -> String {
        let info = self.tell("show info");
        let version = info.lines().find_map(|line| line.strip_prefix("Version: "));
        version.expect("a version").to_owned()
    }

    fn tell(&self, line: &str) -> String {
        ask(&self.program.folder().file("admin.sock"), &format!("{line}\n"))
    }
}

fn socket(number: usize, folder: &Folder) -> String {
    folder.file(&format!("c{number}.sock"))
}

fn section((number, case): (usize, &Case), folder: &Folder) -> String {
    let socket = socket(number, folder);
    let mut text =
        format!("listen c{number}\n bind {socket} accept-proxy\n balance source\n {}\n", case.line);
    for (index, server) in case.servers.iter().enumerate() {
        let Server { addr, weight, id, backup, down } = server;
        let id = id.map(|id| format!(" id {id}")).unwrap_or_default();
        let backup = if *backup { " backup" } else { "" };
        let disabled = if *down == Some(Down::Written) { " disabled" } else { "" };
        // A String takes everything.
        let _ = writeln!(text, " server {index} {addr} weight {weight}{id}{backup}{disabled}");
    }
    text
}
