//! One core: one thread, one event loop, its own sockets, connections, counters and buffers.
//! Nothing here is shared; the controller speaks to it through a queue of [`CoreCommand`]s.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_balance::Rng;
use evenkeel_net::udp::UdpSocket;
use evenkeel_net::{Listener, Micros, clock};
use evenkeel_observe::access_log::CoreLog;
use evenkeel_observe::metrics::{self, CoreMetrics};
use evenkeel_plan::Protocol;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::accept;
use crate::connections::Connections;
use crate::handshakes::Handshakes;
use crate::http::scratch::Scratch;
use crate::http2::members::Members;
use crate::http2::offenders::Offenders;
use crate::http2::workers::Workers;
use crate::sessions::Sessions;
use crate::snapshot::Snapshot;
use crate::udp;

/// What the controller tells a core.
pub enum CoreCommand {
    /// Serve by another snapshot from now on.
    Swap(Box<Swap>),
    /// Report what was counted.
    Report(oneshot::Sender<Report>),
    /// Stop accepting, finish what is under way; the core ends when nothing is left.
    Drain,
}

/// A change of what a core serves.
pub struct Swap {
    /// What to serve by.
    pub snapshot: Arc<Snapshot>,
    /// Sockets to accept on from now on.
    pub open: Vec<Opened>,
    /// Sockets to accept on no more; what waits in their queues is still served.
    pub close: Vec<u64>,
    /// The access log; `None`: no lines are written.
    pub log: Option<CoreLog>,
    /// The files of the logs that httpd's configuration asks for, in their order.
    pub site_logs: Vec<CoreLog>,
    /// Told when the core serves by the snapshot.
    pub done: oneshot::Sender<()>,
}

/// A listening socket for a core.
pub struct Opened {
    /// The controller's number of the socket.
    pub id: u64,
    /// The listener's number.
    pub listener: u32,
    /// The socket.
    pub socket: OwnedFd,
}

/// A question for one of httpd's pages, which the controller makes.
#[derive(Debug)]
pub struct PageAsked {
    /// Which page.
    pub handler: evenkeel_httpd::Handler,
    /// The server, by position in [`evenkeel_httpd::Sites`].
    pub site: usize,
    /// The request's method.
    pub method: Vec<u8>,
    /// Its path, decoded.
    pub path: Vec<u8>,
    /// Its query.
    pub query: Option<Vec<u8>>,
    /// `http://host:port` as the client sees us.
    pub origin: Vec<u8>,
    /// The `Referer` field.
    pub referer: Option<Vec<u8>>,
    /// The server's name as the client sees it.
    pub server: String,
    /// The beginning of the body.
    pub body: Vec<u8>,
    /// Where the answer goes.
    pub reply: oneshot::Sender<PageAnswer>,
}

/// A page.
#[derive(Debug)]
pub struct PageAnswer {
    /// The status.
    pub status: u16,
    /// Its type.
    pub content_type: &'static str,
    /// Its text.
    pub body: String,
    /// Methods that are allowed, for 405.
    pub allow: Option<&'static str>,
}

/// What a core counted.
#[derive(Debug)]
pub struct Report {
    /// Its counters.
    pub metrics: metrics::Snapshot,
    /// Client connections that are open.
    pub sessions: usize,
    /// Idle connections to members.
    pub idle_connections: usize,
}

/// The state of one core.
pub(crate) struct Core {
    /// How many cores there are; limits of listeners are shared out evenly.
    pub(crate) cores: usize,
    snapshot: RefCell<Rc<Serving>>,
    pub(crate) connections: RefCell<Connections>,
    /// Connections to members that speak HTTP/2.
    pub(crate) members: Rc<Members>,
    pub(crate) metrics: RefCell<CoreMetrics>,
    pub(crate) log: RefCell<Option<CoreLog>>,
    pub(crate) site_logs: RefCell<Vec<CoreLog>>,
    pub(crate) rng: RefCell<Rng>,
    pub(crate) sessions: Sessions,
    pub(crate) handshakes: Handshakes,
    pub(crate) offenders: Offenders,
    pub(crate) workers: Workers,
    /// When idle sessions end, once the core drains.
    drain_idle: Cell<Option<Micros>>,
    goodbye: Cell<Option<Micros>>,
    connection_next: Cell<u64>,
    #[allow(
        clippy::vec_box,
        reason = "sessions hold them by pointer; moving them would copy kilobytes"
    )]
    scratch: RefCell<Vec<Box<Scratch>>>,
    date: RefCell<Date>,
    accepting: RefCell<HashMap<u64, Rc<Notify>>>,
    /// Where httpd's pages are made.
    pub(crate) pages: Option<mpsc::Sender<PageAsked>>,
}

