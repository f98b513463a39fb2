//! Why Ringbolt cannot start: what is wrong, and what mends it.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::holder::Holder;

/// Why a start failed. Every one is exit code 3.
#[derive(Debug)]
pub enum StartError {
    /// Somebody listens there already.
    AddressInUse {
        /// The address.
        addr: SocketAddr,
        /// Who it is, if that can be seen.
        holder: Option<Holder>,
    },
    /// An address cannot be listened on.
    Bind {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// Somebody answers on the runtime socket already.
    AdminInUse {
        /// Its path.
        path: PathBuf,
        /// Who it is, if that can be seen.
        holder: Option<Holder>,
    },
    /// At the path of the runtime socket is something else.
    AdminNoSocket {
        /// The path.
        path: PathBuf,
    },
    /// The runtime socket cannot be had.
    Admin {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The name of a server has no address.
    Resolve {
        /// Pool and server.
        server: String,
        /// The name.
        host: String,
        /// What the resolver said.
        error: io::Error,
    },
    /// An inherited socket cannot be listened on.
    Inherited {
        /// As in the configuration, after `fd@`.
        name: String,
        /// The listener that asks for it.
        listener: String,
        /// What is wrong.
        wrong: Uninheritable,
    },
    /// A server cannot be connected to from an address.
    Source {
        /// Pool and server.
        server: String,
        /// The address to connect from.
        source: IpAddr,
        /// What the system said.
        error: io::Error,
    },
    /// A server cannot be connected to from an address of the other family.
    SourceFamily {
        /// Pool and server.
        server: String,
        /// The address to connect from.
        source: IpAddr,
        /// The server's own.
        addr: SocketAddr,
    },
    /// The text that was accepted is not accepted any more.
    Configuration(String),
    /// This server has no address.
    NoAddress(String),
    /// io_uring cannot be used.
    NoRing(io::Error),
    /// More sessions are asked for than descriptors allow.
    TooManySessions {
        /// Asked for.
        wanted: u64,
        /// Possible.
        possible: u64,
        /// The descriptor limit.
        descriptors: u64,
    },
    /// The system refused something that is needed.
    System {
        /// What.
        what: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// No change is taken any more: it drains or stops.
    Ending,
    /// More names than the region has places for, those with sessions from before included.
    TooManyNames(&'static str),
    /// The first engine ended before it served.
    Engine(String),
}

/// Why a descriptor is no listening socket that was inherited.
#[derive(Debug)]
pub enum Uninheritable {
    /// No such environment variable.
    NoVariable,
    /// The variable holds this, which is no number.
    NoNumber(String),
    /// This number was not open when Ringbolt started.
    NotInherited(i32),
    /// This number is no socket that listens for TCP connections.
    NoListener(i32),
    /// This number is the socket that another listener has.
    Taken(i32, String),
    /// The system refused.
    System(io::Error),
}

impl StartError {
    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System { what, error }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressInUse { addr, holder: Some(holder) } => {
                write!(out, "{addr} is in use by {holder}; stop it, or bind another address")
            }
            Self::AddressInUse { addr, holder: None } => {
                write!(out, "{addr} is in use by another process; `ss -ltnp` run by root names it")
            }
            Self::Bind { addr, error } if error.kind() == io::ErrorKind::PermissionDenied => {
                write!(
                    out,
                    "{addr} may not be bound: {error}; ports below 1024 need root or \
                     CAP_NET_BIND_SERVICE"
                )
            }
            Self::Bind { addr, error } if error.kind() == io::ErrorKind::AddrNotAvailable => {
                write!(out, "{addr} is no address of this machine; `ip addr` lists them")
            }
            Self::Bind { addr, error } => write!(out, "{addr} cannot be listened on: {error}"),
            Self::AdminInUse { path, holder } => {
                write!(out, "global.admin: {} is in use by ", path.display())?;
                match holder {
                    Some(holder) => write!(out, "{holder}; stop it, or choose another path"),
                    None => write!(out, "another process; stop it, or choose another path"),
                }
            }
            Self::AdminNoSocket { path } => write!(
                out,
                "global.admin: {} is there and is no socket; take it away, or choose another path",
                path.display()
            ),
            Self::Admin { path, error } => admin_error(out, path, error),
            Self::Resolve { server, host, error } => {
                write!(out, "server {server}: the name {host} has no address: {error}")
            }
            Self::Inherited { name, listener, wrong } => {
                write!(out, "listener.{listener}.bind = \"fd@{name}\": {wrong}")
            }
            Self::Source { server, source, error }
                if error.kind() == io::ErrorKind::AddrNotAvailable =>
            {
                write!(
                    out,
                    "server {server}: the source {source} is no address of this machine; \
                     `ip addr` lists them"
                )
            }
            Self::Source { server, source, error } => {
                write!(out, "server {server}: the source {source} cannot be bound: {error}")
            }
            Self::SourceFamily { server, source, addr } => write!(
                out,
                "server {server}: its name has the address {addr}, which cannot be reached from the \
                 source {source}; write an address of the same family, or take the source out"
            ),
            Self::Configuration(reason) => write!(out, "the configuration: {reason}"),
            Self::NoAddress(server) => write!(out, "server {server} has no address"),
            Self::NoRing(error) => write!(out, "{}", ring_error(error)),
            Self::TooManySessions { wanted, possible, descriptors } => write!(
                out,
                "{wanted} sessions need 2 descriptors each, and this process may open {descriptors}, \
                 which is enough for {possible}; lower global.max_sessions or raise the limit \
                 (LimitNOFILE= in a systemd unit, `ulimit -n` in a shell)"
            ),
            Self::Ending => write!(out, "it drains or stops; nothing is changed any more"),
            Self::TooManyNames(kind) => write!(
                out,
                "too many {kind}; those that were taken out count until their sessions have ended"
            ),
            Self::System { what, error } => write!(out, "{what}: {error}"),
            Self::Engine(how) => write!(out, "the engine ended before it could serve: {how}"),
        }
    }
}

impl std::error::Error for StartError {}

impl fmt::Display for Uninheritable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoVariable => write!(
                out,
                "there is no environment variable of that name; set it to the number of the \
                 descriptor, or write the number"
            ),
            Self::NoNumber(text) => {
                write!(
                    out,
                    "the environment variable holds {text:?}, which is no descriptor number"
                )
            }
            Self::NotInherited(fd) => write!(
                out,
                "descriptor {fd} was not open at the start; whoever starts Ringbolt has to pass it on, \
                 without close-on-exec"
            ),
            Self::NoListener(fd) => write!(
                out,
                "descriptor {fd} is no listening TCP socket; listen(2) on it before it is passed on"
            ),
            Self::Taken(fd, other) => write!(
                out,
                "descriptor {fd} is the socket that listener.{other} has; a socket serves one \
                 listener: take one out"
            ),
            Self::System(error) => write!(out, "it cannot be used: {error}"),
        }
    }
}

