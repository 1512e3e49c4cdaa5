//! The controller: takes commands one at a time and carries each out to its end.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel_balance::Micros;
use evenkeel_net::clock;
use evenkeel_observe::access_log::Counters;
use evenkeel_observe::events::{Event, MemberChange};
use evenkeel_plan::{Cores, Member, Name, Plan};
use evenkeel_proxy::core::{CoreCommand, PageAsked};
use evenkeel_tls::Spoilt;
use tokio::sync::mpsc;

use crate::certificates::Certificates;
use crate::command::{Command, Handle, MemberPatch, Refused};
use crate::log::LogFile;
use crate::orders::Orders;
use crate::pages::Nonces;
use crate::resolve::Resolving;
use crate::schedule::Schedule;
use crate::shared::Shared;
use crate::sockets::Sockets;
use crate::{cores, heartbeat, notify, upgrade};

/// Commands that wait for the controller at most.
const COMMANDS: usize = 256;
/// Questions for httpd's pages that wait at most; beyond, they are answered 503.
const PAGES: usize = 32;
/// Running out of descriptors is told this often at most.
const EXHAUSTED_AGAIN: Duration = Duration::from_secs(10);
/// How often slow start, ejections and budgets are looked at.
const TICK: Duration = Duration::from_millis(250);

/// Where plans come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file of our own format, read again at every reload.
    File(PathBuf),
    /// An Apache configuration, read again at every reload.
    Apache(PathBuf, evenkeel_config::ApacheOptions),
    /// A plan made in memory; a reload takes it again.
    Plan(Box<Plan>),
}

impl Source {
    /// Reads the plan. The error is the rendered diagnostics; warnings of a good plan come along.
    pub fn load(&self) -> Result<(Plan, String), String> {
        let env = |name: &str| std::env::var(name).ok();
        let loaded = match self {
            Source::Plan(plan) => return Ok(((**plan).clone(), String::new())),
            Source::File(path) => evenkeel_config::load(path, &env),
            Source::Apache(path, options) => evenkeel_config::load_apache(path, options, &env).0,
        };
        let text = evenkeel_config::render(&loaded.diagnostics, &loaded.sources, false);
        loaded.plan.map(|plan| (plan, text.clone())).ok_or(text)
    }
}

/// What a controller starts from.
pub struct Start {
    /// Where plans come from.
    pub source: Source,
    /// The first plan, already loaded.
    pub plan: Plan,
    /// Sockets from the process before this one, or from systemd.
    pub inherited: BTreeMap<String, Vec<OwnedFd>>,
    /// The start of the random numbers.
    pub seed: u64,
    /// The secrets of TLS sessions are written to the file that the environment variable
    /// SSLKEYLOGFILE names; without this it is ignored.
    pub key_log: bool,
}

/// How a controller ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// Everything was finished.
    Drained,
    /// Time was over, or the order was to stop at once.
    Cut,
}

/// The only writer.
pub struct Controller {
    pub(crate) source: Source,
    pub(crate) plan: Arc<Plan>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) sockets: Sockets,
    pub(crate) log: Option<LogFile>,
    /// The files of logs that httpd's configuration asks for, in its order.
    pub(crate) site_logs: Vec<(PathBuf, LogFile)>,
    pub(crate) schedule: Schedule,
    pub(crate) resolving: Resolving,
    pub(crate) certificates: Certificates,
    pub(crate) orders: Orders,
    /// How often descriptors had run out when it was last told, and when that was.
    exhausted: (u64, evenkeel_net::Micros),
    /// Pools without a usable member, as far as was told.
    down: HashSet<Name>,
    threads: Vec<JoinHandle<()>>,
    commands: mpsc::Receiver<Command>,
    pages: mpsc::Receiver<PageAsked>,
    pub(crate) nonces: Nonces,
}

impl Controller {
    /// Starts the cores and serves by the first plan. To be called on a `LocalRuntime`.
    ///
    /// # Errors
    /// What kept it from serving, in words.
    pub async fn start(start: Start) -> Result<(Controller, Handle), Refused> {
        let runtime = |error: io::Error| Refused::Runtime(format!("no threads: {error}"));
        let count = match start.plan.server.cores {
            Cores::Count(0) => 1,
            other => cores::count(other),
        };
        let (page_sender, pages) = mpsc::channel(PAGES);
        let cores::Started { senders, threads } =
            cores::start(count, start.seed, &page_sender).map_err(runtime)?;
        let shared = Arc::new(Shared::new(senders));
        let (sender, commands) = mpsc::channel(COMMANDS);
        let handle = Handle::new(sender, shared.clone());
        let certificates = Certificates::new(shared.clone(), start.key_log);
        let orders = Orders::new(shared.clone(), certificates.proofs());
        let mut controller = Controller {
            source: start.source,
            plan: Arc::default(),
            shared: shared.clone(),
            sockets: Sockets::new(start.inherited),
            log: None,
            site_logs: Vec::new(),
            schedule: Schedule::new(shared.clone()),
            resolving: Resolving::new(shared),
            certificates,
            orders,
            exhausted: (0, evenkeel_net::Micros(0)),
            down: HashSet::new(),
            threads,
            commands,
            pages,
            nonces: Nonces::default(),
        };
        let version = env!("CARGO_PKG_VERSION").to_owned();
        controller.shared.tell(Event::Started { version, pid: std::process::id() });
        let mut plan = start.plan;
        let saved = Controller::restore(&mut plan);
        controller.apply(plan, Spoilt::Refuse).await?;
        controller.count_on(&saved);
        controller.shared.ready.store(true, Relaxed);
        Ok((controller, handle))
    }