/// The snapshot in use, counted by this core alone: exchanges hold on to it without touching what
/// cores share.
pub(crate) struct Serving(Arc<Snapshot>);

impl Deref for Serving {
    type Target = Snapshot;
    fn deref(&self) -> &Snapshot {
        &self.0
    }
}

/// Scratch spaces kept for reuse; each holds some kilobytes.
const SCRATCH_STOCK: usize = 256;
/// A client between two requests cannot know that the core drains; one that sends its next request
/// within this time is still answered, and told to close.
const DRAIN_IDLE: Duration = Duration::from_secs(1);
/// How long after a drain began clients are told to go whose connections carry many requests. By
/// then no core accepts any more: who comes again at once is refused and goes elsewhere, and is not
/// reset in the queue of a socket that closes.
const GOODBYE: Duration = Duration::from_millis(200);
/// How often idle connections are looked through and log lines sent on.
const SWEEP: Duration = Duration::from_millis(200);

/// Runs a core until it has drained. To be run on a `LocalRuntime` of its own thread.
/// `index` counts the `cores` from 0; `seed` starts the core's random numbers.
/// Questions for pages go to `pages`.
pub async fn run(
    index: usize,
    cores: usize,
    seed: u64,
    mut commands: mpsc::Receiver<CoreCommand>,
    pages: mpsc::Sender<PageAsked>,
) {
    let core = Rc::new(Core { pages: Some(pages), ..Core::new(index, cores, seed) });
    let sweeper = tokio::task::spawn_local(sweep(core.clone()));
    while let Some(command) = commands.recv().await {
        match command {
            CoreCommand::Swap(swap) => core.swap(*swap),
            // Whoever asked may have given up waiting.
            CoreCommand::Report(reply) => drop(reply.send(core.told().await)),
            CoreCommand::Drain => break,
        }
    }
    core.drain();
    loop {
        tokio::select! {
            () = core.sessions.ended() => break,
            command = commands.recv() => match command {
                Some(CoreCommand::Report(reply)) => drop(reply.send(core.told().await)),
                Some(CoreCommand::Swap(swap)) => swap.done.send(()).unwrap_or(()),
                Some(CoreCommand::Drain) => {}
                // The controller is gone: it has given up on what is left.
                None => break,
            },
        }
    }
    sweeper.abort();
    core.flush_log();
}

impl Core {
    /// A core that serves nothing yet.
    pub(crate) fn new(index: usize, cores: usize, seed: u64) -> Core {
        Core {
            cores: cores.max(1),
            snapshot: RefCell::new(Rc::new(Serving(Arc::new(Snapshot::empty())))),
            connections: RefCell::default(),
            members: Rc::default(),
            metrics: RefCell::new(CoreMetrics::new()),
            log: RefCell::new(None),
            site_logs: RefCell::default(),
            rng: RefCell::new(Rng::new(seed)),
            sessions: Sessions::default(),
            handshakes: Handshakes::default(),
            offenders: Offenders::default(),
            workers: Workers::default(),
            drain_idle: Cell::new(None),
            goodbye: Cell::new(None),
            connection_next: Cell::new(index as u64),
            scratch: RefCell::default(),
            date: RefCell::default(),
            accepting: RefCell::default(),
            pages: None,
        }
    }

    /// What to serve by.
    pub(crate) fn snapshot(&self) -> Rc<Serving> {
        self.snapshot.borrow().clone()
    }

    /// Whether the core finishes what is under way and takes nothing new.
    pub(crate) fn is_draining(&self) -> bool {
        self.drain_idle.get().is_some()
    }

    /// When idle sessions end; `None` while the core does not drain.
    pub(crate) fn idle_ends(&self) -> Option<Micros> {
        self.drain_idle.get()
    }

    /// When clients are told to go whose connections carry many requests; `None` while the core does
    /// not drain.
    pub(crate) fn goodbye(&self) -> Option<Micros> {
        self.goodbye.get()
    }

    /// A number for a new connection, unique in the process.
    pub(crate) fn next_connection(&self) -> u64 {
        let number = self.connection_next.get();
        self.connection_next.set(number.wrapping_add(self.cores as u64));
        number
    }

    pub(crate) fn random(&self) -> u64 {
        self.rng.borrow_mut().next()
    }

    /// Serves by a snapshot from now on.
    pub(crate) fn serve_by(&self, snapshot: Arc<Snapshot>) {
        *self.snapshot.borrow_mut() = Rc::new(Serving(snapshot));
    }

