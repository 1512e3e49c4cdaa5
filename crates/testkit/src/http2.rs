//! Frames of HTTP/2, for clients that are to misbehave. Heads are written without compression;
//! what comes back is told apart by frame, and no further.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A connection that speaks HTTP/2 frame by frame.
#[derive(Debug)]
pub struct Http2 {
    stream: TcpStream,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// 0 DATA, 1 HEADERS, 3 RST_STREAM, 4 SETTINGS, 6 PING, 7 GOAWAY, 8 WINDOW_UPDATE…
    pub kind: u8,
    /// Flags.
    pub flags: u8,
    /// The stream.
    pub stream: u32,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame.
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Frame {
        Frame { kind, flags, stream, payload: payload.into() }
    }

    /// A request without a body: `fields` after method, scheme, path and authority.
    pub fn get(stream: u32, path: &str, fields: &[(&str, &str)]) -> Frame {
        let pseudo =
            [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "test")];
        let mut payload = Vec::new();
        for (name, value) in pseudo.iter().chain(fields) {
            payload.push(0);
            for text in [name, value] {
                payload.push(u8::try_from(text.len()).expect("short fields only") & 0x7f);
                payload.extend(text.bytes());
            }
        }
        Frame::new(1, 5, stream, payload)
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("frames are short");
        let mut out = length.to_be_bytes()[1..].to_vec();
        out.extend([self.kind, self.flags]);
        out.extend(self.stream.to_be_bytes());
        out.extend(&self.payload);
        out
    }

    /// Whether it ends its stream.
    pub fn ends(&self) -> bool {
        self.kind == 3 || (self.kind <= 1 && self.flags & 1 != 0)
    }
}

impl Http2 {
    /// Connects, says the preface and its settings. Every wait ends after 10 s.
    pub fn connect(address: SocketAddr) -> Http2 {
        let stream = TcpStream::connect(address).expect("the server listens");
        let time = Some(Duration::from_secs(10));
        stream.set_read_timeout(time).expect("a timeout can be set");
        stream.set_write_timeout(time).expect("a timeout can be set");
        stream.set_nodelay(true).expect("TCP takes the option");
        let mut client = Http2 { stream };
        let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        hello.extend(Frame::new(4, 0, 0, []).bytes());
        client.send(&hello);
        client
    }

    /// Sends bytes; false when the other side takes no more.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// The next frame; `None` at the end, or when nothing came in time.
    pub fn frame(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let [a, b, c, kind, flags, s1, s2, s3, s4] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.stream.read_exact(&mut payload).ok()?;
        Some(Frame { kind, flags, stream: u32::from_be_bytes([s1, s2, s3, s4]), payload })
    }

    /// A request and all of its answer: the bytes of its body, or `None` if it was reset or never
    /// ended. Settings are acknowledged on the way.
    pub fn ask(&mut self, stream: u32, path: &str) -> Option<Vec<u8>> {
        self.send(&Frame::get(stream, path, &[]).bytes());
        let mut body = Vec::new();
        loop {
            let frame = self.frame()?;
            match frame.kind {
                4 if frame.flags == 0 => drop(self.send(&Frame::new(4, 1, 0, []).bytes())),
                0 if frame.stream == stream => body.extend(&frame.payload),
                3 if frame.stream == stream => return None,
                7 => return None,
                _ => {}
            }
            if frame.stream == stream && frame.ends() {
                return Some(body);
            }
        }
    }
}
