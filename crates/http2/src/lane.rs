//! One stream of a connection, as whoever serves its request holds it: bytes of HTTP/1.1 both ways.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use evenkeel_net::{Made, Stream};
use evenkeel_wire::http1::{BodyReader, Framing, Parsed, ResponseHead};
use tokio::io::ReadBuf;

use crate::answer::LIMITS;
use crate::engine::Engine;
use crate::request::Asked;

/// Bytes of data that are worth a system call of their own,
const STRAIGHT: usize = 8 * 1024;
/// unless so many others go before them.
const WAITING: usize = 16 * 1024;

/// What a connection and its streams share.
pub(crate) struct Shared {
    pub(crate) engine: RefCell<Engine>,
    pub(crate) stream: RefCell<Stream>,
    /// Wakes whoever moves the connection's bytes.
    pub(crate) mover: Cell<Option<Waker>>,
}

impl Shared {
    /// There is something to send, or to know.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.mover.take() {
            waker.wake();
        }
    }
}

/// A stream. Dropped before its answer is whole, it is reset.
pub(crate) struct Lane {
    shared: Rc<Shared>,
    id: u32,
    asked: Asked,
    answer: RefCell<Answer>,
}

/// How far the answer is.
enum Answer {
    /// A head that has not all been written.
    Head(Vec<u8>),
    Body(Box<BodyReader>),
    /// The same without a length, so that trailers may follow at any time.
    Chunks(Box<BodyReader>),
    /// A tunnel, or a body that ends with the stream.
    Rest,
    Done,
}

impl Lane {
    pub(crate) fn new(shared: Rc<Shared>, id: u32, asked: Asked) -> Lane {
        Lane { shared, id, asked, answer: RefCell::new(Answer::Head(Vec::new())) }
    }

    /// Gives memory back in which a head came.
    pub(crate) fn give_back(&self, text: Vec<u8>) {
        self.shared.engine.borrow_mut().text = text;
    }

    /// Passes some bytes on; how many.
    fn say(&self, engine: &mut Engine, answer: &mut Answer, bytes: &[u8]) -> io::Result<usize> {
        match answer {
            Answer::Head(begun) if begun.is_empty() => match self.say_head(engine, bytes)? {
                Some((len, next)) => {
                    *answer = next;
                    Ok(len)
                }
                None => {
                    begun.extend_from_slice(bytes);
                    Ok(bytes.len())
                }
            },
            Answer::Head(begun) => {
                let before = begun.len();
                begun.extend_from_slice(bytes);
                let whole = std::mem::take(begun);
                match self.say_head(engine, &whole)? {
                    Some((len, next)) => {
                        *answer = next;
                        Ok(len - before)
                    }
                    None => {
                        *begun = whole;
                        Ok(bytes.len())
                    }
                }
            }
            Answer::Body(reader) | Answer::Chunks(reader) => {
                let used = self.say_body(engine, reader, bytes)?;
                if reader.is_done() {
                    *answer = Answer::Done;
                }
                Ok(used)
            }
            Answer::Rest => {
                let n = bytes.len().min(engine.room(self.id));
                if n > 0 {
                    self.say_data(engine, &bytes[..n], false);
                }
                Ok(n)
            }
            Answer::Done => Ok(bytes.len()),
        }
    }

    /// The length of the head and what follows it, if it is whole.
    fn say_head(&self, engine: &mut Engine, bytes: &[u8]) -> io::Result<Option<(usize, Answer)>> {
        let mut head = std::mem::take(&mut engine.answer);
        head.reset();
        let said = self.say_parsed(engine, &mut head, bytes);
        engine.answer = head;
        said
    }

    fn say_parsed(
        &self,
        engine: &mut Engine,
        head: &mut ResponseHead,
        bytes: &[u8],
    ) -> io::Result<Option<(usize, Answer)>> {
        let broken = |_| io::Error::from(io::ErrorKind::InvalidData);
        if head.parse(bytes, &LIMITS).map_err(broken)? == Parsed::Partial {
            return Ok(None);
        }
        let (ends, next) = match head.status {
            101 if self.asked.socket => (false, Answer::Rest),
            101 => return Err(io::ErrorKind::InvalidData.into()),
            100..=199 => (false, Answer::Head(Vec::new())),
            _ => match head.framing(self.asked.head) {
                Framing::None | Framing::Length(0) => (true, Answer::Done),
                Framing::UntilClose => (false, Answer::Rest),
                framing => {
                    let reader = Box::new(BodyReader::new(framing, &LIMITS));
                    let is_open = framing == Framing::Chunked;
                    (false, if is_open { Answer::Chunks(reader) } else { Answer::Body(reader) })
                }
            },
        };
        engine.say_head(self.id, bytes, head, ends);
        if head.status == 101 {
            engine.tunnel(self.id);
        }
        Ok(Some((head.len, next)))
    }

