//! A real balancer in front of servers: started with a configuration of its own on a free port,
//! changed as its administrator would, ended with the story.

mod haproxy;
mod nginx;
mod ringbolt;

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::folder::Folder;
use crate::process::Process;
use crate::remedy::{Maker, Product};
use crate::site::Site;

/// How often another port is tried when one was taken meanwhile.
const ATTEMPTS: usize = 5;

/// A server as a configuration has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) addr: SocketAddr,
    /// It takes no new sessions.
    pub(crate) drained: bool,
}

/// Addresses, servers and files of one balancer.
#[derive(Debug)]
struct Setting<'a> {
    product: Product,
    listening: Vec<SocketAddr>,
    servers: &'a [Place],
    folder: &'a Folder,
}

/// A balancer that runs. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Balancer<'a> {
    process: Process,
    product: Product,
    listening: Vec<SocketAddr>,
    site: &'a Site,
}

impl<'a> Balancer<'a> {
    /// Starts one and waits until it listens.
    pub(crate) fn start(product: Product, servers: &[Place], site: &'a Site) -> Result<Self> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match Self::try_start(product, servers, site) {
                // Somebody has taken the port since it was found to be free.
                Err(error)
                    if error.is::<PortInUse>() && site.port.is_none() && attempts < ATTEMPTS => {}
                done => return done,
            }
        }
    }

    fn try_start(product: Product, servers: &[Place], site: &'a Site) -> Result<Self> {
        let addresses = site.network.listening();
        let port = site.port.map_or_else(|| free_port(&addresses), Ok)?;
        let listening: Vec<SocketAddr> =
            addresses.into_iter().map(|ip| (ip, port).into()).collect();
        // Otherwise whoever has the port would be taken for the balancer.
        if let Some(addr) = listening.iter().find(|addr| TcpStream::connect(addr).is_ok()) {
            bail!(PortInUse { by: "another program listens there".to_owned(), addr: *addr });
        }
        let setting =
            Setting { product, listening: listening.clone(), servers, folder: &site.folder };
        let mut process = setting.start(None)?;
        let listens = || listening.iter().all(|addr| TcpStream::connect(addr).is_ok());
        if let Err(error) = process.until("it listens", listens) {
            let said = format!("{} says: {error:#}", product.title());
            // In the words of all three.
            if said.to_lowercase().contains("in use") {
                bail!(PortInUse { by: said, addr: listening[0] });
            }
            bail!(said);
        }
        Ok(Self { process, product, listening, site })
    }

    /// Where a client of that address connects to.
    pub(crate) fn facing(&self, client: IpAddr) -> SocketAddr {
        (crate::network::facing(client), self.listening[0].port()).into()
    }

    /// Puts a configuration with these servers in force. Nobody is connected.
    pub(crate) fn change(&mut self, servers: &[Place]) -> Result<()> {
        let setting = Setting {
            product: self.product,
            listening: self.listening.clone(),
            servers,
            folder: &self.site.folder,
        };
        match self.product.maker() {
            Maker::Haproxy => haproxy::replace(&setting, &mut self.process),
            Maker::Nginx => nginx::reload(&setting, &mut self.process),
            Maker::Ringbolt => ringbolt::reload(&setting),
        }
    }

    /// Waits until it knows that a server is gone, if it is one that finds out by itself.
    pub(crate) fn notice(&mut self, gone: &Place) -> Result<()> {
        match self.product.maker() {
            Maker::Haproxy => haproxy::notice(&self.site.folder, &mut self.process, &gone.name),
            // They find out from the connect that is refused.
            Maker::Ringbolt | Maker::Nginx => Ok(()),
        }
    }
}

impl Setting<'_> {
    /// Writes the configuration and starts the program with it, in the place of `old` if there is
    /// one.
    fn start(&self, old: Option<&Process>) -> Result<Process> {
        match self.product.maker() {
            Maker::Haproxy => haproxy::start(self, old),
            Maker::Nginx => nginx::start(self),
            Maker::Ringbolt => ringbolt::start(self),
        }
    }

    fn log(&self) -> PathBuf {
        self.folder.file("balancer.log")
    }
}

/// The port of a balancer belongs to somebody else.
#[derive(Debug)]
pub(crate) struct PortInUse {
    by: String,
    addr: SocketAddr,
}

impl std::error::Error for PortInUse {}

impl std::fmt::Display for PortInUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is in use: {}", self.addr, self.by)
    }
}

/// A port that is free on all these addresses now.
fn free_port(addresses: &[IpAddr]) -> Result<u16> {
    for _ in 0..ATTEMPTS {
        let first = TcpListener::bind((addresses[0], 0)).context("no free port")?;
        let port = first.local_addr()?.port();
        let rest: Result<Vec<_>, _> =
            addresses[1..].iter().map(|ip| TcpListener::bind((*ip, port))).collect();
        if rest.is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free on all of {addresses:?}")
}
