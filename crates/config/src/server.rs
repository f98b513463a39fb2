//! `[[pool.NAME.server]]`: one member of a pool.
//!
//! What servers of a pool must not have in common is checked in `pool`.

use std::net::IpAddr;
use std::ops::Range;

use ringbolt_core::limits::{SOURCES_PER_SERVER_MAX, WEIGHT_MAX};
use ringbolt_core::spec::{Balance, Place, Server, ServerAddr};
use toml::Spanned;
use toml::de::DeValue;

use crate::address;
use crate::diagnostic::Findings;
use crate::family::Family;
use crate::global;
use crate::reader::Table;
use crate::value::{self, Read, Wrong, boolean, integer};

/// Largest weight of HAProxy, `SRV_UWGHT_MAX`: its mappings are not defined beyond it.
pub(crate) const HAPROXY_WEIGHT_MAX: u64 = 256;

/// Largest id of a server; the smallest is 1.
const ID_MAX: u64 = 1 << 31;

/// A server and where it says what other servers must not say. Without a name or an address it
/// has errors, and what stands for them is empty.
#[derive(Debug)]
pub(crate) struct PlacedServer {
    pub(crate) server: Server,
    /// The table as a whole.
    pub(crate) span: Range<usize>,
    pub(crate) name_span: Option<Range<usize>>,
    pub(crate) addr_span: Option<Range<usize>>,
    /// `None`: the id is the position.
    pub(crate) id_span: Option<Range<usize>>,
}

/// Reads a server; `position` counts from 1.
pub(crate) fn read(
    mut table: Table<'_>,
    position: u32,
    balance: Balance,
    found: &mut Findings,
) -> PlacedServer {
    let family = Family::of(balance);
    let span = table.span();
    let name = table.required("name", "\"ws1\"", found, name);
    let addr = table.required("addr", "\"192.0.2.1:8765\"", found, address::server);
    let id = table.read("id", found, integer(1..=ID_MAX));
    let weight_max = match family {
        Family::Haproxy => HAPROXY_WEIGHT_MAX,
        Family::Own | Family::Nginx | Family::NotSticky => u64::from(WEIGHT_MAX),
    };
    let weight = table.read("weight", found, integer(0..=weight_max));
    let max_sessions = table.read("max_sessions", found, global::sessions());
    let backup = table.read("backup", found, boolean);
    refuse_backup_of_nginx(&table, backup.as_ref(), balance, found);
    let source = table.list("source", found, address::ip).unwrap_or_default();
    refuse_too_many_sources(&table, &source, found);
    if let Some(addr) = &addr {
        refuse_other_families(&table, &source, &addr.get_ref().place, found);
    }
    table.finish(found);
    let name_span = name.as_ref().map(Spanned::span);
    let addr_span = addr.as_ref().map(Spanned::span);
    let id_span = id.as_ref().map(Spanned::span);
    let nowhere = || ServerAddr { text: String::new(), place: Place::Unix(String::new()) };
    let server = Server {
        name: name.map(Spanned::into_inner).unwrap_or_default(),
        addr: addr.map_or_else(nowhere, Spanned::into_inner),
        id: id.map_or(position, Spanned::into_inner),
        weight: weight.map_or(1, Spanned::into_inner),
        max_sessions: max_sessions.map(Spanned::into_inner),
        backup: backup.is_some_and(Spanned::into_inner),
        source: source.into_iter().map(Spanned::into_inner).collect(),
    };
    PlacedServer { server, span, name_span, addr_span, id_span }
}

fn name(value: &DeValue<'_>) -> Read<String> {
    let text = value::text(value)?;
    value::name(text).map(|()| text.to_owned())
}

fn refuse_backup_of_nginx(
    table: &Table<'_>,
    backup: Option<&Spanned<bool>>,
    balance: Balance,
    found: &mut Findings,
) {
    let Some(backup) = backup.filter(|backup| *backup.get_ref()) else { return };
    match Family::of(balance) {
        Family::Nginx => {
            let reason = format!("{} has no backups, as in nginx", balance.name());
            let wrong = Wrong::new(reason, "take it out, or choose balance = \"source\"");
            table.wrong("backup", backup.span(), wrong, found);
        }
        Family::Own | Family::Haproxy | Family::NotSticky => {}
    }
}

fn refuse_too_many_sources(table: &Table<'_>, source: &[Spanned<IpAddr>], found: &mut Findings) {
    for (index, addr) in source.iter().enumerate() {
        let twice = source[..index].iter().any(|other| other.get_ref() == addr.get_ref());
        let wrong = if twice {
            let reason = format!("{} is written twice", addr.get_ref());
            Wrong::new(reason, "take it out: an address has its ports once")
        } else if index == SOURCES_PER_SERVER_MAX {
            let reason = format!("{} addresses are too many", source.len());
            Wrong::new(reason, format!("write at most {SOURCES_PER_SERVER_MAX}"))
        } else {
            continue;
        };
        table.wrong("source", addr.span(), wrong, found);
    }
}

