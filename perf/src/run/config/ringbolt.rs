//! Ringbolt's. Everything that is not here is as installed; so keepalive is on, which the others
//! leave off.

use std::fmt::Write;

use crate::run::doors::Doors;

/// With this value of `splice`.
pub(super) fn config(doors: &Doors, splice: &str) -> String {
    let mut text = String::from("[global]\nworkers = 1\n");
    for door in doors.all() {
        let (name, addr) = (door.name, door.addr);
        let _ = write!(
            text,
            "\n[listener.{name}]\nbind = \"{addr}\"\npool = \"{name}\"\n\n\
             [pool.{name}]\nsplice = \"{splice}\"\n"
        );
        for (number, server) in door.servers.iter().enumerate() {
            let _ = write!(
                text,
                "\n[[pool.{name}.server]]\nname = \"{name}{number}\"\naddr = \"{server}\"\n"
            );
        }
    }
    text
}
