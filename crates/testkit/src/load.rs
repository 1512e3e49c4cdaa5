//! A steady load over several threads, and what became of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::client::{ClientError, request_bytes};
use crate::message::Response;
use crate::{Client, wait_until};

/// A load to be offered. Defaults: `GET /` at 100 requests a second, for 1 s, on 16 threads,
/// keep-alive, 5 s for each request.
#[derive(Clone, Debug)]
pub struct Load {
    address: SocketAddr,
    request: Vec<u8>,
    method: String,
    rate: f64,
    time: Duration,
    threads: usize,
    keep_alive: bool,
    timeout: Duration,
}

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// An answer with that status.
    Status(u16),
    /// No answer; the error in words.
    Error(String),
}

/// What became of all of them.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How often each outcome came.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// How often each body of a 2xx answer came (its first 64 bytes): which origin answered.
    pub bodies: BTreeMap<String, u64>,
    /// From when a request was due to the end of its answer, ascending; errors included.
    pub latencies: Vec<Duration>,
    /// When, since the start, and what, for each request that did not get a 2xx.
    pub failed: Vec<(Duration, Outcome)>,
    /// Kept connections that the server had closed, or closed without a byte of an answer, and
    /// that were replaced, as any client does.
    pub replaced: u64,
}

/// A load being offered.
#[derive(Debug)]
pub struct Running {
    threads: Vec<JoinHandle<Report>>,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
}

impl Load {
    /// A load on that address.
    pub fn on(address: SocketAddr) -> Load {
        Load {
            address,
            request: request_bytes("GET", "/", &[], b""),
            method: "GET".into(),
            rate: 100.0,
            time: Duration::from_secs(1),
            threads: 16,
            keep_alive: true,
            timeout: Duration::from_secs(5),
        }
    }

    /// Sends these requests.
    pub fn request(
        mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Load {
        self.request = request_bytes(method, target, fields, body);
        method.clone_into(&mut self.method);
        self
    }

    /// Requests a second over all threads.
    pub fn rate(mut self, rate: f64) -> Load {
        self.rate = rate;
        self
    }

    /// For how long.
    pub fn lasting(mut self, time: Duration) -> Load {
        self.time = time;
        self
    }

    /// On how many threads; each has one request under way at a time.
    pub fn threads(mut self, threads: usize) -> Load {
        self.threads = threads.max(1);
        self
    }

    /// A new connection for each request.
    pub fn new_connections(mut self) -> Load {
        self.keep_alive = false;
        self
    }

    /// How long a request may take, its connect included.
    pub fn timeout(mut self, timeout: Duration) -> Load {
        self.timeout = timeout;
        self
    }

    /// Offers the load and waits for its end.
    #[track_caller]
    pub fn run(self) -> Report {
        self.start().finish()
    }

    /// Begins to offer the load.
    pub fn start(self) -> Running {
        let stop = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicU64::new(0));
        let begin = Instant::now();
        let threads = (0..self.threads).map(|number| {
            let (load, stop, done) = (self.clone(), Arc::clone(&stop), Arc::clone(&done));
            let name = format!("load-{number}");
            std::thread::Builder::new()
                .name(name)
                .spawn(move || Worker::new(load, begin).work(number, &stop, &done))
                .expect("a thread can be started")
        });
        Running { threads: threads.collect(), stop, done }
    }
}

impl Running {
    /// Requests that have ended so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Waits until that many more requests have ended; false after 10 s.
    pub fn wait_for_more(&self, more: u64) -> bool {
        let target = self.done() + more;
        wait_until(crate::LONG, || self.done() >= target)
    }

    /// Waits for the end of the time.
    #[track_caller]
    pub fn finish(self) -> Report {
        let mut report = Report::default();
        for thread in self.threads {
            match thread.join() {
                Ok(part) => report.add(part),
                Err(_) => panic!("a load thread panicked"),
            }
        }
        report.latencies.sort_unstable();
        report.failed.sort();
        report
    }

