use std::time::Duration;

use evenkeel_admin::CONNECTIONS_MAX;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::client::Server;

#[tokio::test]
async fn large_bodies_are_refused() {
    let server = Server::start(None).await;
    let body = format!("{{\"state\":\"{}\"}}", "x".repeat(64 * 1024));
    let reply = server.ask("PATCH", "/api/v1/pools/api/members/a", &body).await;
    assert_eq!(reply.status, 413);
    reply.problem();
}

#[tokio::test]
async fn large_heads_are_refused() {
    let server = Server::start(None).await;
    let lines = format!("X-Large: {}\r\n", "x".repeat(100_000));
    assert_eq!(server.ask_with("GET", "/healthz", &lines, "").await.status, 431);
    let lines = "x: y\r\n".repeat(200);
    assert_eq!(server.ask_with("GET", "/healthz", &lines, "").await.status, 431);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_and_silent_ones_are_closed() {
    let server = Server::start(None).await;
    let begin = Instant::now();
    let mut silent = Vec::new();
    for n in 0..CONNECTIONS_MAX {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // Some say nothing, some begin a head, some wait after an answer.
        match n % 3 {
            0 => {}
            1 => stream.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap(),
            _ => {
                let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
                stream.write_all(request).await.unwrap();
            }
        }
        silent.push(stream);
    }
    let mut late = TcpStream::connect(server.address).await.unwrap();
    late.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut byte = [0];
    let early = timeout(Duration::from_secs(2), late.read(&mut byte)).await;
    assert!(early.is_err(), "all places are taken");
    let answer = timeout(Duration::from_secs(20), late.read(&mut byte)).await.expect("its turn");
    assert_eq!(answer.unwrap(), 1);
    assert!(begin.elapsed() > Duration::from_secs(8));
    for mut stream in silent {
        let mut rest = Vec::new();
        let end = timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "every silent connection ends");
    }
}

#[tokio::test]
async fn requests_of_one_connection_follow_each_other() {
    let server = Server::start(None).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut answer = [0; 1024];
        let n = stream.read(&mut answer).await.unwrap();
        assert!(answer[..n].starts_with(b"HTTP/1.1 200 "));
    }
}
