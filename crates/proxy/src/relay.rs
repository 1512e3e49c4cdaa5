//! Bytes both ways between a client and a member, each direction ended by its own sender: what TCP
//! listeners do from the start, and HTTP after an upgrade.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use evenkeel_balance::Guard;
use evenkeel_net::splice::Pipe;
use evenkeel_net::stream::{RecvHalf, SendHalf};
use evenkeel_net::{Buffer, Deadline, Micros, Stream, clock};

use crate::cause::Failure;
use crate::core::Core;
use crate::sessions::{Place, Word};

/// Bytes on their way in one direction.
const WINDOW: usize = 64 * 1024;
/// Reads of one direction in a row, after which others get their turn.
const TURNS: u32 = 16;
/// Bytes of one read that count as bulk,
const PIECE: usize = 8 * 1024;
/// and how many such bytes in a row it takes until they are passed on without a copy.
const BULK: u64 = 256 * 1024;
/// How old counters may grow while bytes flow; when they stop, the next look at the core tells.
const TELL: Duration = Duration::from_millis(20);

/// What a relay reports to, and what may end it.
pub(crate) struct Watch<'a> {
    pub(crate) core: &'a Core,
    pub(crate) place: &'a Place,
    /// The listener's number.
    pub(crate) listener: u32,
    /// The pool's number.
    pub(crate) pool: u32,
    pub(crate) guard: &'a Guard,
    /// Without a byte in either direction for this long, the relay ends.
    pub(crate) idle: Duration,
    /// Connections on which nothing moved are closed, not reset.
    pub(crate) gently: bool,
}

/// How a relay ended.
#[derive(Debug)]
pub(crate) struct Relayed {
    /// Bytes from the client to the member.
    pub(crate) up: u64,
    /// Bytes from the member to the client.
    pub(crate) down: u64,
    /// When the member's first byte came.
    pub(crate) first_byte: Option<Micros>,
    /// What broke it off; `None` when both sides ended in order.
    pub(crate) broken: Option<Failure>,
}

/// One side of a relay: its connection, and what was received from it and not passed on yet.
pub(crate) struct Side<'a> {
    pub(crate) stream: &'a mut Stream,
    pub(crate) buffer: Buffer,
}

