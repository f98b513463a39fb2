use std::sync::atomic::{AtomicBool, Ordering};

use ringbolt_tests::{Client, End, Peer, Ringbolt, Server, need, until};

use crate::path::{DOWN, Path, UP};

/// Goal: bytes arrive as they were sent, both ways at once, then both ends. Method: position-coded
/// streams of many lengths, around the sizes of segments, buffers and pipes.
#[test]
fn bytes_of_any_length_cross_both_ways() {
    need!(Binary);
    for path in Path::both_ways() {
        let lengths = [
            1, 2, 125, 126, 1_448, 4_095, 4_096, 16_383, 16_384, 16_385, 32_768, 65_535, 65_536,
            65_537, 262_144, 1_048_576, 5_000_000,
        ];
        for length in lengths {
            let (mut client, mut server) = path.session();
            std::thread::scope(|scope| {
                let (mut sending, mut answering) = (client.other(), server.other());
                scope.spawn(move || {
                    sending.send_pattern(UP, 0, length);
                    sending.finish();
                });
                scope.spawn(move || {
                    answering.send_pattern(DOWN, 0, length);
                    answering.finish();
                });
                let receiving = scope.spawn(|| server.receive_pattern(UP, 0, length));
                client.receive_pattern(DOWN, 0, length);
                receiving.join().expect("the server gets its stream");
            });
            assert_eq!(server.end(), End::Fin, "of {length} bytes");
            assert_eq!(client.end(), End::Fin, "of {length} bytes");
        }
    }
}

/// Goal: pieces of any size are a stream like any other. Method: 20,000 small writes of changing
/// length, with Nagle's algorithm off.
#[test]
fn small_pieces_cross() {
    need!(Binary);
    for path in Path::both_ways() {
        let (mut client, mut server) = path.session();
        std::thread::scope(|scope| {
            let sender = scope.spawn(move || {
                let mut position = 0;
                for piece in 0..20_000 {
                    let length = 1 + piece * 7 % 61;
                    client.send(&UP.bytes(position, length));
                    position += length;
                }
                client.finish();
                position
            });
            let (bytes, end) = server.receive_all();
            UP.check(0, &bytes);
            assert_eq!(end, End::Fin);
            assert_eq!(sender.join().expect("the sender sends"), bytes.len());
        });
    }
}

/// Goal: a reader that stalls holds up nobody else, and loses nothing. Method: 64 MiB, more than all
/// buffers on the way hold, to a client that does not read; meanwhile 500 round trips of another
/// session; then the client reads all. The sender cannot have ended before, or nothing stalled.
#[test]
fn a_stalled_reader_stalls_only_itself() {
    need!(Binary);
    const LENGTH: usize = 64 << 20;
    for path in Path::both_ways() {
        let (mut slow, mut pushing) = path.session_of(Client::default().receive_buffer(16 * 1024));
        let (mut client, mut server) = path.session();
        let sent = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                pushing.send_pattern(DOWN, 0, LENGTH);
                pushing.finish();
                sent.store(true, Ordering::SeqCst);
            });
            // By now the reader has something to read, and does not.
            until("the slow client has bytes waiting", || (!slow.silent()).then_some(()));
            for _ in 0..500 {
                client.exchange(&mut server);
            }
            assert!(!sent.load(Ordering::SeqCst), "64 MiB were swallowed somewhere");
            slow.receive_pattern(DOWN, 0, LENGTH);
        });
        assert_eq!(slow.end(), End::Fin);
    }
}

/// Goal: the same towards the server. Method: as above, the other way, with 8 stalled sessions.
#[test]
fn stalled_servers_stall_only_themselves() {
    need!(Binary);
    const LENGTH: usize = 64 << 20;
    for path in Path::both_ways() {
        let stalled: Vec<_> = (0..8).map(|_| path.session()).collect();
        let (mut client, mut server) = path.session();
        std::thread::scope(|scope| {
            let mut servers = Vec::new();
            for (mut pushing, server) in stalled {
                servers.push(server);
                scope.spawn(move || {
                    pushing.send_pattern(UP, 0, LENGTH);
                    pushing.finish();
                });
            }
            for server in &servers {
                until("a stalled server has bytes waiting", || (!server.silent()).then_some(()));
            }
            for _ in 0..500 {
                client.exchange(&mut server);
            }
            for mut server in servers {
                server.receive_pattern(UP, 0, LENGTH);
                assert_eq!(server.end(), End::Fin);
            }
        });
    }
}

/// Goal: a half-close of the client is a half-close at the server. Method: the client ends, then the
/// server sends 1 MB and ends.
#[test]
fn the_client_ends_first() {
    need!(Binary);
    for path in Path::both_ways() {
        let (mut client, mut server) = path.session();
        client.send(b"question");
        client.finish();
        assert_eq!(server.receive_all(), (b"question".to_vec(), End::Fin));
        server.send_pattern(DOWN, 0, 1_000_000);
        server.finish();
        client.receive_pattern(DOWN, 0, 1_000_000);
        assert_eq!(client.end(), End::Fin);
    }
}

/// Goal: a half-close of the server is a half-close at the client. Method: the server ends, then the
/// client sends 1 MB and ends.
#[test]
fn the_server_ends_first() {
    need!(Binary);
    for path in Path::both_ways() {
        let (mut client, mut server) = path.session();
        server.send(b"greeting");
        server.finish();
        assert_eq!(client.receive_all(), (b"greeting".to_vec(), End::Fin));
        client.send_pattern(UP, 0, 1_000_000);
        client.finish();
        server.receive_pattern(UP, 0, 1_000_000);
        assert_eq!(server.end(), End::Fin);
    }
}

