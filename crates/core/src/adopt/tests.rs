//! Goal: every state that the kernel was seen in gives the verdict that is true. Method: the counts as
//! they were read on Linux 6.18, beside what had really been read and written.

use zerocopy::FromZeros;

use super::*;

const OPEN: Counts = Counts {
    state: State::Established,
    received: 0,
    acknowledged: 0,
    unread: 0,
    queued: 0,
    fin_received: false,
    error_pending: false,
};

/// A direction with nothing to be done about it, of which so many bytes were read.
fn quiet(read: u64) -> Standing {
    Standing {
        read: Some(read),
        held: Held::Nothing,
        shut: false,
        failed: false,
        source_lost: false,
    }
}

fn record(phase: Phase) -> Session {
    let record = Session::new_zeroed();
    record.begin();
    record.set_phase(phase);
    record
}

/// A server that we connected to and that has got so many bytes.
fn server(written: u64) -> Counts {
    Counts { acknowledged: 1 + written, ..OPEN }
}

fn evidence<'a>(record: &'a Session, client: Counts, server: Counts) -> Evidence<'a> {
    let server = Far::Tcp(server);
    Evidence {
        record,
        client,
        server,
        pipes: [0; 2],
        in_hand: None,
        suspect: false,
        death: Death::Outside,
    }
}

fn relaying(client: Counts, server: Counts) -> Verdict {
    judge(&evidence(&record(Phase::Relaying), client, server))
}

fn to_server(verdict: Verdict) -> Standing {
    let Verdict::GoOn([standing, _]) = verdict else { panic!("{verdict:?}") };
    standing
}

/// Bytes read from a client, by its counts.
#[test]
fn what_was_read() {
    let seen = |state, received, unread| Counts { state, received, unread, ..OPEN };
    let closed = |received, unread, fin_received| Counts {
        fin_received,
        ..seen(State::Closed, received, unread)
    };
    let rows = [
        ("fresh", seen(State::Established, 0, 0), 0),
        ("100 sent, none read", seen(State::Established, 100, 100), 0),
        ("100 and FIN, unread", seen(State::CloseWait, 101, 100), 0),
        ("40 of them read", seen(State::CloseWait, 101, 60), 40),
        ("all of them, the end read or not", seen(State::CloseWait, 101, 0), 100),
        ("a bare FIN", seen(State::CloseWait, 1, 0), 0),
        ("we ended first, then 100 and FIN", closed(101, 100, true), 0),
        ("reset with 44 unread", closed(44, 44, false), 0),
        ("a FIN behind a hole", seen(State::Established, 0, 0), 0),
        ("the hole filled", seen(State::CloseWait, 391, 390), 0),
    ];
    for (name, counts, read) in rows {
        assert_eq!(counts.read(), read, "{name}");
    }
}

/// Bytes written, by the counts of the side that has them.
#[test]
fn what_was_written() {
    let seen = |state, acknowledged, queued| Counts { state, acknowledged, queued, ..OPEN };
    let rows = [
        ("fresh, we connected", Side::Server, seen(State::Established, 1, 0), 0),
        ("fresh, we accepted", Side::Client, seen(State::Established, 0, 0), 0),
        ("100", Side::Server, seen(State::Established, 101, 0), 100),
        ("70", Side::Client, seen(State::Established, 70, 0), 70),
        ("FIN acknowledged", Side::Server, seen(State::FinWait, 102, 0), 100),
        ("11 and FIN not", Side::Server, seen(State::FinWait, 101, 12), 111),
        ("a bare FIN, not", Side::Server, seen(State::FinWait, 1, 1), 0),
        ("a bare FIN, acknowledged", Side::Server, seen(State::FinWait, 2, 0), 0),
        ("a closed window", Side::Server, seen(State::Established, 4_097, 93_968), 98_064),
        ("FIN behind it", Side::Server, seen(State::FinWait, 4_097, 93_969), 98_064),
        ("drained", Side::Server, seen(State::FinWait, 98_066, 0), 98_064),
        ("5 and FIN after theirs", Side::Client, seen(State::BothEnding, 0, 6), 5),
        ("corked", Side::Server, seen(State::Established, 1, 10), 10),
        ("sent four times", Side::Server, seen(State::Established, 1, 5_000), 5_000),
    ];
    for (name, side, counts, written) in rows {
        let shut = counts.is_shut().expect("the state tells");
        assert_eq!(counts.written(side, shut), written, "{name}");
    }
}

#[test]
fn states_have_the_kernels_numbers() {
    let states = (0..=13).map(State::of);
    let open = |state| [Some(state)];
    let wanted = [
        None,
        open(State::Established)[0],
        Some(State::Opening),
        Some(State::Opening),
        Some(State::FinWait),
        Some(State::FinWait),
        None,
        Some(State::Closed),
        Some(State::CloseWait),
        Some(State::BothEnding),
        None,
        Some(State::BothEnding),
        None,
        None,
    ];
    assert!(states.eq(wanted));
}

