//! The clients of the demo: each at an address of its own, each through the balancer. They note
//! which server answers, and whether it is the same one when they come back. They judge by what
//! they are told alone; nothing here knows the mapping.

use std::cell::RefCell;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use hdrhistogram::Histogram;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::servers::DEMO_PATH;
use super::table::RoundTrips;

/// Where they come from. Chosen so that each server is met by some; a test holds that.
pub(crate) const ADDRESSES: [Ipv4Addr; 8] = [
    Ipv4Addr::new(127, 0, 10, 1),
    Ipv4Addr::new(127, 0, 20, 2),
    Ipv4Addr::new(127, 0, 30, 3),
    Ipv4Addr::new(127, 0, 40, 4),
    Ipv4Addr::new(127, 0, 50, 5),
    Ipv4Addr::new(127, 0, 60, 6),
    Ipv4Addr::new(127, 0, 70, 7),
    Ipv4Addr::new(127, 0, 80, 8),
];

/// Visits of each client under `--once`: the first, and three reconnects.
const ONCE_VISITS: u32 = 4;
const ONCE_MESSAGES: u32 = 5;

/// How clients that stay behave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    /// Between two messages.
    pace: Duration,
    /// Messages of a visit: at least so many, and up to twice as many and two.
    messages: u32,
    /// After so many messages comes a picture, and at the end of a visit in any case.
    picture_after: u32,
}

impl Habits {
    /// As people are.
    pub(crate) const CALM: Self =
        Self { pace: Duration::from_secs(1), messages: 4, picture_after: u32::MAX };
    /// There is always something under way.
    pub(crate) const RESTLESS: Self =
        Self { pace: Duration::from_millis(10), messages: 200, picture_after: 5 };
}
/// Of the picture that ends each visit.
const PICTURE_BYTES: usize = 1 << 20;
/// Before a client whose session was lost comes back.
const PAUSE: Duration = Duration::from_millis(250);
/// Nothing takes this long here, unless it never comes.
const PATIENCE: Duration = Duration::from_secs(10);
/// Round trips are told apart from 1 µs to this; a longer one counts as this.
const ROUND_TRIP_MAX_US: u64 = 60_000_000;

/// All of them.
#[derive(Debug)]
pub(crate) struct Clients {
    balancer: SocketAddr,
    habits: Habits,
    pub(crate) each: Vec<Client>,
    round_trips: RefCell<Histogram<u64>>,
}

/// One address.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) address: Ipv4Addr,
    pub(crate) met: RefCell<Met>,
}

/// What a client has met.
#[derive(Debug, Default)]
pub(crate) struct Met {
    /// The server that answered first of all.
    first: Option<String>,
    /// The server that answered last.
    pub(crate) now: Option<String>,
    /// Visits after the first that a server answered.
    pub(crate) reconnects: u64,
    /// Those of them that met the first server again.
    pub(crate) same: u64,
    /// Sessions that ended otherwise than by the client's own close.
    pub(crate) lost: u64,
    /// The last thing that went wrong.
    trouble: Option<String>,
}

impl Clients {
    pub(crate) fn of(balancer: SocketAddr, habits: Habits) -> Self {
        let client = |address| Client { address, met: RefCell::default() };
        let round_trips = Histogram::new_with_bounds(1, ROUND_TRIP_MAX_US, 3);
        Self {
            balancer,
            habits,
            each: ADDRESSES.into_iter().map(client).collect(),
            round_trips: RefCell::new(round_trips.expect("bounds that a histogram can have")),
        }
    }

    /// All at once; ends when every client has made its visits.
    pub(crate) async fn come_back_a_few_times(&self) {
        join_all(self.each.iter().map(|client| async {
            for _ in 0..ONCE_VISITS {
                let once = Habits { pace: Duration::ZERO, ..Habits::CALM };
                self.visit_and_note(client, ONCE_MESSAGES, once).await;
            }
        }))
        .await;
    }

    /// Lets each of them talk, close and come back for as long as the process lives.
    pub(crate) fn stay(self: Rc<Self>) {
        for index in 0..self.each.len() {
            let clients = self.clone();
            spawn_local(async move {
                let habits = clients.habits;
                // Apart from each other, so that there is always something to see.
                sleep(habits.pace * index as u32 / ADDRESSES.len() as u32).await;
                let mut visits = index as u32;
                loop {
                    // 4 to 10 messages for the calm, in another order for each client.
                    let messages = habits.messages + visits * 3 % (habits.messages + 3);
                    let kept = clients.visit_and_note(&clients.each[index], messages, habits).await;
                    if !kept {
                        sleep(PAUSE).await;
                    }
                    visits += 1;
                }
            });
        }
    }

    /// Median and 99th percentile so far.
    pub(crate) fn round_trips(&self) -> RoundTrips {
        let counted = self.round_trips.borrow();
        RoundTrips {
            messages: counted.len(),
            p50_us: counted.value_at_quantile(0.50),
            p99_us: counted.value_at_quantile(0.99),
            longest_us: counted.max(),
        }
    }

