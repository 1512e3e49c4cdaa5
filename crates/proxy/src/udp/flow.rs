use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use evenkeel_balance::{
    Ask, Bound, Guard, Health, Micros as BalanceMicros, NoMember, Outcome, Tried,
};
use evenkeel_net::connect::Target;
use evenkeel_net::udp::{self, Batch, Message, Run, UdpSocket};
use evenkeel_net::{Micros, Peer, clock, limits};
use evenkeel_observe::access_log::Affinity as Logged;
use evenkeel_observe::metrics::Dial;
use evenkeel_plan::{MemberPort, MemberState, RetryOn, Source};
use evenkeel_wire::udp_flow::FlowId;
use tokio::task::AbortHandle;

use super::Front;
use crate::cause::Failure;
use crate::key::{client_bound, client_key};
use crate::layer4::{self, Tally, Whose};
use crate::sessions::Place;
use crate::snapshot::{PoolRt, Snapshot};

thread_local! {
    /// Where answers are received: one for all flows of the core, as each is passed on at once.
    static ANSWERS: RefCell<Batch> = RefCell::new(Batch::new());
}

/// The datagrams of one client address and port, and the member they go to.
pub(super) struct Flow {
    client: SocketAddr,
    /// The address that the client sent to; answers come from it.
    local: Option<IpAddr>,
    upstream: UdpSocket,
    pool: Arc<PoolRt>,
    /// The member's position in its pool.
    member: usize,
    /// The number of the member, the same over reloads.
    key: u64,
    guard: RefCell<Option<Guard>>,
    /// The generation of the plan in which the member was last found.
    generation: Cell<u64>,
    tried: Tried,
    /// A datagram was refused: nobody listens at the member.
    refused: Cell<bool>,
    began: Micros,
    number: u64,
    /// Answers that are still expected, where they are counted.
    expected: Cell<Option<u64>>,
    tally: RefCell<Tally>,
    task: RefCell<Option<AbortHandle>>,
    _place: Place,
}

/// Whether more answers of a flow are expected.
pub(super) enum Answered {
    More,
    Done,
}

/// A flow for a client: picks a member and connects to it.
pub(super) fn open(
    front: &Front,
    first: &Message<'_>,
    mut tried: Tried,
    tally: &mut Tally,
) -> Result<Flow, Failure> {
    let client = first.peer;
    let snapshot = front.core.snapshot();
    let listener = snapshot.listener(front.listener).ok_or(Failure::NO_MEMBER)?;
    tally.listener = Some(listener.plan.name.clone());
    let route = snapshot.fallback(listener);
    tally.route = route.map(|route| (route.name.clone(), route.id));
    let pool = route.and_then(|route| route.pool()).cloned().ok_or(Failure::NO_MEMBER)?;
    tally.pool = Some(pool.clone());
    let hash = client_key(Some(client.ip()));
    let by_id = listener.quic().and_then(|ids| ids.find(&pool, first.bytes));
    let bound = client_bound(&pool, hash, by_id.as_ref());
    let many = listener.plan.udp.responses.is_none();
    let wanted = Wanted { pool: &pool, client, hash, bound, many };
    let (guard, upstream, key) = wanted.member(front, &mut tried, tally)?;
    let expected = listener.plan.udp.responses.map(|_| 0);
    if expected.is_none() {
        // Datagrams may go one way only: silence says nothing about the member.
        guard.first_byte(BalanceMicros(clock::now().0));
    }
    Ok(Flow {
        client,
        local: first.local,
        upstream,
        member: guard.index(),
        key,
        pool,
        guard: RefCell::new(Some(guard)),
        generation: Cell::new(snapshot.generation),
        tried,
        refused: Cell::new(false),
        began: clock::now(),
        number: front.core.next_connection(),
        expected: Cell::new(expected),
        tally: RefCell::new(std::mem::take(tally)),
        task: RefCell::new(None),
        _place: Place::take(front.core.clone(), front.listener),
    })
}

/// What a flow asks of its pool.
struct Wanted<'a> {
    pool: &'a PoolRt,
    client: SocketAddr,
    hash: u64,
    bound: Bound<'a>,
    /// Many datagrams are expected.
    many: bool,
}

