//! Processes: what /proc says about them, and what one left behind when it ended.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A process that ran to its end.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// All it wrote to stdout.
    pub stdout: String,
    /// All it wrote to stderr.
    pub stderr: String,
}

/// Resident memory of a process in bytes: anonymous pages only, which is what the process itself
/// asked for. Panics when there is no such process.
#[track_caller]
pub fn rss_of(pid: u32) -> u64 {
    let status = read(pid, "status");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes =
        line.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kilobytes.expect("/proc says how much memory a process holds") * 1024
}

/// Open descriptors of a process. Panics when there is no such process.
#[track_caller]
pub fn fd_count(pid: u32) -> usize {
    match fs::read_dir(format!("/proc/{pid}/fd")) {
        Ok(entries) => entries.count(),
        Err(error) => panic!("no process {pid}: {error}"),
    }
}

/// CPU time of all threads of a process so far. Panics when there is no such process.
#[track_caller]
pub fn cpu_of(pid: u32) -> Duration {
    let mut nanoseconds = 0;
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let tasks = tasks.unwrap_or_else(|error| panic!("no process {pid}: {error}"));
    for task in tasks.flatten() {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let first = text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok());
        nanoseconds += first.unwrap_or(0);
    }
    Duration::from_nanos(nanoseconds)
}

/// Lets this process open that many descriptors, as far as the system allows; what it got.
pub fn raise_fd_limit(wanted: u64) -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    if current >= wanted {
        return current;
    }
    let hard = limit.maximum.unwrap_or(u64::MAX);
    limit.current = Some(wanted.min(hard));
    if wanted > hard {
        // Only root may raise the hard limit; when that fails the soft one goes up to it.
        let both = Rlimit { current: Some(wanted), maximum: Some(wanted) };
        if setrlimit(Resource::Nofile, both).is_ok() {
            return wanted;
        }
    }
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => wanted.min(hard),
        Err(_) => current,
    }
}

#[track_caller]
fn read(pid: u32, file: &str) -> String {
    match fs::read_to_string(format!("/proc/{pid}/{file}")) {
        Ok(text) => text,
        Err(error) => panic!("no process {pid}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_descriptors_and_time() {
        let pid = std::process::id();
        assert!(rss_of(pid) > 10_000);
        assert!(fd_count(pid) >= 3);
        assert!(cpu_of(pid) > Duration::ZERO);
        assert!(raise_fd_limit(64) >= 64);
    }
}
