//! The direction to the member: the request's head, then its body as it comes; then an eye on the
//! client, whose leaving ends the exchange.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::Poll;
use std::time::Duration;

use evenkeel_net::stream::{RecvHalf, SendHalf};
use evenkeel_net::{Buffer, Deadline, Micros, clock};
use evenkeel_wire::http1::{BodyReader, Framing, Limits, write};

use crate::cause::Failure;
use crate::http::progress::{Progress, add, end_chunks};

/// A slow sender gets this long before its rate counts.
const RATE_GRACE: Duration = Duration::from_secs(10);
/// A client that closes its sending side may only have said all it wanted to, so its answer gets
/// this long before it counts as gone.
const HALF_CLOSE_GRACE: Duration = Duration::from_secs(1);
/// Pieces up to this size are gathered into one send.
const GATHER: usize = 8 * 1024;
/// Waiting bytes of a streamed body.
const BODY_AHEAD: usize = 256 * 1024;
/// Bytes of pipelined requests that are taken in ahead of their turn.
const PIPELINE_AHEAD: usize = 64 * 1024;

/// What the direction to the member works with.
pub(crate) struct Upload<'a> {
    pub(crate) client: RecvHalf<'a>,
    pub(crate) member: SendHalf<'a>,
    /// The session's buffer: head, beginning of the body, perhaps the next requests.
    pub(crate) buffer: &'a mut Buffer,
    /// The rest of the body.
    pub(crate) body: &'a mut Buffer,
    /// The head for the member.
    pub(crate) out: &'a mut Vec<u8>,
    pub(crate) wait: &'a mut Deadline,
    pub(crate) head_len: usize,
    pub(crate) framing: Framing,
    /// Whether trailers are passed on.
    pub(crate) trailers: bool,
    pub(crate) limits: Limits,
    /// The largest body, in bytes without framing.
    pub(crate) body_max: u64,
    /// The slowest body, in bytes a second; 0: any.
    pub(crate) rate_min: u32,
    /// How long the member may refuse to take bytes.
    pub(crate) send_time: Duration,
    pub(crate) progress: &'a Progress,
}

/// Why the direction stopped.
enum Stop {
    /// The client's fault or wish.
    Client(Failure),
    /// The member takes no more.
    Member,
}

