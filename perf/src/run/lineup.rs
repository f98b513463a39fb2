//! Who takes part: programs are looked for, asked for their versions, and started.

use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use super::config::{self, Setting};
use super::doors::{Door, Doors};
use super::process::{Process, pinned, wait_until};
use crate::product::{Maker, Product};
use crate::results::{Entrant, LeftOut};
use crate::serve::Addresses;

/// The folder of configurations, in a results folder.
pub(crate) const CONFIGS: &str = "configs";
/// That of what products say, kept when something broke.
pub(crate) const LOGS: &str = "logs";

/// Where the programs are, and what their configurations depend on.
#[derive(Debug)]
pub(crate) struct Lineup {
    /// Where configurations go, and what products write beside them.
    folder: PathBuf,
    /// Where goes what products say.
    logs: PathBuf,
    /// The core of every product.
    core: usize,
    /// Socket buffers for [`Product::HaproxyTuned`].
    pub(crate) buffers: Option<u32>,
    stream_module: Option<String>,
}

/// A product that serves.
#[derive(Debug)]
pub(crate) struct Running {
    /// Its processes; `None` without a balancer.
    pub(crate) process: Option<Process>,
    /// Where it listens.
    pub(crate) doors: Doors,
}

impl Lineup {
    /// Of products on `core`, with their files in a results folder.
    pub(crate) fn new(results: &Path, core: usize) -> Self {
        let (folder, logs) = (results.join(CONFIGS), results.join(LOGS));
        let nginx = find("NGINX", "nginx");
        let stream_module = nginx.and_then(|nginx| stream_module(&nginx));
        Self { folder, logs, core, buffers: None, stream_module }
    }

    /// A product with its version and configuration, or why it cannot take part.
    pub(crate) fn entrant(
        &self,
        product: Product,
        servers: &Addresses,
    ) -> Result<Entrant, LeftOut> {
        let doors = Doors::before(servers);
        let maker = product.maker();
        let (version, command) = if maker == Maker::Nobody {
            Default::default()
        } else {
            let left_out = || LeftOut { product, why: lacks(maker).into() };
            let program = program(maker).ok_or_else(left_out)?;
            let name = program.file_name().unwrap_or_default().to_string_lossy();
            (version(&program), command(product, &doors, &name, CONFIGS).join(" "))
        };
        let config = self.config(product, servers);
        Ok(Entrant { product, version, command, config })
    }

    /// A product's configuration; empty where it has none.
    pub(crate) fn config(&self, product: Product, servers: &Addresses) -> String {
        let doors = Doors::before(servers);
        config::of(product, &doors, self.setting()).unwrap_or_default()
    }

    /// Starts a product before these servers and waits until it serves. `tracer` is a program to run
    /// it under, with arguments.
    pub(crate) fn start(
        &self,
        product: Product,
        servers: &Addresses,
        tracer: &[String],
    ) -> Result<Running> {
        let maker = product.maker();
        if maker == Maker::Nobody {
            return Ok(Running { process: None, doors: Doors::direct(servers) });
        }
        let program = program(maker).context(lacks(maker))?;
        let doors = Doors::before(servers);
        // A ring lets go of its listeners a moment after the process of the last turn has ended.
        let free = |door: &Door| TcpListener::bind(door.addr).is_ok();
        ensure!(wait_until(|| doors.all().into_iter().all(free)), "its ports are taken");
        if let Some(text) = config::of(product, &doors, self.setting()) {
            let file = self.file(product, "conf");
            fs::write(&file, text).with_context(|| file.display().to_string())?;
        }
        let (program, folder) = (program.to_string_lossy(), self.folder.to_string_lossy());
        let command = [tracer, &command(product, &doors, &program, &folder)].concat();
        let log = self.logs.join(product.name());
        let traced = !tracer.is_empty();
        let mut process = Process::start(pinned(self.core, &command), &log, traced)?;
        process.until(|| round_trip(doors.echo.addr).is_ok()).with_context(|| {
            let text = fs::read_to_string(&log).unwrap_or_default();
            format!("{} does not start: {}", product.title(), text.trim())
        })?;
        Ok(Running { process: Some(process), doors })
    }

    fn file(&self, product: Product, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", product.name()))
    }

    fn setting(&self) -> Setting<'_> {
        Setting { buffers: self.buffers, stream_module: self.stream_module.as_deref() }
    }
}

