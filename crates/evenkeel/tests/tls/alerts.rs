//! What clients hear that break the rules of TLS, and that they hear it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::bounds::hello;
use super::*;

/// Where the session id of a hello begins: behind record, message, version and random.
const SESSION: usize = 5 + 4 + 2 + 32;

fn start(certificates: &Certificates, rsa: bool) -> (Server, Origin) {
    let origin = Origin::named("a");
    let site = certificates.make("site", "DNS:one.test", rsa);
    let server = Server::start(&config(&listed(std::slice::from_ref(&site)), "", &origin));
    (server, origin)
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.addr("web")).expect("a connection");
    stream.set_read_timeout(Some(LONG)).expect("a time");
    stream
}

/// What is said to a client that sends this and then listens; it ends in order.
fn said_to(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(server);
    stream.write_all(bytes).expect("sent");
    stream.shutdown(std::net::Shutdown::Write).expect("an end");
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).expect("an end in order");
    heard
}

fn alert(description: u8) -> Vec<u8> {
    vec![21, 3, 3, 0, 2, 2, description]
}

/// Where an extension begins in a hello.
fn extension(hello: &[u8], kind: u16) -> usize {
    let number = |at: usize| usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
    let ciphers = SESSION + 1 + usize::from(hello[SESSION]);
    let compressions = ciphers + 2 + number(ciphers);
    let mut at = compressions + 1 + usize::from(hello[compressions]) + 2;
    while number(at) != usize::from(kind) {
        at += 4 + number(at + 2);
    }
    at
}

#[test]
fn hellos_that_break_a_rule_are_told_which() {
    let Some(certificates) = Certificates::new() else { return };
    let (server, _origin) = start(&certificates, true);
    let good = hello(&[]);
    let (groups, shares) = (extension(&good, 10), extension(&good, 51));
    let with = |changes: &[(usize, u8)]| {
        let mut odd = good.clone();
        changes.iter().for_each(|&(at, value)| odd[at] = value);
        odd
    };
    // RFC 8446 section 5.1: any minor version of records.
    for odd in [&good, &with(&[(2, 254)])] {
        assert_eq!(said_to(&server, odd)[..3], [22, 3, 3]);
    }
    for (why, odd, description) in [
        ("RFC 8446 5.1: record_overflow", with(&[(3, 0x40), (4, 1)]), 22),
        ("RFC 8446 D.5: protocol_version", with(&[(9, 3), (10, 0)]), 70),
        ("RFC 8446 9.2: no key_share", with(&[(shares, 0xfe)]), 109),
        ("RFC 8446 9.2: no supported_groups", with(&[(groups, 0xfe)]), 109),
        // The first share is behind the extension's header and the length of their list.
        ("RFC 8446 4.2.8: another group", with(&[(shares + 6, 0xfe)]), 47),
        // The certificate is of RSA.
        ("RFC 8446 4.1.1", hello(&["-tls1_3", "-sigalgs", "ecdsa_secp256r1_sha256"]), 40),
        ("RFC 8446 4.2.3", hello(&["-tls1_3", "-sigalgs", "RSA+SHA256"]), 40),
    ] {
        assert_eq!(said_to(&server, &odd), alert(description), "{why}");
    }
    // RFC 5746 section 3.6: openssl says so by a suite, and by an extension only where it must.
    let mut odd = hello(&["-tls1_2"]);
    let groups = extension(&odd, 10);
    let body = [&[0xff, 1, 0, 2, 1][..], &[9]].concat();
    let len = usize::from(u16::from_be_bytes([odd[groups + 2], odd[groups + 3]]));
    assert!(len >= 2, "there is room for it");
    odd.splice(groups..groups + 4 + len, body.iter().copied());
    let less = 4 + len - body.len();
    for at in [3, 7, extensions(&odd)] {
        let value = u16::from_be_bytes([odd[at], odd[at + 1]]) - u16::try_from(less).expect("few");
        odd[at..at + 2].copy_from_slice(&value.to_be_bytes());
    }
    assert_eq!(said_to(&server, &odd), alert(40));
}

