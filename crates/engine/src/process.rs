//! Cloning the engine. Unsafe: the clone itself, because a child goes on with everything its
//! parent had in memory.

use std::fs;
use std::io;
use std::mem::{size_of, zeroed};

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};

/// Clones this process with the same descriptor table, but memory of its own, and runs `engine` in
/// the child. Returns the child's pid.
///
/// # Panics
/// When this process has more than one thread: a lock that another one holds would stay locked in
/// the child for ever.
pub(crate) fn clone_with_shared_descriptors(engine: impl FnOnce() -> i32) -> io::Result<Pid> {
    let threads = fs::read_dir("/proc/self/task")?.count();
    assert_eq!(threads, 1, "the supervisor has one thread, for ever");
    let supervisor = Pid::this();
    // SAFETY: all zero is a valid `clone_args`: every field is an integer, and 0 means "not used".
    let mut arguments: libc::clone_args = unsafe { zeroed() };
    arguments.flags = libc::CLONE_FILES as u64;
    arguments.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM and without a stack of its own the child behaves as after fork(2):
    // it has a copy of this only thread and of its memory. The assertion above keeps locks, the
    // allocator's among them, out of it. `arguments` lives until the call has returned.
    let pid = unsafe {
        libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>())
    };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => in_child(supervisor, engine),
        pid => Ok(Pid::from_raw(pid as i32)),
    }
}

/// Runs the engine; never returns into the supervisor's frames, whose cleaning up is not the
/// child's to do. (Nothing unwinds: a panic aborts.)
fn in_child(supervisor: Pid, engine: impl FnOnce() -> i32) -> ! {
    // Nobody serves unsupervised. The parent may have died before this took effect.
    let tied = prctl::set_pdeathsig(Signal::SIGKILL);
    if tied.is_err() || getppid() != supervisor {
        exit_now(3);
    }
    exit_now(engine())
}

/// Ends this process without the exit handlers and buffers that it has copies of.
fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions; it ends every thread of this process at once.
    unsafe { libc::_exit(code) }
}

/// How an engine ended, in words.
pub(crate) fn status_in_words(status: nix::sys::wait::WaitStatus) -> String {
    use nix::sys::wait::WaitStatus::{
        Continued, Exited, PtraceEvent, PtraceSyscall, Signaled, StillAlive, Stopped,
    };
    match status {
        Exited(_, code) => format!("exit code {code}"),
        Signaled(_, signal, _) => format!("{signal}"),
        Continued(_) | PtraceEvent(..) | PtraceSyscall(_) | StillAlive | Stopped(..) => {
            String::from("an unknown cause")
        }
    }
}
