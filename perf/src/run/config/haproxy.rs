//! HAProxy's. `maxconn` is what it computes from its descriptors.

use std::fmt::Write;

use crate::run::doors::Doors;

/// How it is told to splice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Splicing {
    /// Not at all, as installed.
    Off,
    /// `option splice-auto`.
    Auto,
    /// Always, through pipes of 1 MiB.
    BigPipes,
}

/// With socket buffers of that many bytes on both sides; `None`: as the kernel does it.
pub(super) fn config(doors: &Doors, splicing: Splicing, buffers: Option<u32>) -> String {
    let mut text = String::from("global\n  nbthread 1\n");
    if splicing == Splicing::BigPipes {
        text += "  tune.pipesize 1048576\n";
    }
    if let Some(bytes) = buffers {
        for key in ["rcvbuf.client", "rcvbuf.server", "sndbuf.client", "sndbuf.server"] {
            let _ = writeln!(text, "  tune.{key} {bytes}");
        }
    }
    text += "\ndefaults\n  mode tcp\n  balance source\n  timeout connect 5s\n  timeout client 1h\n  \
             timeout server 1h\n";
    text += match splicing {
        Splicing::Off => "",
        Splicing::Auto => "  option splice-auto\n",
        Splicing::BigPipes => "  option splice-request\n  option splice-response\n",
    };
    for door in doors.all() {
        let _ = write!(text, "\nlisten {}\n  bind {}\n", door.name, door.addr);
        for (number, server) in door.servers.iter().enumerate() {
            let _ = writeln!(text, "  server {}{number} {server}", door.name);
        }
    }
    text
}
