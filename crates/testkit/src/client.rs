//! A raw HTTP/1.1 client: sends exactly the bytes it is told to.

use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::LONG;
use crate::message::{Framing, Head, Response};
use crate::wire::Wire;

/// One connection to a server. Every operation ends within the timeout (10 s unless changed).
#[derive(Debug)]
pub struct Client {
    pub(crate) wire: Wire,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum ClientError {
    /// Nothing, or not enough, came in time.
    Timeout,
    /// The server closed the connection before the first byte of an answer.
    Closed,
    /// The server closed in the middle; that many bytes had come and were not yet understood.
    Cut {
        /// Bytes left in the buffer.
        had: usize,
    },
    /// The server reset the connection.
    Reset,
    /// What came is not HTTP.
    Malformed(String),
    /// Anything else the kernel said.
    Io(io::Error),
}

impl Client {
    /// Connects, or panics.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Client {
        match Client::try_connect(address) {
            Ok(client) => client,
            Err(error) => panic!("no connection to {address}: {error}"),
        }
    }

    /// Connects, or says why not.
    pub fn try_connect(address: SocketAddr) -> Result<Client, ClientError> {
        Client::try_connect_within(address, LONG)
    }

    /// Connects within that time; later operations get the same time each.
    pub fn try_connect_within(
        address: SocketAddr,
        timeout: Duration,
    ) -> Result<Client, ClientError> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.connect_timeout(&address.into(), timeout)?;
        Ok(Client { wire: Wire::new(socket, timeout) })
    }

    /// Connects from that local address (any port), or panics: 127.0.0.2 and so on are different
    /// clients to a server that looks at addresses.
    #[track_caller]
    pub fn connect_from(local: std::net::IpAddr, address: SocketAddr) -> Client {
        let connect = || -> io::Result<Socket> {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
            socket.bind(&SocketAddr::new(local, 0).into())?;
            socket.connect_timeout(&address.into(), LONG)?;
            Ok(socket)
        };
        match connect() {
            Ok(socket) => Client { wire: Wire::new(socket, LONG) },
            Err(error) => panic!("no connection from {local} to {address}: {error}"),
        }
    }

    /// Connects to a unix socket, or panics.
    #[track_caller]
    pub fn connect_unix(path: &Path) -> Client {
        let connect = || -> io::Result<Socket> {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.connect(&SockAddr::unix(path)?)?;
            Ok(socket)
        };
        match connect() {
            Ok(socket) => Client { wire: Wire::new(socket, LONG) },
            Err(error) => panic!("no connection to {}: {error}", path.display()),
        }
    }

    /// Sets how long each following operation may take.
    pub fn with_timeout(mut self, timeout: Duration) -> Client {
        self.wire.timeout = timeout;
        self
    }

    /// The client's end of the connection. Panics on a unix socket.
    #[track_caller]
    pub fn local_addr(&self) -> SocketAddr {
        let address = self.wire.socket.local_addr().ok().and_then(|a| a.as_socket());
        address.expect("a TCP socket has a local address")
    }

    /// Sends these bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), ClientError> {
        self.wire.send(bytes.as_ref())
    }

    /// Sends a `GET` with a `Host` and reads the answer.
    pub fn get(&mut self, target: &str) -> Result<Response, ClientError> {
        self.request("GET", target, &[], b"")
    }

    /// Sends a request with a `Host: test` (unless `fields` have one) and, when there is a body,
    /// its length; reads the answer.
    pub fn request(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response, ClientError> {
        self.send(request_bytes(method, target, fields, body))?;
        self.answer_to(method)
    }

    /// Reads the answer to a request that was not `HEAD`.
    pub fn answer(&mut self) -> Result<Response, ClientError> {
        self.answer_to("GET")
    }

    /// Reads the next final answer, and the interim ones before it. A 101 is final.
    pub fn answer_to(&mut self, method: &str) -> Result<Response, ClientError> {
        let mut response = Response::default();
        loop {
            let head = self.wire.head()?.ok_or(ClientError::Closed)?;
            let status = head.status().map_err(ClientError::Malformed)?;
            if status >= 200 || status == 101 {
                response.status = status;
                response.head = head;
                break;
            }
            response.interim.push(head);
        }
        let framing = response.head.framing(Some(method)).map_err(ClientError::Malformed)?;
        let framing = if response.status == 101 { Framing::None } else { framing };
        let body = &mut response.body;
        response.trailers = self.wire.body(framing, |piece| body.extend_from_slice(piece))?;
        Ok(response)
    }

    /// Reads one head only, interim or final, and leaves the body where it is.
    pub fn answer_head(&mut self) -> Result<Head, ClientError> {
        self.wire.head()?.ok_or(ClientError::Closed)
    }

    /// Sends all requests in one write, then reads as many answers.
    pub fn pipeline(&mut self, requests: &[Vec<u8>]) -> Result<Vec<Response>, ClientError> {
        self.send(requests.concat())?;
        requests.iter().map(|_| self.answer()).collect()
    }

    /// Everything until the server closes.
    pub fn read_to_close(&mut self) -> Result<Vec<u8>, ClientError> {
        let mut all = Vec::new();
        self.wire.body(Framing::UntilClose, |piece| all.extend_from_slice(piece))?;
        Ok(all)
    }

    /// At least one byte, or `None` when the server closed.
    pub fn read_some(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        let deadline = self.wire.deadline();
        if self.wire.buffer.is_empty() && !self.wire.fill(deadline)? {
            return Ok(None);
        }
        Ok(Some(std::mem::take(&mut self.wire.buffer)))
    }

    /// Exactly that many bytes.
    pub fn read_exact(&mut self, count: usize) -> Result<Vec<u8>, ClientError> {
        let mut all = Vec::with_capacity(count);
        self.wire.body(Framing::Length(count as u64), |piece| all.extend_from_slice(piece))?;
        Ok(all)
    }

    /// Whether the server ends the connection (close or reset) within that time, whatever it
    /// sends before.
    pub fn closes_within(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        loop {
            match self.wire.fill(deadline) {
                Ok(true) => self.wire.buffer.clear(),
                Ok(false) => return true,
                Err(ClientError::Timeout) => return false,
                Err(_) => return true,
            }
        }
    }

    /// Ends the client's sending half.
    pub fn shutdown_write(&mut self) -> Result<(), ClientError> {
        Ok(self.wire.socket.shutdown(Shutdown::Write)?)
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        // If the option is refused the drop still closes; the test will notice the difference.
        let _ = self.wire.socket.set_linger(Some(Duration::ZERO));
    }

    /// Whether the server has closed or reset this idle connection. Takes no bytes and no time.
    pub fn is_closed(&self) -> bool {
        let mut byte = [std::mem::MaybeUninit::uninit()];
        if self.wire.socket.set_nonblocking(true).is_err() {
            return true;
        }
        let peeked = self.wire.socket.peek(&mut byte);
        let restored = self.wire.socket.set_nonblocking(false);
        match peeked {
            Ok(count) => count == 0 || restored.is_err(),
            Err(error) => error.kind() != io::ErrorKind::WouldBlock || restored.is_err(),
        }
    }
}

/// The bytes of a request with a `Host: test` unless `fields` have one, and a length when there
/// is a body or the method usually has one.
pub(crate) fn request_bytes(
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let has = |name: &str| fields.iter().any(|(field, _)| field.eq_ignore_ascii_case(name));
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    if !has("host") {
        head.push_str("Host: test\r\n");
    }
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let framed = has("content-length") || has("transfer-encoding");
    if !framed && (!body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH")) {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> ClientError {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::Timeout,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => ClientError::Reset,
            _ => ClientError::Io(error),
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Timeout => write!(f, "timeout"),
            ClientError::Closed => write!(f, "closed before an answer"),
            ClientError::Cut { .. } => write!(f, "closed in the middle of an answer"),
            ClientError::Reset => write!(f, "reset"),
            ClientError::Malformed(what) => write!(f, "malformed: {what}"),
            ClientError::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ClientError {}
