//! ringbolt's configuration, and how it is put in force.

use std::fmt::Write;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Setting;
use crate::process::Process;
use crate::programs::Program;
use crate::remedy::Product;

const CONFIGURATION: &str = "ringbolt.toml";
const SOCKET: &str = "ringbolt.sock";

pub(super) fn start(setting: &Setting<'_>) -> Result<Process> {
    let path = setting.folder.write(CONFIGURATION, &configuration(setting))?;
    let path = path.to_string_lossy();
    Process::start(&Program::Ringbolt.path(), &["run", &path], setting.log())
}

/// As `ringbolt ctl reload` does it, which returns when it is in force.
pub(super) fn reload(setting: &Setting<'_>) -> Result<()> {
    setting.folder.write(CONFIGURATION, &configuration(setting))?;
    let mut command = Command::new(Program::Ringbolt.path());
    command.args(["ctl", "-s"]).arg(setting.folder.file(SOCKET)).arg("reload");
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ringbolt does not reload: {said}");
    Ok(())
}

fn configuration(setting: &Setting<'_>) -> String {
    let admin = setting.folder.file(SOCKET);
    let bind: Vec<String> = setting.listening.iter().map(|addr| format!("\"{addr}\"")).collect();
    let mut text = format!(
        "[global]\nworkers = 1\nadmin = \"{}\"\n\n[listener.web]\nbind = [{}]\npool = \"ws\"\n\n\
         [pool.ws]\nbalance = \"source\"\n",
        admin.display(),
        bind.join(", ")
    );
    if let Product::Ringbolt { v4 } = setting.product
        && v4 < 32
    {
        let _ = writeln!(text, "key = {{ v4 = {v4}, v6 = 64 }}");
    }
    for server in setting.servers {
        let weight = u8::from(!server.drained);
        let _ = write!(
            text,
            "\n[[pool.ws.server]]\nname = \"{}\"\naddr = \"{}\"\nweight = {weight}\n",
            server.name, server.addr
        );
    }
    text
}