/// Where the length of all extensions is.
fn extensions(hello: &[u8]) -> usize {
    let ciphers = SESSION + 1 + usize::from(hello[SESSION]);
    let len = usize::from(u16::from_be_bytes([hello[ciphers], hello[ciphers + 1]]));
    let compressions = ciphers + 2 + len;
    compressions + 1 + usize::from(hello[compressions])
}

/// The alert must not be lost to a reset.
#[test]
fn alerts_reach_clients_that_are_still_sending() {
    let Some(certificates) = Certificates::new() else { return };
    let (server, _origin) = start(&certificates, true);
    let mut odd = hello(&[]);
    odd[9..11].copy_from_slice(&[3, 0]);
    // The engine's own alert, for a message that is none.
    let unknown = [&hello(&["-tls1_2"])[..], &[22, 3, 3, 0, 4, 99, 0, 0, 0]].concat();
    for (first, last) in [(&odd, 70), (&unknown, 10)] {
        let mut stream = connect(&server);
        stream.write_all(first).expect("sent");
        for _ in 0..8 {
            std::thread::sleep(Duration::from_millis(20));
            stream.write_all(&[7; 32 * 1024]).expect("the other side reads on");
        }
        stream.shutdown(std::net::Shutdown::Write).expect("an end");
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).expect("an end in order");
        assert!(heard.ends_with(&alert(last)), "{last}: {:?}", &heard[heard.len() - 7..]);
    }
}

/// The engine ends without a word where a handshake message is cut by another record.
#[test]
fn messages_cut_by_other_records_are_told_so() {
    let Some(certificates) = Certificates::new() else { return };
    let (server, _origin) = start(&certificates, true);
    let cut = [22, 3, 3, 0, 4, 16, 0, 0, 66, 20, 3, 3, 0, 1, 1];
    let heard = said_to(&server, &[&hello(&["-tls1_2"])[..], &cut].concat());
    assert!(heard.ends_with(&alert(10)), "{:?}", &heard[heard.len().saturating_sub(7)..]);
}

/// So it does where the client's key cannot be read (RFC 5246 section 7.4.7).
#[test]
fn keys_that_cannot_be_read_are_told_so() {
    let Some(certificates) = Certificates::new() else { return };
    let (server, _origin) = start(&certificates, true);
    let mut stream = connect(&server);
    stream.write_all(&hello(&["-tls1_2"])).expect("sent");
    let mut heard = Vec::new();
    let done = [14, 0, 0, 0];
    while !heard.ends_with(&done) {
        let mut some = [0; 4096];
        let n = stream.read(&mut some).expect("an answer");
        assert!(n > 0, "it goes on");
        heard.extend_from_slice(&some[..n]);
    }
    stream.write_all(&[22, 3, 3, 0, 4, 16, 0, 0, 0]).expect("sent");
    heard.clear();
    stream.read_to_end(&mut heard).expect("an end in order");
    assert_eq!(heard, alert(50));
}

/// A client may have a ticket from when data was heard ahead (RFC 8446 section 4.2.10).
#[test]
fn data_sent_ahead_in_vain_is_passed_over() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let site = certificates.make("site", "DNS:one.test", false);
    let files = listed(std::slice::from_ref(&site));
    let before = Server::start(&config(&files, "early_data = true", &origin));
    let session = certificates.path("session").display().to_string();
    s_client(&before, "one.test", &["-sess_out", &session]);
    let now = Server::start(&config(&files, "", &origin));
    let ahead = certificates.path("ahead");
    std::fs::write(&ahead, vec![b'a'; 16 * 1024]).expect("a file");
    let ahead = ahead.display().to_string();
    let said = s_client(&now, "one.test", &["-sess_in", &session, "-early_data", &ahead]);
    assert!(said.contains("Early data was rejected"), "{said}");
    assert!(said.contains("HTTP/1.1 200"), "{said}");
}