impl Wanted<'_> {
    /// A member that could be connected to, and its number.
    fn member(
        &self,
        front: &Front,
        tried: &mut Tried,
        tally: &mut Tally,
    ) -> Result<(Guard, UdpSocket, u64), Failure> {
        let pool = self.pool;
        loop {
            let now = BalanceMicros(clock::now().0);
            let ask = Ask { now, key: self.hash, bound: self.bound, tried };
            let picked = pool.balance.pick(&ask, &mut front.core.rng.borrow_mut());
            let pick = picked.map_err(|why| match why {
                NoMember::AllBusy => Failure::QUEUE_FULL,
                NoMember::Empty | NoMember::AllDown => Failure::NO_MEMBER,
            })?;
            tally.attempts += 1;
            tally.affinity = if pick.bound { Logged::Kept } else { Logged::None };
            let at = pick.guard.index();
            tally.member = Some(at);
            let connected = connect(front, pool, at, self.client, self.many);
            let dial = if connected.is_ok() { Dial::New } else { Dial::Failed };
            front.core.metrics.borrow_mut().dialed(pool.id, dial);
            let failure = match connected {
                Ok((upstream, key)) => return Ok((pick.guard, upstream, key)),
                Err(failure) => failure,
            };
            let ours = failure == Failure::LOCAL_LIMIT;
            let outcome = if ours { Outcome::Aborted } else { Outcome::ConnectFailed };
            pick.guard.report(outcome, now);
            tried.add(at);
            let retry = &pool.plan.retry;
            let again = tally.attempts <= u32::from(retry.attempts)
                && retry.on.contains(&RetryOn::Connect)
                && !ours
                && pool.balance.retry_allowed(now);
            if !again {
                return Err(failure);
            }
        }
    }
}

fn connect(
    front: &Front,
    pool: &PoolRt,
    at: usize,
    client: SocketAddr,
    many: bool,
) -> Result<(UdpSocket, u64), Failure> {
    let member = pool.members.get(at).ok_or(Failure::NO_MEMBER)?;
    let Some(Target::Tcp(mut address)) = member.targets.next() else {
        return Err(Failure::UNRESOLVED);
    };
    if pool.plan.port == MemberPort::Listener {
        address.set_port(front.port);
    }
    let source = match pool.plan.source {
        Source::System => None,
        Source::Address(ip) => Some(SocketAddr::new(ip, 0)),
        Source::Client => Some(client),
    };
    let transparent = pool.plan.source == Source::Client;
    match UdpSocket::connect(address, &udp::Connect { source, transparent, many }) {
        Ok(socket) => Ok((socket, member.targets.key())),
        Err(error) if limits::is_exhaustion(&error) => Err(Failure::LOCAL_LIMIT),
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => Err(Failure::LOCAL_LIMIT),
        Err(_) => Err(Failure::CONNECT_FAILED),
    }
}

impl Flow {
    /// Starts to carry answers back.
    pub(super) fn begin(self: &Rc<Flow>, front: Rc<Front>, id: FlowId) {
        let task = tokio::task::spawn_local(answers(front, self.clone(), id));
        *self.task.borrow_mut() = Some(task.abort_handle());
    }

    /// Members that this client's datagrams need not try again.
    pub(super) fn tried(&self) -> Tried {
        let mut tried = self.tried.clone();
        if self.refused.get() {
            tried.add(self.member);
        }
        tried
    }

    /// Whether its member may have further datagrams.
    pub(super) fn is_good(&self, front: &Front) -> bool {
        if self.refused.get() {
            return false;
        }
        let guard = self.guard.borrow();
        let Some(guard) = &*guard else { return false };
        let member = guard.member();
        if member.health() == Health::Down || member.state() == MemberState::Disabled {
            return false;
        }
        let snapshot = front.core.snapshot();
        if self.generation.get() != snapshot.generation {
            if !self.is_planned(front, &snapshot) {
                return false;
            }
            self.generation.set(snapshot.generation);
        }
        true
    }

    /// Whether the plan still has the member in the listener's pool.
    fn is_planned(&self, front: &Front, snapshot: &Snapshot) -> bool {
        let listener = snapshot.listener(front.listener);
        let route = listener.and_then(|listener| snapshot.fallback(listener));
        let pool = route.and_then(|route| route.pool());
        pool.is_some_and(|pool| pool.members.iter().any(|m| m.targets.key() == self.key))
    }

    /// Sends the client's datagrams to the member.
    pub(super) fn send(&self, front: &Front, run: &Run<'_>, now: Micros) {
        match self.upstream.try_send(run.slices, run.first.segment, None, None) {
            Ok(sent) => {
                if let (Some(expected), Some(each)) = (self.expected.get(), front.responses()) {
                    self.expected.set(Some(expected + sent as u64 * u64::from(each)));
                }
                let bytes = size(run);
                self.tally.borrow_mut().up += bytes;
                self.tell(front, bytes, 0);
            }
            Err(error) => self.not_sent(front, &error, now),
        }
    }

