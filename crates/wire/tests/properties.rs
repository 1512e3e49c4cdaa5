//! What holds for all messages: how they are cut does not matter, nothing panics, what is written
//! is read back.

mod checks;
mod corpus_file;

use evenkeel_wire::http1::{
    BodyReader, Framing, Limits, Parsed, Piece, RequestHead, ResponseHead, path, write,
};
use evenkeel_wire::{cookie, query};
use proptest::prelude::*;

/// Bytes that matter to a parser, and some that do not.
fn spicy_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        4 => prop::sample::select(&b"\r\n :;,\t/\\%.?#*\"=0159afxAZ_-\0\x0b\x7f\x80\xff"[..]),
        1 => any::<u8>(),
    ]
}

fn spicy_bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(spicy_byte(), 0..most)
}

/// A message of the corpus with some places overwritten, cut out or doubled.
fn mutated(text: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let seeds: Vec<_> = corpus_file::records(text).into_iter().map(|record| record.bytes).collect();
    let edit = (any::<prop::sample::Index>(), 0..8usize, spicy_bytes(4));
    (prop::sample::select(seeds), prop::collection::vec(edit, 0..4)).prop_map(|(seed, edits)| {
        let mut bytes = seed;
        for (place, cut, new) in edits {
            let start = place.index(bytes.len() + 1);
            let end = bytes.len().min(start + cut);
            bytes.splice(start..end, new);
        }
        bytes
    })
}

proptest! {
    #[test]
    fn requests_do_not_depend_on_cuts(data in mutated(include_str!("corpus/requests.txt"))) {
        checks::http1_request(&data);
    }

    #[test]
    fn answers_do_not_depend_on_cuts(data in mutated(include_str!("corpus/responses.txt"))) {
        checks::http1_response(&data);
    }

    #[test]
    fn noise_is_read_without_panic(data in spicy_bytes(200)) {
        checks::http1_request(&data);
        checks::http1_response(&data);
        checks::http1_body(&data);
        checks::http1_path(&data);
        checks::proxy_protocol(&[b"PROXY TCP4 ", &data[..]].concat());
        checks::proxy_protocol(&[b"\r\n\r\n\0\r\nQUIT\n\x21", &data[..]].concat());
        checks::tls_hello(&[b"\x16\x03\x01\0\x80\x01\0\0\x60", &data[..]].concat());
        checks::quic(&data);
        checks::quic(&[b"\xc0\0\0\0\x01\x04", &data[..]].concat());
        checks::quic(&[b"\xd3\x6b\x33\x43\xcf\0", &data[..]].concat());
        query::pairs(&data).for_each(|(name, _)| { query::find(&data, name); });
        cookie::pairs(&data).for_each(|(name, _)| { cookie::find(&data, name); });
    }

    #[test]
    fn flows_are_kept_as_in_a_list(data in prop::collection::vec(any::<u8>(), 0..400)) {
        checks::udp_flow(&data);
    }

    #[test]
    fn blocks_of_fields_are_noise_or_read_back(
        data in prop::collection::vec(any::<u8>(), 0..200),
        lines in prop::collection::vec("([\\x01-\\x1f]|[A-Ca-c-]{0,3}:[x-z]{0,2}|date:[x-z]|)", 0..60),
    ) {
        checks::hpack::noise(&data);
        checks::hpack::fields(&data);
        checks::hpack::fields(lines.join("\n").as_bytes());
    }

    #[test]
    fn chunks_are_read_back(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..8),
        trailers in prop::collection::vec("x-[a-z]{1,8}", 0..4),
        cut in 1..400usize,
        next in spicy_bytes(20),
    ) {
        let mut wire = Vec::new();
        for chunk in &chunks {
            write::chunk_size(&mut wire, chunk.len() as u64);
            wire.extend_from_slice(chunk);
            write::end(&mut wire);
        }
        wire.extend_from_slice(b"0\r\n");
        let mut lines = Vec::new();
        for name in &trailers {
            write::field(&mut lines, name.as_bytes(), b"v");
        }
        wire.extend_from_slice(&lines);
        write::end(&mut wire);
        wire.extend_from_slice(&next);
        let body = checks::read_body(&wire, cut, Framing::Chunked, &Limits::default());
        let want = checks::Body { data: chunks.concat(), trailers: lines, rest: next.len() };
        prop_assert_eq!(body, Ok(Some(want)));
    }

    #[test]
    fn requests_are_read_back(
        method in "[A-Z]{1,10}",
        target in "/[a-z0-9/._~-]{0,20}(\\?[a-z=&]{0,10})?",
        fields in prop::collection::vec(("x-[a-z0-9-]{1,12}", "[!-~]([ -~]{0,20}[!-~])?"), 0..8),
    ) {
        prop_assume!(method != "CONNECT");
        let mut wire = Vec::new();
        write::request_line(&mut wire, method.as_bytes(), target.as_bytes());
        write::field(&mut wire, b"Host", b"a.example:80");
        for (name, value) in &fields {
            write::field(&mut wire, name.as_bytes(), value.as_bytes());
        }
        write::end(&mut wire);
        let mut head = RequestHead::new();
        prop_assert_eq!(head.parse(&wire, &Limits::default()), Ok(Parsed::Complete));
        prop_assert_eq!(head.len, wire.len());
        prop_assert_eq!(head.method_span.of(&wire), method.as_bytes());
        prop_assert_eq!(head.target.of(&wire), target.as_bytes());
        prop_assert_eq!(head.host_name.map(|name| name.of(&wire)), Some(&b"a.example"[..]));
        prop_assert_eq!(head.port, Some(80));
        for (field, (name, value)) in head.fields[1..].iter().zip(&fields) {
            prop_assert_eq!(field.name.of(&wire), name.as_bytes());
            prop_assert_eq!(field.value.of(&wire), value.as_bytes());
        }
        let mut out = Vec::new();
        head.write_target(&wire, &mut out);
        prop_assert_eq!(out, target.into_bytes());
    }

    #[test]
    fn answers_are_read_back(status in 200..600u16, reason in "[A-Z][A-Za-z ]{0,12}", length: u64) {
        let mut wire = Vec::new();
        write::status_line(&mut wire, status, reason.as_bytes());
        write::number_field(&mut wire, b"Content-Length", length);
        write::end(&mut wire);
        let mut head = ResponseHead::new();
        prop_assert_eq!(head.parse(&wire, &Limits::default()), Ok(Parsed::Complete));
        prop_assert_eq!((head.status, head.content_length()), (status, Some(length)));
        prop_assert_eq!(head.reason.of(&wire), reason.as_bytes());
    }

    #[test]
    fn a_length_is_kept_to_the_byte(length in 0..500u64, extra in 0..50usize, relay in 0..500u64) {
        let mut reader = BodyReader::new(Framing::Length(length), &Limits::default());
        let unseen = relay.min(length);
        reader.relayed(unseen);
        let input = vec![0; (length - unseen) as usize + extra];
        let want = Piece { skip: 0, data: (length - unseen) as usize };
        prop_assert_eq!(reader.step(&input), Ok(want));
        prop_assert!(reader.is_done());
    }

    #[test]
    fn paths_normalise_once(text in "/[a.%2eEfF5cC;/-]{0,24}") {
        checks::http1_path(text.as_bytes());
        let mut scratch = Vec::new();
        if let Ok(normal) = path::normalise(text.as_bytes(), &mut scratch) {
            prop_assert!(!normal.split(|&b| b == b'/').any(|part| part == b".." || part == b"."));
        }
    }
}

