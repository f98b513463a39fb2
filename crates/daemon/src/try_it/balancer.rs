//! The balancer of the demo: `ringbolt run` as a child, started from the executable that runs now.
//! What it is told stands in [`configuration`]; what it says is read to its end, and the part that
//! is worth a reader's while kept. Not its supervisor: nothing here starts it again.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Split};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::failure::Failure;
use super::servers::EchoServer;
use crate::file::machine;

/// It takes some 50 ms; a machine may be busy.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// It ends within two seconds whatever its engine does.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// Remarks that are kept: as many as the table has room for.
const NOTES_MAX: usize = 2;

/// A balancer that serves.
#[derive(Debug)]
pub(crate) struct Balancer {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) pid: u32,
    /// Where it serves its metrics, once it has said so.
    pub(crate) http: Rc<Cell<Option<SocketAddr>>>,
    notes: Rc<RefCell<VecDeque<String>>>,
}

impl Balancer {
    /// Starts it on this port of 127.0.0.1 and waits until it serves; port 0 is a free one.
    pub(crate) async fn start(port: u16, servers: &[Rc<EchoServer>]) -> Result<Self, Failure> {
        let named = servers.iter().map(|server| (server.name, server.address));
        let text = configuration(port, machine().cores.min(2), named);
        let mut child = spawn().map_err(Failure::system("the balancer cannot be started"))?;
        let pid = child.id().unwrap_or_default();
        if let Some(mut stdin) = child.stdin.take() {
            // One that ended before it read says why on its stderr.
            let _ = stdin.write_all(text.as_bytes()).await;
        }
        let stderr = child.stderr.take().expect("asked for in spawn");
        let mut lines = BufReader::new(stderr).split(b'\n');
        let mut said = String::new();
        let address = match timeout(READY_LIMIT, ready(&mut lines, &mut said)).await {
            Ok(Some(address)) => address,
            Ok(None) => {
                let status = child.wait().await.map_err(Failure::system("no exit status"))?;
                return Err(Failure::NotStarted { status, said });
            }
            Err(_) => return Err(Failure::NeverReady { said }),
        };
        let (notes, http) = (Rc::default(), Rc::default());
        spawn_local(listen(lines, Rc::clone(&notes), Rc::clone(&http)));
        Ok(Self { child, address, pid, http, notes })
    }

    /// The last warnings and errors, the oldest first.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.notes.borrow().iter().cloned().collect()
    }

    /// Waits for an end that nobody asked for.
    pub(crate) async fn ended(&mut self) -> Failure {
        match self.child.wait().await {
            Ok(status) => Failure::Ended { status },
            Err(error) => Failure::System { what: "no exit status", error },
        }
    }

    /// Ends it as a service manager would, and waits.
    pub(crate) async fn stop(&mut self) {
        // No id: it has ended, and the number may be somebody else's by now.
        let Some(pid) = self.child.id() else { return };
        // Neither can fail in a way that leaves something to do.
        let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM);
        if timeout(STOP_LIMIT, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

/// The configuration comes through a pipe: a file would be left behind by a demo that is killed.
fn spawn() -> std::io::Result<Child> {
    // By its path, so that it has its name where processes are listed; by the link when the path
    // leads to another file by now, as after a rebuild.
    let path = std::env::current_exe().ok().filter(|path| path.exists());
    Command::new(path.unwrap_or_else(|| "/proc/self/exe".into()))
        .args(["run", "--end-with-parent", "/dev/stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // Ctrl-C on the terminal is for the demo, which ends the balancer when it has its last
        // picture of it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// A `ringbolt.toml` as anyone would write it for these servers.
fn configuration<'a>(
    port: u16,
    workers: u16,
    servers: impl Iterator<Item = (&'a str, SocketAddr)>,
) -> String {
    let mut text = format!(
        r#"[global]
workers = {workers}
log = "text"
http = "127.0.0.1:0"

[listener.web]
bind = "127.0.0.1:{port}"
pool = "echo"

[pool.echo]
balance = "source"
"#
    );
    for (name, address) in servers {
        text += &format!("\n[[pool.echo.server]]\nname = \"{name}\"\naddr = \"{address}\"\n");
    }
    text
}

/// Reads up to the ready line, which names the address; `None` at the end of it all. `said` is
/// what came before.
async fn ready(lines: &mut Split<BufReader<ChildStderr>>, said: &mut String) -> Option<SocketAddr> {
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line);
        if let Some(address) = ready_address(&line) {
            return Some(address);
        }
        said.push_str(&line);
        said.push('\n');
    }
    None
}

fn ready_address(line: &str) -> Option<SocketAddr> {
    let (_, addresses) = line.strip_prefix("ringbolt: ready, ")?.split_once(": ")?;
    addresses.split(' ').next()?.parse().ok()
}

/// Reads to the end, so that the balancer never waits for us.
async fn listen(
    mut lines: Split<BufReader<ChildStderr>>,
    notes: Rc<RefCell<VecDeque<String>>>,
    http: Rc<Cell<Option<SocketAddr>>>,
) {
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line);
        http.set(http.get().or_else(|| http_address(&line)));
        let Some(remark) = remark(&line) else { continue };
        let mut notes = notes.borrow_mut();
        if notes.len() == NOTES_MAX {
            notes.pop_front();
        }
        notes.push_back(remark);
    }
}

