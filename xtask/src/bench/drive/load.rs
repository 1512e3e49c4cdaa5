//! The load: a number of connections, each with one request under way, as fast as they go or at
//! a fixed rate.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use super::{CLIENT, Offered, Order, field, head_end, percentiles, watch};

/// The connections of one measurement.
pub(super) struct Load {
    order: Order,
    request: Vec<u8>,
    connections: Vec<Option<Connection>>,
    /// At a fixed rate: connections without a request, requests that are due and have none.
    idle: VecDeque<usize>,
    overdue: VecDeque<Instant>,
    next: Option<Instant>,
    done: u64,
    errors: u64,
    first_error: Option<String>,
    /// Microseconds.
    latencies: Vec<u32>,
}

struct Connection {
    index: usize,
    stream: TcpStream,
    /// When the request under way was sent or, at a fixed rate, was due.
    since: Option<Instant>,
    /// Bytes of the request that have gone.
    sent: usize,
    /// The last answer said that the connection ends with it.
    ends: bool,
    /// A head that has not all come.
    partial: Vec<u8>,
    /// Bytes of the body still to come, once the head is in.
    body: Option<usize>,
}

impl Load {
    pub(super) fn new(order: &Order) -> Load {
        let close = if order.close { "Connection: close\r\n" } else { "" };
        let (method, length) = match order.upload {
            0 => ("GET", String::new()),
            bytes => ("POST", format!("Content-Length: {bytes}\r\n")),
        };
        let head = format!(
            "{method} /b/{} HTTP/1.1\r\nHost: {}\r\nUser-Agent: bench\r\n\
             Accept: */*\r\n{}{length}{close}\r\n",
            order.size, order.host, order.headers
        );
        let request = [head.into_bytes(), vec![b'u'; order.upload]].concat();
        Load {
            order: order.clone(),
            request,
            connections: Vec::new(),
            idle: VecDeque::new(),
            overdue: VecDeque::new(),
            next: (order.rate > 0.0).then(Instant::now),
            done: 0,
            errors: 0,
            first_error: None,
            latencies: Vec::new(),
        }
    }

    fn begin(&mut self, index: usize, since: Instant) {
        if let Some(Some(connection)) = self.connections.get_mut(index) {
            connection.since = Some(since);
            connection.sent = 0;
            // A closed connection has an event of its own, and counts there.
            let _ = connection.send(&self.request);
        }
    }

    /// False when the connection is over and another should take its place.
    fn go_on(
        &mut self,
        connection: &mut Connection,
        ended: bool,
        scratch: &mut [u8],
    ) -> io::Result<bool> {
        if connection.since.is_some() && connection.sent < self.request.len() {
            connection.send(&self.request)?;
        }
        loop {
            let count = match connection.stream.read(scratch) {
                Ok(0) if connection.since.is_none() => return Ok(false),
                Ok(0) => return Err(io::Error::other("closed before the answer was complete")),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            };
            if connection.take(&scratch[..count])? {
                self.finish(connection)?;
                // When it was asked for, the other side closes first.
                if connection.ends && !self.order.close {
                    return Ok(false);
                }
            }
            // Less than was asked for: there is no more now, unless it is the end, of which there
            // will not be another event.
            if count < scratch.len() && !ended {
                return Ok(true);
            }
        }
    }

    fn finish(&mut self, connection: &mut Connection) -> io::Result<()> {
        let now = Instant::now();
        if let Some(since) = connection.since.take() {
            self.done += 1;
            let time = now.saturating_duration_since(since).as_micros();
            self.latencies.push(u32::try_from(time).unwrap_or(u32::MAX));
        }
        connection.body = None;
        connection.sent = 0;
        if self.order.close || connection.ends {
            return Ok(());
        }
        let due = if self.next.is_some() { self.overdue.pop_front() } else { Some(now) };
        if due.is_some() {
            connection.since = due;
            connection.send(&self.request)?;
        } else {
            self.idle.push_back(connection.index);
        }
        Ok(())
    }

    fn replace(&mut self, epoll: &OwnedFd, index: usize) -> io::Result<()> {
        // At a fixed rate the request under way is lost with its connection; it was counted.
        let since = self.next.is_none().then(Instant::now);
        self.connections[index] = Some(self.open(epoll, index, since)?);
        if self.next.is_some() && !self.idle.contains(&index) {
            self.idle.push_back(index);
        }
        Ok(())
    }

