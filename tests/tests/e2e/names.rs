use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;

use ringbolt_tests::{
    Client, Config, Folder, Network, Peer, Ringbolt, Server, Signal, binary, kill, need, until,
};

const ONE: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 1);
const TWO: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 2);
const THREE: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 3);

/// Goal: a server whose name has another address is found there, without a reload and without a touch
/// on live sessions; a name that has no answer any more keeps the address it had, after the death of an
/// engine too. Method: a file of hosts of one's own; the name moves; then it is gone while another one
/// moves, which shows that both were asked for.
#[test]
fn names_are_asked_for_again() {
    need!(Binary, Network);
    Network::new().inside(|| {
        let one = Server::listen_at(ONE);
        let port = one.address().port();
        let two = TcpListener::bind((TWO, port)).expect("a port of another address");
        let meets_two = |ringbolt: &Ringbolt| {
            let mut client = Client::default().connect(ringbolt.address());
            let (stream, _) = two.accept().expect("a connection");
            client.exchange(&mut Peer::of(stream));
        };
        let folder = Folder::new();
        let hosts = folder.write("hosts", &format!("{ONE} ws.test\n{ONE} spare.test\n"));
        let config = Config::new().server_at("ws1", &format!("ws.test:{port}"));
        let config =
            config.server_at("spare", &format!("spare.test:{port}")).of_server("weight = 0");
        let ringbolt = start(&config, &hosts);
        let (mut client, mut serving) = crate::session(&one, &ringbolt);

        fs::write(&hosts, format!("{TWO} ws.test\n{ONE} spare.test\n")).expect("our file");
        moved(&ringbolt, "ws.test", (TWO, port).into());
        meets_two(&ringbolt);
        client.exchange(&mut serving);

        fs::write(&hosts, format!("{THREE} spare.test\n")).expect("our file");
        moved(&ringbolt, "spare.test", (THREE, port).into());
        meets_two(&ringbolt);
        client.exchange(&mut serving);

        let engine = ringbolt.engine();
        kill(engine, Signal::SIGKILL);
        ringbolt.engine_after(engine);
        meets_two(&ringbolt);
        let said = ringbolt.lines();
        assert_eq!(said.iter().filter(|line| line.contains("has the address")).count(), 2);
    });
}

/// A balancer that sees `hosts` where the machine has its own such file.
fn start(config: &Config, hosts: &str) -> Ringbolt {
    let mut command = Command::new("unshare");
    let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    command.args(["--mount", "sh", "-c", script, hosts]).arg(binary());
    Ringbolt::start_by(command, &config.text())
}

fn moved(ringbolt: &Ringbolt, name: &str, to: SocketAddr) {
    let words = format!("the name {name} has the address {to} now");
    until(&words, || ringbolt.lines().iter().any(|line| line.contains(&words)).then_some(()));
}
