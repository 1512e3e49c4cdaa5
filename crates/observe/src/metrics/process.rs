//! What the kernel says about this process. Reads a few files below `/proc`: for the control
//! side, not for a core.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Extra, table};

/// Kernel clock ticks per second in `/proc/self/stat`: 100 on every Linux.
const TICKS: f64 = 100.0;

/// Adds the samples of the process: CPU, memory, file descriptors, threads, start and uptime.
/// What cannot be read is left out. `uptime` is the time since the process started.
pub fn add(extra: &mut Extra, uptime: Duration) {
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        // The directory being read is one of them.
        extra.set(&table::PROCESS_FDS, &[], (entries.count() as u64).saturating_sub(1));
    }
    if let Some(max) = fds_max() {
        extra.set(&table::PROCESS_FDS_MAX, &[], max);
    }
    if let Some(stat) = stat() {
        extra.set(&table::PROCESS_CPU, &[], stat.cpu_seconds);
        extra.set(&table::PROCESS_THREADS, &[], stat.threads);
    }
    if let Some(bytes) = resident_bytes() {
        extra.set(&table::PROCESS_MEMORY, &[], bytes);
    }
    extra.set(&table::UPTIME, &[], uptime.as_secs_f64());
    if let Ok(now) = SystemTime::now().duration_since(UNIX_EPOCH) {
        let start = now.saturating_sub(uptime).as_secs();
        extra.set(&table::PROCESS_START, &[], start);
    }
}

struct Stat {
    cpu_seconds: f64,
    threads: u64,
}

/// proc_pid_stat(5): the fields after the command's name, which ends with the last `)`.
fn stat() -> Option<Stat> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let cpu_seconds = (number(14)? + number(15)?) as f64 / TICKS;
    Some(Stat { cpu_seconds, threads: number(20)? })
}

/// `VmRSS` of proc_pid_status(5), so that the page size need not be known.
fn resident_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

fn fds_max() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Merged, Names, encode};

    #[test]
    fn this_process_has_memory_threads_and_descriptors() {
        let mut extra = Extra::new();
        add(&mut extra, Duration::from_millis(1500));
        let text = encode(&Merged::default(), &Names::new(), &extra);
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|l| l.strip_prefix(&format!("{name} ")));
            line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 100_000.0);
        assert!(value("process_open_fds") >= 3.0);
        assert!(value("process_max_fds") >= value("process_open_fds"));
        assert!(value("process_threads") >= 1.0);
        assert!(value("process_start_time_seconds") > 1.6e9);
        assert_eq!(value("evenkeel_uptime_seconds"), 1.5);
    }
}
