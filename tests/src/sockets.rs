//! The TCP sockets of a network as `/proc/thread-self/net/tcp` shows them: queues and timers, without
//! `ss`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// What a socket's timer is for (`timer_active` in the kernel's `tcp_ipv4.c`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// None runs.
    None,
    /// Send again what was not acknowledged.
    Retransmit,
    /// Keepalive, with the seconds that are left, rounded up.
    Keepalive(u64),
    /// Something else: TIME_WAIT or a window probe.
    Other,
}

/// One IPv4 socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its own address.
    pub local: SocketAddr,
    /// The peer's; port 0 of a listening socket.
    pub remote: SocketAddr,
    /// Bytes that were written and are not acknowledged yet.
    pub unsent: u64,
    /// Bytes that were received and not read; of a listening socket, connections not accepted.
    pub unread: u64,
    /// Its timer.
    pub timer: Timer,
}

/// The IPv4 sockets that a test may be interested in, TIME_WAIT ones included: those of the network
/// that the calling thread is in.
///
/// # Panics
///
/// When the kernel's table has another form than expected.
pub fn all() -> Vec<Entry> {
    let table = fs::read_to_string("/proc/thread-self/net/tcp").expect("a kernel with /proc");
    table.lines().skip(1).map(|line| entry(line).expect("the known form")).collect()
}

fn entry(line: &str) -> Option<Entry> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (unsent, unread) = fields.get(4)?.split_once(':')?;
    let (timer, left) = fields.get(5)?.split_once(':')?;
    let timer = match timer {
        "00" => Timer::None,
        "01" => Timer::Retransmit,
        // In hundredths of a second, whatever the kernel counts in.
        "02" => Timer::Keepalive(hexadecimal(left)?.div_ceil(100)),
        _ => Timer::Other,
    };
    Some(Entry {
        local: address(fields.get(1)?)?,
        remote: address(fields.get(2)?)?,
        unsent: hexadecimal(unsent)?,
        unread: hexadecimal(unread)?,
        timer,
    })
}

/// The address is one word in the machine's order, the port is not.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let address = u32::from_str_radix(address, 16).ok()?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(SocketAddrV4::new(Ipv4Addr::from(address.to_ne_bytes()), port).into())
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}
