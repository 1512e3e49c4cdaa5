//! TLS passed through: routes by the names in the ClientHello, bytes untouched.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use evenkeel_testkit::*;

use crate::echo::{Keeper, connect};
use crate::{start, wait_for_line};

/// A ClientHello of TLS 1.2 form with these extensions, in records of at most `record` bytes.
pub(crate) fn hello(name: Option<&str>, alpn: &[&str], record: usize) -> Vec<u8> {
    let mut extensions = Vec::new();
    if let Some(name) = name {
        let mut list = vec![0];
        list.extend(sized(name.as_bytes()));
        extensions.extend([0, 0]);
        extensions.extend(sized(&sized(&list)));
    }
    if !alpn.is_empty() {
        let list: Vec<u8> = alpn
            .iter()
            .flat_map(|p| [&[u8::try_from(p.len()).unwrap()][..], p.as_bytes()].concat())
            .collect();
        extensions.extend([0, 16]);
        extensions.extend(sized(&sized(&list)));
    }
    // Padding, so that the message needs more than one small record.
    extensions.extend([0, 21]);
    extensions.extend(sized(&[0; 600]));
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    body.extend(sized(&extensions));
    let mut message = vec![1, 0];
    message.extend(sized(&body));
    let records =
        message.chunks(record).flat_map(|piece| [&[22, 3, 1][..], &sized(piece)].concat());
    records.collect()
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

pub(crate) struct Setup {
    pub(crate) server: Server,
    pub(crate) members: [Keeper; 4],
}

/// Members 0: `a.test` with h2; 1: `a.test`; 2: `*.b.test`; 3: everything else.
pub(crate) fn setup(fallback: bool) -> Setup {
    let members = [(); 4].map(|()| Keeper::start());
    let pool =
        |n: usize| format!("[[pool]]\nname = \"p{n}\"\nmembers = [\"{}\"]\n", members[n].address);
    let own = if fallback { "pool = \"p3\"\n" } else { "" };
    let text = format!(
        "[log]\naccess = {{ path = \"access.log\", format = \"json\" }}\n\
         [[listener]]\nname = \"l4\"\nbind = \"127.0.0.1:0\"\nprotocol = \"tcp\"\n{own}\
         timeouts = {{ header = \"500ms\" }}\n\
         [[route]]\nlisteners = [\"l4\"]\nsni = \"a.test\"\nalpn = [\"h2\"]\npool = \"p0\"\n\
         [[route]]\nlisteners = [\"l4\"]\nsni = [\"a.test\"]\npool = \"p1\"\n\
         [[route]]\nlisteners = [\"l4\"]\nsni = [\"*.b.test\"]\npool = \"p2\"\n{}{}{}{}",
        pool(0),
        pool(1),
        pool(2),
        pool(3)
    );
    Setup { server: start(&text), members }
}

impl Setup {
    /// A client that sends these bytes in small pieces; it must come to that member, untouched.
    pub(crate) fn comes_to(&self, member: usize, bytes: &[u8]) {
        let mut client = connect(self.server.addr("l4"));
        client.set_nodelay(true).unwrap();
        for piece in bytes.chunks(200) {
            client.write_all(piece).unwrap();
        }
        let mut stream = self.members[member].accept();
        let mut got = vec![0; bytes.len()];
        stream.read_exact(&mut got).unwrap();
        assert!(got == bytes);
        stream.write_all(b"answer").unwrap();
        let mut answer = [0; 6];
        client.read_exact(&mut answer).unwrap();
        client.write_all(b"more").unwrap();
        let mut more = [0; 4];
        stream.read_exact(&mut more).unwrap();
    }
}

#[test]
fn names_and_protocols_choose_the_pool() {
    let setup = setup(true);
    setup.comes_to(0, &hello(Some("a.test"), &["h2", "http/1.1"], 16_384));
    setup.comes_to(1, &hello(Some("A.TEST"), &["http/1.1"], 100));
    setup.comes_to(1, &hello(Some("a.test"), &[], 1));
    setup.comes_to(2, &hello(Some("x.y.b.test"), &["h2"], 50));
    setup.comes_to(3, &hello(Some("b.test"), &[], 16_384));
    setup.comes_to(3, &hello(None, &["h2"], 16_384));
    wait_for_line(&setup.server, &["\"route\":\"route-3\"", "\"host\":\"x.y.b.test\""]);
}

#[test]
fn without_a_route_or_a_sound_hello_the_connection_ends() {
    let setup = setup(false);
    let ends = |bytes: &[u8], cause: &str| {
        let mut client = connect(setup.server.addr("l4"));
        client.write_all(bytes).unwrap();
        assert!(is_ended(&mut client), "{cause}");
        wait_for_line(&setup.server, &[&format!("\"cause\":\"{cause}\"")]);
    };
    ends(&hello(Some("other.test"), &[], 16_384), "no-route-tcp");
    ends(b"GET / HTTP/1.1\r\n\r\n", "tls-no-record");
    ends(&[22, 3, 1, 0, 4, 2, 0, 0, 0], "tls-no-hello");
    ends(&[22, 3, 1, 0, 5, 1, 0, 0, 1, 9], "tls-bad-hello");
    ends(&[22, 3, 1, 0, 4, 1, 1, 0, 0], "tls-long-hello");
    // One that comes too slowly.
    ends(&hello(Some("a.test"), &[], 16_384)[..50], "tls-hello-timeout");
}

fn is_ended(client: &mut TcpStream) -> bool {
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    match client.read(&mut [0; 10]) {
        Ok(0) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        Ok(_) => false,
    }
}
