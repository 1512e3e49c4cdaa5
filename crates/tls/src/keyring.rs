//! All that a plan's TLS goes by: loaded as a whole with a plan, then watched file by file. What
//! was good stays in use until something better has been read.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use evenkeel_plan::{CertificateFiles, MemberProtocol, Name, Plan, Protocol};
use rustls::{KeyLog, KeyLogFile};

use crate::files::{self, Certificate, Stamp};
use crate::member::{self, Members};
use crate::proofs::Proofs;
use crate::server::{self, Parts, Server};
use crate::tickets::{Secrets, Turning};
use crate::x509;

/// Watched things that are looked at in one go.
const LOOKS: usize = 4096;
/// Threads that read certificates.
const READERS_MAX: usize = 8;
/// Names that are told of a certificate.
const NAMES_TOLD: usize = 3;

/// What all listeners and pools of a plan go by, by their names.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Of listeners with TLS.
    pub listeners: HashMap<Name, Arc<Server>>,
    /// Of pools with TLS.
    pub pools: HashMap<Name, Members>,
    /// What is not good and yet no reason not to serve: in words, with the file and what to do.
    pub warnings: Vec<String>,
    /// What can be shown to authorities.
    pub proofs: Arc<Proofs>,
}

/// What becomes of a load when a file that was good is so no longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spoilt {
    /// It fails: whoever asked to read files anew is told.
    Refuse,
    /// What was good is taken again: whoever asked wanted something else.
    Keep,
}

/// What became of a file that changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A certificate was replaced.
    Certificate {
        /// Its file.
        file: String,
        /// Names that it is for, the first few.
        names: String,
        /// Its last day, as `2026-01-31`.
        until: String,
    },
    /// Keys for tickets, authorities or revocation lists were read again.
    Other {
        /// The file, or the first of several.
        file: String,
        /// What it is.
        what: &'static str,
    },
    /// What changed cannot be used; what was good stays.
    Refused {
        /// The file, or the first of several.
        file: String,
        /// Why, and what to do.
        reason: String,
    },
    /// It was taken, and is not good all the same.
    Warning(String),
}

/// A certificate and when it ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expiry {
    /// A listener that shows it.
    pub listener: Name,
    /// Its file.
    pub file: String,
    /// Unix time in seconds.
    pub until: u64,
}

/// What was loaded, and how to see that files changed.
pub struct Keyring {
    own: Arc<Secrets>,
    turning: Turning,
    key_log: Option<Arc<dyn KeyLog>>,
    proofs: Arc<Proofs>,
    loaded: Loaded,
    watched: Vec<Watched>,
    /// Where the next look begins.
    next: usize,
}

/// Files that mean something together.
struct Watched {
    what: What,
    paths: Vec<PathBuf>,
    /// As they were when they were read, used or not.
    known: Vec<Stamp>,
    /// As they were at the last look, when that was another state: they are read once they are
    /// still.
    moving: Option<Vec<Stamp>>,
}

#[derive(Clone)]
enum What {
    Certificate(CertificateFiles),
    Clients(Name),
    Tickets(Name),
    Pool(Name),
}

impl Keyring {
    /// Nothing loaded yet; `now` is Unix time in seconds. With `key_log` the secrets of all
    /// sessions are written to the file that the environment variable SSLKEYLOGFILE names, for
    /// whoever must look into the traffic.
    pub fn new(now: u64, key_log: bool) -> Keyring {
        Keyring {
            own: Secrets::own(),
            turning: Turning::new(now),
            key_log: key_log.then(|| Arc::new(KeyLogFile::new()) as Arc<dyn KeyLog>),
            proofs: Arc::default(),
            loaded: Loaded::default(),
            watched: Vec::new(),
            next: 0,
        }
    }

    /// What can be shown to authorities; the same as long as the keyring lives.
    pub fn proofs(&self) -> &Arc<Proofs> {
        &self.proofs
    }