    fn open(
        &self,
        epoll: &OwnedFd,
        index: usize,
        since: Option<Instant>,
    ) -> io::Result<Connection> {
        let socket = Socket::new(Domain::for_address(self.order.target), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        let under_way = Some(rustix::io::Errno::INPROGRESS.raw_os_error());
        match socket.connect(&self.order.target.into()) {
            Err(error) if error.raw_os_error() != under_way => return Err(error),
            _ => {}
        }
        let stream = TcpStream::from(socket);
        watch(epoll, &stream, CLIENT, index)?;
        let partial = Vec::new();
        Ok(Connection { index, stream, since, sent: 0, ends: false, partial, body: None })
    }
}

impl Offered for Load {
    fn open_all(&mut self, epoll: &OwnedFd) -> io::Result<()> {
        for index in 0..self.order.connections {
            let since = self.next.is_none().then(Instant::now);
            let connection = self.open(epoll, index, since)?;
            self.connections.push(Some(connection));
            if self.next.is_some() {
                self.idle.push_back(index);
            }
        }
        Ok(())
    }

    fn begin_window(&mut self) {
        self.done = 0;
        self.errors = 0;
        self.latencies.clear();
    }

    fn next_due(&self) -> Option<Instant> {
        self.next
    }

    /// At a fixed rate: sends what is due.
    fn send_due(&mut self, now: Instant) -> io::Result<()> {
        let every = Duration::from_secs_f64(1.0 / self.order.rate.max(1.0));
        while let Some(due) = self.next.filter(|due| *due <= now) {
            self.next = Some(due + every);
            match self.idle.pop_front() {
                Some(index) => self.begin(index, due),
                None => self.overdue.push_back(due),
            }
        }
        Ok(())
    }

    /// Goes on with a connection that can be read or written.
    fn ready(
        &mut self,
        epoll: &OwnedFd,
        index: usize,
        ended: bool,
        scratch: &mut [u8],
    ) -> io::Result<()> {
        let Some(mut connection) = self.connections.get_mut(index).and_then(Option::take) else {
            return Ok(());
        };
        match self.go_on(&mut connection, ended, scratch) {
            Ok(true) => self.connections[index] = Some(connection),
            Ok(false) => self.replace(epoll, index)?,
            Err(error) => {
                self.errors += 1;
                self.first_error.get_or_insert_with(|| error.to_string());
                self.replace(epoll, index)?;
            }
        }
        Ok(())
    }

    fn result(mut self: Box<Self>, _: u64, elapsed: Duration) -> Value {
        let mut result = json!({
            "requests": self.done,
            "per_second": self.done as f64 / elapsed.as_secs_f64(),
            "errors": self.errors,
            "first_error": self.first_error,
            "overdue": self.overdue.len(),
        });
        percentiles(&mut self.latencies, &mut result);
        result
    }
}

impl Connection {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        while self.sent < request.len() {
            match self.stream.write(&request[self.sent..]) {
                Ok(count) => self.sent += count,
                // Still connecting, or no room; there will be an event.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes bytes of an answer; true when it is complete.
    fn take(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let Some(left) = self.body else {
            if self.partial.is_empty() {
                return self.take_head(bytes);
            }
            let whole = [&std::mem::take(&mut self.partial), bytes].concat();
            return self.take_head(&whole);
        };
        self.take_body(left, bytes.len())
    }

    fn take_head(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let Some(end) = head_end(bytes) else {
            self.partial.extend_from_slice(bytes);
            return Ok(false);
        };
        let head = &bytes[..end];
        if !head.starts_with(b"HTTP/1.1 200") {
            let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
            return Err(io::Error::other(String::from_utf8_lossy(line).into_owned()));
        }
        self.ends = field(head, b"Connection").is_some_and(|v| v.eq_ignore_ascii_case(b"close"));
        let length = field(head, b"Content-Length").and_then(|v| std::str::from_utf8(v).ok());
        let length = length.and_then(|length| length.parse().ok());
        let length = length.ok_or_else(|| io::Error::other("an answer without a length"))?;
        self.take_body(length, bytes.len() - end)
    }

    fn take_body(&mut self, left: usize, came: usize) -> io::Result<bool> {
        let left = left.checked_sub(came);
        let left = left.ok_or_else(|| io::Error::other("an answer longer than its length"))?;
        self.body = Some(left);
        Ok(left == 0)
    }
}
