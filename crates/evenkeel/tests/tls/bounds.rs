//! Handshakes that are slow, and many.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::*;

/// A ClientHello as openssl sends it.
fn hello() -> Vec<u8> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &address, "-servername", "one.test"])
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
    let hello = hello();
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
