//! nginx's, for its stream module.

use std::fmt::Write;

use crate::run::doors::Doors;

/// With this `proxy_buffer_size`; `None`: as installed.
pub(super) fn config(doors: &Doors, stream_module: Option<&str>, buffers: Option<&str>) -> String {
    let mut text = String::new();
    if let Some(module) = stream_module {
        let _ = writeln!(text, "load_module {module};");
    }
    let _ = write!(
        text,
        "daemon off;\nworker_processes 1;\nworker_rlimit_nofile 20000;\npid nginx.pid;\nevents {{ \
         worker_connections 20000; }}\nstream {{\n  proxy_timeout 1h;\n"
    );
    if let Some(size) = buffers {
        let _ = writeln!(text, "  proxy_buffer_size {size};");
    }
    for door in doors.all() {
        let _ = write!(
            text,
            "  server {{ listen {} backlog=4096; proxy_pass {}; }}\n  upstream {} {{\n    \
             hash $remote_addr consistent;\n",
            door.addr, door.name, door.name
        );
        for server in &door.servers {
            let _ = writeln!(text, "    server {server};");
        }
        text += "  }\n";
    }
    text + "}\n"
}
