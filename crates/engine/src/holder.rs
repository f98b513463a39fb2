//! Who listens on an address: the process behind a port that is taken.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

/// A process that holds a listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its name, as the kernel has it.
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} (pid {})", self.name, self.pid)
    }
}

/// The process that listens on a port, if this user may see it. Of several that share the socket
/// it is the oldest, which is the one that a person started.
pub(crate) fn of_port(addr: SocketAddr) -> Option<Holder> {
    let inodes = listening_inodes(addr.port());
    let mut pids: Vec<u32> = fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    of_pid(pids.into_iter().find(|pid| holds_any(*pid, &inodes))?)
}

/// The process with this id, if it lives and this user may see it.
pub(crate) fn of_pid(pid: u32) -> Option<Holder> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(Holder { pid, name: name.trim_end().into() })
}

/// Socket inodes that listen on a port, of both families: the tenth column of the kernel's tables,
/// in lines whose state is 0A.
fn listening_inodes(port: u16) -> Vec<String> {
    let local = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().map(String::from).collect::<Vec<_>>())
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let listens = columns.get(1)?.ends_with(&local) && *columns.get(3)? == "0A";
            listens.then(|| format!("socket:[{}]", columns.get(9).unwrap_or(&"")))
        })
        .collect()
}

fn holds_any(pid: u32, inodes: &[String]) -> bool {
    let Ok(descriptors) = fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd")) else {
        return false;
    };
    descriptors
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .any(|link| inodes.iter().any(|inode| link.as_os_str() == inode.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    // Goal: a taken port names its process. Method: this very process takes one.
    #[test]
    fn names_this_process() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = of_port(listener.local_addr().unwrap()).unwrap();
        assert_eq!(holder.pid, std::process::id());
        assert_eq!(of_port("127.0.0.1:1".parse().unwrap()), None);
    }
}
