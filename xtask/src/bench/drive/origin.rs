//! Two origins: `GET /b/N` is answered with N bytes, ready made.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::{LISTENER, ORIGIN, any_port, field, head_end, watch};

/// Connections that stay open between measurements.
const KEPT: usize = 4000;

/// The two listeners and their connections.
pub(super) struct Origins {
    listeners: [TcpListener; 2],
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    answers: HashMap<usize, Rc<[u8]>>,
    served: [u64; 2],
}

struct Connection {
    stream: TcpStream,
    origin: usize,
    /// A head that has not all come.
    partial: Vec<u8>,
    /// An answer that has not all gone, and how much of it has.
    leaving: Option<(Rc<[u8]>, usize)>,
    closing: bool,
    /// Bytes of a request's body still to come, and the answer that waits for them.
    body: usize,
    waiting: Option<Rc<[u8]>>,
}

impl Origins {
    pub(super) fn listen(epoll: &OwnedFd) -> io::Result<Origins> {
        let listeners = [listener()?, listener()?];
        for (index, listener) in listeners.iter().enumerate() {
            watch(epoll, listener, LISTENER, index)?;
        }
        Ok(Origins {
            listeners,
            connections: Vec::new(),
            free: Vec::new(),
            answers: HashMap::new(),
            served: [0; 2],
        })
    }

    pub(super) fn ports(&self) -> Vec<u16> {
        let addresses = self.listeners.iter().filter_map(|listener| listener.local_addr().ok());
        addresses.map(|address| address.port()).collect()
    }

    /// Requests that each origin has answered.
    pub(super) fn served(&self) -> [u64; 2] {
        self.served
    }

    /// Between measurements: where proxies keep many connections open for later, closes them all,
    /// and says so. Each of eight proxies with 5000 would be more than a process may have open in
    /// many places.
    pub(super) fn shed(&mut self) -> bool {
        if self.connections.len() - self.free.len() <= KEPT {
            return false;
        }
        for (index, connection) in self.connections.iter_mut().enumerate() {
            if connection.take().is_some() {
                self.free.push(index);
            }
        }
        true
    }

    pub(super) fn accept(&mut self, epoll: &OwnedFd, origin: usize) -> io::Result<()> {
        loop {
            let stream = match self.listeners[origin].accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let index = self.free.pop().unwrap_or(self.connections.len());
            watch(epoll, &stream, ORIGIN, index)?;
            let partial = Vec::new();
            let connection = Connection {
                stream,
                origin,
                partial,
                leaving: None,
                closing: false,
                body: 0,
                waiting: None,
            };
            if index == self.connections.len() {
                self.connections.push(Some(connection));
            } else {
                self.connections[index] = Some(connection);
            }
        }
    }

    /// Goes on with a connection that can be read or written.
    pub(super) fn ready(&mut self, index: usize, ended: bool, scratch: &mut [u8]) {
        let Some(mut connection) = self.connections.get_mut(index).and_then(Option::take) else {
            return;
        };
        // A proxy may drop its connections at any time; that is its business.
        match self.go_on(&mut connection, ended, scratch) {
            Ok(true) => self.connections[index] = Some(connection),
            Ok(false) | Err(_) => self.free.push(index),
        }
    }

    /// False when the connection is over.
    fn go_on(
        &mut self,
        connection: &mut Connection,
        ended: bool,
        scratch: &mut [u8],
    ) -> io::Result<bool> {
        if !connection.flush()? {
            return Ok(true);
        }
        loop {
            let count = match connection.stream.read(scratch) {
                Ok(0) => return Ok(false),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            };
            if connection.partial.is_empty() {
                self.answer_all(connection, &scratch[..count])?;
            } else {
                let mut bytes = std::mem::take(&mut connection.partial);
                bytes.extend_from_slice(&scratch[..count]);
                self.answer_all(connection, &bytes)?;
            }
            if connection.closing && connection.leaving.is_none() {
                return Ok(false);
            }
            // Less than was asked for: there is no more now, unless it is the end, of which there
            // will not be another event.
            if count < scratch.len() && !ended {
                return Ok(true);
            }
        }
    }

    fn answer_all(&mut self, connection: &mut Connection, mut bytes: &[u8]) -> io::Result<()> {
        loop {
            if connection.body > 0 {
                let taken = connection.body.min(bytes.len());
                connection.body -= taken;
                bytes = &bytes[taken..];
                if connection.body > 0 {
                    return Ok(());
                }
                let answer = connection.waiting.take();
                connection.leaving = answer.map(|answer| (answer, 0));
                self.served[connection.origin] += 1;
                connection.flush()?;
            }
            let Some(end) = head_end(bytes) else { break };
            let (head, rest) = bytes.split_at(end);
            let size = size_asked(head).ok_or(io::ErrorKind::InvalidData)?;
            let answer = self.answers.entry(size).or_insert_with(|| answer(size));
            let answer = Rc::clone(answer);
            connection.closing = field(head, b"Connection")
                .is_some_and(|value| value.eq_ignore_ascii_case(b"close"));
            if connection.leaving.is_some() {
                return Err(io::Error::other("pipelined requests while an answer is leaving"));
            }
            let length = field(head, b"Content-Length").and_then(|v| std::str::from_utf8(v).ok());
            connection.body = length.and_then(|length| length.parse().ok()).unwrap_or(0);
            if connection.body > 0 {
                connection.waiting = Some(answer);
                bytes = rest;
                continue;
            }
            connection.leaving = Some((answer, 0));
            self.served[connection.origin] += 1;
            connection.flush()?;
            bytes = rest;
        }
        connection.partial.extend_from_slice(bytes);
        Ok(())
    }
}

impl Connection {
    /// Whether all of the answer is gone.
    fn flush(&mut self) -> io::Result<bool> {
        while let Some((answer, gone)) = &mut self.leaving {
            match self.stream.write(&answer[*gone..]) {
                Ok(count) => *gone += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
            if *gone == answer.len() {
                self.leaving = None;
            }
        }
        Ok(true)
    }
}

fn listener() -> io::Result<TcpListener> {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&any_port().into())?;
    socket.listen(8192)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// The number in `GET /b/NUMBER HTTP/1.1`.
fn size_asked(head: &[u8]) -> Option<usize> {
    let target = head.split(|byte| *byte == b' ').nth(1)?;
    std::str::from_utf8(target.strip_prefix(b"/b/")?).ok()?.parse().ok()
}

fn answer(size: usize) -> Rc<[u8]> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: origin\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
         Content-Type: application/octet-stream\r\nContent-Length: {size}\r\n\r\n"
    );
    [head.into_bytes(), vec![b'x'; size]].concat().into()
}