    /// Carries out commands until the order to end.
    pub async fn run(mut self) -> Ended {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let command = tokio::select! {
                _ = tick.tick() => { self.tick(); continue }
                Some(asked) = self.pages.recv() => { self.page(asked).await; continue }
                command = self.commands.recv() => command,
            };
            match command {
                Some(Command::Reload(reply)) => drop(reply.send(self.reload().await)),
                Some(Command::Patch(pool, member, patch, reply)) => {
                    drop(reply.send(self.patch(&pool, &member, patch)));
                }
                Some(Command::Add(pool, member, reply)) => {
                    drop(reply.send(self.add(&pool, *member).await))
                }
                Some(Command::Remove(pool, member, reply)) => {
                    drop(reply.send(self.remove(&pool, &member).await))
                }
                Some(Command::ReopenLogs) => self.reopen_logs(),
                Some(Command::Upgrade) => {
                    self.save();
                    if self.upgrade().await {
                        return self.drain().await;
                    }
                }
                Some(Command::Drain) => return self.drain().await,
                Some(Command::Stop) | None => {
                    self.save();
                    return Ended::Cut;
                }
            }
        }
    }

    fn tick(&mut self) {
        let now = Micros(clock::now().0);
        for pool in &self.shared.snapshot().pools {
            heartbeat::feed(pool, now);
            let changes = pool.balance.tick(now);
            self.schedule.tell_changes(pool, changes);
            let usable = pool.balance.members().iter().any(|member| member.is_usable(now));
            let name = || pool.plan.name.to_string();
            if !usable && self.down.insert(pool.plan.name.clone()) {
                self.shared.tell(Event::PoolDown { pool: name() });
            } else if usable && self.down.remove(&pool.plan.name) {
                self.shared.tell(Event::PoolUp { pool: name() });
            }
        }
        self.tell_exhaustion();
        let mut written = Counters::default();
        for log in self.logs() {
            written.add(log.counters());
        }
        self.shared.set_log_counters(written);
    }

    /// One line now and then, however often it happens.
    fn tell_exhaustion(&mut self) {
        let (times, now) = (evenkeel_proxy::EXHAUSTED.load(Relaxed), clock::now());
        let (told, when) = self.exhausted;
        if times > told && now.since(when) >= EXHAUSTED_AGAIN {
            self.exhausted = (times, now);
            self.shared.tell(Event::DescriptorsExhausted { times: times - told });
        }
    }

    async fn reload(&mut self) -> Result<String, Refused> {
        notify::tell(&notify::reloading());
        let result = match self.source.load() {
            Err(text) => Err(Refused::Configuration(text)),
            Ok((mut plan, warnings)) => {
                if !warnings.is_empty() {
                    tracing::warn!("{warnings}");
                }
                // What was ordered outlives a reload too, where it outlives a restart.
                self.save();
                Controller::restore(&mut plan);
                self.apply(plan, Spoilt::Refuse).await
            }
        };
        match &result {
            Ok(summary) => self.shared.reload_ended(true, summary.clone()),
            Err(refused) => {
                let text = refused.to_string();
                let first =
                    text.lines().find(|line| !line.trim().is_empty()).unwrap_or("").to_owned();
                let errors =
                    text.lines().filter(|line| line.starts_with("error")).count().max(1) as u64;
                self.shared.reload_ended(false, first.clone());
                self.shared.tell(Event::ReloadFailed { errors, first });
                tracing::error!("{text}");
            }
        }
        notify::tell("READY=1");
        result
    }

    fn patch(&self, pool_name: &Name, member: &Name, patch: MemberPatch) -> Result<(), Refused> {
        let snapshot = self.shared.snapshot();
        let pool = snapshot.pool(pool_name).ok_or_else(|| no_pool(&self.plan, pool_name))?;
        let at = pool.plan.member_index(member).ok_or_else(|| no_member(&pool.plan, member))?;
        let now = Micros(clock::now().0);
        let tell = |change| {
            let (pool, member) = (pool_name.to_string(), pool.plan.members[at].tag.to_string());
            self.shared.tell(Event::Member { pool, member, change });
        };
        if let Some(state) = patch.state {
            pool.balance.set_state(at, state, now);
            tell(MemberChange::State { state: state.name().to_owned() });
        }
        if let Some(weight) = patch.weight {
            pool.balance.set_weight(at, weight, now);
            tell(MemberChange::Weight { weight: f64::from(weight.hundredths()) / 100.0 });
        }
        Ok(())
    }

    async fn add(&mut self, pool_name: &Name, member: Member) -> Result<(), Refused> {
        let mut plan = (*self.plan).clone();
        let pool = plan.pool_mut(pool_name).ok_or_else(|| no_pool(&self.plan, pool_name))?;
        if pool.members.iter().any(|m| m.tag == member.tag || m.address == member.address) {
            return Err(Refused::Invalid(format!("pool \"{pool_name}\" has this member already")));
        }
        let (tag, address) = (member.tag.to_string(), member.address.to_string());
        pool.members.push(member);
        self.apply(plan, Spoilt::Keep).await?;
        let change = MemberChange::Added { address };
        self.shared.tell(Event::Member { pool: pool_name.to_string(), member: tag, change });
        Ok(())
    }

    async fn remove(&mut self, pool_name: &Name, member: &Name) -> Result<(), Refused> {
        let mut plan = (*self.plan).clone();
        let pool = plan.pool_mut(pool_name).ok_or_else(|| no_pool(&self.plan, pool_name))?;
        let at = pool.member_index(member).ok_or_else(|| no_member(pool, member))?;
        let tag = pool.members.remove(at).tag.to_string();
        self.apply(plan, Spoilt::Keep).await?;
        let pool = pool_name.to_string();
        self.shared.tell(Event::Member { pool, member: tag, change: MemberChange::Removed });
        Ok(())
    }

    /// All access logs.
    fn logs(&self) -> impl Iterator<Item = &LogFile> {
        self.log.iter().chain(self.site_logs.iter().map(|(_, log)| log))
    }

    fn reopen_logs(&self) {
        self.logs().for_each(LogFile::reopen);
        self.shared.tell(Event::LogsReopened);
    }

    /// Starts the next process and waits until it serves. False: it did not, all stays as it is.
    async fn upgrade(&self) -> bool {
        match upgrade::start(&self.sockets, &self.shared).await {
            Ok(()) => true,
            Err(reason) => {
                self.shared.tell(Event::UpgradeFailed { reason });
                false
            }
        }
    }

    /// Accepts no more, waits for what is under way, at most for the drain time.
    async fn drain(mut self) -> Ended {
        let time = self.plan.server.drain_timeout;
        self.shared.draining.store(true, Relaxed);
        notify::tell("STOPPING=1");
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.shared.tell(Event::DrainStarted { millis });
        self.orders.stop();
        // The cores' own ones still serve what waits in their queues.
        self.sockets.let_go();
        for core in self.shared.cores_list() {
            // A core that has ended already needs no telling.
            let _ = core.send(CoreCommand::Drain).await;
        }
        let until = clock::after(clock::now(), time);
        while clock::now() < until && self.threads.iter().any(|thread| !thread.is_finished()) {
            tokio::select! {
                () = clock::sleep(Duration::from_millis(10)) => {}
                command = self.commands.recv() => match command {
                    Some(Command::Stop) | None => break,
                    Some(Command::Reload(reply)) => drop(reply.send(Err(Refused::Gone))),
                    Some(_) => {}
                },
            }
        }
        self.save();
        let cut = self.threads.iter().any(|thread| !thread.is_finished());
        let mut open = 0;
        if cut {
            open = self.shared.reports().await.iter().map(|report| report.sessions as u64).sum();
        }
        self.shared.tell(Event::DrainEnded { cut: open });
        let site_logs = self.site_logs.drain(..).map(|(_, log)| log);
        self.log.take().into_iter().chain(site_logs).for_each(LogFile::stop);
        if cut { Ended::Cut } else { Ended::Drained }
    }
}

fn no_pool(plan: &Plan, name: &Name) -> Refused {
    let near = evenkeel_plan::check::nearest(name, plan.pools.iter().map(|pool| &*pool.name));
    let help = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
    Refused::NotFound(format!("no pool is named \"{name}\"{help}"))
}

fn no_member(pool: &evenkeel_plan::Pool, name: &Name) -> Refused {
    let near = evenkeel_plan::check::nearest(name, pool.members.iter().map(|member| &*member.tag));
    let help = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
    Refused::NotFound(format!("pool \"{}\" has no member \"{name}\"{help}", pool.name))
}