#[test]
fn a_quiet_session_goes_on() {
    let client = Counts { received: 500, acknowledged: 70, ..OPEN };
    let server = Counts { received: 70, ..server(500) };
    assert_eq!(relaying(client, server), Verdict::GoOn([quiet(500), quiet(70)]));
}

#[test]
fn what_a_pipe_holds_is_no_loss() {
    let record = record(Phase::Relaying);
    let client = Counts { received: 200_000, unread: 50_000, ..OPEN };
    let seen = evidence(&record, client, server(28_672));
    let seen = Evidence { pipes: [121_328, 0], ..seen };
    assert_eq!(judge(&seen), Verdict::GoOn([quiet(150_000), quiet(0)]));
    let more = Evidence { pipes: [121_329, 0], ..seen };
    assert_eq!(judge(&more), Verdict::Lost(Loss::Mismatch), "more than was read");
}

#[test]
fn a_spill_is_what_is_left_of_it() {
    let record = record(Phase::Relaying);
    record.set_spill(DirectionId::ToServer, 1_000, 500);
    let client = Counts { received: 10_000, ..OPEN };
    let rows = [
        (9_500, Some(Held::Spill { offset: 1_000, length: 500 })),
        // Written, and the engine died before it could write that down.
        (9_800, Some(Held::Spill { offset: 1_300, length: 200 })),
        (10_000, Some(Held::Nothing)),
        (9_499, None),
        (10_001, None),
    ];
    for (written, held) in rows {
        let wanted = held.map_or(Verdict::Lost(Loss::Mismatch), |held| {
            Verdict::GoOn([Standing { held, ..quiet(10_000) }, quiet(0)])
        });
        assert_eq!(judge(&evidence(&record, client, server(written))), wanted, "{written}");
    }
}

#[test]
fn what_was_in_hand_is_the_end_of_the_hot_buffer() {
    let record = record(Phase::Relaying);
    // 10,000 were read before; then a block of 3,000.
    let client = Counts { received: 13_000, ..OPEN };
    let rows = [
        (10_000, Held::Hot { offset: 0, length: 3_000 }),
        (12_999, Held::Hot { offset: 2_999, length: 1 }),
        (13_000, Held::Nothing),
    ];
    for (written, held) in rows {
        let seen = Evidence {
            in_hand: Some((DirectionId::ToServer, 10_000)),
            ..evidence(&record, client, server(written))
        };
        assert_eq!(to_server(judge(&seen)).held, held);
        let crashed = Evidence { death: Death::OwnFault, suspect: true, ..seen };
        assert_eq!(judge(&crashed), Verdict::Lost(Loss::InHand));
    }
    let seen = evidence(&record, client, server(10_000));
    assert_eq!(judge(&seen), Verdict::Lost(Loss::Mismatch), "in nobody's hands");
    let seen = Evidence { in_hand: Some((DirectionId::ToClient, 0)), ..seen };
    assert_eq!(judge(&seen), Verdict::Lost(Loss::Mismatch), "the other direction is in hand");
    let large = Counts { received: 10_000 + BLOCK as u64 + 1, ..OPEN };
    let seen = Evidence { client: large, in_hand: Some((DirectionId::ToServer, 10_000)), ..seen };
    assert_eq!(judge(&seen), Verdict::Lost(Loss::Mismatch), "more than a block");
}

#[test]
fn in_hand_and_spilled_already_is_told_from_the_hot_buffer() {
    let record = record(Phase::Relaying);
    record.set_spill(DirectionId::ToServer, 0, 2_000);
    let client = Counts { received: 13_000, ..OPEN };
    let seen = Evidence {
        in_hand: Some((DirectionId::ToServer, 10_000)),
        ..evidence(&record, client, server(11_000))
    };
    assert_eq!(to_server(judge(&seen)).held, Held::Hot { offset: 1_000, length: 2_000 });
}

#[test]
fn headers_are_no_part_of_the_stream() {
    let record = record(Phase::Relaying);
    record.header_read.set(28);
    record.header_sent.set(52);
    let client = Counts { received: 28 + 100, ..OPEN };
    assert_eq!(
        judge(&evidence(&record, client, server(52 + 100))),
        Verdict::GoOn([quiet(100), quiet(0)])
    );
    // Half of the header was sent, and nothing was read.
    record.set_spill(DirectionId::ToServer, 0, 52);
    let client = Counts { received: 28 + 100, unread: 100, ..OPEN };
    let half = judge(&evidence(&record, client, server(26)));
    assert_eq!(to_server(half).held, Held::Spill { offset: 26, length: 26 });
}

