//! What everyone may look at: the plan in use, what happened, what is counted.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use evenkeel_net::{Micros, clock};
use evenkeel_observe::access_log;
use evenkeel_observe::events::{Event, Level, Ring, Stamped};
use evenkeel_observe::metrics::{self, Merged, Names};
use evenkeel_proxy::core::{CoreCommand, Report};
use evenkeel_proxy::snapshot::Snapshot;
use evenkeel_tls::Expiry;
use tokio::sync::{mpsc, oneshot, watch};

use crate::orders::OrderView;

/// How long a scrape waits for a core; a core that does not answer is left out.
const REPORT_WAIT: Duration = Duration::from_secs(2);

/// What everyone may look at.
pub struct Shared {
    snapshot: ArcSwap<Snapshot>,
    names: Mutex<Names>,
    events: Mutex<Ring>,
    bound: Mutex<Vec<Bound>>,
    probes: Mutex<BTreeMap<(String, String, &'static str), u64>>,
    cores: Vec<mpsc::Sender<CoreCommand>>,
    log: Mutex<access_log::Counters>,
    expiries: Mutex<Vec<Expiry>>,
    orders: Mutex<BTreeMap<String, Vec<OrderView>>>,
    ordered: Mutex<BTreeMap<(String, &'static str), u64>>,
    newest: watch::Sender<u64>,
    admin: watch::Sender<Option<Arc<AdminSocket>>>,
    last_reload: Mutex<Option<LastReload>>,
    reloads_ok: AtomicU64,
    reloads_failed: AtomicU64,
    pub(crate) draining: AtomicBool,
    pub(crate) ready: AtomicBool,
    /// Unix time of the last change, in seconds.
    pub(crate) changed: AtomicU64,
    started: Micros,
}

/// The socket of the admin API.
pub struct AdminSocket {
    /// The socket; listening.
    pub socket: OwnedFd,
    /// The token that is asked for.
    pub token: Option<String>,
}

/// The reload that was tried last.
#[derive(Clone, Debug)]
pub struct LastReload {
    /// Whether it was taken.
    pub ok: bool,
    /// When, as Unix time in milliseconds.
    pub unix_millis: u64,
    /// What changed, or the first error.
    pub summary: String,
}

/// A listening socket.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// The listener, or `admin`.
    pub listener: String,
    /// The protocol's name.
    pub protocol: String,
    /// The address, with the port that the kernel chose where it was 0.
    pub address: String,
}

impl Shared {
    pub(crate) fn new(cores: Vec<mpsc::Sender<CoreCommand>>) -> Shared {
        Shared {
            snapshot: ArcSwap::from_pointee(Snapshot::empty()),
            names: Mutex::new(Names::new()),
            events: Mutex::default(),
            bound: Mutex::default(),
            probes: Mutex::default(),
            cores,
            log: Mutex::default(),
            expiries: Mutex::default(),
            orders: Mutex::default(),
            ordered: Mutex::default(),
            newest: watch::Sender::new(0),
            admin: watch::Sender::new(None),
            last_reload: Mutex::default(),
            reloads_ok: AtomicU64::new(0),
            reloads_failed: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            ready: AtomicBool::new(false),
            changed: AtomicU64::new(0),
            started: clock::now(),
        }
    }

    /// The plan in use, ready to serve.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The sockets that accept.
    pub fn bound(&self) -> Vec<Bound> {
        lock(&self.bound).clone()
    }

    /// Time since the process started.
    pub fn uptime(&self) -> Duration {
        clock::now().since(self.started)
    }

    /// Whether the process takes traffic: it has started and does not drain.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Relaxed) && !self.is_draining()
    }

    /// Whether the process drains.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// Event loops.
    pub fn cores(&self) -> usize {
        self.cores.len()
    }

    /// Reloads that succeeded and that failed.
    pub fn reloads(&self) -> (u64, u64) {
        (self.reloads_ok.load(Relaxed), self.reloads_failed.load(Relaxed))
    }

    /// The remembered events after that number, oldest first.
    pub fn events_since(&self, id: u64) -> Vec<Arc<Stamped>> {
        lock(&self.events).since(id)
    }

