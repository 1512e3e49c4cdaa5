//! The driver process, as this task sees it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::drive::Order;
use super::peer::RunningPeer;
use super::row::{Mode, Row};
use crate::shell::{self, Failure};

/// How much longer than the window another program offers its load: it needs time to start.
const TOOL_MORE: Duration = Duration::from_millis(400);

/// A started driver; it ends with its value.
pub(super) struct Driver {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// Ports of the origins: two of TCP and two of UDP.
    pub(super) origins: [u16; 4],
    signal: Option<Signal>,
}

impl Driver {
    /// Builds this task with optimisation and starts its other half on the current core.
    pub(super) fn start(target: &Path) -> Result<Driver, Failure> {
        let mut build = shell::cargo();
        build.args(["build", "--quiet", "--release", "--locked", "--package", "xtask"]);
        build.arg("--target-dir").arg(target);
        if !shell::succeeds(&mut build)? {
            return Err("the driver does not build".into());
        }
        let mut command = Command::new(target.join("release/xtask"));
        command.arg("bench-driver").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| shell::cannot_start(&command, &error))?;
        let stdout = child.stdout.take().ok_or("the driver has no stdout")?;
        let orders = child.stdin.take();
        let answers = BufReader::new(stdout);
        let mut driver = Driver { child, orders, answers, origins: [0; 4], signal: None };
        let hello = driver.answer()?;
        for (index, port) in driver.origins.iter_mut().enumerate() {
            let kind = if index < 2 { "origins" } else { "udp_origins" };
            let said = hello[kind][index % 2].as_u64().and_then(|port| u16::try_from(port).ok());
            *port = said.ok_or("the driver did not say its ports")?;
        }
        Ok(driver)
    }

    /// The proxy of the next measurement gets this signal after a quarter of its window.
    pub(super) fn signal(&mut self, signal: Signal) {
        self.signal = Some(signal);
    }

    /// Offers that row to that peer; what came of it.
    pub(super) fn measure(
        &mut self,
        peer: &RunningPeer,
        row: &Row,
        warmup: Duration,
        window: Duration,
        rate: f64,
    ) -> Result<Value, Failure> {
        let time = warmup + window + TOOL_MORE;
        let tool = row.tool.map(|tool| tool.load(row, peer.address(row.mode), time));
        let (command, copies) = tool.map(|load| (load.words, load.copies)).unwrap_or_default();
        let order = Order {
            command,
            copies,
            target: peer.address(row.mode),
            udp: matches!(row.mode, Mode::Udp | Mode::Dns),
            size: row.size,
            upload: row.upload,
            host: row.setup.host(),
            headers: row.setup.headers().to_owned(),
            connections: row.connections,
            close: row.close,
            at_once: row.at_once,
            rate,
            warmup,
            window,
            pid: peer.pid(),
            signal: self.signal.take().map_or(0, Signal::as_raw),
        };
        let orders = self.orders.as_mut().ok_or("the driver has no stdin")?;
        writeln!(orders, "{}", order.print()).map_err(|error| format!("driver: {error}"))?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Value, Failure> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|error| format!("driver: {error}"))?;
        serde_json::from_str(&line).map_err(|_| "the driver ended".into())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The end of its orders is its end.
        self.orders = None;
        let _ = self.child.wait();
    }
}