    /// Loads all that a plan names; what did not change since it was loaded last stays as it is.
    /// `now` is Unix time in seconds.
    ///
    /// # Errors
    /// Every problem in words, with the file it is about and what to do.
    pub fn load(&self, plan: &Plan, spoilt: Spoilt, now: u64) -> Result<Loaded, Vec<String>> {
        let mut problems = Vec::new();
        let certificates = self.certificates(plan, (spoilt, now), &mut problems);
        let mut loaded = Loaded { proofs: self.proofs.clone(), ..Loaded::default() };
        for listener in &plan.listeners {
            let Some(tls) = &listener.tls else { continue };
            let alpn: &[&str] = match listener.protocol {
                Protocol::Http => listener.versions.alpn(),
                Protocol::Tcp | Protocol::Udp => &[],
            };
            let own = tls.certificates.iter().map(|files| certificates.get(files).cloned());
            // A certificate that is missing here was complained about.
            let Some(own) = own.collect::<Option<Vec<_>>>() else { continue };
            let parts = Parts {
                name: &listener.name,
                plan: tls,
                alpn,
                own: &self.own,
                key_log: &self.key_log,
                proofs: &self.proofs,
            };
            match self.server(&parts, own, spoilt) {
                Ok(server) => drop(loaded.listeners.insert(listener.name.clone(), server)),
                Err(why) => problems.push(format!("listener \"{}\": {why}", listener.name)),
            }
            loaded.warnings.extend(tls.ticket_keys.iter().filter_map(|p| files::open_to_others(p)));
        }
        for pool in &plan.pools {
            let Some(tls) = &pool.tls else { continue };
            let alpn = if pool.spoken() == MemberProtocol::Http2 { "h2" } else { "http/1.1" };
            let count = pool.members.len();
            let old = self.loaded.pools.get(&pool.name);
            let members = match old.filter(|old| old.is_made_of(tls, alpn, count)) {
                Some(old) => Ok(old.clone()),
                None => {
                    let new = Members::new(tls, alpn, count, &self.key_log);
                    let same = |old: &&Members| spoilt == Spoilt::Keep && old.plan() == tls;
                    new.or_else(|why| old.filter(same).cloned().ok_or(why))
                }
            };
            match members {
                Ok(members) => drop(loaded.pools.insert(pool.name.clone(), members)),
                Err(why) => problems.push(format!("pool \"{}\": {why}", pool.name)),
            }
            let keys = tls.client.iter().map(|files| &files.key);
            loaded.warnings.extend(keys.filter_map(|key| files::open_to_others(key)));
        }
        loaded.warnings.extend(certificates.values().flat_map(|one| one.warnings.iter().cloned()));
        loaded.warnings.sort_unstable();
        if problems.is_empty() { Ok(loaded) } else { Err(problems) }
    }

    /// The server of a listener: the one that is there if nothing changed.
    fn server(
        &self,
        parts: &Parts<'_>,
        certificates: Vec<Arc<Certificate>>,
        spoilt: Spoilt,
    ) -> Result<Arc<Server>, String> {
        let same = |server: &&Arc<Server>| {
            let serving = server.serving();
            let own = serving.certificates.iter().map(Arc::as_ptr);
            server.plan == *parts.plan
                && server.alpn.iter().map(Vec::as_slice).eq(parts.alpn.iter().map(|a| a.as_bytes()))
                && own.eq(certificates.iter().map(Arc::as_ptr))
                && serving.clients.as_ref().is_none_or(|c| c.stamps == server::stamps(parts.plan))
                && server.tickets_stamps == tickets_stamps(parts.plan)
        };
        let old = self.loaded.listeners.get(parts.name);
        if let Some(server) = old.filter(same) {
            return Ok(server.clone());
        }
        let kept = |old: &&Arc<Server>| spoilt == Spoilt::Keep && old.plan == *parts.plan;
        let new = Server::new(parts, certificates).map(Arc::new);
        new.or_else(|why| old.filter(kept).cloned().ok_or(why))
    }

    /// The certificates of all listeners: those that are known and have not changed, and the others
    /// read by several threads.
    fn certificates(
        &self,
        plan: &Plan,
        (spoilt, now): (Spoilt, u64),
        problems: &mut Vec<String>,
    ) -> HashMap<CertificateFiles, Arc<Certificate>> {
        let known = self.known();
        let mut found = HashMap::new();
        let mut missing: Vec<(&Name, &CertificateFiles)> = Vec::new();
        let mut asked = HashSet::new();
        for listener in &plan.listeners {
            let files = listener.tls.iter().flat_map(|tls| &tls.certificates);
            for files in files.filter(|files| asked.insert(*files)) {
                match known.get(files).filter(|known| known.stamps == files::stamps(files)) {
                    Some(known) => drop(found.insert(files.clone(), known.clone())),
                    None => missing.push((&listener.name, files)),
                }
            }
        }
        let read = read_all(&missing, |files| {
            let new = Certificate::read(files, now)?;
            better(known.get(files), new, now)
        });
        for ((listener, files), read) in missing.into_iter().zip(read) {
            // Whatever became of the file of one that is ordered, it is ordered anew.
            let ordered = files.ordered.is_some();
            let old = known.get(files).filter(|_| spoilt == Spoilt::Keep || ordered);
            let taken = match (read, old) {
                (Ok(certificate), _) => Arc::new(certificate),
                (Err(_), Some(old)) => old.clone(),
                (Err(_), None) if ordered => Arc::new(Certificate::to_come(files)),
                (Err(why), None) => {
                    problems.push(format!("listener \"{listener}\": {why}"));
                    continue;
                }
            };
            found.insert(files.clone(), taken);
        }
        found
    }