impl Upload<'_> {
    /// Sends the request, then watches the client. Ends only with a failure of the client's side;
    /// whoever awaits the answer drops it.
    pub(crate) async fn run(&mut self) -> Result<(), Failure> {
        match self.send_all().await {
            Ok(()) => self.progress.sent.set(true),
            Err(Stop::Client(failure)) => return Err(failure),
            Err(Stop::Member) => {
                self.progress.deaf.set(true);
                // The member's last word decides, and it is on its way.
                return Ok(());
            }
        }
        self.watch().await
    }

    async fn send_all(&mut self) -> Result<(), Stop> {
        self.progress.used.set(self.head_len);
        let mut reader = BodyReader::new(self.framing, &self.limits);
        let began = clock::recent();
        let mut total = 0_u64;
        if self.progress.held.get() {
            self.flush().await?;
            // Whoever reads the member's word has it polled again.
            poll_fn(|_| match self.progress.held.get() {
                true => Poll::Pending,
                false => Poll::Ready(()),
            })
            .await;
        }
        loop {
            self.send_ready(&mut reader, &mut total).await?;
            if reader.is_done() {
                break;
            }
            self.receive(began).await?;
        }
        Ok(())
    }

    /// Sends the head, if it still waits, and all of the body that is there.
    async fn send_ready(&mut self, reader: &mut BodyReader, total: &mut u64) -> Result<(), Stop> {
        let chunked = self.framing == Framing::Chunked;
        loop {
            let used = self.progress.used.get();
            let streamed = self.progress.streamed.get();
            let input = if streamed { self.body.bytes() } else { &self.buffer.bytes()[used..] };
            if reader.is_done() || input.is_empty() {
                break;
            }
            let piece = reader.step(input).map_err(refused)?;
            let data = &input[piece.skip..piece.skip + piece.data];
            *total += piece.data as u64;
            if *total > self.body_max {
                return Err(Stop::Client(Failure::BODY_TOO_LARGE));
            }
            let eaten = piece.skip + piece.data;
            if chunked && !data.is_empty() {
                write::chunk_size(self.out, data.len() as u64);
            }
            if data.len() <= GATHER {
                self.out.extend_from_slice(data);
            } else {
                let n = self.out.len() + data.len();
                let mut slices = [IoSlice::new(self.out), IoSlice::new(data)];
                send(&mut self.member, &mut slices, self.wait, self.send_time).await?;
                add(&self.progress.to_member, n);
                self.out.clear();
            }
            if chunked && !data.is_empty() {
                self.out.extend_from_slice(b"\r\n");
            }
            add(&self.progress.body_in, eaten);
            if streamed {
                self.body.consume(eaten);
            } else {
                self.progress.used.set(used + eaten);
            }
            if eaten == 0 {
                break;
            }
            if self.out.len() > 4 * GATHER {
                self.flush().await?;
            }
        }
        if chunked && reader.is_done() {
            let trailers = if self.trailers { reader.trailers() } else { &[] };
            end_chunks(self.out, trailers);
        }
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), Stop> {
        if !self.out.is_empty() {
            send(&mut self.member, &mut [IoSlice::new(self.out)], self.wait, self.send_time)
                .await?;
            add(&self.progress.to_member, self.out.len());
            self.out.clear();
        }
        Ok(())
    }

    /// Receives more of the body, as long as the client keeps to the minimum rate.
    async fn receive(&mut self, began: Micros) -> Result<(), Stop> {
        if !self.progress.streamed.get() {
            // The rest comes into a buffer of its own: the head must stay where it is. A piece of
            // framing that the reader left (half a chunk line) moves along.
            let left = self.buffer.bytes()[self.progress.used.get()..].to_vec();
            self.body.clear();
            self.body.extend(&left);
            self.progress.streamed.set(true);
        }
        if self.rate_min > 0 {
            let earned =
                self.progress.body_in.get().saturating_mul(1_000_000) / u64::from(self.rate_min);
            self.wait.set(Micros(clock::after(began, RATE_GRACE).0.saturating_add(earned)));
        } else {
            self.wait.clear();
        }
        match self.client.recv(self.body, BODY_AHEAD, self.wait).await {
            Ok(0) => Err(Stop::Client(Failure::CLIENT_GONE)),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                Err(Stop::Client(Failure::BODY_TOO_SLOW))
            }
            Err(_) => Err(Stop::Client(Failure::CLIENT_GONE)),
        }
    }

    /// Takes in what the client sends ahead, and notices when it goes.
    async fn watch(&mut self) -> Result<(), Failure> {
        self.wait.clear();
        let ahead = if self.progress.streamed.get() { &mut *self.body } else { &mut *self.buffer };
        let most = self.progress.used.get() + PIPELINE_AHEAD;
        loop {
            if ahead.len() >= most {
                // A client that sends this far ahead is not going away; its turn will come.
                return Ok(());
            }
            match self.client.recv(ahead, most, self.wait).await {
                Ok(0) => {
                    clock::sleep(HALF_CLOSE_GRACE).await;
                    return Err(Failure::CLIENT_GONE);
                }
                Ok(_) => {}
                Err(_) => return Err(Failure::CLIENT_GONE),
            }
        }
    }
}

fn refused(refusal: evenkeel_wire::http1::Refusal) -> Stop {
    Stop::Client(Failure::refused(refusal.status, refusal.cause))
}

async fn send(
    member: &mut SendHalf<'_>,
    slices: &mut [IoSlice<'_>],
    wait: &mut Deadline,
    time: Duration,
) -> Result<(), Stop> {
    wait.set_after(clock::recent(), time);
    member.send(slices, wait).await.map_err(|_| Stop::Member)
}
