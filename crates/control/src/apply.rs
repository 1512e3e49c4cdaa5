//! The walk of a change. Everything that can fail comes before the swap.

use std::path::PathBuf;
use std::sync::Arc;

use evenkeel_balance::Micros;
use evenkeel_net::clock;
use evenkeel_observe::access_log::CoreLog;
use evenkeel_observe::events::Event;
use evenkeel_plan::diff::Diff;
use evenkeel_plan::{Plan, check};
use evenkeel_proxy::core::{CoreCommand, Swap};
use evenkeel_proxy::snapshot::Snapshot;
use evenkeel_tls::{Loaded, Spoilt};
use tokio::sync::oneshot;

use crate::command::Refused;
use crate::controller::Controller;
use crate::heartbeat;
use crate::log::LogFile;
use crate::shared::Bound;
use crate::sockets::{self, Taken};

impl Controller {
    /// Serves by another plan and says what changed, or changes nothing and says why. Files that TLS
    /// goes by and that are good no longer: see [`Spoilt`].
    pub(crate) async fn apply(&mut self, plan: Plan, spoilt: Spoilt) -> Result<String, Refused> {
        let problems = check::check(&plan);
        if !problems.is_empty() {
            let lines: Vec<String> =
                problems.iter().map(|p| format!("error: {}", p.message)).collect();
            return Err(Refused::Configuration(lines.join("\n")));
        }
        let diff = Diff::between(&self.plan, &plan);
        let plan = Arc::new(plan);
        let cores = self.shared.cores();
        // Everything that can fail.
        let old = self.shared.snapshot();
        let tls = self.certificates.load(&plan, spoilt).await?;
        let snapshot = Arc::new(self.build(&plan, &old, &tls)?);
        let log_changes =
            plan.log != self.plan.log || (self.log.is_none() && plan.log.access.is_some());
        let log = match &plan.log.access {
            Some(access) if log_changes => {
                Some(LogFile::open(access, &self.shared).map_err(Refused::Runtime)?)
            }
            _ => None,
        };
        let opened = self.open_site_logs(&plan).map_err(Refused::Runtime)?;
        self.resolving.prepare(&snapshot).await;
        let bindings = self.sockets.bind(&plan.listeners, cores).map_err(|taken| {
            Refused::Runtime(taken.iter().map(Taken::tell).collect::<Vec<_>>().join("\n"))
        })?;
        let admin_changes = plan.admin != self.plan.admin;
        let admin = match &plan.admin {
            Some(admin) if admin_changes => Some(
                self.sockets.bind_admin(admin).map_err(|taken| Refused::Runtime(taken.tell()))?,
            ),
            _ => None,
        };
        let id_of = |name: &str| {
            snapshot.listeners.iter().find(|l| *l.plan.name == *name).map_or(0, |l| l.id)
        };
        let (open, close) = self
            .sockets
            .take(bindings, &plan.listeners, cores, id_of)
            .map_err(|error| Refused::Runtime(format!("listening sockets: {error}")))?;
        // The swap.
        let before = self.shared.bound();
        let finished = if log_changes { std::mem::replace(&mut self.log, log) } else { None };
        let unused = self.take_site_logs(&plan, opened);
        // What members said of themselves is known before the first request.
        let now = Micros(clock::now().0);
        snapshot.pools.iter().for_each(|pool| heartbeat::feed(pool, now));
        self.swap(&snapshot, open, &close).await;
        self.plan = plan;
        // The tail.
        self.shared.set_snapshot(snapshot.clone());
        self.certificates.adopt(tls);
        if admin_changes {
            self.shared.set_admin(admin);
        }
        self.publish_bound(&before);
        let now = Micros(clock::now().0);
        snapshot.pools.iter().for_each(|pool| pool.balance.refresh(now));
        self.schedule.sync(&snapshot);
        self.resolving.sync(&snapshot);
        self.orders.sync(&self.plan);
        finished.into_iter().chain(unused).for_each(LogFile::stop);
        let summary = summary(&diff);
        self.shared
            .tell(Event::Reloaded { generation: snapshot.generation, summary: summary.clone() });
        Ok(summary)
    }

    /// Opens the files of the logs of an httpd configuration that are not open yet.
    fn open_site_logs(&self, plan: &Plan) -> Result<Vec<(PathBuf, LogFile)>, String> {
        let paths = plan.sites.as_ref().map_or(&[][..], |sites| &sites.logs);
        let is_new = |path: &&PathBuf| !self.site_logs.iter().any(|(known, _)| known == *path);
        let open = |path: &PathBuf| Ok((path.clone(), LogFile::of_site(path, &self.shared)?));
        paths.iter().filter(is_new).map(open).collect()
    }

