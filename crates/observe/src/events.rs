//! What happened, for people: members that come and go, reloads, drains. An event has a line of
//! text, a JSON form, and a place in the bounded memory that the admin API shows ([`Ring`]).

mod member;
mod ring;
mod tls;

pub use member::MemberChange;
pub use ring::{EVENTS_MAX, Ring, Stamped};
pub use tls::TlsChange;

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::net::IpAddr;

/// One change of something. Names are those of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The process began.
    Started {
        /// The program's version.
        version: String,
        /// Its process id.
        pid: u32,
    },
    /// A listener accepts on an address.
    ListenerBound {
        /// The protocol's name.
        protocol: String,
        /// The listener.
        listener: String,
        /// The address, with the port the kernel chose where it was 0.
        address: String,
    },
    /// A listener accepts no longer on an address.
    ListenerClosed {
        /// The listener.
        listener: String,
        /// The address.
        address: String,
    },
    /// A new plan is in use.
    Reloaded {
        /// Its generation.
        generation: u64,
        /// What changed, in a few words.
        summary: String,
    },
    /// A configuration was refused; the plan in use stays.
    ReloadFailed {
        /// How many errors it has.
        errors: u64,
        /// The first of them.
        first: String,
    },
    /// Something changed about a member.
    Member {
        /// The pool.
        pool: String,
        /// The member's tag.
        member: String,
        /// What changed.
        change: MemberChange,
    },
    /// A certificate, or another file that TLS goes by, changed or is not good.
    Tls(TlsChange),
    /// A pool has no usable member any more.
    PoolDown {
        /// The pool.
        pool: String,
    },
    /// A pool has a usable member again.
    PoolUp {
        /// The pool.
        pool: String,
    },
    /// A name of a member resolves to other addresses.
    Resolved {
        /// The pool.
        pool: String,
        /// The name.
        name: String,
        /// The addresses.
        addresses: Vec<IpAddr>,
    },
    /// A name of a member does not resolve; known addresses stay in use.
    ResolveFailed {
        /// The pool.
        pool: String,
        /// The name.
        name: String,
        /// Why.
        reason: String,
    },
    /// The process accepts no more and finishes what is under way.
    DrainStarted {
        /// How long it may take, in milliseconds.
        millis: u64,
    },
    /// The drain is over.
    DrainEnded {
        /// Connections that were cut because time was over.
        cut: u64,
    },
    /// The new binary was started and gets the listening sockets.
    UpgradeStarted {
        /// The new process.
        pid: u32,
    },
    /// The new binary did not get ready; this process goes on.
    UpgradeFailed {
        /// Why.
        reason: String,
    },
    /// Connections had to wait because this process may open no more descriptors.
    DescriptorsExhausted {
        /// How often, since the last such event.
        times: u64,
    },
    /// Log files were opened again.
    LogsReopened,
    /// The access log cannot be written.
    LogFailing {
        /// Where it goes.
        target: String,
        /// What the system said.
        reason: String,
        /// Lines lost since the last such event.
        lines_lost: u64,
    },
    /// The access log is written again.
    LogRecovered {
        /// Where it goes.
        target: String,
        /// Lines lost since the last such event.
        lines_lost: u64,
    },
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Info,
    /// Somebody should look at it soon.
    Warn,
    /// Users are or may be affected.
    Error,
}

impl Level {
    /// The name in the log and the API.
    pub fn name(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }
}

/// The value of a field in an event's JSON form.
#[derive(Clone, Debug, PartialEq)]
pub enum Field<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// A whole number.
    Whole(u64),
    /// Any other finite number.
    Real(f64),
}

