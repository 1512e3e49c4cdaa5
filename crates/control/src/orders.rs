//! Certificates that are ordered: a task for each authority, on the controller's thread, that does
//! one thing after the other. What it gets lies in files, and is taken from there like any
//! certificate that changed.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_acme::due::{self, AGAIN_SOONEST, APART};
use evenkeel_acme::{Authority, Done, Failure, Failures};
use evenkeel_net::clock;
use evenkeel_observe::events::{Event, TlsChange};
use evenkeel_plan::{Acme, CertificateFiles, Name, Plan};
use evenkeel_tls::{Issued, Proofs};
use tokio::sync::watch;
use tokio::task;

use crate::shared::Shared;

/// The longest sleep: clocks are set, and machines are.
const SLEEP_MAX: Duration = Duration::from_secs(600);
/// Seconds until the time of renewal is asked for again, where the authority does not say.
const ASK_AGAIN: u64 = 6 * 3600;
/// Seconds until it is asked for of a new certificate.
const ASK_NEW: u64 = 3600;
/// Names that are told of a certificate.
const NAMES_TOLD: usize = 3;

/// How a certificate that is ordered is getting on.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderView {
    /// What it is for.
    pub domains: Vec<String>,
    /// Its file.
    pub file: String,
    /// When the one that is there ends, as Unix time in seconds; `None`: there is none yet.
    pub until: Option<u64>,
    /// When the authority is asked next, as Unix time in seconds.
    pub next: u64,
    /// Orders that failed since the last that did not.
    pub failures: u32,
    /// Why the last one failed.
    pub reason: Option<String>,
}

/// The tasks of all authorities.
pub(crate) struct Orders {
    shared: Arc<Shared>,
    proofs: Arc<Proofs>,
    tasks: HashMap<Name, Task>,
}

/// A task ends after its current order when this is dropped.
struct Task {
    acme: Acme,
    wanted: watch::Sender<Vec<CertificateFiles>>,
}

impl Orders {
    /// Nothing is ordered yet.
    pub(crate) fn new(shared: Arc<Shared>, proofs: Arc<Proofs>) -> Orders {
        Orders { shared, proofs, tasks: HashMap::new() }
    }

    /// Orders what the plan wants, and no longer what it does not.
    pub(crate) fn sync(&mut self, plan: &Plan) {
        let mut wanted = wanted(plan);
        let stays = |name: &Name, task: &mut Task| {
            wanted.contains_key(name) && plan.acme.contains(&task.acme)
        };
        self.tasks.retain(stays);
        self.shared.retain_orders(|name| wanted.contains_key(name));
        for acme in &plan.acme {
            let Some(files) = wanted.remove(&acme.name) else { continue };
            if let Some(task) = self.tasks.get(&acme.name) {
                // Also when they are the same: whoever reloads wants to see what comes of it now.
                task.wanted.send_replace(files);
                continue;
            }
            let (sender, receiver) = watch::channel(files);
            let (shared, proofs) = (self.shared.clone(), self.proofs.clone());
            let ordering = Ordering {
                shared,
                authority: Authority::new(acme.clone(), proofs),
                acme: acme.clone(),
                orders: Vec::new(),
            };
            drop(task::spawn_local(ordering.run(receiver)));
            self.tasks.insert(acme.name.clone(), Task { acme: acme.clone(), wanted: sender });
        }
    }

    /// Orders nothing more.
    pub(crate) fn stop(&mut self) {
        self.tasks.clear();
    }
}

/// The certificates of each authority, every one once.
pub(crate) fn wanted(plan: &Plan) -> HashMap<Name, Vec<CertificateFiles>> {
    let mut wanted: HashMap<Name, Vec<CertificateFiles>> = HashMap::new();
    let tls = plan.listeners.iter().filter_map(|listener| listener.tls.as_ref());
    for files in tls.flat_map(|tls| &tls.certificates) {
        let Some(ordered) = &files.ordered else { continue };
        let of = wanted.entry(ordered.authority.clone()).or_default();
        if !of.iter().any(|known| known.cert == files.cert) {
            of.push(files.clone());
        }
    }
    wanted
}