    /// The number of the newest event, to wait for the next.
    pub fn newest_event(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// The socket of the admin API, now and whenever it changes.
    pub fn admin(&self) -> watch::Receiver<Option<Arc<AdminSocket>>> {
        self.admin.subscribe()
    }

    /// The reload that was tried last.
    pub fn last_reload(&self) -> Option<LastReload> {
        lock(&self.last_reload).clone()
    }

    /// What all cores counted so far.
    pub async fn reports(&self) -> Vec<Report> {
        let mut answers = Vec::new();
        for core in &self.cores {
            let (reply, answer) = oneshot::channel();
            if core.send(CoreCommand::Report(reply)).await.is_ok() {
                answers.push(answer);
            }
        }
        let mut reports = Vec::new();
        for answer in answers {
            if let Some(Ok(report)) = clock::within(REPORT_WAIT, answer).await {
                reports.push(report);
            }
        }
        reports
    }

    /// The sum of what all cores counted, and names for its numbers.
    pub async fn metrics(&self) -> Merged {
        metrics::merge(self.reports().await.into_iter().map(|report| report.metrics))
    }

    /// Names for the numbers in metrics.
    pub fn names(&self) -> MutexGuard<'_, Names> {
        lock(&self.names)
    }

    /// Probes that ended, by pool, member and result.
    pub fn probes(&self) -> BTreeMap<(String, String, &'static str), u64> {
        lock(&self.probes).clone()
    }

    /// What the writer of the access log did.
    pub fn log_counters(&self) -> access_log::Counters {
        *lock(&self.log)
    }

    /// When certificates end, those that do so first.
    pub fn expiries(&self) -> Vec<Expiry> {
        lock(&self.expiries).clone()
    }

    /// Certificates that are ordered, by authority.
    pub fn orders(&self) -> BTreeMap<String, Vec<OrderView>> {
        lock(&self.orders).clone()
    }

    /// Orders that ended, by authority and result.
    pub fn ordered_total(&self) -> BTreeMap<(String, &'static str), u64> {
        lock(&self.ordered).clone()
    }

    /// When the plan in use was taken, as Unix time in seconds.
    pub fn changed(&self) -> u64 {
        self.changed.load(Relaxed)
    }

    pub(crate) fn set_admin(&self, admin: Option<AdminSocket>) {
        self.admin.send_replace(admin.map(Arc::new));
    }

    pub(crate) fn reload_ended(&self, ok: bool, summary: String) {
        let counter = if ok { &self.reloads_ok } else { &self.reloads_failed };
        counter.fetch_add(1, Relaxed);
        let unix_millis = u64::try_from(clock::wall().as_millis()).unwrap_or(0);
        *lock(&self.last_reload) = Some(LastReload { ok, unix_millis, summary });
    }

    pub(crate) fn set_log_counters(&self, counters: access_log::Counters) {
        *lock(&self.log) = counters;
    }

    pub(crate) fn set_expiries(&self, expiries: Vec<Expiry>) {
        *lock(&self.expiries) = expiries;
    }

    pub(crate) fn set_orders(&self, authority: &str, orders: Vec<OrderView>) {
        lock(&self.orders).insert(authority.to_owned(), orders);
    }

    pub(crate) fn ordered(&self, authority: &str, result: &'static str) {
        *lock(&self.ordered).entry((authority.to_owned(), result)).or_default() += 1;
    }

    /// Forgets the orders of authorities that are gone.
    pub(crate) fn retain_orders(&self, keep: impl Fn(&str) -> bool) {
        lock(&self.orders).retain(|authority, _| keep(authority));
        lock(&self.ordered).retain(|(authority, _), _| keep(authority));
    }

    pub(crate) fn cores_list(&self) -> &[mpsc::Sender<CoreCommand>] {
        &self.cores
    }

    pub(crate) fn set_snapshot(&self, snapshot: Arc<Snapshot>) {
        self.snapshot.store(snapshot);
        self.changed.store(clock::wall().as_secs(), Relaxed);
    }

    pub(crate) fn set_bound(&self, bound: Vec<Bound>) {
        *lock(&self.bound) = bound;
    }

    pub(crate) fn probed(&self, pool: &str, member: &str, result: &'static str) {
        let key = (pool.to_owned(), member.to_owned(), result);
        *lock(&self.probes).entry(key).or_default() += 1;
    }

    /// Forgets the probes of members that are gone.
    pub(crate) fn retain_probes(&self, keep: impl Fn(&str, &str) -> bool) {
        lock(&self.probes).retain(|(pool, member, _), _| keep(pool, member));
    }

    /// Remembers an event and logs its line.
    pub fn tell(&self, event: Event) {
        match event.level() {
            Level::Info => tracing::info!("{event}"),
            Level::Warn => tracing::warn!("{event}"),
            Level::Error => tracing::error!("{event}"),
        }
        let millis = u64::try_from(clock::wall().as_millis()).unwrap_or(0);
        let stamped = lock(&self.events).push(millis, event);
        self.newest.send_replace(stamped.id);
    }
}

/// Nothing here is left half-changed by a panic: each critical section is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
