//! HAProxy's configuration, and how another is put in force: by a new process that takes the place
//! of the old.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use anyhow::Result;

use super::Setting;
use crate::folder::Folder;
use crate::process::Process;
use crate::programs::Program;
use crate::remedy::Product;

const CONFIGURATION: &str = "haproxy.cfg";
const SOCKET: &str = "haproxy.sock";

pub(super) fn start(setting: &Setting<'_>, old: Option<&Process>) -> Result<Process> {
    let path = setting.folder.write(CONFIGURATION, &configuration(setting))?;
    let path = path.to_string_lossy().into_owned();
    let mut arguments = vec!["-db", "-f", &path];
    let old = old.map(|process| process.pid().to_string());
    if let Some(pid) = &old {
        arguments.extend(["-sf", pid]);
    }
    Process::start(&Program::Haproxy.path(), &arguments, setting.log())
}

/// Nobody is connected, so the old one ends at once; only the new one is left then.
pub(super) fn replace(setting: &Setting<'_>, process: &mut Process) -> Result<()> {
    let mut old = std::mem::replace(process, start(setting, Some(process))?);
    old.ended()
}

/// Waits until its checks have found that a server is down.
pub(super) fn notice(folder: &Folder, process: &mut Process, server: &str) -> Result<()> {
    let row = format!("ws,{server},");
    process.until("it finds the server down", || {
        let stat = ask(folder, "show stat\n").unwrap_or_default();
        stat.lines().any(|line| line.starts_with(&row) && line.contains(",DOWN,"))
    })
}

fn ask(folder: &Folder, command: &str) -> std::io::Result<String> {
    let mut socket = UnixStream::connect(folder.file(SOCKET))?;
    socket.write_all(command.as_bytes())?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer)
}

/// In HTTP mode, as the cookie needs it and as it stands before WebSocket servers mostly.
fn configuration(setting: &Setting<'_>) -> String {
    let balance = match setting.product {
        Product::HaproxySource => "balance source",
        Product::HaproxyConsistent => "balance source\n  hash-type consistent",
        Product::HaproxyMask => "balance hash src,ipmask(24,64)",
        Product::HaproxyCookie => "balance roundrobin\n  cookie SERVER insert indirect nocache",
        Product::HaproxyInTurn | Product::Ringbolt { .. } | Product::NginxIpHash => {
            "balance roundrobin"
        }
    };
    let mut text = format!(
        "global\n  nbthread 1\n  stats socket {} mode 600 level admin\n\n\
         defaults\n  mode http\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n  \
         timeout tunnel 1h\n  timeout check 5s\n\nlisten ws\n  {balance}\n",
        setting.folder.file(SOCKET).display()
    );
    for addr in &setting.listening {
        let _ = writeln!(text, "  bind {addr}");
    }
    for server in setting.servers {
        let weight = u8::from(!server.drained);
        let named = setting.product == Product::HaproxyCookie;
        let cookie = if named { format!(" cookie {}", server.name) } else { String::new() };
        let _ = writeln!(
            text,
            "  server {} {} check inter 200ms fall 1 rise 1 weight {weight}{cookie}",
            server.name, server.addr
        );
    }
    text
}
