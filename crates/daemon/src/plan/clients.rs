//! The clients whose way is told: those of a file, or a sample of all addresses there are.

use std::net::IpAddr;
use std::path::Path;

use ringbolt_core::plan::{sample_v4, sample_v6};

use super::Wish;
use super::table::grouped;
use crate::command::Family;
use crate::file::{self, Fifo};

/// Bytes of the largest file of clients.
const BYTES_MAX: u64 = 1 << 30;
/// Wrong lines that are told one by one.
const WRONG_TOLD: usize = 5;

/// Clients by number.
#[derive(Debug)]
pub(super) enum Clients {
    Listed { file: String, addresses: Vec<IpAddr> },
    Sample { family: Family, count: u64 },
}

impl Clients {
    /// Those that are wished for, or what is wrong with their file.
    pub(super) fn of(wish: &Wish) -> Result<Self, String> {
        match wish {
            Wish::Sample { family, count } => Ok(Self::Sample { family: *family, count: *count }),
            Wish::Listed(path) => {
                let (file, addresses) = (path.display().to_string(), read(path)?);
                Ok(Self::Listed { file, addresses })
            }
        }
    }

    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Listed { addresses, .. } => addresses.len() as u64,
            Self::Sample { count, .. } => *count,
        }
    }

    /// The client of a number below that.
    pub(super) fn at(&self, number: u64) -> IpAddr {
        match self {
            Self::Listed { addresses, .. } => addresses[number as usize],
            Self::Sample { family: Family::V4, .. } => sample_v4(number),
            Self::Sample { family: Family::V6, .. } => sample_v6(number),
        }
    }

    /// Who they are.
    pub(super) fn name(&self) -> String {
        let clients = match self.count() {
            1 => "1 client".to_owned(),
            more => format!("{} clients", grouped(more)),
        };
        match self {
            Self::Listed { file, .. } => format!("{clients} of {file}"),
            Self::Sample { family: Family::V4, .. } => {
                format!("{clients}, a sample of all IPv4 addresses")
            }
            Self::Sample { family: Family::V6, .. } => {
                format!("{clients}, a sample of all global IPv6 addresses")
            }
        }
    }
}

fn read(path: &Path) -> Result<Vec<IpAddr>, String> {
    let name = path.display();
    let text = file::text_of(path, Fifo::Waits, BYTES_MAX, "a file with an address a line")
        .map_err(|error| {
            let mend = error.help.map(|mend| format!("; {mend}")).unwrap_or_default();
            format!("{name}: {}{mend}", error.message)
        })?;
    if text.len() as u64 > BYTES_MAX {
        return Err(format!("{name}: more than {} bytes: take a part of it", grouped(BYTES_MAX)));
    }
    parse(&text).map_err(|wrong| {
        let told: Vec<String> =
            wrong.iter().take(WRONG_TOLD).map(|wrong| format!("{name}: {wrong}")).collect();
        match wrong.len().saturating_sub(WRONG_TOLD) {
            0 => told.join("\n"),
            1 => format!("{}\n{name}: and 1 line more", told.join("\n")),
            more => format!("{}\n{name}: and {more} lines more", told.join("\n")),
        }
    })
}

/// An address a line. Empty lines and what follows a `#` are not looked at.
fn parse(text: &str) -> Result<Vec<IpAddr>, Vec<String>> {
    let (mut addresses, mut wrong) = (Vec::new(), Vec::new());
    // Some editors begin a text with a mark that shows nothing.
    for (line, number) in text.trim_start_matches('\u{feff}').lines().zip(1..) {
        let word = line.split('#').next().unwrap_or("").trim();
        match word.parse() {
            Ok(address) => addresses.push(address),
            Err(_) if word.is_empty() => {}
            Err(_) => {
                let word: String = word.chars().take(60).collect();
                wrong.push(format!("line {number}: {word:?} is not an address, such as 192.0.2.1"));
            }
        }
    }
    if addresses.is_empty() && wrong.is_empty() {
        wrong.push("there is no address in it: write one a line".into());
    }
    if wrong.is_empty() { Ok(addresses) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: a list is read as people write one, and what is no address is told with its line. Method: a
    // list with comments, one that is wrong twice, one of nobody.
    #[test]
    fn lists() {
        let good = "\u{feff}192.0.2.1\n\n  2001:db8::1  # a neighbour\r\n# nobody\n192.0.2.1";
        let addresses: Vec<IpAddr> =
            ["192.0.2.1", "2001:db8::1", "192.0.2.1"].map(|it| it.parse().unwrap()).into();
        assert_eq!(parse(good), Ok(addresses));
        let wrong = parse("192.0.2.1\n192.0.2.1:80\nquay\n").unwrap_err();
        assert_eq!(wrong.len(), 2);
        assert!(wrong[0].starts_with("line 2: \"192.0.2.1:80\" is not an address"), "{wrong:?}");
        assert!(parse("# nobody\n").is_err());
    }
}
