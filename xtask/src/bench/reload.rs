//! What it costs to take a new configuration while requests go on.

use std::time::Duration;

use serde_json::Value;

use super::driver::Driver;
use super::peer::RunningPeer;
use super::row::Row;
use super::setup::Setup;
use crate::shell::Failure;

/// Members of the configuration that is taken; every other one has one less, so that there is a
/// difference.
pub(super) const MEMBERS: usize = 10_000;
/// Requests a second meanwhile: far less than any peer can serve, so that a wait is the reload's.
pub(super) const RATE: f64 = 5000.0;
/// The signal comes after a quarter of it; the slowest peer is done within the rest.
const WINDOW: Duration = Duration::from_secs(6);

/// Rounds that are enough: the windows are long, and what is measured is large.
const ROUNDS_MAX: usize = 3;

/// One peer's windows without and with a reload, in pairs.
pub(super) struct Reloads {
    pub(super) peer: &'static str,
    pub(super) calm: Vec<Value>,
    pub(super) reloaded: Vec<Value>,
}

/// Measures the peers that have so many members and can take another configuration.
pub(super) fn measure(
    driver: &mut Driver,
    running: &[RunningPeer],
    row: &'static Row,
    rounds: usize,
) -> Result<Vec<Reloads>, Failure> {
    let able =
        |peer: &&RunningPeer| peer.setup == Setup::Members(MEMBERS) && peer.peer.reload.is_some();
    let peers: Vec<&RunningPeer> = running.iter().filter(able).collect();
    let begin = |peer: &&RunningPeer| Reloads {
        peer: peer.peer.name,
        calm: Vec::new(),
        reloaded: Vec::new(),
    };
    let mut all: Vec<Reloads> = peers.iter().map(begin).collect();
    for round in 0..rounds.min(ROUNDS_MAX) {
        for turn in 0..peers.len() {
            let at = (turn + round) % peers.len();
            let (peer, result) = (peers[at], &mut all[at]);
            let warmup = Duration::from_millis(500);
            result.calm.push(driver.measure(peer, row, warmup, WINDOW, RATE)?);
            peer.rewrite(MEMBERS - (round + 1) % 2)?;
            if let Some(signal) = peer.peer.reload {
                driver.signal(signal);
            }
            result.reloaded.push(driver.measure(peer, row, warmup, WINDOW, RATE)?);
        }
    }
    Ok(all)
}
