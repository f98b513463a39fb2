//! A network of this program's own, with all IPv6 addresses that clients need. Nobody else sees it,
//! and it goes with the program.
//!
//! Loopback has all of 127.0.0.0/8 for IPv4 clients anywhere, but one address only for IPv6.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;

use crate::results::Skipped;

/// Where programs listen for clients.
const V4: Ipv4Addr = Ipv4Addr::LOCALHOST;
const V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// Whether clients can have IPv6 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// In a namespace of our own.
    BothFamilies,
    /// Where we were started.
    V4Only,
}

impl Network {
    /// Makes one, for this thread and all that it starts; or says why it cannot.
    pub(crate) fn enter() -> (Self, Option<Skipped>) {
        match Self::own() {
            Ok(()) => (Self::BothFamilies, None),
            Err(error) => {
                let skipped = Skipped {
                    what: "ipv6-privacy, happy-eyeballs".into(),
                    why: format!("no network of its own with IPv6 addresses: {error:#}"),
                    mend: "run it as root, with ip (iproute2; scripts/setup installs it)".into(),
                };
                (Self::V4Only, Some(skipped))
            }
        }
    }

    fn own() -> Result<()> {
        ensure!(geteuid().is_root(), "this user is not root");
        // Before that, so that without it we stay where loopback is up.
        ensure!(Command::new("ip").arg("-V").output().is_ok(), "there is no ip");
        unshare(CloneFlags::CLONE_NEWNET).context("unshare")?;
        ip("link set lo up")?;
        ip(&format!("-6 addr add {V6}/128 dev lo"))?;
        // Everything that is sent there stays here …
        ip("-6 route add local 2001:db8::/32 dev lo")?;
        // … and may be connected from. This is the namespace's setting, nobody else's.
        fs::write("/proc/sys/net/ipv6/ip_nonlocal_bind", "1").context("ip_nonlocal_bind")
    }

    /// Addresses that balancers listen on.
    pub(crate) fn listening(self) -> Vec<IpAddr> {
        match self {
            Self::BothFamilies => vec![V4.into(), V6.into()],
            Self::V4Only => vec![V4.into()],
        }
    }
}

/// The address that a client of that address connects to.
pub(crate) fn facing(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => V4.into(),
        IpAddr::V6(_) => V6.into(),
    }
}

fn ip(arguments: &str) -> Result<()> {
    let output = Command::new("ip").args(arguments.split(' ')).output().context("ip")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {arguments}: {}", said.trim());
    Ok(())
}