/// Passes bytes until both sides have ended, one breaks off, or nothing moved for the idle time.
pub(crate) async fn run(client: Side<'_>, member: Side<'_>, watch: &Watch<'_>) -> Relayed {
    let (mut up, mut down) = (Lane::new(client.buffer), Lane::new(member.buffer));
    let mut counts = Counts::default();
    let mut wait = Deadline::never();
    wait.set_after(clock::now(), watch.idle);
    let broken = {
        let (mut client_recv, mut client_send) = client.stream.split();
        let (mut member_recv, mut member_send) = member.stream.split();
        poll_fn(|cx| {
            let mut there = up.poll(cx, &mut client_recv, &mut member_send);
            let mut back = down.poll(cx, &mut member_recv, &mut client_send);
            // When both have ended, the closes that follow say so (below, TLS); one end alone is
            // passed on.
            if there.is_ready() != back.is_ready() {
                there = up.pass_end(cx, there, &mut member_send);
                back = down.pass_end(cx, back, &mut client_send);
            }
            if counts.moved(up.total, down.total, watch) {
                wait.set_after(counts.at, watch.idle);
            }
            let client_side = (Failure::CLIENT_RESET, Failure::MEMBER_BROKE);
            let member_side = (client_side.1, client_side.0);
            match (there, back) {
                (Poll::Ready(Err(broken)), _) => return Poll::Ready(Some(broken.of(client_side))),
                (_, Poll::Ready(Err(broken))) => return Poll::Ready(Some(broken.of(member_side))),
                (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => {
                    // Both, also when one of them waits.
                    let said = [client_send.poll_say_end(cx), member_send.poll_say_end(cx)];
                    if said.iter().all(Poll::is_ready) {
                        return Poll::Ready(None);
                    }
                }
                _ => {}
            }
            match watch.place.word(cx.waker(), !counts.is_told()) {
                Word::None => {}
                Word::Tell => counts.tell(watch),
                Word::End => return Poll::Ready(Some(Failure::MEMBER_OUT)),
            }
            wait.poll(cx).map(|()| Some(Failure::IDLE_TIMEOUT))
        })
        .await
    };
    let quiet = watch.gently && broken == Some(Failure::IDLE_TIMEOUT);
    if broken.is_some() && !quiet {
        // What one side broke off, the other must not take for complete.
        client.stream.reset_on_close();
        member.stream.reset_on_close();
    }
    if quiet {
        client.stream.say_end();
        member.stream.say_end();
    }
    counts.seen = (up.total, down.total);
    counts.tell(watch);
    Relayed { up: up.total, down: down.total, first_byte: counts.first_byte, broken }
}

/// What was counted, and how much of it was told.
#[derive(Default)]
struct Counts {
    seen: (u64, u64),
    told: (u64, u64),
    /// When bytes last moved.
    at: Micros,
    told_at: Micros,
    first_byte: Option<Micros>,
}

impl Counts {
    /// Takes over what moved; whether anything did. Tells it when the last time is long ago.
    fn moved(&mut self, up: u64, down: u64, watch: &Watch<'_>) -> bool {
        if self.seen == (up, down) {
            return false;
        }
        self.at = clock::recent();
        if self.seen.1 == 0 && down > 0 {
            self.first_byte = Some(self.at);
        }
        self.seen = (up, down);
        if self.at.since(self.told_at) >= TELL {
            self.tell(watch);
        }
        true
    }

    fn is_told(&self) -> bool {
        self.seen == self.told
    }

    fn tell(&mut self, watch: &Watch<'_>) {
        if self.is_told() {
            return;
        }
        let (new_up, new_down) = (self.seen.0 - self.told.0, self.seen.1 - self.told.1);
        self.told = self.seen;
        self.told_at = self.at;
        watch.guard.sent(new_up);
        watch.guard.received(new_down);
        watch.core.metrics.borrow_mut().flowed(watch.listener, watch.pool, new_up, new_down);
    }
}

/// Which end of a direction broke.
enum Broken {
    From,
    To,
}

impl Broken {
    fn of(self, (from, to): (Failure, Failure)) -> Failure {
        match self {
            Broken::From => from,
            Broken::To => to,
        }
    }
}

/// One direction: what waits, then what comes, then the end.
struct Lane {
    buffer: Buffer,
    /// What is on its way without a copy.
    pipe: Option<Pipe>,
    /// Bytes passed on.
    total: u64,
    /// Bytes in large pieces since the last small one.
    bulk: u64,
    state: State,
}

#[derive(PartialEq)]
enum State {
    Open,
    /// The sender has ended; what waits and the end are still to be passed on.
    Ending,
    /// Its end was passed on.
    Done,
}

impl Lane {
    fn new(mut buffer: Buffer) -> Lane {
        buffer.expect(0);
        Lane { buffer, pipe: None, total: 0, bulk: 0, state: State::Open }
    }

    /// Passes on what there is. Ready when all of it was and no more comes, or either end broke.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut RecvHalf<'_>,
        to: &mut SendHalf<'_>,
    ) -> Poll<Result<(), Broken>> {
        for _ in 0..TURNS {
            ready!(self.poll_out(cx, to)).map_err(|_| Broken::To)?;
            if self.state != State::Open {
                return Poll::Ready(Ok(()));
            }
            if ready!(self.poll_in(cx, from, to)).map_err(|_| Broken::From)? == 0 {
                self.state = State::Ending;
            }
            // Often the first answer is the only one, and its end has come with it: then both go
            // on together.
            if self.total == 0
                && from.is_ending()
                && let Poll::Ready(more) = self.poll_in(cx, from, to)
                && more.map_err(|_| Broken::From)? == 0
            {
                self.state = State::Ending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Passes the end on as well, if it came.
    fn pass_end(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<Result<(), Broken>>,
        to: &mut SendHalf<'_>,
    ) -> Poll<Result<(), Broken>> {
        if self.state == State::Ending && matches!(polled, Poll::Ready(Ok(()))) {
            ready!(to.poll_finish(cx)).map_err(|_| Broken::To)?;
            self.state = State::Done;
        }
        polled
    }

    /// Takes in what has come: by copy, or once it comes in bulk, without.
    fn poll_in(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut RecvHalf<'_>,
        to: &SendHalf<'_>,
    ) -> Poll<io::Result<usize>> {
        let received = if self.bulk < BULK || !from.can_splice(to) {
            ready!(from.poll_recv(cx, &mut self.buffer, WINDOW))?
        } else {
            if self.pipe.is_none() {
                // Without descriptors for a pipe there is still the way by copy.
                match Pipe::new() {
                    Ok(pipe) => self.pipe = Some(pipe),
                    Err(_) => self.bulk = 0,
                }
            }
            match &mut self.pipe {
                Some(pipe) => match pipe.poll_fill(cx, from) {
                    // While nothing comes, others may use it.
                    Poll::Pending => {
                        self.pipe = None;
                        return Poll::Pending;
                    }
                    Poll::Ready(filled) => filled?,
                },
                None => ready!(from.poll_recv(cx, &mut self.buffer, WINDOW))?,
            }
        };
        self.bulk = if received < PIECE { 0 } else { self.bulk.saturating_add(received as u64) };
        Poll::Ready(Ok(received))
    }

    fn poll_out(&mut self, cx: &mut Context<'_>, to: &mut SendHalf<'_>) -> Poll<io::Result<()>> {
        while !self.buffer.is_empty() {
            let sent = if self.state == State::Open {
                ready!(to.poll_send(cx, &[IoSlice::new(self.buffer.bytes())]))?
            } else {
                ready!(to.poll_send_last(cx, &[IoSlice::new(self.buffer.bytes())]))?
            };
            self.total += sent as u64;
            self.buffer.consume(sent);
        }
        while let Some(pipe) = self.pipe.as_mut().filter(|pipe| !pipe.is_empty()) {
            let sent = ready!(pipe.poll_drain(cx, to))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.total += sent as u64;
        }
        Poll::Ready(Ok(()))
    }
}
