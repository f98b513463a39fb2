//! Whatever a client sends where a PROXY header is expected: it is judged without a panic, by the bytes
//! of the header alone, and half a header is never a wrong one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringbolt_core::limits::PROXY_HEADER_BYTES_MAX;
use ringbolt_core::proxy_header::{Heading, ProxyHeader};
use ringbolt_core::spec::SendProxy;
use ringbolt_engine::proxy::parse;

fuzz_target!(|bytes: &[u8]| {
    let Heading::Whole { length, ends } = parse(bytes) else {
        return judged_once_and_for_all(bytes);
    };
    assert!(length <= bytes.len() && length <= PROXY_HEADER_BYTES_MAX);
    let (header, _) = bytes.split_at(length);
    assert_eq!(parse(header), Heading::Whole { length, ends });
    for beginning in (0..length).map(|length| &header[..length]) {
        assert_eq!(parse(beginning), Heading::Incomplete);
    }
    // What is passed on says the same, once the families are one.
    let Some(ends) = ends else { return };
    for form in [SendProxy::V1, SendProxy::V2] {
        let sent = ProxyHeader::of(form, ends).expect("one is sent");
        let Heading::Whole { length, ends: Some(passed) } = parse(sent.as_bytes()) else {
            panic!("{sent:?} is not understood");
        };
        assert_eq!(length, sent.as_bytes().len());
        for (before, after) in
            [(ends.client, passed.client), (ends.destination, passed.destination)]
        {
            assert_eq!(before.ip().to_canonical(), after.ip().to_canonical());
            assert_eq!(before.port(), after.port());
        }
    }
});

/// What is wrong stays wrong, and what is incomplete is so in every beginning of it.
fn judged_once_and_for_all(bytes: &[u8]) {
    match parse(bytes) {
        Heading::Malformed => {
            let more = [bytes, b"\r\n"].concat();
            assert_eq!(parse(&more), Heading::Malformed);
        }
        Heading::Incomplete => {
            assert!(bytes.len() < PROXY_HEADER_BYTES_MAX);
            let half = &bytes[..bytes.len() / 2];
            assert_eq!(parse(half), Heading::Incomplete);
        }
        Heading::Whole { .. } => unreachable!("it was not whole a moment ago"),
    }
}
