//! The other side of the bench: two origins and a load generator in one event loop on one
//! thread, so that as little of the machine as possible is spent on measuring. A process of its
//! own, built with optimisation; it takes one [`Order`] a line on stdin and answers each with one
//! line of JSON.

mod load;
mod origin;
mod sample;
mod tool;
mod udp;

use std::io::{self, BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use serde_json::{Value, json};

use crate::shell::{self, Failure};
use load::Load;
use origin::Origins;
use sample::Sample;
pub(super) use sample::family;
use tool::ToolLoad;
use udp::{UdpLoad, UdpOrigins};

/// What to measure once.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) target: SocketAddr,
    /// Datagrams instead of requests.
    pub(super) udp: bool,
    /// Bytes of each answer, and of the body of each request.
    pub(super) size: usize,
    pub(super) upload: usize,
    /// The host of the requests, and further header lines, each with its end.
    pub(super) host: String,
    pub(super) headers: String,
    pub(super) connections: usize,
    /// A new connection for each request.
    pub(super) close: bool,
    /// Datagrams under way in each flow that is used again.
    pub(super) at_once: usize,
    /// Requests a second; 0: each connection asks again as soon as it has its answer.
    pub(super) rate: f64,
    pub(super) warmup: Duration,
    pub(super) window: Duration,
    /// A program with its arguments that offers the load, and how often it runs; empty: this one.
    pub(super) command: Vec<String>,
    pub(super) copies: usize,
    /// The first process of the proxy; the CPU time of all of them is read at both ends of the
    /// window.
    pub(super) pid: u32,
    /// The number of a signal that it gets after a quarter of the window; 0: none.
    pub(super) signal: i32,
}

/// What a connection of the event loop belongs to, in the upper half of its number.
const LISTENER: u64 = 0;
const ORIGIN: u64 = 1;
const CLIENT: u64 = 2;
const UDP_ORIGIN: u64 = 3;
const UDP_CLIENT: u64 = 4;

/// How long after the window another program's load may go on.
const TOOL_ENDS: Duration = Duration::from_secs(5);

/// How long until every proxy knows that its idle connections were closed.
const HEARD: Duration = Duration::from_secs(1);

/// Enough for a whole burst at any number of connections.
const EVENTS: usize = 1024;

/// A load that is offered for a time.
trait Offered {
    fn open_all(&mut self, epoll: &OwnedFd) -> io::Result<()>;

    /// Counts from here.
    fn begin_window(&mut self);

    /// When [`Offered::send_due`] has something to do again.
    fn next_due(&self) -> Option<Instant>;

    fn send_due(&mut self, now: Instant) -> io::Result<()>;

    /// Goes on with a connection or socket that can be read or written.
    fn ready(
        &mut self,
        epoll: &OwnedFd,
        index: usize,
        ended: bool,
        scratch: &mut [u8],
    ) -> io::Result<()>;

    /// Other processes that belong to the load.
    fn pids(&self) -> Vec<u32> {
        Vec::new()
    }

    /// Whether the load has ended, after the window.
    fn is_over(&mut self) -> bool {
        true
    }

    /// What came of the window, as far as this side sees it. `served`: what the origins answered
    /// in it.
    fn result(self: Box<Self>, served: u64, elapsed: Duration) -> Value;
}

/// The event loop's own state.
struct Loop {
    epoll: OwnedFd,
    origins: Origins,
    udp_origins: UdpOrigins,
    /// What was read last; shared, because nothing is kept in it.
    scratch: Vec<u8>,
}

/// Serves orders until stdin ends.
pub(crate) fn run() -> Result<bool, Failure> {
    serve().map(|()| true).map_err(|error| format!("bench driver: {error}"))
}

fn serve() -> io::Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let origins = Origins::listen(&epoll)?;
    let udp_origins = UdpOrigins::bind(&epoll)?;
    let hello = json!({ "origins": origins.ports(), "udp_origins": udp_origins.ports() });
    let mut state = Loop { epoll, origins, udp_origins, scratch: vec![0; 256 * 1024] };
    let mut stdout = io::stdout();
    writeln!(stdout, "{hello}")?;
    stdout.flush()?;
    for line in io::stdin().lock().lines() {
        let order = Order::parse(&line?).ok_or(io::ErrorKind::InvalidInput)?;
        let result = state.measure(&order)?;
        writeln!(stdout, "{result}")?;
        stdout.flush()?;
    }
    Ok(())
}

impl Loop {
    fn measure(&mut self, order: &Order) -> io::Result<Value> {
        let mut load: Box<dyn Offered> = match order.udp {
            true => Box::new(UdpLoad::new(order)),
            false if !order.command.is_empty() => Box::new(ToolLoad::new(order)),
            false => Box::new(Load::new(order)),
        };
        let begin = Instant::now();
        let empty = sample::private_bytes(order.pid);
        load.open_all(&self.epoll)?;
        self.turn_until(load.as_mut(), begin + order.warmup)?;
        load.begin_window();
        let served = self.served(order.udp);
        let own = load.pids();
        let (first, from) = (Sample::take(order.pid, &own), Instant::now());
        if let Some(signal) = rustix::process::Signal::from_named_raw(order.signal) {
            self.turn_until(load.as_mut(), from + order.window / 4)?;
            shell::signal(order.pid, signal);
        }
        self.turn_until(load.as_mut(), from + order.window)?;
        let (last, elapsed) = (Sample::take(order.pid, &own), from.elapsed());
        let shares = self.served(order.udp).into_iter().zip(served);
        let shares: Vec<u64> = shares.map(|(now, before)| now - before).collect();
        let end = Instant::now() + TOOL_ENDS;
        while !load.is_over() && Instant::now() < end {
            self.turn_until(load.as_mut(), Instant::now() + Duration::from_millis(20))?;
        }
        let mut result = load.result(shares.iter().sum(), elapsed);
        last.minus(&first).describe(elapsed, &mut result);
        if self.origins.shed() {
            // For the proxies to hear of it.
            std::thread::sleep(HEARD);
        }
        result["origins"] = json!(shares);
        result["memory"] = json!(sample::private_bytes(order.pid).saturating_sub(empty));
        Ok(result)
    }

