//! A client of the admin API, for the commands that talk to a running server.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use evenkeel_plan::BindAddress;
use serde_json::Value;

use crate::cli::At;

/// How long the server may take.
const WAIT: Duration = Duration::from_secs(30);
/// The largest answer.
const ANSWER_MAX: u64 = 64 << 20;

/// The way to a running server.
pub(crate) struct Client {
    address: BindAddress,
    token: Option<String>,
}

impl Client {
    /// From the command line, else from the configuration's `[admin]`.
    pub(crate) fn new(at: &At) -> Result<Client, String> {
        if let Some(address) = &at.admin {
            let address = address.parse().map_err(|error| format!("--admin {address}: {error}"))?;
            return Ok(Client { address, token: at.token.clone() });
        }
        let source = crate::cli::SourceArgs::of(at.config.clone());
        let path = source.path();
        let loaded = evenkeel_config::load(&path, &|name| std::env::var(name).ok());
        let plan = loaded.plan.ok_or_else(|| {
            format!("{} does not tell where the server is; use --admin ADDRESS", path.display())
        })?;
        let admin = plan.admin.ok_or_else(|| {
            format!("{} has no [admin]; add one with bind = \"127.0.0.1:9900\"", path.display())
        })?;
        Ok(Client { address: admin.bind, token: at.token.clone().or(admin.token) })
    }

    /// Asks; an answer that is not a success becomes an error in words.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, String> {
        let (status, text) = self
            .exchange(method, path, body)
            .map_err(|error| format!("no server answers at {}: {error}", self.address))?;
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if (200..300).contains(&status) {
            return Ok(value);
        }
        let detail = value.get("detail").or_else(|| value.get("title")).and_then(Value::as_str);
        let mut message = format!("{status}: {}", detail.unwrap_or("the server refused"));
        let diagnostics = value.get("diagnostics").and_then(Value::as_array);
        for diagnostic in diagnostics.into_iter().flatten() {
            message.push('\n');
            message
                .push_str(diagnostic.get("rendered").and_then(Value::as_str).unwrap_or_default());
        }
        Err(message)
    }

    fn exchange(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> io::Result<(u16, String)> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let host = match &self.address {
            BindAddress::Socket(socket) => reachable(*socket).to_string(),
            BindAddress::Unix(_) => "localhost".to_owned(),
        };
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        if let Some(token) = &self.token {
            request.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        if !body.is_empty() {
            request.push_str("Content-Type: application/json\r\n");
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        let mut answer = Vec::new();
        match &self.address {
            BindAddress::Socket(socket) => {
                let mut stream = TcpStream::connect_timeout(&reachable(*socket), WAIT)?;
                stream.set_read_timeout(Some(WAIT))?;
                stream.write_all(request.as_bytes())?;
                stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
            }
            BindAddress::Unix(path) => {
                let mut stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(WAIT))?;
                stream.write_all(request.as_bytes())?;
                stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
            }
        }
        parse(&answer).ok_or_else(|| io::Error::other("the answer is not HTTP"))
    }
}

/// Who listens everywhere is reached on loopback.
fn reachable(mut socket: std::net::SocketAddr) -> std::net::SocketAddr {
    if socket.ip().is_unspecified() {
        let loopback: std::net::IpAddr = if socket.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        };
        socket.set_ip(loopback);
    }
    socket
}

/// Status and body. The connection was closed after them, and the API sends lengths, not chunks.
fn parse(answer: &[u8]) -> Option<(u16, String)> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = str::from_utf8(&answer[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, String::from_utf8_lossy(&answer[end + 4..]).into_owned()))
}
