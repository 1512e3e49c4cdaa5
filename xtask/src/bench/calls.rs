//! System calls of a request, counted by strace in a short run of its own: it slows the proxy
//! down, so nothing else is taken from that run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::drive;
use super::driver::Driver;
use super::peer::RunningPeer;
use super::row::Row;
use crate::shell::{self, Failure};

/// Calls of each name for one request, most frequent first.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    pub(super) total: f64,
    pub(super) by_name: Vec<(String, f64)>,
}

/// Counts while the driver offers that row for a second.
pub(super) fn count(
    peer: &RunningPeer,
    row: &Row,
    driver: &mut Driver,
    out: &Path,
) -> Result<Calls, Failure> {
    let strace = shell::find("strace").ok_or("strace is missing: apt-get install strace")?;
    let file = out.join(peer.peer.name).join("calls");
    let _ = fs::remove_file(&file);
    let mut command = Command::new(strace);
    command.args(["-c", "-f", "-o"]).arg(&file);
    for pid in drive::family(peer.pid()) {
        command.args(["-p", &pid.to_string()]);
    }
    let errors = fs::File::create(out.join(peer.peer.name).join("strace"));
    command.stdin(Stdio::null()).stderr(errors.map_err(|error| error.to_string())?);
    let mut child = command.spawn().map_err(|error| shell::cannot_start(&command, &error))?;
    wait_traced(peer, &mut child)?;
    let result = driver.measure(peer, row, Duration::ZERO, Duration::from_secs(1), 0.0);
    shell::interrupt(child.id());
    child.wait().map_err(|error| error.to_string())?;
    let requests = result?["requests"].as_f64().unwrap_or(0.0);
    let text = fs::read_to_string(&file).map_err(|error| format!("strace: {error}"))?;
    Ok(per_request(&parse(&text), requests))
}

/// Waits until the kernel says that every process is being traced.
fn wait_traced(peer: &RunningPeer, strace: &mut std::process::Child) -> Result<(), Failure> {
    let traced = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status
            .lines()
            .any(|line| line.strip_prefix("TracerPid:").is_some_and(|tracer| tracer.trim() != "0"))
    };
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline && matches!(strace.try_wait(), Ok(None)) {
        if drive::family(peer.pid()).into_iter().all(traced) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    shell::interrupt(strace.id());
    let _ = strace.wait();
    Err("strace may not attach here".into())
}

/// The calls column of strace's table, by name.
fn parse(table: &str) -> BTreeMap<String, f64> {
    let rows = table.lines().filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        // % time, seconds, usecs/call, calls, errors if any, name
        let calls = columns.get(3)?.parse().ok()?;
        let name = columns.last().filter(|name| **name != "total" && columns.len() >= 5)?;
        Some(((*name).to_owned(), calls))
    });
    rows.collect()
}

fn per_request(calls: &BTreeMap<String, f64>, requests: f64) -> Calls {
    let requests = requests.max(1.0);
    let shares = calls.iter().map(|(name, count)| (name.clone(), count / requests));
    let mut by_name: Vec<(String, f64)> = shares.collect();
    by_name.sort_by(|a, b| b.1.total_cmp(&a.1));
    Calls { total: by_name.iter().map(|(_, count)| count).sum(), by_name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_strace_is_read() {
        let table = "% time     seconds  usecs/call     calls    errors syscall\n\
                     ------ ----------- ----------- --------- --------- ----------------\n\
                     \x2060.00    0.006000           3      2000           sendto\n\
                     \x2040.00    0.004000           2      2000      1000 recvfrom\n\
                     ------ ----------- ----------- --------- --------- ----------------\n\
                     100.00    0.010000           2      4000      1000 total\n";
        let calls = per_request(&parse(table), 1000.0);
        assert_eq!(calls.by_name.len(), 2);
        assert!((calls.total - 4.0).abs() < 1e-9);
    }
}