#[test]
fn a_slow_sender_costs_no_more_than_its_bytes() {
    // A megabyte, byte by byte, would take hours if each call began anew.
    let mut data = b"GET / HTTP/1.1\r\nHost: a\r\nX: ".to_vec();
    data.resize(1 << 20, b'x');
    data.extend_from_slice(b"\r\n\r\n");
    let limits = Limits { head_bytes: 2 << 20, ..Limits::default() };
    let mut head = RequestHead::new();
    for have in 1..data.len() {
        assert_eq!(head.parse(&data[..have], &limits), Ok(Parsed::Partial));
    }
    assert_eq!(head.parse(&data, &limits), Ok(Parsed::Complete));
}

#[test]
fn a_head_is_reused_without_memory_of_the_last() {
    let limits = Limits::default();
    let first = b"POST http://b/x?y HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\n\
        Upgrade: websocket\r\nExpect: 100-continue\r\nTE: trailers\r\nContent_Length: 1\r\n\
        Content-Length: 3\r\n\r\n";
    let second = b"GET / HTTP/1.1\r\nHost: c\r\n\r\n";
    let mut used = RequestHead::new();
    assert_eq!(used.parse(first, &limits), Ok(Parsed::Complete));
    let room = used.fields.capacity();
    used.reset();
    let mut fresh = RequestHead::new();
    assert_eq!(used.parse(second, &limits), fresh.parse(second, &limits));
    assert_eq!(format!("{used:?}"), format!("{fresh:?}"));
    assert_eq!(used.fields.capacity(), room);
}
