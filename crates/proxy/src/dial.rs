//! From a pool to a connection: pick, take a kept connection or make one, try again elsewhere.
//! The same for every protocol.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use evenkeel_balance::{Ask, Bound, Guard, Micros, NoMember, Outcome, Tried};
use evenkeel_net::{Buffer, Deadline, Stream, clock, connect, limits, tls};
use evenkeel_observe::metrics::Dial;
use evenkeel_plan::{MemberProtocol, RetryOn, Untold};
use evenkeel_tls::ServerName as TlsName;

use crate::cause::Failure;
use crate::core::Core;
use crate::foreign;
use crate::preamble::Preamble;
use crate::snapshot::{MemberRt, PoolRt};

/// A kept connection that was idle for longer is not trusted with a request that must not be
/// repeated: the member may be closing it at this moment.
const UNREPEATABLE_IDLE_MAX: Duration = Duration::from_secs(2);
/// How often one who waits for a usable member looks again.
const WAIT_STEP: Duration = Duration::from_millis(20);
/// How often one who waits for a free place of a member looks again, called or not.
const PLACE_STEP: Duration = Duration::from_millis(50);
/// Failed tries of one exchange that keep their members busy; attempts are not more than that.
const FAILED_MAX: usize = 100;
/// Addresses of one member tried in one attempt.
const ADDRESSES_MAX: usize = 4;

/// A connection to a member for one exchange.
pub(crate) struct Upstream {
    pub(crate) stream: Stream,
    /// Received and not yet used.
    pub(crate) buffer: Buffer,
    /// Counts the exchange on its member until dropped.
    pub(crate) guard: Guard,
    /// The connection served other exchanges before.
    pub(crate) reused: bool,
    /// The pool's number in metrics.
    pub(crate) pool: u32,
    /// The position of the member in its pool.
    pub(crate) member: usize,
    /// Affinity was honoured.
    pub(crate) bound: bool,
    /// How long nothing may move after an upgrade, where httpd's rules say so.
    pub(crate) quiet: Option<Duration>,
}

/// What a dial depends on, and what happened to earlier attempts of the exchange.
pub(crate) struct Dialing<'a> {
    pub(crate) core: &'a Core,
    pub(crate) pool: &'a Arc<PoolRt>,
    pub(crate) key: u64,
    pub(crate) bound: Bound<'a>,
    /// What the connection carries of the client.
    pub(crate) preamble: Preamble,
    /// The request may be sent twice without harm.
    pub(crate) repeatable: bool,
    pub(crate) tried: Tried,
    /// Attempts begun.
    pub(crate) attempts: u32,
    /// A kept connection failed: only a fresh one will do.
    pub(crate) fresh_only: bool,
    /// The name that members of TLS must have, if it is not their own.
    pub(crate) tls_name: Option<TlsName<'static>>,
    /// The member tried last.
    pub(crate) last: Option<usize>,
    /// Where an Apache configuration rules, members that failed are busy until the exchange ends.
    pub(crate) failed: Vec<Guard>,
}

