//! CPU time of the proxy, of this process and of the proxy's core at one moment.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::pin::PROXY_CORE;

/// Ticks of `/proc` in a second, on every Linux of the last decades.
const TICKS: u64 = 100;

/// All times since some beginning.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    /// Nanoseconds on a core, from the scheduler.
    proxy: u64,
    /// Ticks, for the share of user and system.
    user: u64,
    system: u64,
    own: u64,
    /// Ticks in which the proxy's core was not idle, whoever used it.
    core: u64,
}

impl Sample {
    /// `proxy`: its first process; those that it started belong to it, ended ones too.
    /// `load`: processes beside this one that belong to the load.
    pub(super) fn take(proxy: u32, load: &[u32]) -> Sample {
        let load: u64 = load.iter().map(|pid| scheduled(*pid)).sum();
        let mut sample = Sample {
            own: scheduled(std::process::id()) + load,
            core: core_busy(PROXY_CORE),
            ..Sample::default()
        };
        for pid in family(proxy) {
            sample.proxy += scheduled(pid);
            let [user, system, ended_user, ended_system] = ticks(pid);
            sample.proxy += (ended_user + ended_system) * (1_000_000_000 / TICKS);
            sample.user += user + ended_user;
            sample.system += system + ended_system;
        }
        sample
    }

    pub(super) fn minus(self, earlier: &Sample) -> Sample {
        Sample {
            proxy: self.proxy.saturating_sub(earlier.proxy),
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
            own: self.own.saturating_sub(earlier.own),
            core: self.core.saturating_sub(earlier.core),
        }
    }

    /// Writes the differences, as shares of the time that passed.
    pub(super) fn describe(self, elapsed: Duration, result: &mut Value) {
        let share = |nanoseconds: u64| nanoseconds as f64 / elapsed.as_nanos() as f64;
        let core = share(self.core * (1_000_000_000 / TICKS));
        result["proxy_ns"] = json!(self.proxy);
        result["user_ticks"] = json!(self.user);
        result["system_ticks"] = json!(self.system);
        result["proxy_busy"] = json!(share(self.proxy));
        result["driver_busy"] = json!(share(self.own));
        result["others_on_proxy_core"] = json!((core - share(self.proxy)).max(0.0));
    }
}

/// The process and everything it started.
pub(in crate::bench) fn family(first: u32) -> Vec<u32> {
    let mut found = vec![first];
    let mut at = 0;
    while let Some(pid) = found.get(at) {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        found.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        at += 1;
    }
    found
}

/// Memory that the processes of the proxy share with nobody.
pub(super) fn private_bytes(proxy: u32) -> u64 {
    let of = |pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let private = text.lines().filter(|line| line.starts_with("Private_"));
        let kilobytes =
            private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kilobytes.sum::<u64>() * 1024
    };
    family(proxy).into_iter().map(of).sum()
}

/// Nanoseconds that all threads of a process have run.
fn scheduled(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let times = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    times.sum()
}

/// User and system ticks of a process, and of those of its children that have ended.
fn ticks(pid: u32) -> [u64; 4] {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold anything; the fields after it begin with the third.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let mut numbers = fields.split(' ').skip(11).map(|field| field.parse().unwrap_or(0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

fn core_busy(core: usize) -> u64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let name = format!("cpu{core} ");
    let line = stat.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or_default();
    let numbers: Vec<u64> = line.split(' ').filter_map(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    let used = [0, 1, 2, 5, 6, 7];
    used.into_iter().filter_map(|at| numbers.get(at)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_for_a_process_that_works() {
        let pid = std::process::id();
        let first = Sample::take(pid, &[]);
        let mut sum = 0_u64;
        let passed = loop {
            sum = std::hint::black_box(sum.wrapping_add(1));
            let passed = Sample::take(pid, &[]).minus(&first);
            if passed.user + passed.system > 2 {
                break passed;
            }
        };
        assert!(passed.proxy > 5_000_000 && passed.own > 5_000_000);
    }
}
