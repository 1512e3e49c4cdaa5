use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use evenkeel_admin::{Listening, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::client::Server;
use crate::fake::Fake;

const RELOAD: &str = "/api/v1/reload";

#[tokio::test]
async fn with_a_token_only_health_and_the_page_are_open() {
    let server = Server::start(Some("s3cret")).await;
    for path in ["/healthz", "/readyz", "/", "/dashboard.css", "/dashboard.js"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    for (method, path) in [
        ("GET", "/metrics"),
        ("GET", "/api/v1/pools"),
        ("GET", "/api/v1/events"),
        ("GET", "/api/v1/openapi.json"),
        ("GET", "/nothing"),
        ("POST", "/healthz"),
        ("POST", RELOAD),
        ("PATCH", "/api/v1/pools/api/members/a"),
    ] {
        let reply = server.ask(method, path, "").await;
        assert_eq!(reply.status, 401, "{method} {path}");
        assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer"));
        reply.problem();
    }
    assert!(server.fake.orders().is_empty());
}

#[tokio::test]
async fn the_right_token_opens_from_anywhere() {
    let server = Server::start(Some("s3cret")).await;
    for lines in [
        "Authorization: Bearer s3cret\r\n",
        "authorization: bearer  s3cret\r\n",
        // A name is fine: a foreign page does not know the token.
        "Authorization: Bearer s3cret\r\nHost: lb.example.com\r\nX-Forwarded-For: 1.2.3.4\r\n",
    ] {
        assert_eq!(server.ask_with("POST", RELOAD, lines, "").await.status, 200, "{lines}");
        let status = server.ask_with("GET", "/api/v1/status", lines, "").await;
        assert_eq!(status.json()["changes_allowed"], true);
    }
    for wrong in ["Bearer s3cre", "Bearer s3crett", "Basic s3cret", "s3cret", "Bearer", "Bearer "] {
        let line = format!("Authorization: {wrong}\r\n");
        assert_eq!(server.ask_with("POST", RELOAD, &line, "").await.status, 401, "{wrong}");
    }
    assert_eq!(server.fake.orders().len(), 3);
}

#[tokio::test]
async fn without_a_token_foreign_pages_and_proxies_change_nothing() {
    let server = Server::start(None).await;
    let port = server.address.port();
    for lines in [
        "Host: evil.example\r\n".to_owned(),
        format!("Host: localhost.evil.example:{port}\r\n"),
        "Origin: http://evil.example\r\n".to_owned(),
        "Origin: null\r\n".to_owned(),
        "Origin: http://127.0.0.1:1\r\n".to_owned(),
        format!("Origin: https://127.0.0.1:{port}\r\n"),
        "Sec-Fetch-Site: cross-site\r\n".to_owned(),
        "Sec-Fetch-Site: same-site\r\n".to_owned(),
        "X-Forwarded-For: 127.0.0.1\r\n".to_owned(),
        "Forwarded: for=127.0.0.1\r\n".to_owned(),
        "Via: 1.1 proxy\r\n".to_owned(),
    ] {
        let reply = server.ask_with("POST", RELOAD, &lines, "").await;
        assert_eq!(reply.status, 403, "{lines}");
        reply.problem();
    }
    assert!(server.fake.orders().is_empty());
}

#[tokio::test]
async fn without_a_token_this_machine_may_change() {
    let server = Server::start(None).await;
    let port = server.address.port();
    for lines in [
        String::new(),
        format!("Host: localhost:{port}\r\n"),
        format!("Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"),
        format!("Origin: http://127.0.0.1:{port}\r\nSec-Fetch-Site: same-origin\r\n"),
        "Sec-Fetch-Site: none\r\n".to_owned(),
    ] {
        assert_eq!(server.ask_with("POST", RELOAD, &lines, "").await.status, 200, "{lines}");
    }
}

#[tokio::test]
async fn a_foreign_name_that_points_here_reads_nothing_but_metrics() {
    let server = Server::start(None).await;
    let name = "Host: rebound.evil.example\r\n";
    for path in ["/api/v1/pools", "/api/v1/events", "/api/v1/status"] {
        assert_eq!(server.ask_with("GET", path, name, "").await.status, 403, "{path}");
    }
    for path in ["/metrics", "/healthz", "/readyz", "/"] {
        assert_eq!(server.ask_with("GET", path, name, "").await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn behind_a_proxy_the_status_says_that_nothing_can_be_changed() {
    let server = Server::start(None).await;
    let reply = server.ask_with("GET", "/api/v1/status", "X-Forwarded-For: 1.2.3.4\r\n", "").await;
    assert_eq!(reply.json()["changes_allowed"], false);
}

#[tokio::test]
async fn a_unix_socket_counts_as_this_machine() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("admin.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let fake = Arc::new(Fake::new());
    let controller = Arc::clone(&fake);
    let never = std::future::pending();
    tokio::spawn(serve(vec![Listening::Unix(listener)], controller, None, never));
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let request = b"POST /api/v1/reload HTTP/1.1\r\nHost: evenkeel\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(fake.orders(), ["reload"]);
}

#[tokio::test]
async fn from_another_machine_everything_can_be_read_and_nothing_changed() {
    // The address of a network card stands for another machine: it is not loopback.
    let Some(own) = own_address() else { return };
    let Ok(listener) = tokio::net::TcpListener::bind((own, 0)).await else { return };
    let address = listener.local_addr().unwrap();
    let fake = Arc::new(Fake::new());
    let controller = Arc::clone(&fake);
    tokio::spawn(serve(vec![Listening::Tcp(listener)], controller, None, std::future::pending()));
    for (request, status) in [
        ("GET /api/v1/pools HTTP/1.1\r\nHost: lb.example.com\r\n", "200"),
        ("POST /api/v1/reload HTTP/1.1\r\nHost: 10.0.0.1\r\n", "403"),
        ("POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\n", "403"),
    ] {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("{request}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request} {answer}");
    }
    assert!(fake.orders().is_empty());
}

/// The address this machine would use towards the world; nothing is sent.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}