impl Dialing<'_> {
    /// Whether one more attempt may be left.
    pub(crate) fn more(&self) -> bool {
        self.attempts <= u32::from(self.pool.plan.retry.attempts)
    }

    /// Whether one more attempt is left and `cause` allows it. Takes from the budget.
    pub(crate) fn again(&self, cause: RetryOn) -> bool {
        let retry = &self.pool.plan.retry;
        // httpd counts attempts and nothing else.
        let ruled = self.pool.plan.rules.is_some();
        self.more()
            && retry.on.contains(&cause)
            && (ruled || self.pool.balance.retry_allowed(Micros(clock::now().0)))
    }

    /// A connection to a member, trying others as the pool's retry allows.
    pub(crate) async fn dial(&mut self) -> Result<Upstream, Failure> {
        let mut failed = None;
        loop {
            let picked = match self.pick().await {
                Ok(picked) => picked,
                // When the last member was tried, its failure says more than "no member".
                Err(failure) => return Err(failed.unwrap_or(failure)),
            };
            self.attempts += 1;
            let (guard, bound) = picked;
            let at = guard.index();
            self.last = Some(at);
            let failure = match self.reach(&guard).await {
                Ok((stream, buffer, reused)) => {
                    let (pool, member) = (self.pool.id, at);
                    let quiet = None;
                    let upstream =
                        Upstream { stream, buffer, guard, reused, pool, member, bound, quiet };
                    return Ok(upstream);
                }
                Err(failure) => failure,
            };
            self.gave_up(guard, failure);
            let ours = failure == Failure::LOCAL_LIMIT;
            if ours || self.ends_it(at, failure) || !self.again(RetryOn::Connect) {
                return Err(failure);
            }
            self.core.metrics.borrow_mut().retried(self.pool.id, failure.cause);
            failed = Some(failure);
        }
    }

    /// A connection to the member that was picked, kept or new; and whether it served others before.
    async fn reach(&self, guard: &Guard) -> Result<(Stream, Buffer, bool), Failure> {
        self.allowed(guard).await?;
        let at = guard.index();
        let Some(member) = self.pool.members.get(at) else { return Err(Failure::NO_MEMBER) };
        let longest = if self.repeatable { Duration::MAX } else { UNREPEATABLE_IDLE_MAX };
        let dialed = |dial| self.core.metrics.borrow_mut().dialed(self.pool.id, dial);
        if !self.fresh_only && self.pool.shared {
            let (key, now) = (member.targets.key(), clock::recent());
            let kept = self.core.connections.borrow_mut().take(key, now, longest);
            if let Some((stream, answer)) = kept {
                dialed(Dial::Reused);
                let mut buffer = Buffer::new();
                buffer.expect(answer);
                guard.reached();
                return Ok((stream, buffer, true));
            }
        }
        match self.connect(member, at).await {
            Ok((stream, reused)) => {
                guard.reached();
                if !reused {
                    guard.connected(Micros(clock::now().0));
                }
                dialed(if reused { Dial::Reused } else { Dial::New });
                let mut buffer = Buffer::new();
                buffer.expect(0);
                Ok((stream, buffer, reused))
            }
            Err(failure) => {
                dialed(Dial::Failed);
                Err(failure)
            }
        }
    }

    /// What an Apache configuration asks for before a member is spoken to: TLS that is switched
    /// on, and a free place.
    async fn allowed(&self, guard: &Guard) -> Result<(), Failure> {
        let rules = self.pool.plan.rules.as_ref();
        let Some(own) = rules.and_then(|rules| rules.member(guard.index())) else { return Ok(()) };
        if own.untold != Untold::No {
            return Err(Failure::MEMBER_TLS);
        }
        let Some(most) = own.places else { return Ok(()) };
        let until = own.patience.map(|patience| clock::after(clock::now(), patience));
        loop {
            if guard.take_place(most) {
                return Ok(());
            }
            // Whoever leaves calls the next in line, who may wait for another member: so one looks
            // now and then too. Tried once more after joining: a place may have become free before.
            let ticket = self.pool.balance.enqueue();
            let now = clock::now();
            if guard.take_place(most) {
                return Ok(());
            }
            if until.is_some_and(|until| now >= until) {
                return Err(Failure::PLACES_TAKEN);
            }
            let step = until.map_or(PLACE_STEP, |until| until.since(now).min(PLACE_STEP));
            match ticket {
                Some(mut ticket) => {
                    // Called or not, one looks again.
                    let _ = clock::within(step, poll_fn(|cx| ticket.poll(cx))).await;
                }
                None => clock::sleep(step).await,
            }
        }
    }

    /// A member could not be reached.
    fn gave_up(&mut self, guard: Guard, failure: Failure) {
        let at = guard.index();
        self.tried.add(at);
        let own = self.pool.plan.rules.as_ref().and_then(|rules| rules.member(at));
        // Without mod_ssl, nobody is to blame.
        let nobody = own.is_some_and(|own| own.untold == Untold::Missing);
        let aborted = nobody || failure == Failure::LOCAL_LIMIT;
        let outcome = if aborted { Outcome::Aborted } else { Outcome::ConnectFailed };
        let now = Micros(clock::now().0);
        if own.is_some() && self.failed.len() < FAILED_MAX {
            guard.failed(outcome, now);
            self.failed.push(guard);
        } else {
            guard.report(outcome, now);
        }
    }

    /// Whether an Apache configuration says not to try others: the member is never in error, or
    /// has no address.
    fn ends_it(&self, at: usize, failure: Failure) -> bool {
        let rules = self.pool.plan.rules.as_ref();
        let member = rules.and_then(|rules| rules.member(at));
        let final_ones = [Failure::UNRESOLVED, Failure::MEMBER_TLS];
        member.is_some_and(|member| member.ignore_errors || final_ones.contains(&failure))
    }

    async fn pick(&self) -> Result<(Guard, bool), Failure> {
        let balance = &self.pool.balance;
        let ask = |now| Ask { now, key: self.key, bound: self.bound, tried: &self.tried };
        let mut until = None;
        let mut ticket = None;
        loop {
            let now = clock::recent();
            let picked = balance.pick(&ask(Micros(now.0)), &mut self.core.rng.borrow_mut());
            match picked {
                Ok(pick) => return Ok((pick.guard, pick.bound)),
                Err(NoMember::AllBusy) => {}
                Err(_) if self.waits(now, &mut until) => {
                    clock::sleep(WAIT_STEP).await;
                    continue;
                }
                Err(_) => return Err(Failure::NO_MEMBER),
            }
            let until = *until.get_or_insert(clock::after(now, self.pool.plan.timeouts.queue));
            // Tried once more after joining the line: a place may have become free in between, and
            // nobody would call for it again.
            let Some(mut ticket) = ticket.take() else {
                ticket = Some(balance.enqueue().ok_or(Failure::QUEUE_FULL)?);
                continue;
            };
            let mut deadline = Deadline::never();
            deadline.set(until);
            let called = poll_fn(|cx| match ticket.poll(cx) {
                Poll::Ready(()) => Poll::Ready(true),
                Poll::Pending => deadline.poll(cx).map(|()| false),
            });
            if !called.await {
                return Err(Failure::QUEUE_TIMEOUT);
            }
        }
    }

    /// Whether an Apache configuration asks to wait until somebody can be used.
    fn waits(&self, now: evenkeel_net::Micros, until: &mut Option<evenkeel_net::Micros>) -> bool {
        let wait = self.pool.plan.rules.as_ref().map_or(Duration::ZERO, |rules| rules.wait);
        !wait.is_zero() && now < *until.get_or_insert(clock::after(now, wait))
    }

    /// A connection, or a stream of one that is shared; and whether it served others before.
    async fn connect(&self, member: &MemberRt, at: usize) -> Result<(Stream, bool), Failure> {
        let protocol = self.pool.plan.spoken();
        if protocol == MemberProtocol::Http2 {
            return self.core.members.open(self.pool, at, self.fresh_only).await;
        }
        let name = self.tls_name.as_ref().or(member.tls_name.as_ref());
        let name = name.filter(|_| member.tls_name.is_some());
        let stream = connect(self.pool, member, name, &self.preamble).await?;
        if protocol == MemberProtocol::Http {
            return Ok((stream, false));
        }
        let own = self.pool.plan.rules.as_ref().and_then(|rules| rules.member(at));
        Ok((foreign::translated(stream, protocol, own), false))
    }
}

