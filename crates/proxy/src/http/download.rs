//! The direction to the client: the member's answer, head and body, as it comes.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::Poll;
use std::time::Duration;

use evenkeel_balance::Guard;
use evenkeel_net::stream::{RecvHalf, SendHalf};
use evenkeel_net::{Buffer, Deadline, clock};
use evenkeel_wire::http1::{
    BodyReader, Field, Framing, Limits, Parsed, ResponseHead, Version, write,
};

use evenkeel_http2::MALFORMED;
use evenkeel_httpd::{BadFields, Part};

use crate::cause::Failure;
use crate::http::answer_head::Answering;
use crate::http::partial;
use crate::http::progress::{Progress, add, end_chunks};

/// Interim answers (1xx) passed on before the final one.
const INTERIM_MAX: u32 = 10;
/// Pieces up to this size are gathered into one send.
const GATHER: usize = 8 * 1024;
/// Bytes of an answer that wait to be sent on.
const AHEAD: usize = 256 * 1024;

/// Bytes received at once where answers share a connection to the client: about what it takes.
const SHARED: u64 = 64 * 1024;

/// Answers from which httpd cuts parts itself: head and body come with one read.
const PART_OF_MAX: usize = 8000;

/// What the direction to the client works with.
pub(crate) struct Download<'a> {
    pub(crate) member: RecvHalf<'a>,
    pub(crate) client: SendHalf<'a>,
    /// Received from the member.
    pub(crate) buffer: &'a mut Buffer,
    pub(crate) answer: &'a mut ResponseHead,
    /// The head for the client.
    pub(crate) out: &'a mut Vec<u8>,
    pub(crate) member_wait: &'a mut Deadline,
    pub(crate) client_wait: &'a mut Deadline,
    pub(crate) limits: Limits,
    /// Whether trailers are passed on.
    pub(crate) trailers: bool,
    /// The longest line of a head, in bytes.
    pub(crate) line_max: usize,
    /// How long the member may take to answer, and pause within its answer.
    pub(crate) response_time: Duration,
    /// How long it may take to ask for the body that is held back.
    pub(crate) ping: Option<Duration>,
    /// How long the client may take to read.
    pub(crate) send_time: Duration,
    pub(crate) answering: Answering<'a>,
    pub(crate) progress: &'a Progress,
    pub(crate) guard: &'a mut Guard,
}

/// How an answer ended well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Done {
    /// The final status.
    pub(crate) status: u16,
    /// The connection to the member may carry another request.
    pub(crate) member_lives: bool,
    /// The connection to the client may carry another request.
    pub(crate) client_lives: bool,
    /// Both sides agreed to speak another protocol.
    pub(crate) tunnel: bool,
}

/// How an answer ends for the client.
#[derive(Clone, Copy)]
struct Ends {
    /// With the last chunk,
    chunked: bool,
    /// and with the connection.
    closing: bool,
}