/// One authority at work.
struct Ordering {
    shared: Arc<Shared>,
    authority: Authority,
    acme: Acme,
    orders: Vec<Order>,
}

/// A certificate and when something is to be done about it; times are Unix seconds.
struct Order {
    files: CertificateFiles,
    issued: Option<Issued>,
    failures: Failures,
    reason: Option<String>,
    /// When it is to be ordered.
    due: u64,
    /// When the authority is asked whether that time is right.
    ask: u64,
}

impl Ordering {
    async fn run(mut self, mut wanted: watch::Receiver<Vec<CertificateFiles>>) {
        let first = wanted.borrow_and_update().clone();
        self.take(first).await;
        loop {
            self.publish();
            let now = unix();
            let next = (0..self.orders.len()).min_by_key(|at| self.orders[*at].next());
            let wait = match next.map(|at| (at, self.orders[at].next())) {
                Some((at, time)) if time <= now => {
                    self.act(at).await;
                    None
                }
                Some((_, time)) => Some(Duration::from_secs(time - now).min(SLEEP_MAX)),
                None => Some(SLEEP_MAX),
            };
            // After something was done, whether there is news is all that is asked.
            let slept = async {
                if let Some(wait) = wait {
                    clock::sleep(wait).await;
                }
            };
            tokio::select! {
                biased;
                changed = wanted.changed() => match changed {
                    Ok(()) => {
                        let next = wanted.borrow_and_update().clone();
                        self.take(next).await;
                    }
                    Err(_) => return,
                },
                () = slept => {}
            }
        }
    }

    /// Orders these from now on; those that failed are tried again soon.
    async fn take(&mut self, wanted: Vec<CertificateFiles>) {
        let now = unix();
        let read = move || -> Vec<Kept> {
            wanted.into_iter().map(|files| Kept::read(files, now)).collect()
        };
        let Ok(read) = task::spawn_blocking(read).await else { return };
        let mut known: HashMap<PathBuf, Order> =
            self.orders.drain(..).map(|order| (order.files.cert.clone(), order)).collect();
        for kept in read {
            let Some(mut order) = known.remove(&kept.files.cert) else {
                self.orders.push(Order::new(kept, &self.acme, now));
                continue;
            };
            // The file may be gone, or put back from a copy.
            order.look(kept.issued, &self.acme, now);
            if order.failures.count > 0 {
                order.due = order.due.min((order.failures.last + AGAIN_SOONEST).max(now));
            }
            self.orders.push(order);
        }
    }

    /// What is due about a certificate.
    async fn act(&mut self, at: usize) {
        let order = &mut self.orders[at];
        let now = unix();
        if order.due > now {
            let Some(issued) = &order.issued else { return };
            order.ask = now + ASK_AGAIN;
            match self.authority.window(issued).await {
                Ok(Some(window)) => {
                    order.ask = now + window.again.as_secs();
                    let suggested = due::suggested(issued, window.start, window.end);
                    order.due = match self.acme.renew_before {
                        Some(_) => order.due.min(suggested),
                        None => suggested,
                    };
                }
                Ok(None) => {}
                Err(why) => tracing::debug!("authority {}: {}", self.acme.name, why.reason),
            }
            return;
        }
        let result = self.authority.order(&order.files, order.issued.as_ref()).await;
        let now = unix();
        let (word, event) = match result {
            Ok(done) => ("ok", order.done(&self.acme, done, now)),
            Err(failure) => ("failed", order.failed(&self.acme, failure, now)),
        };
        self.shared.ordered(&self.acme.name, word);
        for event in event {
            self.shared.tell(Event::Tls(event));
        }
    }