    fn known(&self) -> HashMap<CertificateFiles, Arc<Certificate>> {
        let servings = self.loaded.listeners.values().map(|server| server.serving());
        let all = servings.flat_map(|serving| serving.certificates.clone());
        all.map(|certificate| (certificate.files.clone(), certificate)).collect()
    }

    /// From now on, this is what is served by and watched.
    pub fn adopt(&mut self, loaded: Loaded) {
        self.watched = watched(&loaded);
        self.loaded = loaded;
        self.next = 0;
    }

    /// Looks at files, at most some thousand at a time, and takes those that changed and are still
    /// since the last look. `now` is Unix time in seconds.
    pub fn look(&mut self, now: u64) -> Vec<Change> {
        if self.turning.is_due(now) {
            self.own.turn();
        }
        let mut ripe = Vec::new();
        for _ in 0..self.watched.len().min(LOOKS) {
            self.next = if self.next >= self.watched.len() { 0 } else { self.next };
            if let Some(watched) = self.watched.get_mut(self.next)
                && watched.is_ripe()
            {
                ripe.push((watched.what.clone(), watched.told()));
            }
            self.next += 1;
        }
        let (mut changes, mut replaced) = (Vec::new(), HashMap::new());
        let known = if ripe.is_empty() { HashMap::new() } else { self.known() };
        for (what, file) in ripe {
            let refused = |reason| Change::Refused { file: file.clone(), reason };
            let other = |what| Change::Other { file: file.clone(), what };
            match what {
                What::Certificate(files) => {
                    let new = Certificate::read(&files, now);
                    match new.and_then(|new| better(known.get(&files), new, now)) {
                        Ok(new) => {
                            changes.push(taken(&new));
                            changes.extend(new.warnings.iter().cloned().map(Change::Warning));
                            replaced.insert(files, Arc::new(new));
                        }
                        Err(reason) => changes.push(refused(reason)),
                    }
                }
                What::Clients(name) => {
                    changes.extend(self.loaded.listeners.get(&name).map(|server| {
                        let read = server.read_clients_again();
                        read.map_or_else(refused, |()| other("authorities and revocation lists"))
                    }))
                }
                What::Tickets(name) => {
                    changes.extend(self.loaded.listeners.get(&name).map(|server| {
                        server
                            .secrets
                            .read_again()
                            .map_or_else(refused, |_| other("keys for tickets"))
                    }))
                }
                What::Pool(name) => changes.extend(self.loaded.pools.get(&name).map(|members| {
                    let read = members.read_again();
                    read.map_or_else(refused, |()| other("what members are believed by"))
                })),
            }
        }
        self.replace(&replaced, &mut changes);
        changes
    }

    /// Puts certificates in the place of those of the same files.
    fn replace(
        &self,
        replaced: &HashMap<CertificateFiles, Arc<Certificate>>,
        changes: &mut Vec<Change>,
    ) {
        for server in self.loaded.listeners.values() {
            let old = &server.serving().certificates;
            if !old.iter().any(|one| replaced.contains_key(&one.files)) {
                continue;
            }
            let new = old.iter().map(|one| replaced.get(&one.files).unwrap_or(one).clone());
            if let Err(reason) = server.replace_certificates(new.collect()) {
                changes.push(Change::Refused { file: server.name.to_string(), reason });
            }
        }
    }

    /// When certificates end, the first `most` to do so.
    pub fn expiries(&self, most: usize) -> Vec<Expiry> {
        let mut all = Vec::new();
        for (listener, server) in &self.loaded.listeners {
            for one in &server.serving().certificates {
                let Some(validity) = one.validity else { continue };
                let file = one.files.cert.display().to_string();
                all.push(Expiry { listener: listener.clone(), file, until: validity.until });
            }
        }
        all.sort_by(|a, b| (a.until, &a.file, &a.listener).cmp(&(b.until, &b.file, &b.listener)));
        all.truncate(most);
        all
    }

    /// Warnings about certificates that end soon, or have ended.
    pub fn ending(&self, now: u64) -> Vec<String> {
        let mut told = Vec::new();
        for (_, one) in self.known() {
            let Some(until) = one.ends_soon(now) else { continue };
            let verb = if until < now { "ended" } else { "ends" };
            let why = format!("the certificate {verb} on {}", x509::date(until));
            told.push(files::told(&one.files.cert, &why, one.renewing()));
        }
        told.sort_unstable();
        told
    }
}

