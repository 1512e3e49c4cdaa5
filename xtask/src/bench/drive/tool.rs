//! A load that other programs offer. Requests are counted where they arrive, at the origins, so
//! that they belong to the same moments as the CPU time.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use serde_json::{Value, json};

use super::{Offered, Order};

/// The programs of one measurement.
pub(super) struct ToolLoad {
    order: Order,
    running: Vec<(Child, File)>,
}

impl ToolLoad {
    pub(super) fn new(order: &Order) -> ToolLoad {
        ToolLoad { order: order.clone(), running: Vec::new() }
    }

    fn start(&self) -> io::Result<(Child, File)> {
        let (program, words) =
            self.order.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let output = File::from(memfd_create("output", MemfdFlags::CLOEXEC)?);
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::null()).stderr(Stdio::null());
        let child = command.stdout(output.try_clone()?).spawn()?;
        Ok((child, output))
    }
}

impl Offered for ToolLoad {
    fn open_all(&mut self, _: &OwnedFd) -> io::Result<()> {
        for _ in 0..self.order.copies {
            let started = self.start()?;
            self.running.push(started);
        }
        Ok(())
    }

    fn begin_window(&mut self) {}

    fn next_due(&self) -> Option<Instant> {
        None
    }

    fn send_due(&mut self, _: Instant) -> io::Result<()> {
        Ok(())
    }

    fn ready(&mut self, _: &OwnedFd, _: usize, _: bool, _: &mut [u8]) -> io::Result<()> {
        Ok(())
    }

    fn pids(&self) -> Vec<u32> {
        self.running.iter().map(|(child, _)| child.id()).collect()
    }

    /// They end by themselves soon after the window.
    fn is_over(&mut self) -> bool {
        self.running.iter_mut().all(|(child, _)| !matches!(child.try_wait(), Ok(None)))
    }

    fn result(mut self: Box<Self>, served: u64, elapsed: Duration) -> Value {
        let mut errors = 0;
        let mut first_error = None;
        for (child, output) in &mut self.running {
            let killed = child.try_wait().is_ok_and(|status| status.is_none());
            let _ = child.kill();
            let status = child.wait();
            let mut text = String::new();
            let read =
                output.seek(SeekFrom::Start(0)).and_then(|_| output.read_to_string(&mut text));
            let failed = match (killed, status, read) {
                (false, Ok(status), Ok(_)) if status.success() => self.order.failures(&text),
                _ => Some((1, "the load's program failed".to_owned())),
            };
            if let Some((count, words)) = failed {
                errors += count;
                first_error.get_or_insert(words);
            }
        }
        json!({
            "requests": served,
            "per_second": served as f64 / elapsed.as_secs_f64(),
            "errors": errors,
            "first_error": first_error,
            "overdue": 0,
        })
    }
}

impl Order {
    /// What the words of h2load or s_time say of failures.
    fn failures(&self, words: &str) -> Option<(u64, String)> {
        let line = |begin: &str| words.lines().find_map(|line| line.strip_prefix(begin));
        let number = |text: &str, name: &str| {
            let part = text.split(", ").find_map(|part| part.strip_suffix(name))?;
            part.trim().parse::<u64>().ok()
        };
        if let (Some(requests), Some(codes)) = (line("requests:"), line("status codes:")) {
            let of = |text: &str, name: &str| number(text, name).unwrap_or(0);
            // A request that the end of the time cut off counts as none.
            let bad = [" 3xx", " 4xx", " 5xx"].map(|name| of(codes, name)).iter().sum::<u64>();
            let failed = bad + of(requests, " failed");
            return (failed > 0).then(|| (failed, format!("h2load: {requests}; {codes}")));
        }
        // It writes one letter for each connection: r where a session was taken up again.
        let expected = if self.command.iter().any(|word| word == "-reuse") { b'r' } else { b'*' };
        let letters = words.lines().rfind(|line| line.len() > 20 && !line.contains(' '));
        match letters {
            Some(letters) if letters.bytes().all(|letter| letter == expected) => None,
            Some(_) => Some((
                1,
                "sessions that were to be taken up again were not, or others were".to_owned(),
            )),
            None => Some((1, "the load's program said nothing".to_owned())),
        }
    }
}