/// A new connection to a member: its addresses are tried in turn.
pub(crate) async fn connect(
    pool: &PoolRt,
    member: &MemberRt,
    name: Option<&TlsName<'static>>,
    preamble: &Preamble,
) -> Result<Stream, Failure> {
    let time = pool.plan.timeouts.connect;
    let addresses = member.targets.list().len().min(ADDRESSES_MAX);
    let mut failure = Failure::UNRESOLVED;
    for _ in 0..addresses {
        let Some(mut target) = member.targets.next() else { break };
        if let Some(port) = preamble.port {
            target.set_port(port);
        }
        let mut options = pool.connect;
        options.source = options.source.or(preamble.source);
        match connect::connect_with(&target, time, &options).await {
            Ok(mut stream) => {
                preamble.send(&mut stream, pool).await?;
                let (Some(tls), Some(name)) = (&pool.tls, name) else {
                    return Ok(stream);
                };
                let config = tls.config();
                let shake = tls::connect(stream, &config, name.clone());
                return match clock::within(time, shake).await {
                    Some(Ok(stream)) => Ok(stream),
                    Some(Err(_)) => Err(Failure::MEMBER_TLS),
                    None => Err(Failure::CONNECT_TIMEOUT),
                };
            }
            Err(error) => failure = connect_failure(&error),
        }
    }
    Err(failure)
}

fn connect_failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::CONNECT_REFUSED,
        io::ErrorKind::TimedOut => Failure::CONNECT_TIMEOUT,
        // No port or descriptor of our own was left: not the member's fault.
        io::ErrorKind::AddrNotAvailable => Failure::LOCAL_LIMIT,
        _ if limits::is_exhaustion(error) => Failure::LOCAL_LIMIT,
        _ => Failure::CONNECT_FAILED,
    }
}