/// The new certificate, unless it is worse than the old.
fn better(
    old: Option<&Arc<Certificate>>,
    new: Certificate,
    now: u64,
) -> Result<Certificate, String> {
    match new.validity {
        Some(validity) if new.is_over(now) && old.is_some_and(|old| !old.is_over(now)) => {
            let why = format!(
                "the new certificate ended on {}, the one in use has not",
                x509::date(validity.until)
            );
            Err(files::told(&new.files.cert, &why, "put a renewed certificate there"))
        }
        _ => Ok(new),
    }
}

fn taken(new: &Certificate) -> Change {
    let mut names = new.names.iter().take(NAMES_TOLD).cloned().collect::<Vec<_>>().join(", ");
    if new.names.len() > NAMES_TOLD {
        names.push_str(&format!(" and {} more", new.names.len() - NAMES_TOLD));
    }
    Change::Certificate {
        file: new.files.cert.display().to_string(),
        names,
        until: new.validity.map(|v| x509::date(v.until)).unwrap_or_default(),
    }
}

/// Reads certificates by as many threads as the machine runs, in order.
fn read_all(
    files: &[(&Name, &CertificateFiles)],
    read: impl Fn(&CertificateFiles) -> Result<Certificate, String> + Sync,
) -> Vec<Result<Certificate, String>> {
    let readers = thread::available_parallelism().map_or(1, usize::from).min(READERS_MAX);
    if files.len() < 2 * readers {
        return files.iter().map(|(_, files)| read(files)).collect();
    }
    let piece = files.len().div_ceil(readers);
    let pieces = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for (at, files) in files.chunks(piece).enumerate() {
            let (pieces, read) = (&pieces, &read);
            scope.spawn(move || {
                let done: Vec<_> = files.iter().map(|(_, files)| read(files)).collect();
                pieces.lock().unwrap_or_else(PoisonError::into_inner).push((at, done));
            });
        }
    });
    let mut pieces = pieces.into_inner().unwrap_or_else(PoisonError::into_inner);
    pieces.sort_by_key(|(at, _)| *at);
    pieces.into_iter().flat_map(|(_, done)| done).collect()
}

fn tickets_stamps(plan: &evenkeel_plan::ListenerTls) -> Vec<Stamp> {
    plan.ticket_keys.iter().map(|path| files::stamp(path)).collect()
}

fn watched(loaded: &Loaded) -> Vec<Watched> {
    let (mut all, mut known) = (Vec::new(), HashSet::new());
    let watch = |what, paths, stamps: &[Stamp]| Watched {
        what,
        paths,
        known: stamps.to_vec(),
        moving: None,
    };
    for (name, server) in &loaded.listeners {
        let serving = server.serving();
        for one in serving.certificates.iter().filter(|one| known.insert(one.files.clone())) {
            let CertificateFiles { cert, key, ocsp, .. } = one.files.clone();
            let paths = [cert, key].into_iter().chain(ocsp).collect();
            all.push(watch(What::Certificate(one.files.clone()), paths, &one.stamps));
        }
        if let (Some(clients), Some(plan)) = (&serving.clients, &server.plan.clients) {
            let paths = [&plan.ca].into_iter().chain(&plan.crl).cloned().collect();
            all.push(watch(What::Clients(name.clone()), paths, &clients.stamps));
        }
        if let Some(path) = &server.plan.ticket_keys {
            let paths = vec![path.clone()];
            all.push(watch(What::Tickets(name.clone()), paths, &server.tickets_stamps));
        }
    }
    for (name, members) in &loaded.pools {
        let paths: Vec<PathBuf> = member::paths(members.plan()).cloned().collect();
        if !paths.is_empty() {
            all.push(watch(What::Pool(name.clone()), paths, members.stamps()));
        }
    }
    all
}

impl Watched {
    /// Whether the files are other ones than those that were read, and still since the last look.
    fn is_ripe(&mut self) -> bool {
        let now: Vec<Stamp> = self.paths.iter().map(|path| files::stamp(path)).collect();
        if now == self.known {
            self.moving = None;
            return false;
        }
        if self.moving.as_ref() != Some(&now) {
            // A certificate and its key are not written in one moment.
            self.moving = Some(now);
            return false;
        }
        self.moving = None;
        self.known = now;
        true
    }

    fn told(&self) -> String {
        self.paths.first().map(|path| path.display().to_string()).unwrap_or_default()
    }
}
