//! `ringbolt try`: a balancer, three echo servers and a few clients on 127.0.0.1, and a table of
//! what happens between them. Nothing to install, nothing to configure, nothing left behind.
//!
//! Not the balancer: that runs as a child, the same `ringbolt run` that serves in earnest, because
//! a supervisor has one thread for ever and no business but its own.

mod balancer;
mod clients;
mod failure;
mod relayed;
mod screen;
mod servers;
mod table;
mod torture;

use std::cell::Cell;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{interval, timeout};

use balancer::Balancer;
use clients::{Clients, Habits};
use failure::Failure;
use relayed::Relayed;
use screen::Screen;
use servers::EchoServer;
use table::{ClientRow, Deaths, Moment, ServerRow, View};
use torture::Torture;

/// Between two questions to the balancer.
const ASK_PERIOD: Duration = Duration::from_millis(500);
/// Engines that are killed under `--once --torture`.
const ONCE_DEATHS: u64 = 5;
/// Generous: `--once` takes less than a second, and with `--torture` a few.
const ONCE_LIMIT: Duration = Duration::from_secs(60);

/// Shows it; 0 when it went well or Ctrl-C ended it, 1 when a client did not meet its server again
/// or the balancer ended, 3 when it cannot start.
pub(crate) fn try_it(port: u16, once: bool, torture: bool) -> ExitCode {
    let shown = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::system("no runtime"))
        .and_then(|runtime| LocalSet::new().block_on(&runtime, show(port, once, torture)));
    shown.unwrap_or_else(|failure| {
        eprint!("{failure}");
        ExitCode::from(failure.exit_code())
    })
}

async fn show(port: u16, once: bool, torture: bool) -> Result<ExitCode, Failure> {
    let mut stop = Stop::listen().map_err(Failure::system("no signals"))?;
    let mut servers = Vec::new();
    for name in servers::NAMES {
        servers.push(EchoServer::start(name).await.map_err(Failure::system("no echo server"))?);
    }
    let balancer = select! {
        started = Balancer::start(port, &servers) => started?,
        () = stop.asked() => return Ok(ExitCode::SUCCESS),
    };
    let habits = if torture { Habits::RESTLESS } else { Habits::CALM };
    let clients = Rc::new(Clients::of(balancer.address, habits));
    let relayed = Rc::new(Cell::new(Relayed::default()));
    let torture = torture.then(|| Rc::new(Torture::of(balancer.pid)));
    let mut demo = Demo { servers, balancer, clients, relayed, torture };
    let ended = if once { demo.once(&mut stop).await } else { demo.live(&mut stop).await };
    demo.balancer.stop().await;
    ended
}

/// Everything that runs.
struct Demo {
    servers: Vec<Rc<EchoServer>>,
    balancer: Balancer,
    clients: Rc<Clients>,
    /// As the balancer told last.
    relayed: Rc<Cell<Relayed>>,
    /// Kills the balancer's engines.
    torture: Option<Rc<Torture>>,
}

impl Demo {
    /// Every client comes back a few times, or, under torture, for as long as it takes to kill a few
    /// engines; then the table, and the verdict as exit code.
    async fn once(&mut self, stop: &mut Stop) -> Result<ExitCode, Failure> {
        let (clients, torture) = (self.clients.clone(), self.begin_torture());
        let visits = async {
            match torture {
                Some(torture) => {
                    clients.stay();
                    torture.killed(ONCE_DEATHS).await;
                }
                None => clients.come_back_a_few_times().await,
            }
        };
        let ended = select! {
            finished = timeout(ONCE_LIMIT, visits) => {
                finished.map_err(|_| Failure::NeverDone)
            }
            () = stop.asked() => Err(Failure::Interrupted),
            ended = self.balancer.ended() => Err(ended),
        };
        self.ask_balancer().await;
        let mut view = self.view(Moment::Over);
        view.notes.extend(self.clients.troubles());
        // Who closed our output wants no table; the verdict is the exit code.
        let _ = Screen::open().last(&view);
        ended.map(|()| ExitCode::from(u8::from(!view.all_met_their_server_again())))
    }

    /// The clients stay and come back until somebody ends it.
    async fn live(&mut self, stop: &mut Stop) -> Result<ExitCode, Failure> {
        self.clients.clone().stay();
        self.begin_torture();
        self.keep_asking_balancer();
        let mut screen = Screen::open();
        let mut ticks = interval(screen.period());
        let ended = loop {
            select! {
                _ = ticks.tick() => {
                    // A reader that has gone, as in `ringbolt try | head`, has seen enough.
                    if screen.draw(&self.view(Moment::Live)).is_err() {
                        break Ok(ExitCode::SUCCESS);
                    }
                }
                () = stop.asked() => break Ok(ExitCode::SUCCESS),
                ended = self.balancer.ended() => break Err(ended),
            }
        };
        self.ask_balancer().await;
        // Before the balancer stops, which resets the sessions: that is not their doing.
        let _ = screen.last(&self.view(Moment::Over));
        ended
    }

    /// The engines begin to die, if they are to.
    fn begin_torture(&self) -> Option<Rc<Torture>> {
        let torture = self.torture.clone()?;
        let killer = torture.clone();
        spawn_local(async move { killer.go_on().await });
        Some(torture)
    }

    async fn ask_balancer(&self) {
        ask(&self.balancer.http, &self.relayed).await;
    }

    fn keep_asking_balancer(&self) {
        let (http, relayed) = (self.balancer.http.clone(), self.relayed.clone());
        spawn_local(async move {
            let mut ticks = interval(ASK_PERIOD);
            loop {
                ticks.tick().await;
                ask(&http, &relayed).await;
            }
        });
    }

    fn view(&self, moment: Moment) -> View {
        let index_of = |name: &str| self.servers.iter().position(|server| server.name == name);
        let client_row = |client: &clients::Client| {
            let met = client.met.borrow();
            ClientRow {
                address: client.address,
                server: met.now.as_deref().and_then(index_of),
                reconnects: met.reconnects,
                same: met.same,
                lost: met.lost,
            }
        };
        View {
            moment,
            balancer: self.balancer.address,
            pid: self.balancer.pid,
            servers: self.servers.iter().map(|server| ServerRow::from(&**server)).collect(),
            clients: self.clients.each.iter().map(client_row).collect(),
            round_trips: self.clients.round_trips(),
            relayed: self.relayed.get(),
            deaths: self.torture.as_ref().map(|torture| Deaths {
                engines: torture.deaths(),
                adopted: self.relayed.get().adopted,
                lost: self.relayed.get().lost,
            }),
            notes: self.notes(),
        }
    }

    /// What the balancer has remarked. That its engine dies is no news under torture.
    fn notes(&self) -> Vec<String> {
        let notes = self.balancer.notes().into_iter();
        let tortured = self.torture.is_some();
        notes.filter(|note| !tortured || !note.contains("the engine died")).collect()
    }
}

/// Which way the bytes went, from the balancer itself, once it has said where it can be asked.
async fn ask(http: &Cell<Option<SocketAddr>>, relayed: &Cell<Relayed>) {
    if let Some(http) = http.get()
        && let Some(told) = relayed::ask(http).await
    {
        relayed.set(told);
    }
}

/// The signals that end the demo.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn asked(&mut self) {
        select! {
            _ = self.interrupt.recv() => (),
            _ = self.terminate.recv() => (),
        }
    }
}
