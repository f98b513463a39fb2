use std::process::Command;

use ringbolt_tests::{Client, Config, End, Pattern, Peer, Program, Ringbolt, need};

/// A Redis server that keeps nothing, behind the balancer.
fn start() -> (Program, Ringbolt) {
    let server = Program::start(|address, folder| {
        let mut command = Command::new("redis-server");
        command.args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--dir", &folder.file("")]);
        command
    });
    let ringbolt = Ringbolt::start(&Config::new().servers([server.address()]));
    (server, ringbolt)
}

/// Goal: a session of Redis works through the balancer and ends in order. Method: PING; a value of
/// 1 MiB with every byte in it is set and read back; 10,000 commands in one go, whose answers say
/// their order; QUIT is answered, and followed by an end of stream.
#[test]
fn a_session() {
    need!(Binary, Redis);
    let (_server, ringbolt) = start();
    let mut client = Client::default().connect(ringbolt.address());
    ask(&mut client, &[b"PING"], b"+PONG\r\n");

    let value = Pattern { seed: 1 }.bytes(0, 1 << 20);
    assert!((0..=u8::MAX).all(|byte| value.contains(&byte)));
    ask(&mut client, &[b"SET", b"value", &value], b"+OK\r\n");
    ask(&mut client, &[b"GET", b"value"], &bulk(&value));

    const COMMANDS: usize = 10_000;
    let commands = command(&[b"INCR", b"number"]).repeat(COMMANDS);
    let answers: String = (1..=COMMANDS).map(|number| format!(":{number}\r\n")).collect();
    std::thread::scope(|scope| {
        let mut sending = client.other();
        scope.spawn(move || sending.send(&commands));
        assert!(client.receive(answers.len()) == answers.as_bytes(), "10,000 answers in order");
    });

    quit(client);
    ringbolt.wait_for_base();
}

/// Goal: what one session publishes reaches another, in order, and both end in order. Method: one
/// subscribes; the other publishes a short message, one of 1 MiB and 100 more, and is told each time
/// that there was one subscriber.
#[test]
fn a_subscriber_and_a_publisher() {
    need!(Binary, Redis);
    let (_server, ringbolt) = start();
    let mut subscriber = Client::default().connect(ringbolt.address());
    ask(
        &mut subscriber,
        &[b"SUBSCRIBE", b"news"],
        b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n",
    );

    let mut publisher = Client::default().connect(ringbolt.address());
    let short = (0..100).map(|number| format!("number {number}").into_bytes());
    let messages: Vec<Vec<u8>> = [b"first".to_vec(), Pattern { seed: 2 }.bytes(0, 1 << 20)]
        .into_iter()
        .chain(short)
        .collect();
    for message in &messages {
        ask(&mut publisher, &[b"PUBLISH", b"news", message], b":1\r\n");
    }
    for message in &messages {
        // What is pushed has the form of a command.
        expect(&mut subscriber, &command(&[b"message", b"news", message]));
    }

    quit(publisher);
    quit(subscriber);
    ringbolt.wait_for_base();
}

/// Ends a session in order.
fn quit(mut client: Peer) {
    ask(&mut client, &[b"QUIT"], b"+OK\r\n");
    assert_eq!(client.end(), End::Fin);
}

fn ask(client: &mut Peer, words: &[&[u8]], answer: &[u8]) {
    client.send(&command(words));
    expect(client, answer);
}

/// Receives `answer`. Not by `assert_eq`, which would print a MiB.
fn expect(client: &mut Peer, answer: &[u8]) {
    let received = client.receive(answer.len());
    let beginning =
        |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
    assert!(received == answer, "{:?}, not {:?}", beginning(&received), beginning(answer));
}

/// A command as Redis reads it: an array of strings (RESP 2).
fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(bulk(word));
    }
    bytes
}

/// A string with its length before it.
fn bulk(bytes: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}