/// What starts a product whose configuration lies in `folder`.
fn command(product: Product, doors: &Doors, program: &str, folder: &str) -> Vec<String> {
    let name = product.name() + ".conf";
    let file = format!("{folder}/{name}");
    let arguments = match product.maker() {
        Maker::Ringbolt | Maker::Base => vec!["run".into(), file],
        Maker::Haproxy => vec!["-db".into(), "-f".into(), file],
        // It looks for its files, and writes some, below its prefix.
        Maker::Nginx => ["-e", "stderr", "-p", folder, "-c", &name].map(str::to_owned).into(),
        Maker::Relay(yardstick) => {
            let yardstick = yardstick.to_possible_value().expect("none is hidden");
            let ends = |door: &Door| {
                [format!("--from={}", door.addr), format!("--to={}", door.servers[0])]
            };
            let ends: Vec<String> = doors.all().into_iter().flat_map(ends).collect();
            [&["relay".into(), yardstick.get_name().into()], ends.as_slice()].concat()
        }
        Maker::Nobody => Vec::new(),
    };
    [vec![program.to_owned()], arguments].concat()
}

/// A message there and back, and an end in order: a session that leaves nothing behind.
fn round_trip(addr: SocketAddr) -> io::Result<()> {
    let mut connection = TcpStream::connect(addr)?;
    connection.set_read_timeout(Some(Duration::from_secs(1)))?;
    connection.write_all(b"?")?;
    connection.read_exact(&mut [0])?;
    connection.shutdown(Shutdown::Write)?;
    connection.read_to_end(&mut Vec::new())?;
    Ok(())
}

fn program(maker: Maker) -> Option<PathBuf> {
    match maker {
        Maker::Ringbolt => find("RINGBOLT_BIN", "ringbolt"),
        Maker::Base => find("RINGBOLT_BASE_BIN", "ringbolt-base"),
        Maker::Haproxy => find("HAPROXY", "haproxy"),
        Maker::Nginx => find("NGINX", "nginx"),
        Maker::Relay(_) => env::current_exe().ok(),
        Maker::Nobody => None,
    }
}

const fn lacks(maker: Maker) -> &'static str {
    match maker {
        Maker::Ringbolt => "no such program: perf/run builds it, or RINGBOLT_BIN names it",
        Maker::Base => "no such program: perf/run --against builds it",
        Maker::Haproxy => "no such program: scripts/setup installs it, HAPROXY names another",
        Maker::Nginx => "no such program: scripts/setup installs it, NGINX names another",
        Maker::Relay(_) | Maker::Nobody => "no such program",
    }
}

/// A program: what the variable names, or what is installed under that name.
fn find(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(path) = env::var_os(variable) {
        return Some(PathBuf::from(path)).filter(|path| path.is_file());
    }
    // Servers are installed where users do not look.
    let folders = env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/local/sbin";
    folders.split(':').map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

/// What it says of itself, up to the first thing that is no version number.
fn version(program: &Path) -> String {
    // All of them know this flag.
    let Ok(output) = Command::new(program).arg("-V").output() else { return String::new() };
    let text = [output.stdout, output.stderr].concat();
    version_in(&String::from_utf8_lossy(&text)).unwrap_or_default().into()
}

/// The first word that begins with a digit, without what a distribution adds.
fn version_in(text: &str) -> Option<&str> {
    let words = text.split([' ', '/', '\n']);
    let word = words.into_iter().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    Some(word.split(['+', '~']).next()?.trim_end_matches("-1"))
}

/// Where nginx keeps its stream module, unless it is built in.
fn stream_module(nginx: &Path) -> Option<String> {
    let output = Command::new(nginx).arg("-V").output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let built = |flag: &str| text.split_whitespace().find_map(|word| word.strip_prefix(flag));
    if !text.contains("--with-stream=dynamic") {
        return None;
    }
    Some(format!("{}/ngx_stream_module.so", built("--modules-path=")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        let haproxy = "HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/";
        assert_eq!(version_in(haproxy), Some("2.6.12"));
        assert_eq!(version_in("HAProxy version 3.5-dev3-abc 2026/01/01"), Some("3.5-dev3-abc"));
        assert_eq!(version_in("nginx version: nginx/1.22.1"), Some("1.22.1"));
        assert_eq!(version_in("ringbolt 0.1.0\n"), Some("0.1.0"));
        assert_eq!(version_in("what?"), None);
    }
}
