//! The bench: CPU time of each balancer for one request, side by side.
//!
//! The balancer has one core to itself, origins and load have the other. Every peer runs all the
//! time; rounds go through rows and peers in turn, so that whatever else the machine does meets
//! all of them, and medians over the rounds are reported.

mod calls;
pub(crate) mod drive;
mod driver;
mod peer;
mod pin;
mod reload;
mod report;
mod row;
mod setup;
mod source;
mod tool;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::shell::{self, Failure};
use driver::Driver;
use peer::{OURS, PEERS, Peer, RunningPeer};
use report::{Latency, Report};
use row::{IDLE, REFERENCE, Row};
use setup::Setup;

/// Options of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Three short rounds, in less than three minutes; docs/benchmarks.md is left alone.
    #[arg(long)]
    quick: bool,
    /// Only these rows, separated by commas.
    #[arg(long)]
    rows: Option<String>,
    /// Only these peers, separated by commas.
    #[arg(long)]
    peers: Option<String>,
    /// Rounds instead of 7, or 3 with --quick.
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of each measurement instead of 3, or 1.2 with --quick.
    #[arg(long)]
    seconds: Option<f64>,
    /// The binary to measure, instead of building one.
    #[arg(long)]
    bin: Option<PathBuf>,
    /// The cargo profile to build the binary with.
    #[arg(long, default_value = "release")]
    profile: String,
}

/// How long things take.
#[derive(Clone, Copy)]
struct Pace {
    rounds: usize,
    warmup: Duration,
    window: Duration,
}

/// Share of the best peer's throughput at which latencies are compared: what the generator can
/// offer evenly from the half core that the origins leave it.
const LATENCY_LOAD: f64 = 0.25;

/// Measures and reports; false when this project's own balancer could not be measured or a
/// measurement had errors.
pub(crate) fn run(options: &Options) -> Result<bool, Failure> {
    let rows = row::chosen(options.rows.as_deref(), options.quick)?;
    let peers = chosen(options.peers.as_deref(), options.quick)?;
    let pace = options.pace()?;
    pin::check()?;
    let target = shell::root().join("target");
    let ours = options.binary(&target, &peers)?;
    let limit = shell::raise_descriptors(65_536);
    if rows.iter().any(|row| (row.connections as u64) * 3 > limit) {
        println!("warning: only {limit} descriptors: rows with many connections may fail");
    }
    pin::to_core(pin::DRIVER_CORE)?;
    let mut driver = Driver::start(&target)?;
    let out = target.join("bench");
    tool::certificate(&out.join("tls"))?;
    for tool in rows.iter().filter_map(|row| row.tool) {
        tool.provide()?;
    }
    let mut report = Report::new(pace.rounds, pace.window);
    let mut running = Vec::new();
    for peer in peers {
        let mut setups: Vec<Setup> = Vec::new();
        for row in rows.iter().filter(|row| peer.runs(row)) {
            if !setups.contains(&row.setup) {
                setups.push(row.setup);
            }
        }
        for setup in setups {
            match peer.start(setup, &ours, driver.origins, &out) {
                Ok(peer) => running.push(peer),
                Err(why) => report.absent(peer.name, why),
            }
        }
    }
    report.peers(&running);
    let bases: Vec<&RunningPeer> = running.iter().filter(|p| p.setup == Setup::Base).collect();
    if options.rows.is_none() {
        for peer in &bases {
            let rate = IDLE.connections as f64;
            let window = Duration::from_secs(2);
            let result = driver.measure(peer, &IDLE, Duration::ZERO, window, rate)?;
            report.memory(peer.peer.name, result["memory"].as_f64().unwrap_or(0.0));
        }
    }
    measure_rows(&mut driver, &running, &rows, pace, &mut report)?;
    if let Some(reference) = rows.iter().find(|row| row.name == REFERENCE) {
        measure_latency(&mut driver, &bases, reference, pace, &mut report)?;
        for peer in &bases {
            report.calls(peer.peer.name, calls::count(peer, reference, &mut driver, &out));
        }
        report.reloads(reload::measure(&mut driver, &running, reference, pace.rounds)?);
    }
    drop(running);
    finish(&report, options, &out)
}

