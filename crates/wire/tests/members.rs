//! The protocols spoken to members other than HTTP: how an answer is cut does not matter, and the
//! other side understands what is written.

mod checks;

use checks::{ajp, fastcgi};
use evenkeel_wire::fastcgi::{Event, Params, ProtocolStatus, write};
use proptest::prelude::*;

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..most)
}

/// Bytes whose order shows.
fn numbered(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// Overwrites some places, cuts out or doubles them.
fn edit(mut bytes: Vec<u8>, edits: &[(prop::sample::Index, usize, Vec<u8>)]) -> Vec<u8> {
    for (place, cut, new) in edits {
        let start = place.index(bytes.len() + 1);
        let end = bytes.len().min(start + cut);
        bytes.splice(start..end, new.iter().copied());
    }
    bytes
}

fn edits() -> impl Strategy<Value = Vec<(prop::sample::Index, usize, Vec<u8>)>> {
    let new = prop_oneof![
        prop::sample::select(&b"\0\x01\x02\x03\x04\x05\x06\x08\xa0\xff\r\n :AB"[..]),
        any::<u8>()
    ];
    let edit = (any::<prop::sample::Index>(), 0..4usize, prop::collection::vec(new, 0..4));
    prop::collection::vec(edit, 0..4)
}

/// What a container says: a head, chunks, flushes, questions, an end.
#[derive(Clone, Debug)]
struct Said {
    wire: Vec<u8>,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    reuse: bool,
}

fn said() -> impl Strategy<Value = Said> {
    let fields = prop::collection::vec(("X-[A-Za-z0-9]{1,8}", "[!-~]{0,12}"), 0..6);
    let chunks = prop::collection::vec(bytes(300), 0..6);
    (fields, chunks, any::<bool>(), any::<bool>()).prop_map(|(fields, chunks, ask, reuse)| {
        let mut wire = Vec::new();
        let mut head = vec![4, 0, 200];
        ajp::put_string(&mut head, b"200");
        head.extend((fields.len() as u16 + 1).to_be_bytes());
        head.extend([0xA0, 1]);
        ajp::put_string(&mut head, b"text/plain");
        for (name, value) in &fields {
            ajp::put_string(&mut head, name.as_bytes());
            ajp::put_string(&mut head, value.as_bytes());
        }
        ajp::packet(&mut wire, &head);
        for chunk in &chunks {
            let mut content = vec![3];
            ajp::put_string(&mut content, chunk);
            ajp::packet(&mut wire, &content);
            if ask {
                ajp::packet(&mut wire, &[6, 0x1f, 0xfa]);
            }
        }
        ajp::packet(&mut wire, &[5, u8::from(reuse)]);
        Said { wire, fields, body: chunks.concat(), reuse }
    })
}

/// Records of a responder for request 1: kind, content, padding.
fn records() -> impl Strategy<Value = Vec<(u8, Vec<u8>, u8)>> {
    prop::collection::vec((6..=7u8, bytes(300), any::<u8>()), 0..6)
}

fn spelt(records: &[(u8, Vec<u8>, u8)], app_status: u32) -> Vec<u8> {
    let mut wire = Vec::new();
    for (kind, content, padding) in records {
        fastcgi::record(&mut wire, *kind, 1, content, *padding);
    }
    let end = [&app_status.to_be_bytes()[..], &[0; 4]].concat();
    fastcgi::record(&mut wire, 3, 1, &end, 3);
    wire
}

proptest! {
    #[test]
    fn answers_of_containers_do_not_depend_on_cuts(said in said(), edits in edits()) {
        ajp::answer(&edit(said.wire, &edits));
    }

    #[test]
    fn answers_of_containers_are_read_back(said in said(), cut in 1..200usize, next in bytes(9)) {
        let answer = ajp::read(&[&said.wire[..], &next].concat(), cut);
        prop_assert_eq!((answer.refusal, answer.rest), (None, next.len()));
        prop_assert_eq!(answer.body, said.body);
        let mut head = String::from("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n");
        for (name, value) in &said.fields {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        prop_assert_eq!(&answer.events[0], &head);
        let end = format!("End {{ reuse: {} }}", said.reuse);
        prop_assert_eq!(answer.events.last(), Some(&end));
    }

    #[test]
    fn containers_understand_requests(data in "[a-zA-Z0-9:/ -]{0,20}(\n[a-zA-Z0-9:/ -]{0,30}){0,20}") {
        ajp::request(data.as_bytes());
    }

    #[test]
    fn containers_get_every_body(
        length in 0..30_000usize,
        announced: bool,
        asks in prop::collection::vec(1..10_000u16, 1..5),
    ) {
        let data = numbered(length);
        prop_assert_eq!(ajp::upload(&data, announced, &asks), data);
    }

    #[test]
    fn noise_of_members_is_read_without_panic(data in bytes(300)) {
        ajp::answer(&data);
        ajp::answer(&[&b"AB\0"[..], &data].concat());
        ajp::request(&data);
        fastcgi::answer(&data);
        fastcgi::answer(&[&b"\x01\x06\0\x01\0"[..], &data].concat());
        fastcgi::head(&data);
        fastcgi::request(&data);
    }

    #[test]
    fn answers_of_responders_do_not_depend_on_cuts(records in records(), edits in edits()) {
        fastcgi::answer(&edit(spelt(&records, 0), &edits));
    }

    #[test]
    fn answers_of_responders_are_read_back(
        records in records(),
        app_status: u32,
        cut in 1..200usize,
        next in bytes(9),
    ) {
        let wire = [spelt(&records, app_status), next.clone()].concat();
        let answer = fastcgi::read(&wire, 1, cut);
        let of = |wanted: u8| -> Vec<u8> {
            let stream = records.iter().filter(|(kind, ..)| *kind == wanted);
            stream.flat_map(|(_, content, _)| content.clone()).collect()
        };
        let end = Event::End { app_status, protocol_status: ProtocolStatus::Complete };
        prop_assert_eq!((answer.refusal, answer.rest, answer.end), (None, next.len(), Some(end)));
        prop_assert_eq!((answer.stdout, answer.stderr), (of(6), of(7)));
    }

    #[test]
    fn cgi_heads_do_not_depend_on_cuts(
        lines in prop::collection::vec(("[A-Za-z-]{1,9}", "[ -~]{0,12}", "\r?\n"), 0..6),
        status in prop::option::of(150..620u16),
        edits in edits(),
    ) {
        let mut text = status.map(|status| format!("Status: {status} x\r\n")).unwrap_or_default();
        for (name, value, end) in lines {
            text += &format!("{name}: {value}{end}");
        }
        text += "\r\nbody";
        fastcgi::head(&edit(text.into_bytes(), &edits));
    }

    #[test]
    fn responders_understand_requests(
        lines in prop::collection::vec("[a-zA-Z0-9:/_ -]{0,30}", 0..20),
        long in 0..300usize,
    ) {
        let lines = lines.join("\n");
        fastcgi::request(lines.as_bytes());
        fastcgi::request(format!("{}\n{lines}", "x".repeat(long)).as_bytes());
    }

    #[test]
    fn responders_get_every_variable_and_byte(
        pairs in prop::collection::vec((bytes(200), bytes(3000)), 0..40),
        length in 0..140_000usize,
    ) {
        let body = numbered(length);
        let mut params = Params::new(1 << 20);
        for (name, value) in &pairs {
            params.push(name, value).unwrap();
        }
        let mut wire = Vec::new();
        write::begin(&mut wire, 9, false);
        write::params(&mut wire, 9, &params);
        let (first, last) = body.split_at(body.len() / 3);
        write::stdin(&mut wire, 9, first);
        write::stdin(&mut wire, 9, last);
        write::end_stdin(&mut wire, 9);
        let want = fastcgi::Understood { id: 9, keep_conn: false, params: pairs, stdin: body };
        prop_assert_eq!(fastcgi::understand(&wire), Some(want));
    }
}
