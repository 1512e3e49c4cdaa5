//! PROXY headers, in and out.

use std::io::{Read, Write};

use evenkeel_testkit::*;

use crate::echo::{Echo, Keeper, connect, read};
use crate::{config, start, wait_for_line};

/// A version 2 header for 203.0.113.9:5000 to 192.0.2.1:443.
const V2: [u8; 28] = [
    0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21, 0x11, 0, 12, 203,
    0, 113, 9, 192, 0, 2, 1, 0x13, 0x88, 0x01, 0xbb,
];
const V1: &[u8] = b"PROXY TCP4 203.0.113.9 192.0.2.1 5000 443\r\n";

#[test]
fn the_client_is_the_one_the_header_names() {
    let echo = Echo::start("a");
    for mode in ["accept", "require"] {
        let listener = format!("proxy_protocol = \"{mode}\"");
        let server = start(&config("tcp", &listener, &[echo.member()], ""));
        for header in [V1, &V2] {
            let mut client = connect(server.addr("l4"));
            client.write_all(&[header, b"data"].concat()).unwrap();
            assert_eq!(read(&mut client, 5), "adata");
        }
        wait_for_line(&server, &["\"client\":\"203.0.113.9\"", "\"bytes_in\":4"]);
    }
}

#[test]
fn an_http_client_behind_a_header_is_forwarded_as_itself() {
    let origin = Origin::named("a");
    let listener = "proxy_protocol = \"require\"";
    let server = start(&config("http", listener, &[origin.member()], ""));
    let mut client = connect(server.addr("l4"));
    client.write_all(&[&V2[..], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat()).unwrap();
    assert_eq!(read(&mut client, 15), "HTTP/1.1 200 OK");
    assert_eq!(origin.last().head.field("x-forwarded-for"), Some("203.0.113.9"));
}

#[test]
fn headers_that_are_missing_malformed_slow_or_from_strangers_end_the_connection() {
    let echo = Echo::start("a");
    let timeouts = "timeouts = { header = \"400ms\" }";
    let required = format!("proxy_protocol = \"require\"\n{timeouts}");
    let server = start(&config("tcp", &required, &[echo.member()], ""));
    let ends = |server: &Server, bytes: &[u8], cause: &str| {
        let mut client = connect(server.addr("l4"));
        // Strangers may be gone before they have said a word.
        let _ = client.write_all(bytes);
        let mut got = Vec::new();
        let _ = client.read_to_end(&mut got);
        assert!(got.is_empty(), "{cause}");
        wait_for_line(server, &[&format!("\"cause\":\"{cause}\"")]);
    };
    let mut bad = V2;
    bad[12] = 0x31;
    ends(&server, b"hello there, no header", "proxy-no-header");
    ends(&server, b"PROXY TCP4 1.2.3.4\r\n", "proxy-bad-line");
    ends(&server, &bad, "proxy-bad-block");
    ends(&server, &[b"PROXY TCP4 ", &[b'1'; 200][..]].concat(), "proxy-too-long");
    ends(&server, &V1[..20], "proxy-timeout");
    ends(&server, b"", "proxy-timeout");
    let strangers = "proxy_protocol = { mode = \"require\", trusted = [\"192.0.2.0/24\"] }";
    let server = start(&config("tcp", strangers, &[echo.member()], ""));
    ends(&server, V1, "proxy-untrusted");
}

#[test]
fn where_a_header_is_optional_others_are_served_and_strangers_are_not_believed() {
    let echo = Echo::start("a");
    let optional = "proxy_protocol = \"accept\"\ntimeouts = { header = \"400ms\" }";
    let server = start(&config("tcp", optional, &[echo.member()], ""));
    let mut client = connect(server.addr("l4"));
    client.write_all(b"plain").unwrap();
    assert_eq!(read(&mut client, 6), "aplain");
    // A client that waits for the server to speak first.
    assert_eq!(read(&mut connect(server.addr("l4")), 1), "a");
    let strangers = "proxy_protocol = { mode = \"accept\", trusted = [\"192.0.2.0/24\"] }";
    let server = start(&config("tcp", strangers, &[echo.member()], ""));
    let mut client = connect(server.addr("l4"));
    client.write_all(V1).unwrap();
    assert_eq!(read(&mut client, 1 + V1.len()), format!("a{}", String::from_utf8_lossy(V1)));
}

#[test]
fn members_are_told_who_the_client_is() {
    let keeper = Keeper::start();
    let members = [keeper.address.to_string()];
    let server = start(&config("tcp", "", &members, "proxy_protocol = \"v1\""));
    let mut client = connect(server.addr("l4"));
    let from = client.local_addr().unwrap();
    let expected =
        format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\n", from.port(), server.addr("l4").port());
    // At once, also when the client waits for the server.
    let mut member = keeper.accept();
    assert_eq!(read(&mut member, expected.len()), expected);
    client.write_all(b"data").unwrap();
    assert_eq!(read(&mut member, 4), "data");

    // What a header in front said is passed on, with a checksum that the next one accepts.
    let back = Echo::start("b");
    let inner = start(&config("tcp", "proxy_protocol = \"require\"", &[back.member()], ""));
    let members = [inner.addr("l4").to_string()];
    let listener = "proxy_protocol = \"accept\"";
    let outer = start(&config("tcp", listener, &members, "proxy_protocol = \"v2\""));
    let mut client = connect(outer.addr("l4"));
    client.write_all(&[V1, b"x"].concat()).unwrap();
    assert_eq!(read(&mut client, 2), "bx");
    drop(client);
    wait_for_line(&inner, &["\"client\":\"203.0.113.9\""]);
}

#[test]
fn http_members_get_a_header_per_connection_and_connections_are_not_shared() {
    let keeper = Keeper::start();
    let members = [keeper.address.to_string()];
    let server = start(&config("http", "", &members, "proxy_protocol = \"v1\""));
    for _ in 0..2 {
        let mut client = connect(server.addr("l4"));
        let from = client.local_addr().unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut member = keeper.accept();
        let expected = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} ", from.port());
        assert_eq!(read(&mut member, expected.len()), expected);
        let mut rest = [0; 4096];
        while !String::from_utf8_lossy(&rest).contains("\r\n\r\n") {
            let n = rest.iter().position(|b| *b == 0).unwrap();
            assert!(member.read(&mut rest[n..]).unwrap() > 0);
        }
        member.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        assert_eq!(read(&mut client, 15), "HTTP/1.1 200 OK");
        // The connection is not kept for others: it ends.
        assert_eq!(member.read(&mut rest).unwrap(), 0);
    }
}
