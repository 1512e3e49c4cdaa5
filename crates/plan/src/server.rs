use std::path::PathBuf;
use std::time::Duration;

use crate::BindAddress;

/// The process.
#[derive(Clone, PartialEq, Debug)]
pub struct Server {
    /// Event loops. Fixed at start; a change needs an upgrade or restart.
    pub cores: Cores,
    /// How the kernel is asked.
    pub io: Io,
    /// How long requests may go on after a drain began; 30 s.
    pub drain_timeout: Duration,
}

impl Default for Server {
    fn default() -> Server {
        Server { cores: Cores::Auto, io: Io::Auto, drain_timeout: Duration::from_secs(30) }
    }
}

/// The number of event loops.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Cores {
    /// One per core that the process may run on.
    #[default]
    Auto,
    /// This many, 1 to 1024.
    Count(u16),
}

/// How the kernel is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Io {
    /// The best that is there.
    #[default]
    Auto,
    /// epoll.
    Epoll,
}

/// The admin API, metrics and dashboard.
#[derive(Clone, PartialEq, Debug)]
pub struct Admin {
    /// Where it listens.
    pub bind: BindAddress,
    /// The bearer token for changes. Without one, changes are accepted from loopback only.
    pub token: Option<String>,
}

/// Where logs go.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Log {
    /// The access log; off when absent.
    pub access: Option<AccessLog>,
}

/// The access log: one line per exchange, written beside the data path. When the writer cannot
/// keep up, lines are dropped and counted (`evenkeel_access_log_dropped_total`).
#[derive(Clone, PartialEq, Debug)]
pub struct AccessLog {
    /// Where the lines go.
    pub target: LogTarget,
    /// What a line looks like.
    pub format: LogFormat,
}

/// Where log lines go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogTarget {
    /// A file, opened for appending, reopened on SIGUSR1.
    File(PathBuf),
    /// Standard output (`stdout`).
    Stdout,
    /// Standard error (`stderr`).
    Stderr,
}

/// What an access log line looks like.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// Apache's combined format.
    Combined,
    /// A template with `{field}` places; checked by the configuration door.
    Template(String),
}