#[test]
fn a_shutdown_is_what_the_state_says() {
    let client = Counts { state: State::CloseWait, received: 101, ..OPEN };
    for recorded in [false, true] {
        let record = record(Phase::Relaying);
        if recorded {
            record.mark(Flags::SHUT, DirectionId::ToServer);
        }
        let ended = Counts { state: State::FinWait, acknowledged: 102, ..OPEN };
        assert!(to_server(judge(&evidence(&record, client, ended))).shut);
        assert!(!to_server(judge(&evidence(&record, client, server(100)))).shut);
    }
}

/// The five things that a closed connection can mean, each with what may still be done.
#[test]
fn closed_says_neither_how_nor_why() {
    let shut = |record: &Session| record.mark(Flags::SHUT, DirectionId::ToClient);
    let closed = Counts { state: State::Closed, received: 101, ..OPEN };
    let finished = Counts { fin_received: true, acknowledged: 8, ..closed };
    let got = Counts { received: 7, ..server(100) };
    let of = |client, prepare: &dyn Fn(&Session)| {
        let record = record(Phase::Relaying);
        prepare(&record);
        let Verdict::GoOn([to_server, to_client]) = judge(&evidence(&record, client, got)) else {
            panic!("{client:?}")
        };
        (to_server.source_lost, to_client.failed)
    };
    assert_eq!(of(finished, &shut), (false, false), "both had finished");
    assert_eq!(of(finished, &|_| ()), (false, true), "we had not");
    let taken = |record: &Session| {
        shut(record);
        record.errors[Side::Client as usize].set(104);
    };
    assert_eq!(of(finished, &taken), (false, true), "an error was taken from it");
    let pending = Counts { error_pending: true, ..finished };
    assert_eq!(of(pending, &shut), (false, true), "an error waits in it");
    let queued = Counts { queued: 1, acknowledged: 7, ..finished };
    assert_eq!(of(queued, &shut), (false, true), "something has not arrived");
    let reset = Counts { received: 100, ..closed };
    assert_eq!(of(reset, &shut), (true, true), "no FIN: reset, also when no error is left");
    assert_eq!(of(Counts { error_pending: true, ..reset }, &shut), (true, true));
}

#[test]
fn what_a_lost_client_has_sent_is_still_held() {
    let record = record(Phase::Relaying);
    record.set_spill(DirectionId::ToServer, 0, 300);
    let client = Counts { state: State::Closed, received: 1_000, unread: 100, ..OPEN };
    let standing = to_server(judge(&evidence(&record, client, server(600))));
    let held = Held::Spill { offset: 0, length: 300 };
    assert_eq!(standing, Standing { held, source_lost: true, ..quiet(900) });
}

#[test]
fn nothing_is_judged_towards_a_sink_that_is_lost() {
    let record = record(Phase::Relaying);
    let client = Counts { received: 1_000, ..OPEN };
    let server = Counts { state: State::Closed, acknowledged: 300, ..OPEN };
    let standing = to_server(judge(&evidence(&record, client, server)));
    assert_eq!(standing, Standing { failed: true, ..quiet(1_000) });
}

#[test]
fn before_there_is_a_server() {
    let of = |phase, received, header: u16, suspect| {
        let record = record(phase);
        record.header_read.set(header);
        judge(&Evidence {
            record: &record,
            client: Counts { received, unread: 100, ..OPEN },
            server: Far::None,
            pipes: [0; 2],
            in_hand: None,
            suspect,
            death: Death::OwnFault,
        })
    };
    assert_eq!(of(Phase::Heading, 100, 0, false), Verdict::ReadHeader);
    assert_eq!(of(Phase::Heading, 100, 28, false), Verdict::ReadHeader, "not taken yet");
    assert_eq!(of(Phase::Heading, 128, 28, false), Verdict::Connect, "taken");
    assert_eq!(of(Phase::Heading, 110, 28, false), Verdict::Lost(Loss::Mismatch));
    assert_eq!(of(Phase::Connecting, 100, 0, false), Verdict::Connect);
    assert_eq!(of(Phase::Connecting, 128, 28, false), Verdict::Connect);
    assert_eq!(of(Phase::Connecting, 129, 28, false), Verdict::Lost(Loss::Mismatch));
    assert_eq!(of(Phase::Heading, 100, 0, true), Verdict::Lost(Loss::InHand));
    assert_eq!(of(Phase::Closing, 100, 0, true), Verdict::Over);
    assert_eq!(of(Phase::Relaying, 100, 0, false), Verdict::Lost(Loss::Mismatch));
}

#[test]
fn a_connection_that_is_opening_proves_nothing() {
    let opening = Counts { state: State::Opening, ..OPEN };
    assert_eq!(relaying(OPEN, opening), Verdict::Lost(Loss::Mismatch));
    assert_eq!(relaying(opening, server(0)), Verdict::Lost(Loss::Mismatch));
}

