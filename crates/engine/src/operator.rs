//! The sockets for operators: HTTP and the runtime socket. The supervisor opens them before the first
//! engine, so that a start fails when they cannot be had, and holds them for its life, so that
//! requests wait in their queues while an engine is replaced. Not here: who answers, which is the
//! control thread.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::socket::{getsockopt, sockopt};
use nix::sys::stat::{Mode, fchmod};
use ringbolt_core::spec::Global;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::holder::{self, Holder};
use crate::listen::only_v6;
use crate::start::StartError;

/// Connections that wait while all places are taken or an engine is replaced.
const BACKLOG: i32 = 128;

/// What the configuration asks for of both.
#[derive(Debug)]
pub(crate) struct OperatorSockets {
    pub(crate) http: Option<Arc<TcpListener>>,
    admin: Option<AdminSocket>,
}

impl OperatorSockets {
    /// Opens them.
    pub(crate) fn open(global: &Global) -> Result<Self, StartError> {
        let http = global.http.map(open_http).transpose()?;
        let admin = global.admin.as_ref().map(Path::new).map(AdminSocket::open).transpose()?;
        Ok(Self { http: http.map(Arc::new), admin })
    }

    /// The runtime socket.
    pub(crate) fn admin(&self) -> Option<Arc<UnixListener>> {
        self.admin.as_ref().map(|admin| admin.listener.clone())
    }

    /// Where HTTP is served, with the port that was free where 0 was asked for.
    pub(crate) fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().and_then(|listener| listener.local_addr().ok())
    }
}

/// Like the listening sockets of clients: non-blocking, and without close-on-exec.
fn open_http(addr: SocketAddr) -> Result<TcpListener, StartError> {
    let open = || -> io::Result<TcpListener> {
        let kind = Type::STREAM.nonblocking();
        let socket = Socket::new_raw(Domain::for_address(addr), kind, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        only_v6(&socket, addr)?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    open().map_err(|error| {
        if error.kind() == io::ErrorKind::AddrInUse {
            StartError::AddressInUse { addr, holder: holder::of_port(addr) }
        } else {
            StartError::Bind { addr, error }
        }
    })
}

/// The runtime socket. Dropping it removes its file.
#[derive(Debug)]
struct AdminSocket {
    listener: Arc<UnixListener>,
    path: PathBuf,
    /// Device and inode: whether the file at the path is still ours.
    identity: (u64, u64),
}

impl AdminSocket {
    fn open(path: &Path) -> Result<Self, StartError> {
        make_way(path)?;
        let open = || -> io::Result<Self> {
            let socket = Socket::new_raw(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
            // The file gets the socket's own mode (unix_bind_bsd in the kernel). A change of the file
            // afterwards would leave a moment in which others could connect.
            fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
            socket.bind(&SockAddr::unix(path)?)?;
            socket.listen(BACKLOG)?;
            let identity = identity(path)?;
            Ok(Self { listener: Arc::new(socket.into()), path: path.into(), identity })
        };
        open().map_err(|error| StartError::Admin { path: path.into(), error })
    }
}

impl Drop for AdminSocket {
    /// In the supervisor only: an engine ends without dropping what it has copies of.
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // What cannot be removed is replaced by the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Removes a socket that nobody listens on any more, as a killed supervisor leaves one.
fn make_way(path: &Path) -> Result<(), StartError> {
    let failed = |error| StartError::Admin { path: path.into(), error };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(file) if !file.file_type().is_socket() => {
            return Err(StartError::AdminNoSocket { path: path.into() });
        }
        Ok(_) => {}
    }
    match listener_of(path) {
        Ok(holder) => Err(StartError::AdminInUse { path: path.into(), holder }),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Who listens on a UNIX socket; an error when nobody does.
fn listener_of(path: &Path) -> io::Result<Option<Holder>> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Ok(()) => {
            let credentials = getsockopt(&socket, sockopt::PeerCredentials)?;
            Ok(u32::try_from(credentials.pid()).ok().and_then(holder::of_pid))
        }
        // Somebody listens whose queue is full.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir();
            let path = path.join(format!("ringbolt-operator-{name}-{}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    // Goal: the socket is for its owner alone; a live one is left alone and its holder named; its
    // end removes it; a stale one is replaced. Method: all of that in turn, on one path.
    #[test]
    fn one_path_has_one_owner() {
        let folder = Folder::new("owner");
        let path = folder.0.join("admin.sock");
        let first = AdminSocket::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        match AdminSocket::open(&path) {
            Err(StartError::AdminInUse { holder: Some(holder), .. }) => {
                assert_eq!(holder.pid, std::process::id());
            }
            other => panic!("{other:?}"),
        }
        drop(first);
        assert!(!path.exists());
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a dropped listener leaves its file");
        let second = AdminSocket::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "somebody else's by now").unwrap();
        drop(second);
        assert!(path.exists());
    }

    // Goal: what is no socket is not touched, and a missing folder is named. Method: both.
    #[test]
    fn other_files_are_left_alone() {
        let folder = Folder::new("others");
        let path = folder.0.join("file");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(AdminSocket::open(&path), Err(StartError::AdminNoSocket { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        let error = AdminSocket::open(&folder.0.join("none/admin.sock")).unwrap_err();
        assert!(error.to_string().contains("create its folder"), "{error}");
    }
}
