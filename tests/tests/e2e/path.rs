use ringbolt_tests::{
    Client, Config, Pattern, Peer, Ringbolt, Server, Signal, User, Watched, kill, stopped, until,
};

/// What clients send.
pub(crate) const UP: Pattern = Pattern { seed: 1 };
/// What servers send.
pub(crate) const DOWN: Pattern = Pattern { seed: 2 };

/// Bytes that a short queue holds, about.
const NARROW: usize = 32 * 1024;

/// A balancer before one server that the test plays.
pub(crate) struct Path {
    watched: Watched,
    pub(crate) server: Server,
}

impl Path {
    /// One that moves bytes as `splice` says.
    pub(crate) fn new(splice: &str) -> Self {
        Self::with(splice, |config| config)
    }

    /// The same with one worker, so that all sessions share its pipes and its turns.
    pub(crate) fn of_one_worker(splice: &str) -> Self {
        Self::with(splice, |config| config.workers(1))
    }

    /// One that copies, then one that splices: what a session gets is the same.
    pub(crate) fn both_ways() -> impl Iterator<Item = Self> {
        ["off", "always"].into_iter().map(Self::new)
    }

    /// The same, with the timeouts and what else `with` adds.
    pub(crate) fn both_ways_with(with: impl Fn(Config) -> Config) -> impl Iterator<Item = Self> {
        ["off", "always"].into_iter().map(move |splice| {
            println!("splice = {splice:?}");
            let server = Server::listen();
            let config = Config::new().pool(&format!("splice = \"{splice}\""));
            let config = with(config.servers([server.address()]));
            Self { watched: Watched::start(config), server }
        })
    }

    fn with(splice: &str, with: impl FnOnce(Config) -> Config) -> Self {
        println!("splice = {splice:?}");
        let server = Server::listen();
        let config = with(configuration(splice, &server));
        Self { watched: Watched::start(config), server }
    }

    /// One of one worker that always splices and runs as another user.
    pub(crate) fn as_user(user: User) -> Self {
        let server = Server::listen();
        let config = configuration("always", &server).workers(1);
        Self { watched: Watched::start_as(user, config), server }
    }

    pub(crate) fn ringbolt(&self) -> &Ringbolt {
        &self.watched.ringbolt
    }

    /// How often it copied instead of splicing, for a reason.
    pub(crate) fn fallbacks(&self, reason: &str) -> f64 {
        let name = format!("ringbolt_splice_fallback_total{{reason=\"{reason}\"}}");
        self.watched.metrics().value(&name)
    }

    /// Bytes relayed by `copy` or `splice` so far.
    pub(crate) fn relayed(&self, by: &str) -> f64 {
        let name = format!("ringbolt_relay_bytes_total{{path=\"{by}\"}}");
        self.watched.metrics().value(&name)
    }

    /// Sessions that have ended so far for a reason.
    pub(crate) fn ended(&self, reason: &str) -> f64 {
        let name = format!("ringbolt_sessions_ended_total{{reason=\"{reason}\"}}");
        self.watched.metrics().value(&name)
    }

    /// Waits until it has no session and says so in every gauge.
    pub(crate) fn wait_for_no_session(&self) {
        self.ringbolt().wait_for_base();
        let gauges = ["server", "backend", "frontend"];
        let gauges = gauges.map(|of| format!("ringbolt_{of}_current_sessions{{"));
        until("all gauges at 0", || {
            let metrics = self.watched.metrics();
            let all: f64 = gauges.iter().map(|gauge| metrics.sum(gauge)).sum();
            let workers = metrics.sum("ringbolt_worker_sessions{");
            (all == 0.0 && workers == 0.0).then_some(())
        });
    }

    /// Sends it a signal that begins a drain, and waits until it has begun.
    pub(crate) fn drain(&self) {
        self.ringbolt().signal(Signal::SIGUSR1);
        until("a drain", || (self.watched.get("/readyz").status != 200).then_some(()));
    }

    /// Waits for its end.
    pub(crate) fn exit_code(&mut self) -> i32 {
        self.watched.ringbolt.exit_code()
    }

    /// Does something while the engine does nothing.
    pub(crate) fn while_stopped(&self, act: impl FnOnce()) {
        let engine = self.ringbolt().engine();
        kill(engine, Signal::SIGSTOP);
        until("the engine is stopped", || stopped(engine).then_some(()));
        act();
        kill(engine, Signal::SIGCONT);
    }

    /// One session: the client's end and the server's.
    pub(crate) fn session(&self) -> (Peer, Peer) {
        self.session_of(Client::default())
    }

    pub(crate) fn session_of(&self, client: Client) -> (Peer, Peer) {
        (client.connect(self.ringbolt().address()), self.server.accept())
    }

    /// Who sends and who receives: from client to server in one session, back in another.
    pub(crate) fn each_direction(&self) -> [(Peer, Peer); 2] {
        let (client, server) = self.session();
        let (other_client, other_server) = self.session();
        [(client, server), (other_server, other_client)]
    }

    /// Who sends and who receives, over short queues: up for even numbers, down for odd ones.
    pub(crate) fn narrow_direction(&self, number: u64) -> (Peer, Peer) {
        let (client, server) = self.narrow_session();
        if number.is_multiple_of(2) { (client, server) } else { (server, client) }
    }

    /// A session with short receive queues at its peers.
    fn narrow_session(&self) -> (Peer, Peer) {
        self.server.receive_buffer(NARROW);
        self.session_of(Client::default().receive_buffer(NARROW))
    }
}

/// A configuration in which no timeout can look like the passing on of an end or a reset.
pub(crate) fn configuration(splice: &str, server: &Server) -> Config {
    let config = Config::new().timeouts("idle = \"off\"").timeouts("fin = \"1h\"");
    config.pool(&format!("splice = \"{splice}\"")).servers([server.address()])
}