/// The address in the line that says that it serves.
fn http_address(line: &str) -> Option<SocketAddr> {
    let (_, fields) = line.split_once(" serving ")?;
    fields.split(' ').find_map(|field| field.strip_prefix("http=")?.parse().ok())
}

/// What is worth showing of a line of the log: warnings and errors, without their time. A line
/// that is no log line is shown too, because only a panic writes such.
fn remark(line: &str) -> Option<String> {
    let plain = line.replace(char::is_control, " ");
    let (_, rest) = plain.split_once(' ').unwrap_or_default();
    let (level, message) = rest.trim_start().split_once(' ').unwrap_or_default();
    match level {
        "ERROR" => Some(format!("error: {message}")),
        "WARN" => Some(format!("warning: {message}")),
        "INFO" | "DEBUG" | "TRACE" => None,
        _ => Some(plain).filter(|plain| !plain.trim().is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{clients, servers};
    use super::*;
    use std::cell::RefCell;

    use ringbolt_config::check;
    use ringbolt_core::mapping::{Question, Tables};
    use ringbolt_core::roster::Roster;
    use ringbolt_core::snapshot::Snapshot;

    // Goal: the configuration is valid, and under it every server is met by at least two of the
    // demo's addresses. Method: the check and the mapping of the product.
    #[test]
    fn every_server_meets_somebody() {
        let anywhere: SocketAddr = "192.0.2.1:80".parse().unwrap();
        let text = configuration(8765, 1, servers::NAMES.into_iter().map(|name| (name, anywhere)));
        let checked = check(&text, &machine());
        assert_eq!((checked.errors, checked.not_available), (vec![], vec![]), "{text}");
        let spec = checked.spec.unwrap();
        let roster = Roster::of(&spec).unwrap();
        let snapshot =
            Snapshot::new(&spec, &roster, None, 100, |_, _| Some(anywhere.into())).unwrap();
        let pool = &snapshot.pools[0];
        let tables = RefCell::new(Tables::default());
        let mut met = [0; servers::NAMES.len()];
        for address in clients::ADDRESSES {
            let asked = Question::of(pool, address.into(), &tables);
            met[pool.mapping.choose(&asked).unwrap().server] += 1;
        }
        assert!(met.iter().all(|count| *count >= 2), "{met:?}");
    }

    // Goal: the balancer's own lines are understood. Method: lines as `run` writes them.
    #[test]
    fn lines_are_understood() {
        let ready = "ringbolt: ready, 1 listeners: 127.0.0.1:8765";
        assert_eq!(ready_address(ready), "127.0.0.1:8765".parse().ok());
        assert_eq!(ready_address("ringbolt: cannot start: no ring"), None);
        let log = "2026-11-24T04:15:10.707127Z ERROR the engine died; the next one starts pid=8";
        assert_eq!(remark(log).unwrap(), "error: the engine died; the next one starts pid=8");
        let log = "2026-11-24T04:15:10.707127Z  WARN echo/ws1 could not be connected to times=1";
        assert_eq!(remark(log).unwrap(), "warning: echo/ws1 could not be connected to times=1");
        let serving = "2026-11-24T04:15:10.729171Z  INFO serving workers=1 http=127.0.0.1:9180";
        assert_eq!(remark(serving), None);
        assert_eq!(http_address(serving), "127.0.0.1:9180".parse().ok());
        assert_eq!(http_address(log), None);
        assert_eq!(remark(""), None);
        assert_eq!(remark("thread 'worker-0' panicked").unwrap(), "thread 'worker-0' panicked");
    }
}
