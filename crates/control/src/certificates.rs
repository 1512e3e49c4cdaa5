//! Certificates, and what else TLS goes by: loaded with each plan, then watched, so that a renewed
//! certificate is served without anybody asking. Files are read by a thread of their own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evenkeel_net::clock;
use evenkeel_observe::events::{Event, TlsChange};
use evenkeel_plan::{Acme, Plan};
use evenkeel_tls::{Change, Keyring, Loaded, Proofs, Spoilt};
use tokio::task::{self, JoinHandle};

use crate::command::Refused;
use crate::orders;
use crate::shared::Shared;

/// How often files are looked at. One that changed is taken at the second look that finds it so.
const LOOK: Duration = Duration::from_secs(2);
/// How often certificates that end soon are told of.
const TELL: Duration = Duration::from_secs(24 * 3600);
/// Certificates whose end is told in metrics: those that end first.
const EXPIRIES_MAX: usize = 1000;
/// Warnings that are told at once.
const WARNINGS_MAX: usize = 100;

pub(crate) struct Certificates {
    shared: Arc<Shared>,
    keyring: Arc<Mutex<Keyring>>,
    watch: Option<JoinHandle<()>>,
}

impl Certificates {
    /// Nothing loaded yet. With `key_log` the secrets of sessions are written to the file that
    /// SSLKEYLOGFILE names.
    pub(crate) fn new(shared: Arc<Shared>, key_log: bool) -> Certificates {
        let keyring = Keyring::new(clock::wall().as_secs(), key_log);
        Certificates { shared, keyring: Arc::new(Mutex::new(keyring)), watch: None }
    }

    /// What can be shown to authorities.
    pub(crate) fn proofs(&self) -> Arc<Proofs> {
        lock(&self.keyring).proofs().clone()
    }

    /// Loads what a plan names. What is in use stays so.
    pub(crate) async fn load(&self, plan: &Arc<Plan>, spoilt: Spoilt) -> Result<Loaded, Refused> {
        if !has_tls(plan) {
            return Ok(Loaded::default());
        }
        let (keyring, plan, now) = (self.keyring.clone(), plan.clone(), clock::wall().as_secs());
        let loaded = task::spawn_blocking(move || {
            let loaded = lock(&keyring).load(&plan, spoilt, now);
            // What is ordered must have a place, or orders would be made for nothing. Whoever wants
            // something else is not kept from it.
            let places = orders::wanted(&plan);
            let used = |acme: &&Acme| spoilt == Spoilt::Refuse && places.contains_key(&acme.name);
            let placeless = plan.acme.iter().filter(used);
            let problems: Vec<String> =
                placeless.filter_map(|acme| evenkeel_acme::prepare(acme).err()).collect();
            match (loaded, problems.is_empty()) {
                (Ok(_), false) => Err(problems),
                (loaded, _) => loaded,
            }
        });
        let loaded = loaded.await;
        match loaded {
            Ok(loaded) => loaded.map_err(|problems| {
                let lines: Vec<String> =
                    problems.iter().map(|why| format!("error: {why}")).collect();
                Refused::Configuration(lines.join("\n"))
            }),
            Err(error) => Err(Refused::Runtime(format!("certificates were not read: {error}"))),
        }
    }

    /// What was loaded is in use: tells what is not good about it, and watches it.
    pub(crate) fn adopt(&mut self, loaded: Loaded) {
        let used = !loaded.listeners.is_empty() || !loaded.pools.is_empty();
        if !used && self.watch.is_none() {
            return;
        }
        tell_warnings(&self.shared, &loaded.warnings);
        let mut keyring = lock(&self.keyring);
        keyring.adopt(loaded);
        self.shared.set_expiries(keyring.expiries(EXPIRIES_MAX));
        drop(keyring);
        if self.watch.is_none() {
            let (shared, keyring) = (self.shared.clone(), self.keyring.clone());
            self.watch = Some(task::spawn_local(watch(shared, keyring)));
        }
    }
}

fn has_tls(plan: &Plan) -> bool {
    let listeners = plan.listeners.iter().any(|listener| listener.tls.is_some());
    listeners || plan.pools.iter().any(|pool| pool.tls.is_some())
}

async fn watch(shared: Arc<Shared>, keyring: Arc<Mutex<Keyring>>) {
    let mut told = clock::now();
    loop {
        clock::sleep(LOOK).await;
        let tells = clock::now().since(told) >= TELL;
        if tells {
            told = clock::now();
        }
        let (keyring, now) = (keyring.clone(), clock::wall().as_secs());
        let looked = task::spawn_blocking(move || {
            let mut keyring = lock(&keyring);
            let changes = keyring.look(now);
            let expiries = (!changes.is_empty()).then(|| keyring.expiries(EXPIRIES_MAX));
            let ending = if tells { keyring.ending(now) } else { Vec::new() };
            (changes, expiries, ending)
        });
        let Ok((changes, expiries, ending)) = looked.await else { continue };
        if let Some(expiries) = expiries {
            shared.set_expiries(expiries);
        }
        for change in changes {
            shared.tell(Event::Tls(told_of(change)));
        }
        tell_warnings(&shared, &ending);
    }
}

fn told_of(change: Change) -> TlsChange {
    match change {
        Change::Certificate { file, names, until } => TlsChange::Replaced { file, names, until },
        Change::Other { file, what } => TlsChange::Taken { file, what: what.to_owned() },
        Change::Refused { file, reason } => TlsChange::Refused { file, reason },
        Change::Warning(reason) => TlsChange::Warning { reason },
    }
}

fn tell_warnings(shared: &Shared, warnings: &[String]) {
    for warning in warnings.iter().take(WARNINGS_MAX) {
        shared.tell(Event::Tls(TlsChange::Warning { reason: warning.clone() }));
    }
    if let Some(more) = warnings.len().checked_sub(WARNINGS_MAX).filter(|more| *more > 0) {
        let reason =
            format!("{more} more warnings about certificates; `evenkeel check` has them all");
        shared.tell(Event::Tls(TlsChange::Warning { reason }));
    }
}

/// A look that panicked has left what was good.
fn lock(keyring: &Mutex<Keyring>) -> MutexGuard<'_, Keyring> {
    keyring.lock().unwrap_or_else(PoisonError::into_inner)
}