/// A session with a UNIX socket, as its record has it, and its client's counts.
fn unix(record: &Session, client: Counts, in_hand: Option<(DirectionId, u64)>) -> Evidence<'_> {
    let suspect = in_hand.is_some();
    let server = Far::Unix { deserted: false };
    Evidence { server, in_hand, suspect, ..evidence(record, client, OPEN) }
}

#[test]
fn towards_a_unix_socket_the_record_is_all_there_is() {
    let record = record(Phase::Relaying);
    record.set_spill(DirectionId::ToServer, 5, 10);
    let client = Counts { received: 1_000, ..OPEN };
    let of = |in_hand| judge(&unix(&record, client, in_hand));
    let held = Held::Spill { offset: 5, length: 10 };
    let whole = Standing { held, ..quiet(1_000) };
    assert_eq!(of(None), Verdict::GoOn([whole, quiet(0)]));
    let unread = of(Some((DirectionId::ToServer, 1_000)));
    assert_eq!(to_server(unread), whole, "nothing was read yet");
    for in_hand in [(DirectionId::ToServer, 900), (DirectionId::ToClient, 0)] {
        assert_eq!(of(Some(in_hand)), Verdict::Lost(Loss::Uncounted));
    }
    // A piece of the spill may have been written, or not.
    assert_eq!(of(Some((DirectionId::ToServer, u64::MAX))), Verdict::Lost(Loss::Uncounted));
}

#[test]
fn an_end_for_a_unix_socket_is_sent_again() {
    let record = record(Phase::Relaying);
    record.mark(Flags::SHUT, DirectionId::ToServer);
    let client = Counts { state: State::CloseWait, received: 101, ..OPEN };
    assert_eq!(to_server(judge(&unix(&record, client, None))), quiet(100));
}

/// What came from a UNIX socket is what the client has got, what the pipe holds and what is left of a
/// spill; what was recorded as received may lag by a splice, and what was spilled by a send.
#[test]
fn what_came_from_a_unix_socket_is_counted_at_the_client() {
    let of = |received, written, spill: (usize, usize), piped| {
        let record = record(Phase::Relaying);
        record.received[1].set(received);
        record.set_spill(DirectionId::ToClient, spill.0, spill.1);
        let client = Counts { acknowledged: written, ..OPEN };
        let seen = Evidence { pipes: [0, piped], ..unix(&record, client, None) };
        match judge(&seen) {
            Verdict::GoOn([_, standing]) => Ok(standing),
            Verdict::Lost(loss) => Err(loss),
            other @ (Verdict::ReadHeader | Verdict::Connect | Verdict::Over) => panic!("{other:?}"),
        }
    };
    let held = |offset, length| Held::Spill { offset, length };
    assert_eq!(of(500, 500, (0, 0), 0), Ok(quiet(500)));
    assert_eq!(of(500, 400, (0, 0), 100), Ok(quiet(500)));
    assert_eq!(of(500, 500, (0, 0), 100), Ok(quiet(600)), "spliced, and not added yet");
    assert_eq!(of(500, 501, (0, 0), 0), Ok(quiet(501)), "and sent on at once");
    assert_eq!(of(500, 400, (7, 100), 0), Ok(Standing { held: held(7, 100), ..quiet(500) }));
    let sent = Standing { held: held(67, 40), ..quiet(500) };
    assert_eq!(of(500, 460, (7, 100), 0), Ok(sent), "sent, and not written down yet");
    assert_eq!(of(500, 500, (7, 100), 0), Ok(quiet(500)));
    for (written, spill) in [(399, (7, 100)), (501, (7, 100)), (499, (0, 0))] {
        assert_eq!(of(500, written, spill, 0), Err(Loss::Mismatch), "{written} {spill:?}");
    }
}

/// A splice may have taken the error of a UNIX socket, which then reads as ended. Not of one whose other end
/// is there, which may still end in order; nor of one that was read to its end.
#[test]
fn a_unix_socket_at_work_may_have_told_of_a_reset() {
    let lost = |suspect, deserted, ended| {
        let record = record(Phase::Relaying);
        if ended {
            record.mark(Flags::ENDED, DirectionId::ToClient);
        }
        let server = Far::Unix { deserted };
        let seen = Evidence { suspect, server, ..unix(&record, OPEN, None) };
        let Verdict::GoOn([_, standing]) = judge(&seen) else { panic!("it goes on") };
        standing.source_lost
    };
    assert!(lost(true, true, false));
    assert!(!lost(false, true, false), "nobody was at work on it");
    assert!(!lost(true, false, false), "somebody is there");
    assert!(!lost(true, true, true), "its end was read");
}