    fn swap(self: &Rc<Core>, swap: Swap) {
        self.flush_log();
        *self.log.borrow_mut() = swap.log;
        *self.site_logs.borrow_mut() = swap.site_logs;
        self.serve_by(swap.snapshot);
        for id in swap.close {
            if let Some(stop) = self.accepting.borrow_mut().remove(&id) {
                stop.notify_one();
            }
        }
        for opened in swap.open {
            let (id, listener) = (opened.id, opened.listener);
            match self.open(opened) {
                Ok(stop) => drop(self.accepting.borrow_mut().insert(id, stop)),
                // Joining a bound socket to the event loop fails only when epoll is out of memory
                // or watches; the other cores' sockets on the address serve on.
                Err(_) => self.metrics.borrow_mut().refused(listener, "socket-lost"),
            }
        }
        // Idle sessions of a listener that went should not wait for their time-out.
        self.sessions.wake_all();
        // Nobody may wait for the answer any more.
        let _ = swap.done.send(());
    }

    /// Serves what comes to the socket, until told to stop.
    fn open(self: &Rc<Core>, opened: Opened) -> std::io::Result<Rc<Notify>> {
        let stop = Rc::new(Notify::new());
        let snapshot = self.snapshot();
        let protocol = snapshot.listener(opened.listener).map(|listener| listener.plan.protocol);
        let (core, number, told) = (self.clone(), opened.listener, stop.clone());
        if protocol == Some(Protocol::Udp) {
            let socket = UdpSocket::new(opened.socket)?;
            tokio::task::spawn_local(udp::run(core, number, socket, told));
        } else {
            let socket = Listener::new(opened.socket)?;
            tokio::task::spawn_local(accept::run(core, number, socket, told));
        }
        Ok(stop)
    }

    pub(crate) fn drain(&self) {
        self.drain_idle.set(Some(clock::after(clock::now(), DRAIN_IDLE)));
        self.goodbye.set(Some(clock::after(clock::now(), GOODBYE)));
        for (_, stop) in self.accepting.borrow_mut().drain() {
            stop.notify_one();
        }
        self.connections.borrow_mut().clear();
        self.members.clear();
        self.sessions.wake_all();
    }

    /// A report in which everything is told.
    async fn told(&self) -> Report {
        self.sessions.tell();
        tokio::task::yield_now().await;
        self.report()
    }

    pub(crate) fn report(&self) -> Report {
        Report {
            metrics: self.metrics.borrow().snapshot(),
            sessions: self.sessions.open(),
            idle_connections: self.connections.borrow().len() + self.members.len(),
        }
    }

    fn flush_log(&self) {
        if let Some(log) = self.log.borrow_mut().as_mut() {
            log.flush();
        }
        self.site_logs.borrow_mut().iter_mut().for_each(CoreLog::flush);
    }

    /// A space to work in, used or new.
    pub(crate) fn take_scratch(&self) -> Box<Scratch> {
        self.scratch.borrow_mut().pop().unwrap_or_default()
    }

    /// Gives a space back.
    pub(crate) fn keep_scratch(&self, mut scratch: Box<Scratch>) {
        let mut stock = self.scratch.borrow_mut();
        if stock.len() < SCRATCH_STOCK {
            scratch.reset();
            stock.push(scratch);
        }
    }

    /// Appends the `Date` value for now; formatted once a second.
    pub(crate) fn write_date(&self, out: &mut Vec<u8>) {
        let second = clock::wall().as_secs();
        let mut date = self.date.borrow_mut();
        if date.second != second {
            date.second = second;
            let at = std::time::UNIX_EPOCH + Duration::from_secs(second);
            date.text = httpdate::fmt_http_date(at);
        }
        out.extend_from_slice(date.text.as_bytes());
    }
}

#[derive(Default)]
struct Date {
    second: u64,
    text: String,
}

async fn sweep(core: Rc<Core>) {
    let mut turn = 0_u32;
    loop {
        clock::sleep(SWEEP).await;
        turn = turn.wrapping_add(1);
        let wall = u64::try_from(clock::wall().as_millis()).unwrap_or(0);
        let (mut log, mut site_logs) = (core.log.borrow_mut(), core.site_logs.borrow_mut());
        log.iter_mut().chain(&mut *site_logs).for_each(|log| log.tick(wall));
        drop((log, site_logs));
        core.sessions.end_orphans();
        core.sessions.tell();
        if turn.is_multiple_of(5) {
            let snapshot = core.snapshot();
            let lives = |key| {
                snapshot.pools.iter().any(|p| p.members.iter().any(|m| m.targets.key() == key))
            };
            core.connections.borrow_mut().sweep(clock::now(), lives);
            core.members.sweep(clock::now(), lives);
        }
    }
}
