//! The table of the demo: a view of it as lines of text. Pure; how lines come to a terminal is the
//! screen's business. A terminal of 80 by 24 holds it: only notes of the balancer may be wider than
//! 79 columns, and with two of them and a guest it has 22 lines.

use std::net::{Ipv4Addr, SocketAddr};

use super::relayed::Relayed;
use super::servers::EchoServer;

/// All that is shown, at one moment.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) moment: Moment,
    pub(crate) balancer: SocketAddr,
    pub(crate) pid: u32,
    pub(crate) servers: Vec<ServerRow>,
    pub(crate) clients: Vec<ClientRow>,
    pub(crate) round_trips: RoundTrips,
    pub(crate) relayed: Relayed,
    /// Under torture.
    pub(crate) deaths: Option<Deaths>,
    /// Warnings, errors and whatever else went wrong.
    pub(crate) notes: Vec<String>,
}

/// Whether there is still something to take part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Live,
    Over,
}

#[derive(Clone, Debug)]
pub(crate) struct ServerRow {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) live: u64,
    /// Live sessions that are no demo client's.
    pub(crate) guests: u64,
    pub(crate) sessions: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

impl From<&EchoServer> for ServerRow {
    fn from(server: &EchoServer) -> Self {
        Self {
            name: server.name.to_owned(),
            address: server.address,
            live: server.live.get(),
            guests: server.guests.get(),
            sessions: server.sessions.get(),
            bytes_in: server.bytes_in.get(),
            bytes_out: server.bytes_out.get(),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ClientRow {
    pub(crate) address: Ipv4Addr,
    /// Index of the server that answered last.
    pub(crate) server: Option<usize>,
    pub(crate) reconnects: u64,
    pub(crate) same: u64,
    pub(crate) lost: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RoundTrips {
    pub(crate) messages: u64,
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) longest_us: u64,
}

/// Engines that were killed, and what became of their sessions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deaths {
    pub(crate) engines: u64,
    pub(crate) adopted: u64,
    pub(crate) lost: u64,
}

/// A line and how it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) tone: Tone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Heading,
    Good,
    Bad,
}

impl Tone {
    fn line(self, text: impl Into<String>) -> Line {
        Line { text: text.into(), tone: self }
    }
}

impl View {
    pub(crate) fn all_met_their_server_again(&self) -> bool {
        let (reconnects, same, lost) = self.sums();
        same == reconnects && lost == 0
    }

