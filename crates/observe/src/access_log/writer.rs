use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

/// Batches that wait for the writer at most, over all cores; about 9 MiB. Further ones are
/// dropped and their lines counted.
pub const QUEUE_MAX: usize = 256;
/// How long opening the log may take at start, where a pipe without a reader would wait for ever.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// Trouble is reported this often at most.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);
/// A file that could not be reopened is tried again this often at most.
const REOPEN_INTERVAL: Duration = Duration::from_secs(1);

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file, made with mode 0640 when it is not there, appended to.
    File(PathBuf),
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What the writer tells about itself, once a minute at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Lines cannot be written, or the file cannot be reopened.
    Failing {
        /// What the system said last.
        error: String,
        /// Lines lost since the last report.
        lines_lost: u64,
    },
    /// Lines are written again.
    Recovered {
        /// Lines lost since the last report.
        lines_lost: u64,
    },
}

/// What the writer did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Lines written.
    pub lines: u64,
    /// Lines lost: no room in the queue, or writing failed.
    pub dropped: u64,
    /// Failed writes and reopenings.
    pub errors: u64,
}

impl Counters {
    /// Adds what another writer did.
    pub fn add(&mut self, other: Counters) {
        self.lines = self.lines.saturating_add(other.lines);
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.errors = self.errors.saturating_add(other.errors);
    }
}

/// The thread that writes. It goes on through every error and ends when it is stopped, or when
/// it and all its [`Sender`]s are dropped.
#[derive(Debug)]
pub struct Writer {
    sender: Sender,
    done: Receiver<()>,
}

/// The way from a core to the writer.
#[derive(Clone, Debug)]
pub struct Sender {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
enum Message {
    Batch(Vec<u8>, u64),
    /// Look at the orders in [`Shared`].
    Wake,
}

#[derive(Debug, Default)]
struct Shared {
    reopen: AtomicBool,
    stop: AtomicBool,
    lines: AtomicU64,
    dropped: AtomicU64,
    errors: AtomicU64,
}

impl Writer {
    /// Opens the target and starts the thread. `report` is called on that thread.
    ///
    /// Errors: the file cannot be opened, or not within 5 s; no thread can be started.
    pub fn start(
        target: Target,
        report: impl FnMut(Report) + Send + 'static,
    ) -> io::Result<Writer> {
        let (queue, receiver) = mpsc::sync_channel(QUEUE_MAX);
        let (opened, is_open) = mpsc::sync_channel(1);
        let (finished, done) = mpsc::sync_channel(1);
        let shared = Arc::new(Shared::default());
        let sender = Sender { queue, shared: Arc::clone(&shared) };
        thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            let open = target.open();
            let (sink, result) = match open {
                Ok(sink) => (Some(sink), Ok(())),
                Err(error) => (None, Err(error)),
            };
            // Nobody waits for the answer after the time limit; then nobody sends batches either.
            let waited_for = opened.send(result).is_ok();
            if let (Some(sink), true) = (sink, waited_for) {
                Task::new(target, sink, shared, Box::new(report)).run(&receiver);
            }
            drop(finished);
        })?;
        match is_open.recv_timeout(OPEN_TIMEOUT) {
            Ok(result) => result.map(|()| Writer { sender, done }),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "opening took longer than 5 s (a pipe that nobody reads?)",
            )),
        }
    }

    /// A way to this writer, for one core.
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// Opens the file again under its name, after it was renamed. While that fails, lines go to
    /// the old file and opening is tried again.
    pub fn reopen(&self) {
        self.sender.shared.reopen.store(true, Relaxed);
        self.wake();
    }

    /// What was done so far.
    pub fn counters(&self) -> Counters {
        let Shared { lines, dropped, errors, .. } = &*self.sender.shared;
        Counters {
            lines: lines.load(Relaxed),
            dropped: dropped.load(Relaxed),
            errors: errors.load(Relaxed),
        }
    }

    /// Writes what waits and ends the thread. The cores hand over their batches before. Returns
    /// false when that took longer than the deadline; the thread is then left to itself.
    pub fn stop(self, deadline: Duration) -> bool {
        self.sender.shared.stop.store(true, Relaxed);
        self.wake();
        // The other end is only ever dropped, and that ends the wait.
        self.done.recv_timeout(deadline) == Err(mpsc::RecvTimeoutError::Disconnected)
    }

    fn wake(&self) {
        // With a full queue the thread is awake and sees the order after its next batch.
        let _ = self.sender.queue.try_send(Message::Wake);
    }
}

impl Sender {
    /// Hands over a batch. When there is no room it is counted as dropped, and the buffer comes
    /// back empty.
    pub(super) fn send(&self, batch: Vec<u8>, lines: u64) -> Option<Vec<u8>> {
        match self.queue.try_send(Message::Batch(batch, lines)) {
            Ok(()) => None,
            Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) => {
                self.shared.dropped.fetch_add(lines, Relaxed);
                match message {
                    Message::Batch(mut batch, _) => {
                        batch.clear();
                        Some(batch)
                    }
                    Message::Wake => None,
                }
            }
        }
    }
}