    /// Ends it now.
    #[track_caller]
    pub fn stop(self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        self.finish()
    }
}

impl Report {
    /// All requests.
    pub fn total(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// Requests that got a 2xx.
    pub fn succeeded(&self) -> u64 {
        self.total() - self.failures()
    }

    /// Requests that got anything else, or nothing.
    pub fn failures(&self) -> u64 {
        self.failed.len() as u64
    }

    /// The latency that this share of the requests kept within, for instance 0.99.
    pub fn latency(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        // A share from 0 to 1 of an index is an index.
        let index = (last as f64 * share.clamp(0.0, 1.0)).round() as usize;
        self.latencies.get(index).copied().unwrap_or_default()
    }

    fn add(&mut self, part: Report) {
        for (outcome, count) in part.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        for (body, count) in part.bodies {
            *self.bodies.entry(body).or_default() += count;
        }
        self.latencies.extend(part.latencies);
        self.failed.extend(part.failed);
        self.replaced += part.replaced;
    }
}

struct Worker {
    load: Load,
    begin: Instant,
    kept: Option<Client>,
    report: Report,
}

impl Worker {
    fn new(load: Load, begin: Instant) -> Worker {
        Worker { load, begin, kept: None, report: Report::default() }
    }

    fn work(mut self, number: usize, stop: &AtomicBool, done: &AtomicU64) -> Report {
        let every = Duration::from_secs_f64(self.load.threads as f64 / self.load.rate);
        let mut due = self.begin + every.mul_f64(number as f64 / self.load.threads as f64);
        let end = self.begin + self.load.time;
        while due < end {
            // Short naps so that a stop is heard.
            while let Some(left) = due.checked_duration_since(Instant::now()) {
                if stop.load(Ordering::Relaxed) {
                    return self.report;
                }
                std::thread::sleep(left.min(Duration::from_millis(20)));
            }
            if stop.load(Ordering::Relaxed) {
                return self.report;
            }
            let result = self.exchange();
            self.note(result, due);
            done.fetch_add(1, Ordering::Relaxed);
            due += every;
        }
        self.report
    }

    fn exchange(&mut self) -> Result<Response, ClientError> {
        if let Some(mut client) = self.kept.take() {
            let result =
                if client.is_closed() { Err(ClientError::Closed) } else { self.ask(&mut client) };
            match result {
                // The server let an idle connection go: not a failure, a client opens another.
                Err(ClientError::Closed | ClientError::Reset) => self.report.replaced += 1,
                result => {
                    self.keep(client, &result);
                    return result;
                }
            }
        }
        let mut client = Client::try_connect_within(self.load.address, self.load.timeout)?;
        let result = self.ask(&mut client);
        self.keep(client, &result);
        result
    }

    fn ask(&self, client: &mut Client) -> Result<Response, ClientError> {
        client.send(&self.load.request)?;
        client.answer_to(&self.load.method)
    }

    fn keep(&mut self, client: Client, result: &Result<Response, ClientError>) {
        let reusable = result.as_ref().is_ok_and(Response::keeps_alive);
        self.kept = (self.load.keep_alive && reusable).then_some(client);
    }

    fn note(&mut self, result: Result<Response, ClientError>, due: Instant) {
        self.report.latencies.push(due.elapsed());
        let outcome = match result {
            Ok(response) => {
                if (200..300).contains(&response.status) {
                    let body = String::from_utf8_lossy(&response.body);
                    let body: String = body.chars().take(64).collect();
                    *self.report.bodies.entry(body).or_default() += 1;
                }
                Outcome::Status(response.status)
            }
            Err(error) => Outcome::Error(error.to_string()),
        };
        if !matches!(outcome, Outcome::Status(200..300)) {
            self.report.failed.push((self.begin.elapsed(), outcome.clone()));
        }
        *self.report.outcomes.entry(outcome).or_default() += 1;
    }
}