/// Goal: a reset is passed on as a reset, never as an end, from either side, also after the other
/// side's end. Method: each of the four.
#[test]
fn resets_stay_resets() {
    need!(Binary);
    for path in Path::both_ways() {
        let (client, mut server) = path.session();
        client.reset();
        assert_eq!(server.end(), End::Reset);

        let (mut client, server) = path.session();
        server.reset();
        assert_eq!(client.end(), End::Reset);

        let (client, mut server) = path.session();
        client.finish();
        assert_eq!(server.end(), End::Fin);
        client.reset();
        server.reset_after_fin();

        let (mut client, server) = path.session();
        server.finish();
        assert_eq!(client.end(), End::Fin);
        server.reset();
        client.reset_after_fin();
    }
}

/// Goal: what was received before a reset is delivered before the reset, however late the client
/// reads. Method: the server sends 200 kB, waits until the balancer's kernel has them, resets; the
/// client reads only then.
#[test]
fn bytes_before_a_reset_are_delivered() {
    need!(Binary);
    const LENGTH: usize = 200_000;
    for path in Path::both_ways() {
        let (mut client, mut server) = path.session();
        server.send_pattern(DOWN, 0, LENGTH);
        server.wait_until_sent();
        server.reset();
        let (bytes, end) = client.receive_all();
        assert_eq!(bytes.len(), LENGTH);
        DOWN.check(0, &bytes);
        assert_eq!(end, End::Reset);
    }
}

/// Goal: a stream that is cut while its reader is behind ends with a reset after a true beginning,
/// never with a FIN. Method: the server pushes until nothing more is taken, then resets; then the
/// client reads.
#[test]
fn a_cut_stream_is_not_a_complete_one() {
    need!(Binary);
    for path in Path::both_ways() {
        let (mut client, mut server) = path.session_of(Client::default().receive_buffer(64 * 1024));
        let mut pushed = 0;
        until("the server's kernel is full", || {
            let taken = server.send_some(&DOWN.bytes(pushed, 65_536));
            pushed += taken;
            (taken == 0).then_some(())
        });
        server.reset();
        let (bytes, end) = client.receive_all();
        DOWN.check(0, &bytes);
        assert!(!bytes.is_empty() && bytes.len() <= pushed, "{} of {pushed}", bytes.len());
        assert_eq!(end, End::Reset);
    }
}

/// Goal: a server that closes with unread input resets; its last words arrive before. Method: it
/// answers without reading what the client sent.
#[test]
fn last_words_before_a_reset_arrive() {
    need!(Binary);
    for path in Path::both_ways() {
        let (mut client, mut server) = path.session();
        client.send(b"too long a request");
        until("the request is there", || (!server.silent()).then_some(()));
        server.send(b"413");
        server.wait_until_sent();
        drop(server);
        assert_eq!(client.receive_all(), (b"413".to_vec(), End::Reset));
    }
}

/// Goal: a client that says something and leaves is heard. Method: 5 bytes and close at once; 50
/// times, since the close may come before the server is connected.
#[test]
fn five_bytes_and_gone() {
    need!(Binary);
    for path in Path::both_ways() {
        for _ in 0..50 {
            let mut client = Client::default().connect(path.ringbolt().address());
            client.send(b"hello");
            drop(client);
            let mut server = path.server.accept();
            assert_eq!(server.receive_all(), (b"hello".to_vec(), End::Fin));
        }
    }
}

/// Goal: the server is connected before the client has said anything. Method: it speaks first.
#[test]
fn servers_may_speak_first() {
    need!(Binary);
    for path in Path::both_ways() {
        let (mut client, mut server) = path.session();
        server.send(b"220 ready");
        assert_eq!(client.receive(9), b"220 ready");
    }
}

/// Goal: urgent data is neither lost nor a false end. Method: two bytes, an urgent one, two bytes
/// and a FIN arrive as five bytes in line, each way.
#[test]
fn urgent_data_stays_in_line() {
    need!(Binary);
    for path in Path::both_ways() {
        let send = |from: &mut Peer| {
            from.send(b"ab");
            from.send_urgent(b'!');
            from.send(b"cd");
            from.finish();
        };
        let (mut client, mut server) = path.session();
        send(&mut client);
        assert_eq!(server.receive_all(), (b"ab!cd".to_vec(), End::Fin));
        send(&mut server);
        assert_eq!(client.receive_all(), (b"ab!cd".to_vec(), End::Fin));
    }
}

/// Goal: a listener on several addresses serves all of them, and `[::]` is IPv6 only. Method: one
/// IPv4 and one IPv6 address; a round trip through each, and both on one port.
#[test]
fn several_addresses() {
    need!(Binary);
    let server = Server::listen();
    let text = format!(
        "[listener.web]\nbind = [\"127.0.0.1:0\", \"[::]:0\"]\npool = \"echo\"\n\
         [pool.echo]\n[[pool.echo.server]]\nname = \"ws1\"\naddr = \"{}\"\n",
        server.address()
    );
    let ringbolt = Ringbolt::start_text(&text);
    let &[four, mut six] = ringbolt.addresses() else { panic!("{:?}", ringbolt.addresses()) };
    six.set_ip(std::net::Ipv6Addr::LOCALHOST.into());
    for address in [four, six] {
        let mut client = Client::default().connect(address);
        let mut serving = server.accept();
        client.send(b"ping");
        assert_eq!(serving.receive(4), b"ping");
    }
    let mut other_family = six;
    other_family.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    let refused = Client::default().try_connect(other_family).expect_err("IPv6 only");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}
