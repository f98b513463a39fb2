use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;

use ringbolt_tests::{Folder, Program, nginx};

use crate::case::{Case, Server};
use crate::index_through;

/// Where Debian has the stream module; elsewhere it is in the program.
const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// A running nginx.
#[derive(Debug)]
pub(crate) struct Nginx {
    program: Program,
    /// Of each pool, the index of its first server among all that answer.
    first: Vec<usize>,
}

impl Nginx {
    /// Starts one with these pools.
    pub(crate) fn start(cases: &[Case]) -> Self {
        let program = Program::start(|address, folder| command(cases, address, folder));
        Self { program, first: cases.iter().map(|case| case.first).collect() }
    }

    /// The index, in its pool, of the server that a client meets.
    pub(crate) fn meet(&self, number: usize, client: IpAddr) -> usize {
        let socket = socket(number, self.program.folder());
        index_through(&socket, client) - self.first[number]
    }
}

/// Its version.
pub(crate) fn version() -> String {
    let output = Command::new(nginx()).arg("-v").output().expect("nginx runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.rsplit('/').next().unwrap_or("").trim().to_owned()
}

fn socket(number: usize, folder: &Folder) -> String {
    folder.file(&format!("c{number}.sock"))
}

fn command(cases: &[Case], address: SocketAddr, folder: &Folder) -> Command {
    let (mut http, mut stream) = (String::new(), String::new());
    for (number, case) in cases.iter().enumerate() {
        let listen = format!("listen unix:{} proxy_protocol", socket(number, folder));
        let of_http = case.balance == "nginx-ip-hash";
        let (text, server) = if of_http {
            let pass = format!("location / {{ proxy_pass http://c{number}; }}");
            (&mut http, format!("{listen}; real_ip_header proxy_protocol; {pass}"))
        } else {
            (&mut stream, format!("{listen}; proxy_pass c{number};"))
        };
        // A String takes everything.
        let _ = writeln!(text, "upstream c{number} {{ {} {} }}", case.line, members(case));
        let _ = writeln!(text, "server {{ set_real_ip_from unix:; {server} }}");
    }
    let load = if Path::new(STREAM_MODULE).is_file() && nginx().starts_with("/usr/sbin") {
        format!("load_module {STREAM_MODULE};")
    } else {
        String::new()
    };
    let configuration = folder.write(
        "nginx.conf",
        &format!(
            "{load} daemon off; master_process off; pid pid; error_log stderr;
             events {{ worker_connections 1024; }}
             http {{ access_log off;
                 client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                 uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                 server {{ listen {address}; return 204; }}
                 {http} }}
             stream {{ {stream} }}"
        ),
    );
    let mut command = Command::new(nginx());
    command.args(["-e", "stderr", "-p", &folder.file(""), "-c", &configuration]);
    command
}

fn members(case: &Case) -> String {
    let member = |server: &Server| {
        let Server { addr, weight, .. } = server;
        let down = if server.is_down() { " down" } else { "" };
        format!("server {addr} weight={weight}{down};")
    };
    case.servers.iter().map(member).collect::<Vec<_>>().join(" ")
}