fn measure_rows(
    driver: &mut Driver,
    running: &[RunningPeer],
    rows: &[&'static Row],
    pace: Pace,
    report: &mut Report,
) -> Result<(), Failure> {
    let begin = Instant::now();
    for round in 0..pace.rounds {
        for row in rows {
            let those = |peer: &&RunningPeer| peer.setup == row.setup && peer.peer.runs(row);
            let peers: Vec<&RunningPeer> = running.iter().filter(those).collect();
            for turn in 0..peers.len() {
                // Each goes first as often as the others.
                let peer = peers[(turn + round) % peers.len()];
                let result = driver.measure(peer, row, pace.warmup, pace.window, 0.0)?;
                report.add(row, peer.peer.name, result);
            }
        }
        let (done, all) = (round + 1, pace.rounds);
        println!("round {done} of {all} done after {:.0} s", begin.elapsed().as_secs_f64());
    }
    Ok(())
}

fn measure_latency(
    driver: &mut Driver,
    running: &[&RunningPeer],
    row: &'static Row,
    pace: Pace,
    report: &mut Report,
) -> Result<(), Failure> {
    let Some(best) = report.best_throughput(row.name) else { return Ok(()) };
    let rate = (best * LATENCY_LOAD).round();
    let mut results: Vec<Vec<Value>> = running.iter().map(|_| Vec::new()).collect();
    for round in 0..pace.rounds {
        for turn in 0..running.len() {
            let at = (turn + round) % running.len();
            results[at].push(driver.measure(running[at], row, pace.warmup, pace.window, rate)?);
        }
    }
    for (peer, results) in running.iter().zip(results) {
        report.latency(Latency { peer: peer.peer.name, rate, results });
    }
    Ok(())
}

fn finish(report: &Report, options: &Options, out: &Path) -> Result<bool, Failure> {
    println!("\n{}", report.table());
    let write = |path: &Path, text: &str| {
        fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    write(&out.join("result.json"), &format!("{:#}\n", report.json()))?;
    let complete = options.rows.is_none() && options.peers.is_none();
    let document = if complete && !options.quick {
        shell::root().join("docs/benchmarks.md")
    } else {
        out.join("benchmarks.md")
    };
    if let Some(folder) = document.parent() {
        fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    }
    write(&document, &report.markdown())?;
    write(&document.with_extension("svg"), &report.chart())?;
    println!("written: {}, {}", document.display(), out.join("result.json").display());
    Ok(report.is_sound())
}

fn chosen(list: Option<&str>, quick: bool) -> Result<Vec<&'static Peer>, Failure> {
    let list = list.or(quick.then_some(peer::QUICK));
    let Some(list) = list else { return Ok(PEERS.iter().collect()) };
    let find = |name: &str| {
        let known = || PEERS.iter().map(|peer| peer.name).collect::<Vec<_>>().join(", ");
        let peer = PEERS.iter().find(|peer| peer.name == name);
        peer.ok_or_else(|| format!("no peer {name}; there are: {}", known()))
    };
    list.split(',').map(|name| find(name.trim())).collect()
}

impl Options {
    fn pace(&self) -> Result<Pace, Failure> {
        let (rounds, seconds) = if self.quick { (3, 1.2) } else { (7, 3.0) };
        let window = Duration::try_from_secs_f64(self.seconds.unwrap_or(seconds));
        let window = window.map_err(|error| format!("--seconds: {error}"))?;
        let warmup = Duration::from_millis(if self.quick { 300 } else { 500 });
        Ok(Pace { rounds: self.rounds.unwrap_or(rounds).max(1), warmup, window })
    }

    /// The binary to measure; built when it is wanted and none was given.
    fn binary(&self, target: &Path, peers: &[&Peer]) -> Result<PathBuf, Failure> {
        if let Some(binary) = &self.bin {
            return binary.canonicalize().map_err(|e| format!("{}: {e}", binary.display()));
        }
        let folder = if self.profile == "dev" { "debug" } else { &self.profile };
        if peers.iter().any(|peer| peer.name == OURS) {
            let mut build = shell::cargo();
            build.args(["build", "--locked", "--package", OURS, "--profile", &self.profile]);
            if !shell::succeeds(build.arg("--target-dir").arg(target))? {
                return Err("the binary to measure does not build".into());
            }
        }
        Ok(target.join(folder).join(OURS))
    }
}
