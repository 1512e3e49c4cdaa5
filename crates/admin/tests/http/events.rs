use std::time::Duration;

use evenkeel_observe::events::Event;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::Server;

async fn follow(server: &Server, path: &str, lines: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Reads until the text came.
async fn until(stream: &mut TcpStream, text: &str) -> String {
    let mut all = String::new();
    let mut buffer = [0; 4096];
    while !all.contains(text) {
        let read = timeout(Duration::from_secs(5), stream.read(&mut buffer)).await;
        let n = read.unwrap_or_else(|_| panic!("no {text} in {all}")).unwrap();
        assert!(n > 0, "ended without {text}: {all}");
        all.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
    }
    all
}

fn down(pool: &str) -> Event {
    Event::PoolDown { pool: pool.into() }
}

#[tokio::test]
async fn remembered_events_come_first_then_new_ones_as_they_happen() {
    let server = Server::start(None).await;
    server.fake.happen(down("one"));
    let mut stream = follow(&server, "/api/v1/events", "").await;
    let first = until(&mut stream, "pool one has no usable member").await;
    assert!(first.contains("content-type: text/event-stream"), "{first}");
    assert!(first.contains("id: 1\n") && first.contains("event: pool-down\n"), "{first}");
    server.fake.happen(down("two"));
    server.fake.happen(down("three"));
    let rest = until(&mut stream, "pool three").await;
    assert!(rest.contains("\"id\":2") && rest.contains("\"id\":3"), "{rest}");
}

#[tokio::test]
async fn a_client_goes_on_where_it_was() {
    let server = Server::start(None).await;
    for pool in ["one", "two", "three"] {
        server.fake.happen(down(pool));
    }
    for (path, lines) in
        [("/api/v1/events?since=2", ""), ("/api/v1/events?since=1", "Last-Event-ID: 2\r\n")]
    {
        let mut stream = follow(&server, path, lines).await;
        let text = until(&mut stream, "pool three").await;
        assert!(!text.contains("pool two"), "{text}");
    }
    for path in ["/api/v1/events?since=x", "/api/v1/events?from=1", "/api/v1/events?since=-1"] {
        assert_eq!(server.get(path).await.status, 400, "{path}");
    }
}

#[tokio::test]
async fn the_end_of_the_server_ends_streams() {
    let server = Server::start(None).await;
    server.fake.happen(down("one"));
    let mut stream = follow(&server, "/api/v1/events", "").await;
    until(&mut stream, "pool one").await;
    server.stop().await;
    let mut rest = Vec::new();
    // Cut or closed, both will do.
    let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.expect("it ends");
}