impl Download<'_> {
    /// Passes on the answer.
    pub(crate) async fn run(&mut self) -> Result<Done, Failure> {
        let mut interim = 0;
        loop {
            self.receive_head().await?;
            match self.answer.status {
                101 => return self.switch().await,
                100..=199 => {
                    interim += 1;
                    if interim > INTERIM_MAX {
                        return Err(Failure::TOO_MANY_INTERIM);
                    }
                    self.pass_interim().await?;
                    if interim == INTERIM_MAX && self.answering.is_ruled() {
                        return Err(Failure::TOO_MANY_INTERIM);
                    }
                }
                _ => return self.pass_answer().await,
            }
        }
    }

    async fn receive_head(&mut self) -> Result<(), Failure> {
        self.answer.reset();
        let bad_fields = self.answering.bad_fields();
        loop {
            // Lines without a colon can only be found in a whole head.
            let whole = bad_fields == BadFields::Errors || self.mended(bad_fields);
            if !self.buffer.is_empty() && whole {
                let (answer, bytes) = (&mut *self.answer, self.buffer.bytes());
                let ruled = self.answering.is_ruled();
                let parsed = match ruled {
                    true => answer.parse_wide(bytes, &self.limits),
                    false => answer.parse(bytes, &self.limits),
                };
                let parsed = parsed.map_err(|r| Failure::bad_head(r.cause, bytes, ruled));
                if parsed? == Parsed::Complete {
                    return self.lines_fit();
                }
            }
            let first = self.buffer.is_empty();
            match self.receive(self.limits.head_bytes.saturating_add(AHEAD)).await {
                Ok(0) if first => return Err(Failure::MEMBER_CLOSED),
                Ok(0) => return Err(Failure::MEMBER_CUT),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    let held = self.progress.held.get();
                    return Err(if held { Failure::NO_CONTINUE } else { Failure::MEMBER_TIMEOUT });
                }
                // How a stream in memory says that nothing was done about the request.
                Err(error) if first && error.kind() == io::ErrorKind::ConnectionRefused => {
                    return Err(Failure::MEMBER_REFUSED);
                }
                Err(error) if first && error.kind() == MALFORMED => {
                    return Err(Failure::MEMBER_HTTP2);
                }
                Err(_) if first => return Err(Failure::MEMBER_RESET),
                Err(_) => return Err(Failure::MEMBER_CUT),
            }
            if first {
                self.guard.first_byte(evenkeel_balance::Micros(clock::now().0));
            }
        }
    }

    /// Takes lines without a colon out of the head at the front of the buffer; false when the head
    /// is not whole yet.
    fn mended(&mut self, what: BadFields) -> bool {
        let bytes = self.buffer.bytes();
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return bytes.len() >= self.limits.head_bytes;
        };
        let mut lines = bytes[..end + 2].split_inclusive(|b| *b == b'\n');
        let mut head = lines.next().unwrap_or_default().to_vec();
        let mut rest = &bytes[end..];
        let mut at = head.len();
        for line in lines {
            if line.contains(&b':') || line.starts_with(b" ") || line.starts_with(b"\t") {
                head.extend_from_slice(line);
            } else if what == BadFields::Bodies {
                // The empty line that ends the head, and all that follows; httpd loses the line.
                head.extend_from_slice(b"\r\n");
                rest = &bytes[at + line.len()..];
                break;
            }
            at += line.len();
        }
        let rest = if rest.starts_with(b"\r\n\r\n") { &rest[2..] } else { rest };
        let mended = [&head[..], rest].concat();
        if mended != bytes {
            self.buffer.clear();
            self.buffer.extend(&mended);
        }
        true
    }

    fn lines_fit(&self) -> Result<(), Failure> {
        let length = |field: &Field| (field.value.end - field.name.start) as usize;
        match self.answer.fields.iter().any(|field| length(field) >= self.line_max) {
            true => Err(Failure::MEMBER_LINE),
            false => Ok(()),
        }
    }

    /// Receives from the member. Its time runs only once it has the whole request, or all of it
    /// that it gets before it asks for more.
    async fn receive(&mut self, most: usize) -> io::Result<usize> {
        let mut armed = false;
        let progress = self.progress;
        let waits = || progress.sent.get() || progress.deaf.get() || progress.held.get();
        poll_fn(|cx| match self.member.poll_recv(cx, self.buffer, most) {
            Poll::Pending if waits() => {
                if !armed {
                    let ping = self.ping.filter(|_| self.progress.held.get());
                    self.member_wait.set_after(clock::recent(), ping.unwrap_or(self.response_time));
                    armed = true;
                }
                self.member_wait.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
            other => other,
        })
        .await
    }

    /// Tells the guard what moved: the request as sent, and of the answer the status line and the
    /// body. (Apache's way to count; its fields are nothing that a member can help.)
    fn count(&self) {
        let (received, sent) = (&self.progress.from_member, &self.progress.to_member);
        if received.get() + sent.get() > 0 {
            self.guard.moved(received.take(), sent.take());
        }
    }

    /// Interim answers go to clients that know them (RFC 9110 section 15.2).
    async fn pass_interim(&mut self) -> Result<(), Failure> {
        let asked = self.answer.status == 100 && self.progress.held.replace(false);
        // Unless the client asked whether it may go on, we did. httpd tells nobody who did not ask.
        let asked = asked || self.answer.status == 100 && self.answering.is_ruled();
        let ours = asked && !self.progress.expected.get();
        if !ours && !self.answering.hides_interim() && self.answering.version == Version::H11 {
            self.answering.interim(self.out, self.buffer.bytes(), self.answer);
            self.progress.interim.set(true);
            self.send_out(false).await?;
        }
        self.buffer.consume(self.answer.len);
        Ok(())
    }

    /// The member agrees to speak another protocol, if it is the one that was asked for.
    async fn switch(&mut self) -> Result<Done, Failure> {
        if !self.answering.agrees_to_switch(self.buffer.bytes(), self.answer) {
            return Err(Failure::BAD_UPGRADE);
        }
        self.answering.switched(self.out, self.buffer.bytes(), self.answer);
        self.flush().await?;
        self.buffer.consume(self.answer.len);
        Ok(Done { status: 101, member_lives: false, client_lives: false, tunnel: true })
    }

    async fn pass_answer(&mut self) -> Result<Done, Failure> {
        let status = self.answer.status;
        if !self.progress.streamed.get() && self.answering.retries(status) {
            return Err(Failure { status, ..Failure::MEMBER_STATUS });
        }
        if self.progress.calls.get()
            && !self.progress.streamed.get()
            && self.answering.retries_call(self.buffer.bytes(), self.answer)
        {
            return Err(Failure::MEMBER_UNAVAILABLE);
        }
        if self.answering.overrides(status) {
            self.answering.note_overridden(self.buffer.bytes(), self.answer);
            return Err(Failure { status, ..Failure::OVERRIDDEN });
        }
        let framing = self.answer.framing(self.answering.was_head);
        if let Some(part) = self.part(framing).await? {
            return self.pass_part(&part, framing).await;
        }
        let chunked = self.answering.will_chunk(framing);
        let client_lives = self.answering.client_lives(framing) && self.progress.sent.get();
        self.answering.head(self.out, self.buffer.bytes(), self.answer, framing, client_lives);
        self.progress.status.set(status);
        let mut member_lives = self.answer.reusable(self.answering.was_head);
        add(&self.progress.from_member, self.answer.reason.end as usize);
        self.buffer.consume(self.answer.len);
        if let Framing::Length(bytes) = framing {
            let more = bytes.saturating_sub(self.buffer.len() as u64);
            self.buffer.expect(if self.client.is_shared() { more.min(SHARED) } else { more });
        }
        let mut reader = BodyReader::new(framing, &self.limits);
        let ends = Ends { chunked, closing: !client_lives };
        loop {
            self.pass_ready(&mut reader, ends).await?;
            if reader.is_done() {
                break;
            }
            self.room().await?;
            match self.receive(AHEAD).await {
                Ok(0) => reader.finish_eof().map_err(|_| Failure::MEMBER_CUT)?,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Err(Failure::MEMBER_STALLED);
                }
                Err(_) => return Err(Failure::MEMBER_CUT),
            }
        }
        // Bytes beyond the answer are nobody's: the next answer could not be told from them.
        member_lives &= self.buffer.is_empty() && self.progress.sent.get();
        Ok(Done { status, member_lives, client_lives, tunnel: false })
    }

    /// Where clients' streams share a connection, waits until some of them may send: whose turn is
    /// far need not hold what it would send.
    async fn room(&mut self) -> Result<(), Failure> {
        if !self.client.is_shared() {
            return Ok(());
        }
        let mut armed = false;
        poll_fn(|cx| match self.client.poll_room(cx) {
            Poll::Pending => {
                if !std::mem::replace(&mut armed, true) {
                    self.client_wait.set_after(clock::recent(), self.send_time);
                }
                self.client_wait.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
            ready => ready,
        })
        .await
        .map_err(client_failure)
    }

    /// What of a short body the client gets, if httpd's rules cut it: then all of it is there.
    async fn part(&mut self, framing: Framing) -> Result<Option<Part>, Failure> {
        let Framing::Length(length) = framing else { return Ok(None) };
        let part = self.answering.part(self.buffer.bytes(), self.answer, length);
        let whole = self.answer.len.saturating_add(length as usize);
        if part.is_none() || whole > PART_OF_MAX || !self.progress.sent.get() {
            return Ok(None);
        }
        if part == Some(Part::Nothing) {
            return Err(Failure::NO_RANGE);
        }
        while self.buffer.len() < whole {
            match self.receive(whole).await {
                Ok(0) | Err(_) => return Err(Failure::MEMBER_CUT),
                Ok(_) => {}
            }
        }
        Ok(part)
    }

    /// Passes on a part of a body.
    async fn pass_part(&mut self, part: &Part, framing: Framing) -> Result<Done, Failure> {
        let (head, client_lives) = (self.answer.len, self.answering.client_lives(framing));
        let length = if let Framing::Length(length) = framing { length as usize } else { 0 };
        let body = &self.buffer.bytes()[head..head + length];
        let mark = self.answering.core.random();
        let cut = partial::cut(part, body, self.answer, self.buffer.bytes(), mark);
        let status = self.answer.status;
        self.answering.partial(self.out, self.buffer.bytes(), self.answer, &cut, client_lives);
        self.progress.status.set(206);
        add(&self.progress.from_member, self.answer.reason.end as usize + length);
        add(&self.progress.body_out, cut.body.len());
        self.out.extend_from_slice(&cut.body);
        self.buffer.consume(head + length);
        self.count();
        let now = evenkeel_balance::Micros(clock::now().0);
        self.guard.finish(evenkeel_balance::Outcome::Answered { status }, now);
        self.flush_before(!client_lives).await?;
        let member_lives = self.answer.reusable(false) && self.buffer.is_empty();
        Ok(Done { status: 206, member_lives, client_lives, tunnel: false })
    }

    /// Sends the head, if it still waits, and all of the body that is there.
    async fn pass_ready(&mut self, reader: &mut BodyReader, ends: Ends) -> Result<(), Failure> {
        let Ends { chunked, closing } = ends;
        while !reader.is_done() && !self.buffer.is_empty() {
            let input = self.buffer.bytes();
            let piece = reader.step(input).map_err(|r| Failure::bad_answer(r.cause))?;
            let data = &input[piece.skip..piece.skip + piece.data];
            if chunked && !data.is_empty() {
                write::chunk_size(self.out, data.len() as u64);
            }
            if data.len() <= GATHER {
                self.out.extend_from_slice(data);
            } else {
                self.progress.answered.set(true);
                let n = self.out.len() + data.len();
                let mut slices = [IoSlice::new(self.out), IoSlice::new(data)];
                self.client_wait.set_after(clock::recent(), self.send_time);
                let sent = match closing && !chunked && reader.is_done() {
                    false => self.client.send(&mut slices, self.client_wait).await,
                    true => self.client.send_last(&mut slices, self.client_wait).await,
                };
                sent.map_err(client_failure)?;
                add(&self.progress.down, n);
                self.out.clear();
            }
            if chunked && !data.is_empty() {
                self.out.extend_from_slice(b"\r\n");
            }
            let eaten = piece.skip + piece.data;
            add(&self.progress.from_member, piece.data);
            add(&self.progress.body_out, piece.data);
            self.buffer.consume(eaten);
            if eaten == 0 {
                break;
            }
            if self.out.len() > 4 * GATHER {
                self.flush().await?;
            }
        }
        self.count();
        if reader.is_done() && self.progress.sent.get() {
            let status = self.progress.status.get();
            let now = evenkeel_balance::Micros(clock::recent().0);
            self.guard.finish(evenkeel_balance::Outcome::Answered { status }, now);
        }
        if chunked && reader.is_done() {
            let trailers = if self.trailers { reader.trailers() } else { &[] };
            end_chunks(self.out, trailers);
        }
        self.flush_before(closing && reader.is_done()).await
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        self.flush_before(false).await
    }

    /// Sends what waits; `end`: the end follows at once.
    async fn flush_before(&mut self, end: bool) -> Result<(), Failure> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.progress.answered.set(true);
        self.send_out(end).await
    }

    async fn send_out(&mut self, end: bool) -> Result<(), Failure> {
        self.client_wait.set_after(clock::recent(), self.send_time);
        let slices = &mut [IoSlice::new(self.out)];
        let sent = match end {
            false => self.client.send(slices, self.client_wait).await,
            true => self.client.send_last(slices, self.client_wait).await,
        };
        sent.map_err(client_failure)?;
        add(&self.progress.down, self.out.len());
        self.out.clear();
        Ok(())
    }
}

fn client_failure(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::TimedOut => Failure::CLIENT_STALLED,
        _ => Failure::CLIENT_GONE,
    }
}