impl Target {
    fn open(&self) -> io::Result<Sink> {
        match self {
            Target::File(path) => {
                let mut options = OpenOptions::new();
                options.append(true).create(true).mode(0o640);
                options.open(path).map(Sink::File)
            }
            Target::Stdout => Ok(Sink::Stdout(io::stdout())),
            Target::Stderr => Ok(Sink::Stderr(io::stderr())),
        }
    }
}

enum Sink {
    File(File),
    Stdout(io::Stdout),
    Stderr(io::Stderr),
}

impl Sink {
    /// Writes all, or tells how many bytes were written before the error.
    fn write(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let writer: &mut dyn Write = match self {
            Sink::File(file) => file,
            Sink::Stdout(out) => out,
            Sink::Stderr(out) => out,
        };
        let mut written = 0;
        while written < bytes.len() {
            match writer.write(&bytes[written..]) {
                Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
                Ok(n) => written += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((written, error)),
            }
        }
        // Standard output holds back what follows the last newline; files hold back nothing.
        writer.flush().map_err(|error| (written, error))
    }
}

/// What runs on the thread.
struct Task {
    target: Target,
    sink: Sink,
    shared: Arc<Shared>,
    /// The last write ended within a line.
    torn: bool,
    /// When to try again to open the file.
    reopen_at: Option<Instant>,
    trouble: Trouble,
}

impl Task {
    fn new(
        target: Target,
        sink: Sink,
        shared: Arc<Shared>,
        report: Box<dyn FnMut(Report) + Send>,
    ) -> Task {
        let trouble = Trouble { report, failing: None, lines_lost: 0, reported: None };
        Task { target, sink, shared, torn: false, reopen_at: None, trouble }
    }

    fn run(mut self, receiver: &Receiver<Message>) {
        while let Ok(message) = receiver.recv() {
            self.take(message);
            if self.shared.stop.load(Relaxed) {
                while let Ok(message) = receiver.try_recv() {
                    self.take(message);
                }
                return;
            }
        }
    }

    fn take(&mut self, message: Message) {
        let due = self.reopen_at.is_some_and(|at| Instant::now() >= at);
        if self.shared.reopen.swap(false, Relaxed) || due {
            self.reopen();
        }
        if let Message::Batch(batch, lines) = message {
            self.write(&batch, lines);
        }
        self.trouble.tell(Instant::now());
    }

    fn reopen(&mut self) {
        match self.target.open() {
            Ok(sink) => {
                self.sink = sink;
                self.torn = false;
                self.reopen_at = None;
            }
            Err(error) => {
                self.reopen_at = Some(Instant::now() + REOPEN_INTERVAL);
                self.shared.errors.fetch_add(1, Relaxed);
                self.trouble.failing = Some(format!("cannot reopen: {error}"));
            }
        }
    }

    fn write(&mut self, batch: &[u8], lines: u64) {
        let ended = if self.torn { self.sink.write(b"\n") } else { Ok(()) };
        let result = ended.map_err(|(_, error)| (0, error)).and_then(|()| {
            self.torn = false;
            self.sink.write(batch)
        });
        let lost = match result {
            Ok(()) => {
                if self.reopen_at.is_none() {
                    self.trouble.failing = None;
                }
                0
            }
            Err((written, error)) => {
                self.torn |= written > 0 && batch[written - 1] != b'\n';
                self.shared.errors.fetch_add(1, Relaxed);
                self.trouble.failing = Some(error.to_string());
                batch[written..].iter().filter(|b| **b == b'\n').count() as u64
            }
        };
        self.trouble.lines_lost += lost;
        self.shared.dropped.fetch_add(lost, Relaxed);
        self.shared.lines.fetch_add(lines.saturating_sub(lost), Relaxed);
    }
}

struct Trouble {
    report: Box<dyn FnMut(Report) + Send>,
    failing: Option<String>,
    /// Since the last report.
    lines_lost: u64,
    /// When trouble was last told; none once its end was told.
    reported: Option<Instant>,
}

impl Trouble {
    fn tell(&mut self, now: Instant) {
        if self.reported.is_some_and(|at| now.duration_since(at) < REPORT_INTERVAL) {
            return;
        }
        let lines_lost = self.lines_lost;
        match (&self.failing, self.reported) {
            (Some(error), _) => {
                self.reported = Some(now);
                (self.report)(Report::Failing { error: error.clone(), lines_lost });
            }
            (None, Some(_)) => {
                self.reported = None;
                (self.report)(Report::Recovered { lines_lost });
            }
            (None, None) => return,
        }
        self.lines_lost = 0;
    }
}

#[cfg(test)]
mod tests;