/// A socket of one family cannot connect to the other.
fn refuse_other_families(
    table: &Table<'_>,
    source: &[Spanned<IpAddr>],
    place: &Place,
    found: &mut Findings,
) {
    for addr in source {
        let family = |v4: bool| if v4 { "IPv4" } else { "IPv6" };
        let reason = match place {
            Place::Socket(to) if to.is_ipv4() != addr.get_ref().is_ipv4() => {
                let (own, to) = (family(addr.get_ref().is_ipv4()), family(to.is_ipv4()));
                format!("{} is {own} and the server is {to}", addr.get_ref())
            }
            Place::Unix(_) => "a UNIX socket is not connected to from an address".to_owned(),
            // What a name means is not known here.
            Place::Socket(_) | Place::Name { .. } => continue,
        };
        let wrong = Wrong::new(reason, "take it out, or write an address of the server's family");
        table.wrong("source", addr.span(), wrong, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::de::DeTable;

    fn read_text(server: &str, balance: Balance) -> (Server, Findings) {
        let mut found = Findings::default();
        let table = DeTable::parse(server).expect("the test writes TOML").into_inner();
        let placed = read(Table::document(table), 7, balance, &mut found);
        (placed.server, found)
    }

    fn sources(count: usize) -> String {
        (0..count).map(|last| format!("\"192.0.2.{last}\", ")).collect()
    }

    const NEEDED: &str = "name = \"ws1\"\naddr = \"192.0.2.1:8765\"\n";

    /// Goal: every default of CONTRACT. Method: the two keys that have to be there.
    #[test]
    fn defaults_are_those_of_the_contract() {
        let (server, found) = read_text(NEEDED, Balance::Source);
        assert!(found.errors.is_empty(), "{:?}", found.errors);
        assert_eq!((server.name.as_str(), server.addr.text.as_str()), ("ws1", "192.0.2.1:8765"));
        assert_eq!((server.id, server.weight, server.max_sessions), (7, 1, None));
        assert!(!server.backup && server.source.is_empty());
    }

    /// Goal: every key at the end of its range. Method: one server with all of them.
    #[test]
    fn every_key_is_read() {
        let (server, found) = read_text(
            &format!(
                "{NEEDED}id = 2147483648\nweight = 65535\nmax_sessions = 5\nbackup = true\n\
                 source = [\"192.0.2.7\", \"192.0.2.8\"]\n"
            ),
            Balance::Source,
        );
        assert!(found.errors.is_empty(), "{:?}", found.errors);
        assert_eq!((server.id, server.weight, server.max_sessions), (1 << 31, 65_535, Some(5)));
        assert!(server.backup);
        assert_eq!(server.source.len(), 2);
    }

    /// Goal: each key refuses what is beyond its range, and what its pool's balance does not know.
    /// Method: one text for each rule, with the number of errors it has.
    #[test]
    fn every_key_is_checked() {
        let wrong = "name = \"\"\naddr = \"h:0\"\nid = 0\nweight = 65536\nmax_sessions = 0\n\
                     backup = 1\nsource = [\"x\", 1]\nport = 1\n";
        let cases = [
            ("", Balance::Source, 2),
            (wrong, Balance::Source, 9),
            ("id = 2147483649", Balance::Source, 3),
            (&format!("{NEEDED}weight = 256"), Balance::HaproxySourceConsistent, 0),
            (&format!("{NEEDED}weight = 257"), Balance::HaproxySourceConsistent, 1),
            (&format!("{NEEDED}weight = 257"), Balance::NginxHash, 0),
            (&format!("{NEEDED}backup = true"), Balance::HaproxySource, 0),
            (&format!("{NEEDED}backup = true"), Balance::RoundRobin, 0),
            (&format!("{NEEDED}backup = true"), Balance::NginxIpHash, 1),
            (&format!("{NEEDED}backup = false"), Balance::NginxIpHash, 0),
            (&format!("{NEEDED}source = [\"192.0.2.7\", \"::1\"]"), Balance::Source, 1),
            (&format!("{NEEDED}source = [\"192.0.2.7\", \"192.0.2.7\"]"), Balance::Source, 1),
            (&format!("{NEEDED}source = [{}]", sources(16)), Balance::Source, 0),
            (&format!("{NEEDED}source = [{}]", sources(18)), Balance::Source, 1),
            ("name = \"a\"\naddr = \"h:1\"\nsource = [\"192.0.2.7\", \"::1\"]", Balance::Source, 0),
            ("name = \"a\"\naddr = \"unix:/a\"\nsource = [\"::1\"]", Balance::Source, 1),
        ];
        for (text, balance, errors) in cases {
            let (_, found) = read_text(text, balance);
            assert_eq!(found.errors.len(), errors, "{text}: {:#?}", found.errors);
        }
    }
}