    fn sums(&self) -> (u64, u64, u64) {
        let add = |sums: (u64, u64, u64), client: &ClientRow| {
            (sums.0 + client.reconnects, sums.1 + client.same, sums.2 + client.lost)
        };
        self.clients.iter().fold((0, 0, 0), add)
    }
}

/// Everything, in the order in which it is read.
pub(crate) fn render(view: &View) -> Vec<Line> {
    let blank = Tone::Plain.line("");
    let mut lines = intro(view);
    lines.push(Tone::Heading.line(columns([
        "SERVER",
        "LIVE",
        "ALL",
        "IN",
        "OUT",
        "CLIENT",
        "SAME AGAIN",
        "LOST",
    ])));
    for (index, server) in view.servers.iter().enumerate() {
        lines.extend(group(server, view.clients.iter().filter(|it| it.server == Some(index))));
    }
    lines.push(blank.clone());
    lines.push(verdict(view));
    lines.push(Tone::Plain.line(round_trips(view.round_trips)));
    lines.push(Tone::Plain.line(by_path(view.relayed)));
    lines.extend(view.deaths.map(|deaths| survival(deaths, view.round_trips.longest_us)));
    if view.moment == Moment::Live {
        lines.push(blank);
        lines.extend(invitation(view.balancer));
    }
    lines.extend(view.notes.iter().map(|note| Tone::Bad.line(note)));
    lines
}

/// What runs where, in three lines.
pub(crate) fn intro(view: &View) -> Vec<Line> {
    let names: Vec<&str> = view.servers.iter().map(|server| &*server.name).collect();
    let end = match view.moment {
        Moment::Live => "; Ctrl-C ends it",
        Moment::Over => "",
    };
    [
        format!(
            "balancer  {}, pid {}: an address always meets the same server",
            view.balancer, view.pid
        ),
        format!("servers   {}: WebSocket echo servers in this process{end}", names.join(", ")),
        format!(
            "clients   {} demo clients, an address each: they talk, send a picture, come back",
            view.clients.len()
        ),
    ]
    .map(|text| Tone::Plain.line(text))
    .into()
}

/// Lines to paste. Python's is the client of the article that this balancer was made after; `curl`
/// is what everybody has, and shows in two calls that another address meets another server.
pub(crate) fn invitation(balancer: SocketAddr) -> Vec<Line> {
    [
        format!("join in   python3 -m websockets ws://{balancer}/  # pip install websockets"),
        format!("or        curl --interface 127.0.0.9 http://{balancer}/  # any 127.x.y.z"),
    ]
    .map(|text| Tone::Plain.line(text))
    .into()
}

/// The whole table in one line, for output that is no terminal.
pub(crate) fn status(view: &View) -> Line {
    let live: u64 = view.servers.iter().map(|server| server.live).sum();
    let Line { text, tone } = verdict(view);
    tone.line(format!("{live} sessions live; {text}"))
}

fn verdict(view: &View) -> Line {
    let (reconnects, same, lost) = view.sums();
    let tone = match (reconnects, view.all_met_their_server_again()) {
        (0, true) => Tone::Plain,
        (_, true) => Tone::Good,
        (_, false) => Tone::Bad,
    };
    let lost = match lost {
        0 => "no session lost".to_owned(),
        1 => "1 session lost".to_owned(),
        more => format!("{more} sessions lost"),
    };
    tone.line(format!("{same} of {reconnects} reconnects met the same server, {lost}"))
}

fn survival(Deaths { engines, adopted, lost }: Deaths, longest_us: u64) -> Line {
    let tone = match (adopted, lost) {
        (0, 0) => Tone::Plain,
        (_, 0) => Tone::Good,
        (_, _) => Tone::Bad,
    };
    tone.line(format!(
        "{engines} engines killed: sessions went on {adopted} times, {lost} lost; longest wait {}",
        time(longest_us)
    ))
}

fn round_trips(RoundTrips { messages, p50_us, p99_us, .. }: RoundTrips) -> String {
    format!(
        "{messages} messages through the balancer and back: p50 {}, p99 {}",
        time(p50_us),
        time(p99_us)
    )
}

/// How the balancer moved the bytes, both ways together.
fn by_path(Relayed { copied, spliced, .. }: Relayed) -> String {
    format!(
        "{} copied and {} spliced: messages are copied, pictures are bulk",
        bytes(copied),
        bytes(spliced)
    )
}

/// A server and, beside it, who is on it: one line for each.
fn group<'a>(server: &ServerRow, clients: impl Iterator<Item = &'a ClientRow>) -> Vec<Line> {
    let mut visitors: Vec<[String; 3]> = clients
        .map(|client| {
            let again = format!("{} of {}", client.same, client.reconnects);
            [client.address.to_string(), again, client.lost.to_string()]
        })
        .collect();
    if server.guests > 0 {
        visitors.push([format!("{} of yours", server.guests), String::new(), String::new()]);
    }
    if visitors.is_empty() {
        visitors.push(Default::default());
    }
    let own = [
        format!("{} {}", server.name, server.address),
        server.live.to_string(),
        server.sessions.to_string(),
        bytes(server.bytes_in),
        bytes(server.bytes_out),
    ];
    let line = |(index, [client, again, lost]): (usize, &[String; 3])| {
        let [name, live, all, bytes_in, bytes_out] =
            own.each_ref().map(|cell| if index == 0 { &**cell } else { "" });
        Tone::Plain.line(columns([name, live, all, bytes_in, bytes_out, client, again, lost]))
    };
    visitors.iter().enumerate().map(line).collect()
}

fn columns([server, live, all, bytes_in, bytes_out, client, again, lost]: [&str; 8]) -> String {
    let own = format!("{server:<19}{live:>5}{all:>6}{bytes_in:>9}{bytes_out:>9}");
    let line = format!("{own}   {client:<11}{again:>12}{lost:>5}");
    line.trim_end().to_owned()
}