    /// Puts them in order; gives those back that nobody writes to any more.
    fn take_site_logs(&mut self, plan: &Plan, opened: Vec<(PathBuf, LogFile)>) -> Vec<LogFile> {
        let paths = plan.sites.as_ref().map_or(&[][..], |sites| &sites.logs);
        let mut open = std::mem::take(&mut self.site_logs);
        open.extend(opened);
        for path in paths {
            if let Some(at) = open.iter().position(|(known, _)| known == path) {
                self.site_logs.push(open.swap_remove(at));
            }
        }
        open.into_iter().map(|(_, log)| log).collect()
    }

    /// Makes the plan ready to serve.
    fn build(&self, plan: &Arc<Plan>, old: &Snapshot, tls: &Loaded) -> Result<Snapshot, Refused> {
        let names = &mut self.shared.names();
        Snapshot::build(plan.clone(), old, names, tls, clock::now()).map_err(|bad| {
            Refused::Configuration(format!("error: route \"{}\": {}", bad.route, bad.reason))
        })
    }

    /// Tells every core, and waits until each serves by the snapshot.
    async fn swap(
        &self,
        snapshot: &Arc<Snapshot>,
        open: Vec<Vec<evenkeel_proxy::core::Opened>>,
        close: &[u64],
    ) {
        let mut waiting = Vec::new();
        for (core, open) in self.shared.cores_list().iter().zip(open) {
            let (done, wait) = oneshot::channel();
            let log = self.log.as_ref().map(|log| CoreLog::new(log.format(), log.sender()));
            let of_site = |(_, log): &(_, LogFile)| CoreLog::new(log.format(), log.sender());
            let site_logs = self.site_logs.iter().map(of_site).collect();
            let (snapshot, close) = (snapshot.clone(), close.to_vec());
            let swap = Swap { snapshot, open, close, log, site_logs, done };
            if core.send(CoreCommand::Swap(Box::new(swap))).await.is_ok() {
                waiting.push(wait);
            }
        }
        for wait in waiting {
            // A core that ends instead (it cannot, but for a panic) serves nothing any more.
            let _ = wait.await;
        }
    }

    fn publish_bound(&self, before: &[Bound]) {
        let admin = self.plan.admin.as_ref().and_then(|_| self.sockets.admin_address());
        let admin = admin.map(|address| Bound {
            listener: "admin".to_owned(),
            protocol: "admin".to_owned(),
            address,
        });
        let bound: Vec<Bound> = sockets::wanted(&self.plan.listeners)
            .filter_map(|(key, _)| {
                let listener = self.plan.listener(&key.listener)?;
                Some(Bound {
                    listener: key.listener.clone(),
                    protocol: listener.protocol.name().to_owned(),
                    address: self.sockets.address(&key)?,
                })
            })
            .chain(admin)
            .collect();
        for new in bound.iter().filter(|b| !before.contains(b)) {
            let Bound { listener, protocol, address } = new.clone();
            self.shared.tell(Event::ListenerBound { protocol, listener, address });
        }
        for old in before.iter().filter(|b| !bound.contains(b)) {
            let Bound { listener, address, .. } = old.clone();
            self.shared.tell(Event::ListenerClosed { listener, address });
        }
        self.shared.set_bound(bound);
    }
}

/// What changed, in a few words.
fn summary(diff: &Diff) -> String {
    let mut parts = Vec::new();
    let mut part = |what: &str, names: &[evenkeel_plan::Name], verb: &str| {
        if !names.is_empty() {
            let listed: Vec<&str> = names.iter().take(5).map(|name| name.as_str()).collect();
            let rest = names.len().saturating_sub(5);
            let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
            parts.push(format!("{what} {verb}: {}{more}", listed.join(", ")));
        }
    };
    part("listeners", &diff.listeners_added, "added");
    part("listeners", &diff.listeners_changed, "changed");
    part("listeners", &diff.listeners_removed, "removed");
    part("pools", &diff.pools_added, "added");
    part("pools", &diff.pools_changed, "changed");
    part("pools", &diff.pools_removed, "removed");
    if diff.routes {
        parts.push("routes changed".to_owned());
    }
    if diff.process {
        parts.push("process settings changed".to_owned());
    }
    if parts.is_empty() { "nothing changed".to_owned() } else { parts.join("; ") }
}