    fn not_sent(&self, front: &Front, error: &io::Error, now: Micros) {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            self.refuse(now);
        }
        // As on any network, the datagram is lost; the client sends it again if it matters.
        front.core.metrics.borrow_mut().refused(front.listener, "datagram-dropped");
    }

    /// Nobody listens at the member's port.
    fn refuse(&self, now: Micros) {
        if !self.refused.replace(true) {
            // The flow may outlive this by a moment; its place at the member is free now.
            let guard = self.guard.borrow_mut().take();
            if let Some(guard) = guard {
                guard.report(Outcome::ConnectFailed, BalanceMicros(now.0));
            }
        }
    }

    /// Sends answers of the member to the client.
    pub(super) fn answer(&self, front: &Front, run: &Run<'_>, now: Micros) -> Answered {
        if let Some(guard) = &*self.guard.borrow() {
            guard.first_byte(BalanceMicros(now.0));
        }
        front.learn(self, run.first.bytes);
        let (client, local) = (Some(self.client), self.local);
        let sent = front.socket.try_send(run.slices, run.first.segment, client, local);
        if sent.is_err() {
            front.core.metrics.borrow_mut().refused(front.listener, "datagram-dropped");
        } else {
            let bytes = size(run);
            let mut tally = self.tally.borrow_mut();
            tally.down += bytes;
            tally.first_byte.get_or_insert(now.since(self.began));
            drop(tally);
            self.tell(front, 0, bytes);
        }
        let Some(expected) = self.expected.get() else { return Answered::More };
        let left = expected.saturating_sub(run.count as u64);
        self.expected.set(Some(left));
        if left > 0 { Answered::More } else { Answered::Done }
    }

    fn tell(&self, front: &Front, up: u64, down: u64) {
        if let Some(guard) = &*self.guard.borrow() {
            if up > 0 {
                guard.sent(up);
            }
            if down > 0 {
                guard.received(down);
            }
        }
        front.core.metrics.borrow_mut().flowed(front.listener, self.pool.id, up, down);
    }

    /// The flow was silent for its time.
    pub(super) fn silent(&self, front: &Front) {
        // Answers were counted on, and none came at all.
        let unanswered = self.expected.get().is_some() && self.tally.borrow().down == 0;
        self.end(front, unanswered.then_some(Failure::UNANSWERED));
    }

    /// The flow ends: it is written down, and its task stops.
    pub(super) fn end(&self, front: &Front, failure: Option<Failure>) {
        if let Some(task) = self.task.borrow_mut().take() {
            task.abort();
        }
        let failure = failure.or(self.refused.get().then_some(Failure::UDP_REFUSED));
        let outcome = match failure {
            None => Outcome::Answered { status: 0 },
            Some(Failure::UNANSWERED) => Outcome::Timeout,
            Some(_) => Outcome::Aborted,
        };
        let guard = self.guard.borrow_mut().take();
        if let Some(guard) = guard {
            guard.report(outcome, BalanceMicros(clock::now().0));
        }
        let whose = Whose {
            listener: front.listener,
            peer: Peer::Tcp(self.client),
            began: self.began,
            number: self.number,
            protocol: "UDP",
            secured: None,
        };
        layer4::record(&front.core, &whose, &self.tally.borrow(), failure);
    }

    /// The member, by its number.
    pub(super) fn key(&self) -> u64 {
        self.key
    }
}

fn size(run: &Run<'_>) -> u64 {
    run.slices.iter().map(|slice| slice.len() as u64).sum()
}

/// Carries answers back until the flow ends.
async fn answers(front: Rc<Front>, flow: Rc<Flow>, id: FlowId) {
    loop {
        let received = match flow.upstream.wait().await {
            Ok(mut waited) => ANSWERS.with_borrow_mut(|batch| {
                waited.receive(batch).map(|_| front.answer(id, &flow, batch))
            }),
            Err(error) => Err(error),
        };
        match received {
            Ok(Answered::More) => {}
            Ok(Answered::Done) => return flow.end(&front, None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                flow.refuse(clock::now());
            }
            Err(_) => {
                front.forget(id);
                return flow.end(&front, Some(Failure::CONNECT_FAILED));
            }
        }
    }
}
