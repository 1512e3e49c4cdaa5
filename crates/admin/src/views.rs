//! What the API shows, as it stands in JSON. Fields are added, never renamed.

use serde::{Deserialize, Serialize};

/// The process as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatusView {
    /// The program's version.
    pub version: String,
    /// The process id.
    pub pid: u32,
    /// `starting`, `serving` or `draining`.
    pub state: String,
    /// The generation of the plan in use.
    pub generation: u64,
    /// When the process started, Unix milliseconds.
    pub started_unix_ms: u64,
    /// Seconds since then.
    pub uptime_seconds: f64,
    /// Event loops.
    pub cores: u32,
    /// How the kernel is asked: `epoll`.
    pub io: String,
    /// The configuration file.
    pub config: Option<String>,
    /// The last reload, if there was one.
    pub last_reload: Option<ReloadView>,
    /// Open client connections.
    pub connections: u64,
    /// Exchanges since the start.
    pub requests: u64,
    /// Listeners.
    pub listeners: u64,
    /// Routes.
    pub routes: u64,
    /// Pools.
    pub pools: u64,
    /// Members of all pools.
    pub members: u64,
    /// Members that may get new requests.
    pub members_usable: u64,
    /// Whether whoever asked may change things.
    pub changes_allowed: bool,
}

/// A reload that was tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReloadView {
    /// Whether the new plan was taken.
    pub ok: bool,
    /// When, Unix milliseconds.
    pub unix_ms: u64,
    /// What changed, or the first error.
    pub summary: String,
}

/// A certificate that is ordered (ACME).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OrderView {
    /// The authority that it is ordered from.
    pub authority: String,
    /// What it is for.
    pub domains: Vec<String>,
    /// Its file.
    pub file: String,
    /// When the one that is there ends, Unix seconds; absent: there is none yet.
    pub until_unix: Option<u64>,
    /// When the authority is asked next, Unix seconds.
    pub next_unix: u64,
    /// Orders that failed since the last that did not.
    pub failures: u32,
    /// Why the last one failed, in this process.
    pub reason: Option<String>,
}

/// A pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolView {
    /// Its name.
    pub name: String,
    /// How members are picked.
    pub policy: String,
    /// How one client stays on one member, in words: `cookie ROUTEID`; absent without affinity.
    pub affinity: Option<String>,
    /// How members are probed, in words: `http GET /healthz every 2s`; absent without probes.
    pub check: Option<String>,
    /// Requests that wait for a member.
    pub queue: u64,
    /// Requests that may wait.
    pub queue_max: u64,
    /// Members that may get new requests.
    pub usable: u64,
    /// The members, in the order of the configuration.
    pub members: Vec<MemberView>,
}

/// A member of a pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemberView {
    /// What affinity names it.
    pub tag: String,
    /// Where it is reached.
    pub address: String,
    /// Its share, 0.01 to 1000.
    pub weight: f64,
    /// Lower tiers first.
    pub tier: u8,
    /// Whether it is a hot standby.
    pub backup: bool,
    /// Whether it is a hot spare.
    pub spare: bool,
    /// What was ordered: `ready`, `drain`, `disabled`.
    pub state: String,
    /// What is measured: `up`, `starting`, `down`.
    pub health: String,
    /// Since when health is so, in seconds.
    pub since_seconds: f64,
    /// Whether it may get new requests.
    pub usable: bool,
    /// Whether the breaker took it out.
    pub ejected: bool,
    /// Whether the last traffic or probe failed while it still counts as up.
    pub suspect: bool,
    /// Requests under way.
    pub active: u64,
    /// The most that may be under way.
    pub max_requests: Option<u64>,
    /// Requests sent to it so far.
    pub requests: u64,
    /// Of those, how many failed.
    pub failures: u64,
    /// Bytes that it sent.
    pub bytes_in: u64,
    /// Bytes that were sent to it.
    pub bytes_out: u64,
    /// Smoothed time to the first byte of its answer; absent before the first.
    pub latency_ms: Option<f64>,
    /// The last probe; absent without probes.
    pub last_probe: Option<ProbeView>,
    /// Whether it came at run time and is in no file.
    pub runtime: bool,
}

/// A probe that ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProbeView {
    /// `pass`, `fail` or `timeout`.
    pub result: String,
    /// What was seen: `200 OK`, `connection refused`.
    pub reason: String,
    /// How long it took.
    pub ms: f64,
    /// How long ago it ended.
    pub ago_seconds: f64,
}

/// A listener.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ListenerView {
    /// Its name.
    pub name: String,
    /// What it speaks.
    pub protocol: String,
    /// Where it accepts, with the ports the kernel chose.
    pub addresses: Vec<String>,
    /// Where traffic goes that no route takes.
    pub pool: Option<String>,
    /// Open client connections.
    pub connections: u64,
    /// The most that may be open.
    pub connections_max: u64,
    /// Connections accepted so far.
    pub accepted: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
}

/// A route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RouteView {
    /// Its name.
    pub name: String,
    /// The listeners it applies to; empty: all that speak HTTP.
    pub listeners: Vec<String>,
    /// The hosts as in the configuration; empty: every host.
    pub hosts: Vec<String>,
    /// The paths as in the configuration; empty: every path.
    pub paths: Vec<String>,
    /// The methods; empty: every method.
    pub methods: Vec<String>,
    /// What happens, in words: `pool api`, `redirect 301 https://…`, `respond 403`.
    pub action: String,
    /// The pool, when one is asked.
    pub pool: Option<String>,
}

/// A reload that was taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReloadReport {
    /// The generation of the plan now in use.
    pub generation: u64,
    /// What changed, in a few words.
    pub summary: String,
    /// Warnings.
    pub warnings: Vec<DiagnosticView>,
}

/// Something wrong with a configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DiagnosticView {
    /// `error` or `warning`.
    pub severity: String,
    /// One sentence.
    pub message: String,
    /// The file.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u64>,
    /// The column, from 1.
    pub column: Option<u64>,
    /// What to do.
    pub help: Option<String>,
    /// The same for people, several lines with an excerpt of the file.
    pub rendered: String,
}