    fn say_body(
        &self,
        engine: &mut Engine,
        reader: &mut BodyReader,
        bytes: &[u8],
    ) -> io::Result<usize> {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            used += reader.skip(rest).map_err(|_| io::ErrorKind::InvalidData)?;
            if reader.is_done() {
                match reader.trailers() {
                    [] => engine.say_data(self.id, b"", true),
                    trailers => engine.say_trailers(self.id, trailers),
                }
                return Ok(used);
            }
            let rest = &bytes[used..];
            let sure = reader.remaining_hint().unwrap_or(0);
            let n = usize::try_from(sure).unwrap_or(usize::MAX).min(rest.len());
            let n = n.min(engine.room(self.id));
            if n == 0 {
                return Ok(used);
            }
            reader.relayed(n as u64);
            // Of a body in chunks the end is only known when its last chunk has come.
            let ends = reader.is_done();
            self.say_data(engine, &rest[..n], ends);
            used += n;
            if ends {
                return Ok(used);
            }
        }
    }

    /// Large pieces go to the connection at once, if it takes them, without being copied.
    fn say_data(&self, engine: &mut Engine, data: &[u8], ends: bool) {
        if data.len() < STRAIGHT || engine.out().len() > WAITING {
            return engine.say_data(self.id, data, ends);
        }
        engine.offer_data(self.id, data, ends, |slices| {
            let mut stream = self.shared.stream.borrow_mut();
            // Who moves the connection's bytes meets what is wrong with it, or waits, by itself.
            let mut nobody = Context::from_waker(Waker::noop());
            match stream.split().1.poll_send(&mut nobody, slices) {
                Poll::Ready(Ok(sent)) => sent,
                Poll::Ready(Err(_)) | Poll::Pending => 0,
            }
        });
    }

    fn end(&self, engine: &mut Engine) {
        let mut answer = self.answer.borrow_mut();
        if matches!(*answer, Answer::Rest) && engine.is_open(self.id) {
            engine.say_data(self.id, b"", true);
            *answer = Answer::Done;
        }
    }
}

impl Made for Lane {
    fn poll_read_ready(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.shared.engine.borrow_mut().poll_heard(self.id, self.asked.socket, cx)
    }

    fn poll_read(&self, cx: &Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut engine = self.shared.engine.borrow_mut();
        let heard = engine.poll_heard(self.id, self.asked.socket, cx);
        if let Poll::Ready(Ok(())) = heard {
            engine.take(self.id, buf);
            if !engine.out().is_empty() {
                self.shared.wake();
            }
        }
        heard
    }

    fn poll_room(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.shared.engine.borrow_mut().poll_room(self.id, cx)
    }

    fn poll_write(&self, cx: &Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut engine = self.shared.engine.borrow_mut();
        match engine.poll_turn(self.id, cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        }
        let mut answer = self.answer.borrow_mut();
        let (mut all, mut wanted) = (0, 0);
        for slice in slices {
            let mut used = 0;
            wanted += slice.len();
            while used < slice.len() {
                match self.say(&mut engine, &mut answer, &slice[used..])? {
                    0 => break,
                    n => used += n,
                }
            }
            all += used;
            if used < slice.len() {
                break;
            }
        }
        if all > 0 || wanted == 0 {
            self.shared.wake();
            return Poll::Ready(Ok(all));
        }
        engine.wait(self.id, cx.waker());
        Poll::Pending
    }

    fn end_with(&self, lines: &[u8]) -> bool {
        let mut engine = self.shared.engine.borrow_mut();
        let mut answer = self.answer.borrow_mut();
        let can = matches!(*answer, Answer::Chunks(_)) && engine.is_open(self.id);
        if can {
            engine.say_trailers(self.id, lines);
            *answer = Answer::Done;
            self.shared.wake();
        }
        can
    }

    fn finish(&self) {
        self.end(&mut self.shared.engine.borrow_mut());
        self.shared.wake();
    }

    fn reset_on_close(&self) {
        self.shared.engine.borrow_mut().cut(self.id);
        self.shared.wake();
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let mut engine = self.shared.engine.borrow_mut();
        self.end(&mut engine);
        engine.leave(self.id);
        if !engine.out().is_empty() || engine.open() == 0 {
            self.shared.wake();
        }
    }
}