    /// For each client with which something went wrong, what that was last.
    pub(crate) fn troubles(&self) -> Vec<String> {
        let said = |client: &Client| {
            let met = client.met.borrow();
            met.trouble.as_ref().map(|trouble| format!("{}: {trouble}", client.address))
        };
        self.each.iter().filter_map(said).collect()
    }

    /// One visit; whether it ended as the client wished.
    async fn visit_and_note(&self, client: &Client, messages: u32, habits: Habits) -> bool {
        let Err(trouble) = self.visit(client, messages, habits).await else { return true };
        let mut met = client.met.borrow_mut();
        met.lost += 1;
        met.trouble = Some(trouble.to_string());
        false
    }

    async fn visit(&self, client: &Client, messages: u32, habits: Habits) -> Result<(), Trouble> {
        let mut socket = in_time(self.connect(client.address)).await?;
        for number in 1..=messages {
            let said = format!("hello {number} from {}", client.address);
            let start = Instant::now();
            let server = in_time(exchange(&mut socket, &said)).await?;
            let round_trip_us = start.elapsed().as_micros() as u64;
            self.round_trips.borrow_mut().saturating_record(round_trip_us);
            if number == 1 {
                client.met.borrow_mut().answered_by(server);
            }
            if number % habits.picture_after == 0 {
                in_time(send_picture(&mut socket)).await?;
            }
            sleep(habits.pace).await;
        }
        in_time(send_picture(&mut socket)).await?;
        in_time(close(&mut socket)).await
    }

    async fn connect(&self, from: Ipv4Addr) -> Result<Socket, Trouble> {
        let socket = TcpSocket::new_v4().map_err(Error::Io)?;
        socket.bind((from, 0).into()).map_err(Error::Io)?;
        let stream = socket.connect(self.balancer).await.map_err(Error::Io)?;
        stream.set_nodelay(true).map_err(Error::Io)?;
        let url = format!("ws://{}{DEMO_PATH}", self.balancer);
        Ok(client_async(url, stream).await?.0)
    }
}

impl Met {
    fn answered_by(&mut self, server: String) {
        match &self.first {
            None => self.first = Some(server.clone()),
            Some(first) => {
                self.reconnects += 1;
                if *first == server {
                    self.same += 1;
                } else {
                    self.trouble = Some(format!("met {server}, and {first} at first"));
                }
            }
        }
        self.now = Some(server);
    }
}

type Socket = WebSocketStream<TcpStream>;

/// Sends a message; its echo names the server.
async fn exchange(socket: &mut Socket, said: &str) -> Result<String, Trouble> {
    socket.send(Message::text(said)).await?;
    let echo = socket.next().await.ok_or(Trouble::Ended)??;
    let text = echo.to_text()?;
    match text.split_once(": ") {
        Some((server, echoed)) if echoed == said => Ok(server.to_owned()),
        Some(_) | None => Err(Trouble::Altered(text.to_owned())),
    }
}

/// Sends something large enough to be bulk; its echo has the server's name in front.
async fn send_picture(socket: &mut Socket) -> Result<(), Trouble> {
    let picture: Vec<u8> = (0..PICTURE_BYTES).map(|place| (place % 251) as u8).collect();
    socket.send(Message::binary(picture.clone())).await?;
    let echo = socket.next().await.ok_or(Trouble::Ended)??.into_data();
    if echo.ends_with(&picture) {
        Ok(())
    } else {
        Err(Trouble::Altered(format!("{} bytes that are no picture", echo.len())))
    }
}

/// Closes, and waits until the other side has closed too.
async fn close(socket: &mut Socket) -> Result<(), Trouble> {
    socket.close(None).await?;
    while let Some(message) = socket.next().await {
        message?;
    }
    Ok(())
}

async fn in_time<T>(done: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    timeout(PATIENCE, done).await.unwrap_or(Err(Trouble::Silent))
}

/// How a visit can end otherwise than by the client's own close.
#[derive(Debug)]
enum Trouble {
    Failed(Error),
    Ended,
    Altered(String),
    Silent,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(out, "session lost: {error}"),
            Self::Ended => write!(out, "session lost: closed by the other side"),
            Self::Altered(text) => write!(out, "another echo than expected: {text:?}"),
            Self::Silent => write!(out, "no answer in {PATIENCE:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: a reconnect counts as same only when it meets the first server. Method: four visits,
    // one of them elsewhere.
    #[test]
    fn same_means_the_first_server() {
        let mut met = Met::default();
        for server in ["ws1", "ws1", "ws2", "ws1"] {
            met.answered_by(server.to_owned());
        }
        assert_eq!((met.reconnects, met.same), (3, 2));
        assert_eq!(met.now.as_deref(), Some("ws1"));
        assert_eq!(met.trouble.as_deref(), Some("met ws2, and ws1 at first"));
    }
}