/// `999 B`, `1.2 kB`, `12 kB`: at most three digits.
fn bytes(count: u64) -> String {
    in_units(count, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// `112 µs`, `1.2 ms`.
fn time(us: u64) -> String {
    in_units(us, &["µs", "ms", "s", "ks"])
}

fn in_units(count: u64, units: &[&str]) -> String {
    let mut value = count as f64;
    let mut unit = 0;
    // 999.5 would be written as 1000.
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 9.95);
    format!("{value:.digits$} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three servers and eight clients; every number is as wide as a long demo makes it.
    fn view() -> View {
        let localhost = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let server = |index: u16| ServerRow {
            name: format!("ws{index}"),
            address: localhost(65530 + index),
            live: 1000,
            guests: 0,
            sessions: 99_999,
            bytes_in: 999_499,
            bytes_out: 1_234_567,
        };
        let client = |index: u8| ClientRow {
            address: Ipv4Addr::new(127, 0, index * 10, index),
            server: Some(usize::from(index % 3)),
            reconnects: 9999,
            same: 9999,
            lost: 0,
        };
        View {
            moment: Moment::Live,
            balancer: localhost(65535),
            pid: 4_194_304,
            servers: (1..=3).map(server).collect(),
            clients: (1..=8).map(client).collect(),
            round_trips: RoundTrips {
                messages: 1_000_000,
                p50_us: 112,
                p99_us: 1_234,
                longest_us: 45_678,
            },
            relayed: Relayed { copied: 12_345_678, spliced: 1_234_567_890, adopted: 0, lost: 0 },
            deaths: None,
            notes: Vec::new(),
        }
    }

    fn text(lines: &[Line]) -> String {
        lines.iter().map(|line| format!("{}\n", line.text)).collect()
    }

    // Goal: 80 by 24 is enough. Method: wide numbers, a guest, two notes; the row of the cursor and
    // the screen's empty first line are not ours.
    #[test]
    fn fits_a_small_terminal() {
        let mut view = view();
        view.servers[1].guests = 12;
        view.notes = vec!["error: one".into(), "error: two".into()];
        let lines = render(&view);
        assert!(lines.len() <= 22, "{}", text(&lines));
        assert!(lines.iter().all(|line| line.text.chars().count() <= 79), "{}", text(&lines));
        // Torture takes a line, and leaves one to a note.
        view.deaths = Some(Deaths { engines: 9_999, adopted: 79_992, lost: 0 });
        view.notes.pop();
        let lines = render(&view);
        assert!(lines.len() <= 22, "{}", text(&lines));
        assert!(lines.iter().all(|line| line.text.chars().count() <= 79), "{}", text(&lines));
    }

    // Goal: torture tells what it did, and a lost session shows. Method: the line, both ways.
    #[test]
    fn survival_is_told() {
        let deaths = Deaths { engines: 5, adopted: 40, lost: 0 };
        let good = survival(deaths, 31_400);
        let told = "5 engines killed: sessions went on 40 times, 0 lost; longest wait 31 ms";
        assert_eq!(good, Tone::Good.line(told));
        assert_eq!(survival(Deaths { lost: 1, ..deaths }, 0).tone, Tone::Bad);
    }

    // Goal: a row says which server a client is on and whether it came back to it; guests show on
    // the server that they are on. Method: the rows of one server, word by word.
    #[test]
    fn rows_stand_beside_their_server() {
        let mut view = view();
        view.servers[0].guests = 1;
        view.clients[2].lost = 3;
        let shown = text(&render(&view));
        let rows: Vec<Vec<&str>> = shown
            .lines()
            .skip_while(|line| !line.starts_with("ws1"))
            .take_while(|line| !line.starts_with("ws2"))
            .map(|line| line.split_whitespace().collect())
            .collect();
        let again = ["9999", "of", "9999"];
        let server = ["ws1", "127.0.0.1:65531", "1000", "99999", "999", "kB", "1.2", "MB"];
        let expected = [
            [&server[..], &["127.0.30.3"], &again, &["3"]].concat(),
            [&["127.0.60.6"], &again[..], &["0"]].concat(),
            vec!["1", "of", "yours"],
        ];
        assert_eq!(rows, expected, "{shown}");
    }

    // Goal: the verdict counts, and is bad when a client met another server or lost a session.
    // Method: each of them, and neither.
    #[test]
    fn verdict_tells_what_went_wrong() {
        let mut view = view();
        view.clients.truncate(2);
        let good =
            Tone::Good.line("19998 of 19998 reconnects met the same server, no session lost");
        assert_eq!(verdict(&view), good);
        view.clients[0].lost = 1;
        assert_eq!(verdict(&view).tone, Tone::Bad);
        assert!(verdict(&view).text.ends_with("1 session lost"));
        view.clients[0].lost = 0;
        view.clients[1].same -= 1;
        assert_eq!(verdict(&view).tone, Tone::Bad);
        assert!(verdict(&view).text.starts_with("19997 of 19998 "));
        assert!(!view.all_met_their_server_again());
    }

    // Goal: when it is over nobody is invited. Method: look for the lines to paste.
    #[test]
    fn no_invitation_when_it_is_over() {
        let mut view = view();
        assert!(text(&render(&view)).contains("curl"));
        view.moment = Moment::Over;
        assert!(!text(&render(&view)).contains("curl"));
    }

    // Goal: bytes are shown by path. Method: the line.
    #[test]
    fn bytes_by_path() {
        let shown = text(&render(&view()));
        assert!(shown.contains("\n12 MB copied and 1.2 GB spliced: "), "{shown}");
    }

    // Goal: three digits at the most. Method: both sides of every border.
    #[test]
    fn units_are_for_people() {
        let borders = [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (9_949, "9.9 kB"),
            (9_950, "10 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (u64::MAX, "18 EB"),
        ];
        for (count, shown) in borders {
            assert_eq!(bytes(count), shown);
        }
        assert_eq!((time(112), time(1_234)), ("112 µs".into(), "1.2 ms".into()));
    }
}
