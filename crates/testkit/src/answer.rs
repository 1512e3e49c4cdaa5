//! What a scripted origin does with a request: a list of steps.

use std::time::Duration;

/// What an origin does with one request, step by step. After the last step the connection waits
/// for the next request, unless a step ended it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Take the request body off the socket.
    ReadBody,
    Pause(Duration),
    Send(Vec<u8>),
    /// One byte at a time, with that pause after each.
    Trickle(Vec<u8>, Duration),
    /// That many bytes of `x`.
    Fill(u64),
    /// Answer with the request body, once it has all come.
    Echo,
    /// Chunks of the request body back as they come.
    EchoStream,
    /// Read and drop until the other side ends the connection.
    Hang,
    /// Send back every byte until the other side stops sending, then stop sending too.
    Tunnel,
    Close,
    Reset,
}

impl Answer {
    /// 200 with that body, after the request body has been read.
    pub fn text(body: &str) -> Answer {
        Answer::status(200, body)
    }

    /// That status and body.
    pub fn status(status: u16, body: &str) -> Answer {
        Answer::with_fields(status, &[], body)
    }

    /// That status and body with these fields.
    pub fn with_fields(status: u16, fields: &[(&str, &str)], body: &str) -> Answer {
        let mut bytes = head_bytes(status, fields, &format!("Content-Length: {}\r\n", body.len()));
        bytes.extend_from_slice(body.as_bytes());
        Answer::raw(bytes)
    }

    /// Exactly these bytes, well-formed or not, after the request body has been read.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Answer {
        Answer { steps: vec![Step::ReadBody, Step::Send(bytes.into())] }
    }

    /// Exactly these bytes as soon as the request head is in; the request body is left unread.
    pub fn early(bytes: impl Into<Vec<u8>>) -> Answer {
        Answer { steps: vec![Step::Send(bytes.into())] }
    }

    /// 200 in chunks, then these trailers.
    pub fn chunked(chunks: &[&str], trailers: &[(&str, &str)]) -> Answer {
        let mut bytes = head_bytes(200, &[], "Transfer-Encoding: chunked\r\n");
        for chunk in chunks {
            bytes.extend_from_slice(format!("{:x}\r\n{chunk}\r\n", chunk.len()).as_bytes());
        }
        bytes.extend_from_slice(b"0\r\n");
        for (name, value) in trailers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        Answer::raw(bytes)
    }

    /// 200 with a body of that many bytes of `x`, with a length.
    pub fn big(length: u64) -> Answer {
        let head = head_bytes(200, &[], &format!("Content-Length: {length}\r\n"));
        Answer { steps: vec![Step::ReadBody, Step::Send(head), Step::Fill(length)] }
    }

    /// 200 with a body that ends where the connection ends.
    pub fn until_close(body: &str) -> Answer {
        let mut bytes = head_bytes(200, &[], "Connection: close\r\n");
        bytes.extend_from_slice(body.as_bytes());
        Answer::raw(bytes).then_close()
    }

    /// 200 with `Connection: close`, a length, and the close.
    pub fn closing(body: &str) -> Answer {
        Answer::with_fields(200, &[("Connection", "close")], body).then_close()
    }

    /// 200 with the request body as its body.
    pub fn echo() -> Answer {
        Answer { steps: vec![Step::Echo] }
    }

    /// 200 at once, and the request body back in chunks while it is still coming.
    pub fn echo_stream() -> Answer {
        let head = head_bytes(200, &[], "Transfer-Encoding: chunked\r\n");
        Answer { steps: vec![Step::Send(head), Step::EchoStream] }
    }

    /// Reads the request, never answers, notices when the other side gives up.
    pub fn never() -> Answer {
        Answer { steps: vec![Step::Hang] }
    }

    /// Reads the request and closes without a byte.
    pub fn close() -> Answer {
        Answer { steps: vec![Step::ReadBody, Step::Close] }
    }

    /// Resets the connection as soon as the request head is in.
    pub fn reset() -> Answer {
        Answer { steps: vec![Step::Reset] }
    }

    /// 101, then every byte comes back.
    pub fn upgrade() -> Answer {
        let head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        Answer { steps: vec![Step::Send(head.to_vec()), Step::Tunnel] }
    }

    /// Waits first.
    pub fn delayed(mut self, time: Duration) -> Answer {
        let after_body = usize::from(self.steps.first() == Some(&Step::ReadBody));
        self.steps.insert(after_body, Step::Pause(time));
        self
    }

    /// Sends an interim answer first, before the request body is read: 100, 103 and so on.
    pub fn after_interim(mut self, status: u16, fields: &[(&str, &str)]) -> Answer {
        self.steps.insert(0, Step::Send(head_bytes(status, fields, "")));
        self
    }

    /// What was to be sent at once goes a byte at a time, `every` apart.
    pub fn trickled(mut self, every: Duration) -> Answer {
        for step in &mut self.steps {
            if let Step::Send(bytes) = step {
                *step = Step::Trickle(std::mem::take(bytes), every);
            }
        }
        self
    }

    /// Then waits.
    pub fn then_pause(mut self, time: Duration) -> Answer {
        self.steps.push(Step::Pause(time));
        self
    }

    /// Then sends these bytes.
    pub fn then_send(mut self, bytes: impl Into<Vec<u8>>) -> Answer {
        self.steps.push(Step::Send(bytes.into()));
        self
    }

    /// Then closes.
    pub fn then_close(mut self) -> Answer {
        self.steps.push(Step::Close);
        self
    }

    /// Then resets.
    pub fn then_reset(mut self) -> Answer {
        self.steps.push(Step::Reset);
        self
    }

    /// Then keeps the connection open and silent.
    pub fn then_hang(mut self) -> Answer {
        self.steps.push(Step::Hang);
        self
    }
}

/// A head: status line, the fields, a line more of your own, the empty line.
pub(crate) fn head_bytes(status: u16, fields: &[(&str, &str)], more: &str) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(more);
    head.push_str("\r\n");
    head.into_bytes()
}

fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        103 => "Early Hints",
        200 => "OK",
        204 => "No Content",
        302 => "Found",
        304 => "Not Modified",
        404 => "Not Found",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
