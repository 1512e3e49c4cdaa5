//! Handshakes that are slow, and many.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::*;

/// A ClientHello as openssl sends it.
pub(crate) fn hello(arguments: &[&str]) -> Vec<u8> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &address, "-servername", "one.test"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl runs");
    let (mut stream, _) = listener.accept().expect("a connection");
    let mut head = [0; 5];
    stream.read_exact(&mut head).expect("a record");
    let mut record = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    stream.read_exact(&mut record).expect("a record");
    let _ = child.kill();
    let _ = child.wait();
    [&head[..], &record].concat()
}

#[test]
fn bad_hellos_are_told_so_by_an_alert() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let site = certificates.make("site", "DNS:one.test", false);
    let server = Server::start(&config(&listed(std::slice::from_ref(&site)), "", &origin));
    let good = hello(&[]);
    let mut odd = good.clone();
    // The length of the list of cipher suites, behind record, message, version, random and session.
    let at = 5 + 4 + 2 + 32;
    let ciphers = at + 1 + usize::from(odd[at]);
    odd[ciphers + 1] |= 1;
    let mut other_message = good;
    other_message[5] = 2;
    let cases: [(&[u8], &[u8]); 4] = [
        (&odd, &[21, 3, 3, 0, 2, 2, 50]),
        (&other_message, &[21, 3, 3, 0, 2, 2, 10]),
        (&[23, 3, 3, 0, 1, 0], &[21, 3, 3, 0, 2, 2, 10]),
        // Who does not speak TLS is not spoken to.
        (&[0x80; 40], &[]),
    ];
    for (bytes, answer) in cases {
        let mut stream = TcpStream::connect(server.addr("web")).expect("a connection");
        stream.set_read_timeout(Some(LONG)).expect("a time");
        stream.write_all(bytes).expect("sent");
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard);
        assert_eq!(heard, answer);
    }
}

#[test]
fn slow_handshakes_keep_nobody_out() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let site = certificates.make("site", "DNS:one.test", false);
    let text = config(&listed(std::slice::from_ref(&site)), "", &origin);
    let text = text
        .replace(
            "pool = \"app\"\n",
            "pool = \"app\"\nlimits = { handshakes = 4 }\n\
         timeouts = { header = \"4s\" }\n",
        )
        .replacen("[admin]", "[server]\ncores = 1\n[admin]", 1);
    let server = Server::start(&text);
    let hello = hello(&[]);
    let connect = || TcpStream::connect(server.addr("web")).expect("a connection");
    // Clients that say nothing, or not all: they take no place.
    let silent: Vec<TcpStream> = (0..20).map(|_| connect()).collect();
    let halves: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = connect();
            stream.write_all(&hello[..hello.len() / 2]).expect("sent");
            stream
        })
        .collect();
    let began = Instant::now();
    assert!(curl(&server, "one.test", &site.0, &[]).is_ok());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    // Clients that say all and then nothing: more than there are places, over and over.
    let mut stalled: Vec<TcpStream> = Vec::new();
    for _ in 0..3 {
        for _ in 0..4 {
            let mut stream = connect();
            stream.write_all(&hello).expect("sent");
            stalled.push(stream);
        }
        let began = Instant::now();
        assert!(curl(&server, "one.test", &site.0, &[]).is_ok());
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
    wait_for_metric(&server, "evenkeel_refusals_total{listener=\"web\",cause=\"tls-crowded\"}");
    // All of them end by themselves.
    wait_for_metric(
        &server,
        "evenkeel_refusals_total{listener=\"web\",cause=\"tls-hello-timeout\"} 40",
    );
    let ended = || metrics(&server).contains("evenkeel_connections{listener=\"web\"} 0\n");
    assert!(wait_until(LONG, ended), "{}", metrics(&server));
    drop((silent, halves, stalled));
}

#[test]
fn many_handshakes_at_once_all_succeed() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let site = certificates.make("site", "DNS:one.test", false);
    let text = config(&listed(std::slice::from_ref(&site)), "", &origin);
    let server = Server::start(
        &text.replace("pool = \"app\"\n", "pool = \"app\"\nlimits = { handshakes = 1 }\n"),
    );
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert!(curl(&server, "one.test", &site.0, &[]).is_ok()));
        }
    });
}
