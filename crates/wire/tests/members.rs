//! The protocols spoken to members other than HTTP: how an answer is cut does not matter, and the
//! other side understands what is written.

mod checks;

use checks::ajp;
use proptest::prelude::*;

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..most)
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
        data in bytes(30_000),
        announced: bool,
        asks in prop::collection::vec(1..10_000u16, 1..5),
    ) {
        prop_assert_eq!(ajp::upload(&data, announced, &asks), data);
    }

    #[test]
    fn noise_of_members_is_read_without_panic(data in bytes(300)) {
        ajp::answer(&data);
        ajp::answer(&[&b"AB\0"[..], &data].concat());
        ajp::request(&data);
    }
}
