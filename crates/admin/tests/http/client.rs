//! A server under test, and a client that says exactly what it is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_admin::{Listening, serve};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::fake::Fake;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) fake: Arc<Fake>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(token: Option<&str>) -> Server {
        Server::with(Fake::new(), token).await
    }

    pub(crate) async fn with(fake: Fake, token: Option<&str>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let fake = Arc::new(fake);
        let controller = Arc::clone(&fake);
        let (stop, stopped) = oneshot::channel::<()>();
        let token = token.map(str::to_owned);
        let task = tokio::spawn(async move {
            let shutdown = async { drop(stopped.await) };
            serve(vec![Listening::Tcp(listener)], controller, token, shutdown).await;
        });
        Server { address, fake, stop: Some(stop), task }
    }

    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        timeout(Duration::from_secs(5), &mut self.task).await.expect("it ends").unwrap();
    }

    /// A request as curl on this machine would send it.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Reply {
        let json = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        self.ask_with(method, path, json, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, "").await
    }

    /// With more header lines, each ended by CRLF. A Host among them takes the place of the usual.
    pub(crate) async fn ask_with(
        &self,
        method: &str,
        path: &str,
        lines: &str,
        body: &str,
    ) -> Reply {
        let host = match lines.contains("Host:") {
            true => String::new(),
            false => format!("Host: {}\r\n", self.address),
        };
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\n{host}{lines}Content-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let read = timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes)).await;
        read.expect("an answer in time").unwrap();
        Reply::parse(&bytes)
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Reply {
    fn parse(bytes: &[u8]) -> Reply {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
        Reply { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }

    /// The problem document, after a check of its form.
    pub(crate) fn problem(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let value: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(value["status"], self.status, "{self:?}");
        for member in ["type", "title", "detail"] {
            assert!(value[member].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
        }
        value
    }
}