    fn publish(&self) {
        let views = self.orders.iter().map(Order::view).collect();
        self.shared.set_orders(&self.acme.name, views);
    }
}

/// What the files of a certificate say.
struct Kept {
    files: CertificateFiles,
    issued: Option<Issued>,
    failures: Failures,
}

impl Kept {
    fn read(files: CertificateFiles, now: u64) -> Kept {
        let (issued, failures) = (Issued::read(&files, now).ok(), Failures::read(&files.cert));
        Kept { files, issued, failures }
    }
}

impl Order {
    fn new(kept: Kept, acme: &Acme, now: u64) -> Order {
        let Kept { files, issued, failures } = kept;
        let reason = None;
        let mut order = Order { files, issued: None, failures, reason, due: 0, ask: now };
        order.look(issued, acme, now);
        if failures.count > 0 {
            order.put_off();
        }
        order
    }

    /// Goes by what is in the file.
    fn look(&mut self, issued: Option<Issued>, acme: &Acme, now: u64) {
        if issued == self.issued {
            return;
        }
        self.due = issued.as_ref().map_or(0, |issued| due::renewal(issued, acme.renew_before));
        self.issued = issued;
        self.ask = now;
    }

    /// Not before some time after the last failure.
    fn put_off(&mut self) {
        let Failures { count, last, limited } = self.failures;
        let seed = self.files.cert.as_os_str().as_encoded_bytes();
        self.due = self.due.max(due::again(last, count, limited, seed));
    }

    fn next(&self) -> u64 {
        match self.issued {
            Some(_) => self.due.min(self.ask),
            None => self.due,
        }
    }

    fn done(&mut self, acme: &Acme, done: Done, now: u64) -> Vec<TlsChange> {
        let Done { issued, left } = done;
        self.failures = Failures::default();
        self.failures.keep(&self.files.cert);
        self.reason = None;
        self.due = due::renewal(&issued, acme.renew_before).max(now + APART);
        // Of one that is new, the authority will hardly say that it is late; if it does, it is not
        // to be asked for another at once.
        self.ask = now + ASK_NEW;
        let until = evenkeel_tls::date(issued.until);
        self.issued = Some(issued);
        let (authority, names) = (acme.name.to_string(), self.names());
        let mut told = vec![TlsChange::Issued { authority, names, until }];
        told.extend(left.map(|why| TlsChange::Warning {
            reason: format!("authority {}: a record stays in DNS: {why}", acme.name),
        }));
        told
    }

    fn failed(&mut self, acme: &Acme, failure: Failure, now: u64) -> Vec<TlsChange> {
        let Failure { reason, limited } = failure;
        let count = self.failures.count.saturating_add(1);
        self.failures = Failures { count, last: now, limited };
        self.failures.keep(&self.files.cert);
        self.put_off();
        self.reason = Some(reason.clone());
        let (authority, names) = (acme.name.to_string(), self.names());
        let again = self.due.saturating_sub(now);
        vec![TlsChange::OrderFailed { authority, names, reason, again }]
    }

    /// The first of its names.
    fn names(&self) -> String {
        let domains = self.files.ordered.iter().flat_map(|ordered| &ordered.domains);
        let all: Vec<&str> = domains.map(String::as_str).collect();
        let more = all.len().saturating_sub(NAMES_TOLD);
        let first = all[..all.len() - more].join(", ");
        if more > 0 { format!("{first} and {more} more") } else { first }
    }

    fn view(&self) -> OrderView {
        OrderView {
            domains: self.files.ordered.iter().flat_map(|o| o.domains.clone()).collect(),
            file: self.files.cert.display().to_string(),
            until: self.issued.as_ref().map(|issued| issued.until),
            next: self.next(),
            failures: self.failures.count,
            reason: self.reason.clone(),
        }
    }
}

fn unix() -> u64 {
    clock::wall().as_secs()
}