    fn served(&self, udp: bool) -> [u64; 2] {
        if udp { self.udp_origins.served() } else { self.origins.served() }
    }

    fn turn_until(&mut self, load: &mut dyn Offered, end: Instant) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            load.send_due(now)?;
            let next = load.next_due().map_or(end, |due| due.min(end));
            let wait = next.saturating_duration_since(now);
            let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&wait))
            {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                self.dispatch(load, event)?;
            }
        }
    }

    fn dispatch(&mut self, load: &mut dyn Offered, event: &Event) -> io::Result<()> {
        let token = event.data.u64();
        let index = usize::try_from(token & 0xffff_ffff).unwrap_or(usize::MAX);
        let flags = event.flags;
        let ended = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        match token >> 32 {
            LISTENER => self.origins.accept(&self.epoll, index),
            ORIGIN => {
                self.origins.ready(index, ended, &mut self.scratch);
                Ok(())
            }
            UDP_ORIGIN => {
                self.udp_origins.ready(index, &mut self.scratch);
                Ok(())
            }
            _ => load.ready(&self.epoll, index, ended, &mut self.scratch),
        }
    }
}

/// Watches both directions, told once for each change.
fn watch(epoll: &OwnedFd, socket: impl AsFd, kind: u64, index: usize) -> io::Result<()> {
    let token = EventData::new_u64(kind << 32 | index as u64);
    let flags = match kind {
        LISTENER => EventFlags::IN,
        UDP_ORIGIN | UDP_CLIENT => EventFlags::IN | EventFlags::ET,
        _ => EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET,
    };
    Ok(epoll::add(epoll, socket, token, flags)?)
}

impl Order {
    pub(super) fn print(&self) -> Value {
        json!({
            "target": self.target.to_string(),
            "udp": self.udp,
            "size": self.size,
            "upload": self.upload,
            "host": self.host,
            "headers": self.headers,
            "connections": self.connections,
            "close": self.close,
            "at_once": self.at_once,
            "rate": self.rate,
            "command": self.command,
            "copies": self.copies,
            "warmup": self.warmup.as_secs_f64(),
            "window": self.window.as_secs_f64(),
            "pid": self.pid,
            "signal": self.signal,
        })
    }

    fn parse(line: &str) -> Option<Order> {
        let value: Value = serde_json::from_str(line).ok()?;
        let number = |key: &str| usize::try_from(value[key].as_u64()?).ok();
        let seconds = |key: &str| Duration::try_from_secs_f64(value[key].as_f64()?).ok();
        let words = value["command"].as_array()?.iter().filter_map(Value::as_str);
        Some(Order {
            target: value["target"].as_str()?.parse().ok()?,
            udp: value["udp"].as_bool()?,
            size: number("size")?,
            upload: number("upload")?,
            host: value["host"].as_str()?.to_owned(),
            headers: value["headers"].as_str()?.to_owned(),
            connections: number("connections")?,
            close: value["close"].as_bool()?,
            at_once: number("at_once")?,
            rate: value["rate"].as_f64()?,
            command: words.map(str::to_owned).collect(),
            copies: number("copies")?,
            warmup: seconds("warmup")?,
            window: seconds("window")?,
            pid: u32::try_from(value["pid"].as_u64()?).ok()?,
            signal: i32::try_from(value["signal"].as_i64()?).ok()?,
        })
    }
}

/// Writes the percentiles of these times into a result.
fn percentiles(times: &mut [u32], result: &mut Value) {
    times.sort_unstable();
    let at = |share: f64| {
        let last = times.len().saturating_sub(1);
        // A share of an index is an index.
        times.get((last as f64 * share) as usize).copied().unwrap_or(0)
    };
    result["p50"] = json!(at(0.5));
    result["p99"] = json!(at(0.99));
    result["p999"] = json!(at(0.999));
    result["max"] = json!(at(1.0));
}

/// A port of 127.0.0.1 for the origins.
fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// The end of the head in these bytes.
fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// The value of a field in a head, without blanks around it.
fn field<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut lines = head.split(|byte| *byte == b'\n').skip(1);
    lines.find_map(|line| {
        let (start, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":").filter(|_| start.eq_ignore_ascii_case(name))?;
        Some(value.trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_survives_the_pipe() {
        let order = Order {
            target: any_port(),
            udp: false,
            size: 128,
            upload: 7,
            host: "h".to_owned(),
            headers: "X: y\r\n".to_owned(),
            connections: 64,
            close: true,
            at_once: 8,
            rate: 0.0,
            command: vec!["h2load".to_owned(), "-H".to_owned(), "a: b".to_owned()],
            copies: 1,
            warmup: Duration::from_millis(300),
            window: Duration::from_secs(2),
            pid: 1,
            signal: 12,
        };
        let back = Order::parse(&order.print().to_string()).unwrap();
        assert_eq!(format!("{back:?}"), format!("{order:?}"));
    }

    #[test]
    fn fields_are_found() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length:  12 \r\nX: y\r\n\r\nbody";
        assert_eq!(head_end(head), Some(head.len() - 4));
        assert_eq!(field(head, b"Content-Length"), Some(b"12".as_slice()));
        assert_eq!(field(head, b"Connection"), None);
    }
}