fn admin_error(out: &mut fmt::Formatter<'_>, path: &Path, error: &io::Error) -> fmt::Result {
    write!(out, "global.admin: {} cannot be created: {error}", path.display())?;
    if error.kind() == io::ErrorKind::NotFound {
        write!(out, "; create its folder (RuntimeDirectory= in a systemd unit does)")?;
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        write!(out, "; make its folder writable for this user")?;
    }
    Ok(())
}

fn ring_error(error: &io::Error) -> String {
    let mend = match error.raw_os_error() {
        Some(libc::ENOSYS) => {
            "the kernel has no io_uring, or a container's seccomp profile hides it; Linux 6.1 or \
             later is needed, and a profile that allows io_uring_setup, io_uring_enter and \
             io_uring_register"
        }
        Some(libc::EPERM) => {
            "io_uring is switched off for this process: `sysctl kernel.io_uring_disabled` says 1 \
             (only its group and privileged processes) or 2 (nobody); set it to 0, or to 1 and put \
             this user into the group of `kernel.io_uring_group`"
        }
        Some(libc::EINVAL) => {
            "this kernel's io_uring is too old; Linux 6.1 or later is needed (single issuer, \
             deferred task work, multishot accept and poll)"
        }
        Some(libc::ENOMEM) => "there is no memory for the ring; see `ulimit -l`",
        _ => "Ringbolt cannot work without it",
    };
    format!("io_uring cannot be used ({error}): {mend}")
}