impl Event {
    /// The kind's name in the API: `member-down`.
    pub fn kind(&self) -> &'static str {
        match self {
            Event::Started { .. } => "started",
            Event::ListenerBound { .. } => "listener-bound",
            Event::ListenerClosed { .. } => "listener-closed",
            Event::Reloaded { .. } => "reloaded",
            Event::ReloadFailed { .. } => "reload-failed",
            Event::Member { change, .. } => change.kind(),
            Event::Tls(change) => change.kind(),
            Event::PoolDown { .. } => "pool-down",
            Event::PoolUp { .. } => "pool-up",
            Event::Resolved { .. } => "resolved",
            Event::ResolveFailed { .. } => "resolve-failed",
            Event::DrainStarted { .. } => "drain-started",
            Event::DrainEnded { .. } => "drain-ended",
            Event::UpgradeStarted { .. } => "upgrade-started",
            Event::UpgradeFailed { .. } => "upgrade-failed",
            Event::DescriptorsExhausted { .. } => "descriptors-exhausted",
            Event::LogsReopened => "logs-reopened",
            Event::LogFailing { .. } => "log-failing",
            Event::LogRecovered { .. } => "log-recovered",
        }
    }

    /// How much it matters.
    pub fn level(&self) -> Level {
        match self {
            Event::PoolDown { .. }
            | Event::ReloadFailed { .. }
            | Event::UpgradeFailed { .. }
            | Event::DescriptorsExhausted { .. } => Level::Error,
            Event::ResolveFailed { .. } | Event::LogFailing { .. } => Level::Warn,
            Event::Member { change, .. } => change.level(),
            Event::Tls(change) => change.level(),
            Event::DrainEnded { cut } if *cut > 0 => Level::Warn,
            _ => Level::Info,
        }
    }

    /// What the event says beside its kind, by name.
    pub fn fields(&self) -> Vec<(&'static str, Field<'_>)> {
        use Field::Whole;
        match self {
            Event::Started { version, pid } => {
                vec![("version", text(version)), ("pid", Whole((*pid).into()))]
            }
            Event::ListenerBound { protocol, listener, address } => vec![
                ("listener", text(listener)),
                ("protocol", text(protocol)),
                ("address", text(address)),
            ],
            Event::ListenerClosed { listener, address } => {
                vec![("listener", text(listener)), ("address", text(address))]
            }
            Event::Reloaded { generation, summary } => {
                vec![("generation", Whole(*generation)), ("summary", text(summary))]
            }
            Event::ReloadFailed { errors, first } => {
                vec![("errors", Whole(*errors)), ("first", text(first))]
            }
            Event::Member { pool, member, change } => {
                let mut fields = vec![("pool", text(pool)), ("member", text(member))];
                fields.extend(change.fields());
                fields
            }
            Event::Tls(change) => change.fields(),
            Event::PoolDown { pool } | Event::PoolUp { pool } => vec![("pool", text(pool))],
            Event::Resolved { pool, name, addresses } => vec![
                ("pool", text(pool)),
                ("name", text(name)),
                ("addresses", Field::Text(list(addresses).into())),
            ],
            Event::ResolveFailed { pool, name, reason } => {
                vec![("pool", text(pool)), ("name", text(name)), ("reason", text(reason))]
            }
            Event::DrainStarted { millis } => vec![("millis", Whole(*millis))],
            Event::DrainEnded { cut } => vec![("cut", Whole(*cut))],
            Event::UpgradeStarted { pid } => vec![("pid", Whole((*pid).into()))],
            Event::UpgradeFailed { reason } => vec![("reason", text(reason))],
            Event::DescriptorsExhausted { times } => vec![("times", Whole(*times))],
            Event::LogsReopened => Vec::new(),
            Event::LogFailing { target, reason, lines_lost } => vec![
                ("target", text(target)),
                ("reason", text(reason)),
                ("lines_lost", Whole(*lines_lost)),
            ],
            Event::LogRecovered { target, lines_lost } => {
                vec![("target", text(target)), ("lines_lost", Whole(*lines_lost))]
            }
        }
    }
}

/// One line of text: control characters become blanks.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.tell(&mut text)?;
        f.write_str(&text.replace(char::is_control, " "))
    }
}

impl Event {
    fn tell(&self, f: &mut String) -> fmt::Result {
        match self {
            Event::Started { version, pid } => write!(f, "evenkeel {version} started, pid {pid}"),
            Event::ListenerBound { protocol, listener, address } => {
                write!(f, "listening {protocol} {listener} {address}")
            }
            Event::ListenerClosed { listener, address } => {
                write!(f, "listener {listener} closed {address}")
            }
            Event::Reloaded { generation, summary } => {
                let verb = if *generation == 1 { "loaded" } else { "reloaded" };
                write!(f, "configuration {verb}, generation {generation}: {summary}")
            }
            Event::ReloadFailed { errors, first } => {
                write!(f, "reload refused, nothing changed: {first} ({errors} errors)")
            }
            Event::Member { pool, member, change } => {
                write!(f, "member {pool}/{member} ")?;
                change.tell(f)
            }
            Event::Tls(change) => change.tell(f),
            Event::PoolDown { pool } => write!(f, "pool {pool} has no usable member"),
            Event::PoolUp { pool } => write!(f, "pool {pool} has a usable member again"),
            Event::Resolved { pool, name, addresses } => {
                write!(f, "pool {pool}: {name} resolves to {}", list(addresses))
            }
            Event::ResolveFailed { pool, name, reason } => {
                write!(f, "pool {pool}: {name} does not resolve: {reason}")
            }
            Event::DrainStarted { millis } => write!(f, "draining, at most {}", seconds(*millis)),
            Event::DrainEnded { cut: 0 } => write!(f, "drained"),
            Event::DrainEnded { cut } => write!(f, "drain time is over, {cut} connections cut"),
            Event::UpgradeStarted { pid } => write!(f, "upgrade: handing over to pid {pid}"),
            Event::UpgradeFailed { reason } => {
                write!(f, "upgrade failed, this process goes on: {reason}")
            }
            Event::DescriptorsExhausted { times } => write!(
                f,
                "no descriptors left: accepting had to wait {times} times; raise `ulimit -n` or \
                 systemd's LimitNOFILE=, or lower limits.connections"
            ),
            Event::LogsReopened => write!(f, "logs reopened"),
            Event::LogFailing { target, reason, lines_lost } => {
                write!(f, "access log {target}: {reason}; {lines_lost} lines lost")
            }
            Event::LogRecovered { target, lines_lost } => {
                write!(f, "access log {target} is written again; {lines_lost} lines lost")
            }
        }
    }
}

fn text(text: &str) -> Field<'_> {
    Field::Text(text.into())
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}

fn seconds(millis: u64) -> String {
    match (millis / 1000, millis % 1000) {
        (seconds, 0) => format!("{seconds} s"),
        _ => format!("{millis} ms"),
    }
}
