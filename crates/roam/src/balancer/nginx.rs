//! nginx's configuration, and how it is put in force.

use std::fmt::Write;

use anyhow::Result;
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use super::Setting;
use crate::process::Process;
use crate::programs::Program;

const CONFIGURATION: &str = "nginx.conf";

pub(super) fn start(setting: &Setting<'_>) -> Result<Process> {
    let path = setting.folder.write(CONFIGURATION, &configuration(setting))?;
    let [path, folder] = [&path, setting.folder.path()].map(|path| path.to_string_lossy());
    let arguments = ["-c", &path, "-p", &folder, "-e", "stderr"];
    Process::start(&Program::Nginx.path(), &arguments, setting.log())
}

/// New workers are started and the old ones told to end. Nobody is connected, so they end at once.
pub(super) fn reload(setting: &Setting<'_>, process: &mut Process) -> Result<()> {
    setting.folder.write(CONFIGURATION, &configuration(setting))?;
    let old = process.children();
    process.signal(Signal::SIGHUP)?;
    let pid = process.pid();
    process.until("it has new workers only", || {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let now: Vec<u32> = children
            .unwrap_or_default()
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect();
        !now.is_empty() && now.iter().all(|pid| !old.contains(pid))
    })
}

/// `max_fails=0`: a server that refuses is passed over for that one request, so that others keep
/// theirs.
fn configuration(setting: &Setting<'_>) -> String {
    // Its workers would be somebody else, who cannot write into our folder.
    let user = if geteuid().is_root() { "user root;\n" } else { "" };
    let folder = setting.folder.path().display();
    let mut text = format!(
        "{user}daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\n\
         events {{ worker_connections 8192; }}\nhttp {{\n  access_log off;\n"
    );
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = writeln!(text, "  {kind}_temp_path {folder}/{kind};");
    }
    text += "  map $http_upgrade $connection_upgrade { default upgrade; '' close; }\n  \
             upstream ws {\n    ip_hash;\n";
    for server in setting.servers {
        let down = if server.drained { " down" } else { "" };
        let _ = writeln!(text, "    server {} max_fails=0{down};", server.addr);
    }
    text += "  }\n  server {\n";
    for addr in &setting.listening {
        let _ = writeln!(text, "    listen {addr} backlog=4096;");
    }
    text += "    location / {\n      proxy_pass http://ws;\n      proxy_http_version 1.1;\n \
             proxy_set_header Host $http_host;\n      proxy_set_header Upgrade $http_upgrade;\n \
             proxy_set_header Connection $connection_upgrade;\n      proxy_read_timeout 1h;\n \
             }\n }\n}\n";
    text
}
