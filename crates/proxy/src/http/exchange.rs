//! One request and its answer, from the whole head to the log line: admit → route → key → dial →
//! forward → respond → record.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_balance::{Micros, Outcome, Tried};
use evenkeel_net::clock;
use evenkeel_plan::{MemberProtocol, RetryOn};
use evenkeel_tls::ServerName as TlsName;

use crate::cause::{Failure, Side};
use crate::core::Core;
use crate::dial::{Dialing, Upstream};
use crate::http::download::Done;
use crate::http::early;
use crate::http::forwarding::Forwarding;
use crate::http::key::{self, Binding};
use crate::http::progress::Progress;
use crate::http::record::{self, Tally};
use crate::http::request_head::{Asking, Toward};
use crate::http::respond::{self, Own};
use crate::http::ruled;
use crate::http::scratch::Scratch;
use crate::http::session::{Next, Session};
use crate::http2::grpc;
use crate::preamble::{Preamble, Told};
use crate::snapshot::{ActionRt, ListenerRt, PoolRt, RouteRt};

/// Serves the request whose head lies at the front of the session's buffer.
pub(crate) async fn exchange(session: &mut Session, scratch: &mut Scratch) -> Next {
    let snapshot = session.core.snapshot();
    let mut tally = Tally::begin(session);
    let Some(listener) = snapshot.listener(session.listener) else { return Next::Close };
    tally.used = scratch.head.len;
    tally.bytes_in = scratch.head.len as u64;
    tally.body_settled = respond::has_no_body(scratch.head.body);
    let (time, hurried) = grpc::patience(session, scratch, listener.plan.timeouts.request);
    scratch.hurried = hurried;
    scratch.whole.set_after(tally.began, time);
    let (mut taken, mut at) = (None, None);
    scratch.passage = None;
    scratch.announced = None;
    let heard = match early::must_wait(session, scratch) {
        true => Box::pin(early::wait(session)).await,
        false => Ok(()),
    };
    let served = match &snapshot.plan.sites {
        _ if let Err(failure) = heard => Err(failure),
        Some(sites) => {
            let rules = (&**snapshot, sites);
            let (route, served) = ruled::serve(session, scratch, listener, rules, &mut tally).await;
            (taken, at) = (route, route.and_then(RouteRt::pool));
            served
        }
        None => match admit(session, scratch, listener) {
            Err(failure) => Err(failure),
            Ok(()) if let Some(proof) = snapshot.find_proof(&scratch.asked) => {
                Ok(respond::prove(session, scratch, &proof, &mut tally).await)
            }
            Ok(()) => {
                let wanted = scratch.asked.wanted(session.buffer.bytes(), &scratch.head);
                taken = snapshot
                    .find_redirect(listener, &scratch.asked)
                    .or_else(|| snapshot.find_route(listener, wanted));
                match taken.map(|route| (route, destination(session, scratch, route))) {
                    None => Err(Failure::NO_ROUTE),
                    Some((route, Some(pool))) => {
                        at = Some(pool);
                        let served = balanced(session, scratch, listener, route, pool, &mut tally);
                        served.await.map_err(|failure| in_apaches_words(failure, pool))
                    }
                    Some((route, None)) => {
                        Ok(answer_here(session, scratch, listener, route, &mut tally).await)
                    }
                }
            }
        },
    };
    let next = match served {
        Ok(next) => next,
        Err(failure) => respond::fail(session, scratch, failure, &mut tally).await,
    };
    tally.kept = matches!(next, Next::KeepAlive | Next::Idle);
    record::exchange(session, scratch, &snapshot, taken, at.map(|pool| &**pool), &tally);
    session.advance(scratch, tally.used);
    next
}

/// Reads what is asked for, and refuses what no route could serve.
fn admit(session: &Session, scratch: &mut Scratch, listener: &ListenerRt) -> Result<(), Failure> {
    let random = || session.core.random();
    let (head, asked) = (&scratch.head, &mut scratch.asked);
    asked.read(session.buffer.bytes(), head, listener, session.peer.ip(), random)?;
    let Some(secured) = &session.secured else { return Ok(()) };
    asked.https = true;
    match listener.misdirects(&secured.server_name, asked.host()) {
        true => Err(Failure::MISDIRECTED),
        false => Ok(()),
    }
}

/// The pool that serves the request, if a member is to; a client that must learn of it is told with
/// the answer.
fn destination<'s>(
    session: &Session,
    scratch: &mut Scratch,
    route: &'s RouteRt,
) -> Option<&'s Arc<PoolRt>> {
    match &route.action {
        ActionRt::Pool(pool) => Some(pool),
        ActionRt::Split(split) => {
            let (buf, random) = (session.buffer.bytes(), session.core.random());
            let (pool, line) = split.choose(buf, &scratch.head, random, scratch.asked.https);
            scratch.announced = line;
            Some(pool)
        }
        ActionRt::Redirect { .. } | ActionRt::Respond(_) => None,
    }
}

/// Redirects and fixed answers.
async fn answer_here(
    session: &mut Session,
    scratch: &mut Scratch,
    listener: &ListenerRt,
    route: &RouteRt,
    tally: &mut Tally,
) -> Next {
    let keep = tally.body_settled;
    let mut filled = Vec::new();
    let edits = &route.response_edits;
    let asking = Asking::of(session, scratch, listener, route, Toward::default());
    let (status, content_type, body) = match &route.action {
        ActionRt::Redirect { status, to } => {
            to.write(&mut filled, &|place, out| asking.fill(place, out));
            filled.retain(|b| *b > 0x20 && *b != 0x7f);
            (*status, &b""[..], &b""[..])
        }
        ActionRt::Respond(respond) => {
            (respond.status, respond.content_type.as_bytes(), respond.body.as_bytes())
        }
        ActionRt::Pool(_) | ActionRt::Split(_) => (503, &b""[..], &b""[..]),
    };
    let mut extra = Vec::new();
    edits.write(&mut extra, &|place, out| asking.fill(place, out));
    let location = (!filled.is_empty()).then_some(&filled[..]);
    let own = Own { status, phrase: None, content_type, body, location, edits, extra: &extra };
    respond::send(session, scratch, &own, keep, tally).await
}

/// Serves the request from a member of the pool, from another when one fails and that is allowed.
pub(crate) async fn balanced(
    session: &mut Session,
    scratch: &mut Scratch,
    listener: &ListenerRt,
    route: &RouteRt,
    pool: &Arc<PoolRt>,
    tally: &mut Tally,
) -> Result<Next, Failure> {
    let core = session.core.clone();
    let binding = match &scratch.passage {
        Some(passage) => Binding::of_passage(passage, pool),
        None => Binding::of(session.buffer.bytes(), &scratch.head, &scratch.asked, pool),
    };
    let mut dialing = dialing(&core, session, scratch, pool, &binding);
    loop {
        let mut upstream = match dialing.dial().await {
            Ok(upstream) => upstream,
            Err(failure) => return Err(undialed(failure, &dialing, &binding, scratch, tally)),
        };
        tally.attempts = dialing.attempts;
        tally.member = Some(upstream.member);
        tally.affinity = binding.affinity(upstream.bound);
        if let Some(passage) = &mut scratch.passage {
            passage.chose(&binding.chosen(upstream.member, passage));
        }
        let progress = &Progress::default();
        let may = |cause| dialing.repeatable || cause == RetryOn::GrpcUnavailable;
        let again = &|cause| may(cause) && dialing.more() && dialing.again(cause);
        let cookie = binding.cookie(pool, &upstream);
        let announced = joined(scratch.announced.clone(), binding.announce(pool, &upstream));
        let forwarded = Forwarding { listener, route, pool, again, cookie, announced, progress };
        let result = forwarded.run(session, scratch, &mut upstream).await;
        tally.take(progress, scratch.head.len);
        tally.first_byte = upstream.guard.first_byte_after();
        match result {
            Ok(done) => {
                let ends = ends(scratch, &dialing, &mut upstream, listener);
                return Ok(settle(session, pool, upstream, done, ends, tally));
            }
            Err(failure) => {
                let now = Micros(clock::now().0);
                let begun = progress.answered.get() || progress.interim.get();
                let stale = upstream.reused && is_silent_end(failure) && !begun;
                // For httpd, a fresh connection that ends without a word is an error only later on
                // a client's connection.
                let later = scratch.passage.is_some() && session.served > 1 && !upstream.reused;
                let failure =
                    in_words_of_its_own(failure, pool, upstream.member, dialing.repeatable);
                let unblamed = stale || is_late_container(failure, pool);
                upstream.guard.report(outcome(failure, unblamed, later), now);
                let again = !begun && !progress.streamed.get();
                let harmless = dialing.repeatable || is_harmless(failure);
                let Some(cause) = retry_cause(failure).filter(|_| again && harmless) else {
                    return Err(failure);
                };
                // A kept connection that died is no news about the member: once more, afresh.
                let sent_twice = may_be_sent_twice(pool, scratch, failure);
                if stale && sent_twice && !dialing.fresh_only {
                    dialing.fresh_only = true;
                    dialing.attempts -= 1;
                } else if came_answered(cause) || dialing.again(cause) {
                    dialing.tried.add(upstream.member);
                } else {
                    return Err(failure);
                }
                core.metrics.borrow_mut().retried(pool.id, failure.cause);
            }
        }
    }
}

/// The client's host, where members of TLS must have that name and not their own. Such connections
/// are for this request only: the next may be for another host.
fn preserved_name(scratch: &Scratch, pool: &PoolRt) -> Option<TlsName<'static>> {
    pool.tls.as_ref()?;
    let host = scratch.passage.as_ref()?.preserved_host()?;
    let name = TlsName::try_from(str::from_utf8(host).ok()?.to_owned()).ok()?;
    let own = pool.members.iter().filter_map(|member| member.tls_name.as_ref());
    own.into_iter().any(|own| *own != name).then_some(name)
}

/// How long nothing may move after an upgrade: as long as the client or the member may be silent.
fn quiet_time(
    scratch: &Scratch,
    upstream: &Upstream,
    listener: &ListenerRt,
    pool: &PoolRt,
) -> Option<Duration> {
    let passage = scratch.passage.as_ref()?;
    let own = passage.member(upstream.member).and_then(|member| member.timeout);
    let member = own.or_else(|| passage.timeout()).unwrap_or(pool.plan.timeouts.response);
    Some(member.max(listener.plan.timeouts.send))
}

/// Whether the client asked for the end of its connection, and whether that to the member carries
/// one request only.
fn ends(
    scratch: &Scratch,
    dialing: &Dialing<'_>,
    upstream: &mut Upstream,
    listener: &ListenerRt,
) -> (bool, bool) {
    upstream.quiet = quiet_time(scratch, upstream, listener, dialing.pool);
    let passage = scratch.passage.as_ref();
    let once =
        passage.is_some_and(|passage| passage.manner().once || passage.is_lone(upstream.member));
    (!scratch.head.keep_alive, once || dialing.tls_name.is_some())
}

/// Whether a request that may have reached a member is sent again after a kept connection ended
/// without a word. httpd itself lets the client have the error, unless it is to be strict.
fn may_be_sent_twice(pool: &PoolRt, scratch: &Scratch, failure: Failure) -> bool {
    match &pool.plan.rules {
        None => true,
        _ if failure == Failure::MEMBER_REFUSED => true,
        Some(rules) => rules.late_is_timeout && scratch.head.method.idempotent(),
    }
}

/// Both lines, if there are any.
fn joined(one: Option<String>, other: Option<String>) -> Option<String> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one + &other),
        (one, other) => one.or(other),
    }
}

/// Nobody could be reached; rules may tell who was tried last.
fn undialed(
    failure: Failure,
    dialing: &Dialing<'_>,
    binding: &Binding,
    scratch: &mut Scratch,
    tally: &mut Tally,
) -> Failure {
    tally.attempts = dialing.attempts;
    if let (Some(passage), Some(last)) = (&mut scratch.passage, dialing.last) {
        passage.chose(&binding.chosen(last, passage));
    }
    failure
}

fn dialing<'a>(
    core: &'a Core,
    session: &Session,
    scratch: &Scratch,
    pool: &'a Arc<PoolRt>,
    binding: &'a Binding,
) -> Dialing<'a> {
    let key = key::of(session.buffer.bytes(), &scratch.head, &scratch.asked, pool);
    let (from, at) = (session.peer, session.local);
    // The first request of a client may be kept from connections that could end at any moment.
    let first = scratch.passage.as_ref().filter(|_| session.served <= 1);
    let tls_name = preserved_name(scratch, pool);
    let fresh_only = tls_name.is_some() || first.is_some_and(|passage| passage.begins_afresh());
    Dialing {
        core,
        pool,
        key,
        bound: binding.bound(),
        preamble: Preamble::of(pool, from, at, &session.stream, &Told::default()),
        repeatable: scratch.head.method.idempotent() || pool.plan.retry.non_idempotent,
        tried: Tried::default(),
        attempts: 0,
        fresh_only,
        tls_name,
        last: None,
        failed: Vec::new(),
    }
}

/// After a complete answer: the connections go back or on.
fn settle(
    session: &Session,
    pool: &PoolRt,
    upstream: Upstream,
    done: Done,
    (asked_to_close, once): (bool, bool),
    tally: &mut Tally,
) -> Next {
    tally.status = done.status;
    if done.tunnel {
        return Next::Tunnel(Box::new(upstream));
    }
    let now = clock::recent();
    upstream.guard.report(Outcome::Answered { status: done.status }, Micros(now.0));
    if done.member_lives && pool.shared && !once {
        let key = pool.members[upstream.member].targets.key();
        let most = pool.plan.limits.idle_connections as usize;
        let idle = pool.plan.timeouts.idle;
        let kept = (upstream.stream, tally.bytes_out);
        session.core.connections.borrow_mut().keep(key, kept, now, idle, most);
    }
    match done.client_lives {
        true => Next::KeepAlive,
        // A client that asked for the end and sent nothing more loses nothing by a plain close.
        false if asked_to_close && tally.body_settled && session.buffer.len() == tally.used => {
            Next::Close
        }
        false => Next::Linger,
    }
}

/// Members that speak AJP or FastCGI.
fn is_foreign(pool: &PoolRt) -> bool {
    matches!(pool.plan.spoken(), MemberProtocol::Ajp | MemberProtocol::FastCgi)
}

/// A container that was there and took its time all the same: nobody else is asked then.
fn is_late_container(failure: Failure, pool: &PoolRt) -> bool {
    pool.plan.spoken() == MemberProtocol::Ajp && failure == Failure::LATE_CONTAINER
}

/// What httpd calls a failure of a member that speaks AJP or FastCGI.
fn in_words_of_its_own(
    failure: Failure,
    pool: &PoolRt,
    member: usize,
    repeatable: bool,
) -> Failure {
    let own = pool.plan.rules.as_ref().and_then(|rules| rules.member(member));
    let is_late = failure == Failure::MEMBER_TIMEOUT;
    match pool.plan.spoken() {
        MemberProtocol::Ajp if is_late && own.is_some_and(|own| own.ping.is_some()) => {
            Failure::LATE_CONTAINER
        }
        MemberProtocol::Ajp if (is_late || is_silent_end(failure)) && !repeatable => {
            Failure { status: 500, ..failure }
        }
        MemberProtocol::FastCgi if is_silent_end(failure) => Failure { status: 503, ..failure },
        _ => failure,
    }
}

/// Apache's policies come with its statuses: a member that is late is a bad gateway.
pub(crate) fn in_apaches_words(failure: Failure, pool: &PoolRt) -> Failure {
    let late_is_timeout = pool.plan.rules.as_ref().is_some_and(|rules| rules.late_is_timeout);
    match failure.status {
        // The member said so itself.
        _ if failure.cause == Failure::OVERRIDDEN.cause => failure,
        504 if failure == Failure::CONNECT_TIMEOUT && pool.plan.policy.is_apache() => {
            Failure { status: 503, ..failure }
        }
        504 if pool.plan.policy.is_apache() && !late_is_timeout && !is_foreign(pool) => {
            Failure { status: 502, ..failure }
        }
        502 if failure == Failure::MEMBER_TLS && pool.plan.policy.is_apache() => {
            Failure { status: 500, ..failure }
        }
        503 if failure == Failure::UNRESOLVED && pool.plan.policy.is_apache() => {
            Failure { status: 500, ..failure }
        }
        _ => failure,
    }
}

/// Whether a request may be sent again whatever its method: the member did nothing about it, or
/// whoever listed the cause says so.
fn is_harmless(failure: Failure) -> bool {
    matches!(failure, Failure::MEMBER_REFUSED | Failure::MEMBER_UNAVAILABLE)
}

/// Whether the cause came with an answer, and was asked about when it did.
fn came_answered(cause: RetryOn) -> bool {
    matches!(cause, RetryOn::Status(_) | RetryOn::GrpcUnavailable)
}

/// The member ended the connection without a word.
fn is_silent_end(failure: Failure) -> bool {
    matches!(failure, Failure::MEMBER_CLOSED | Failure::MEMBER_RESET | Failure::MEMBER_REFUSED)
}

fn retry_cause(failure: Failure) -> Option<RetryOn> {
    match failure {
        // The last of these also befalls requests that only shared the connection.
        Failure::MEMBER_CLOSED
        | Failure::MEMBER_RESET
        | Failure::MEMBER_REFUSED
        | Failure::MEMBER_HTTP2 => Some(RetryOn::ResetBeforeResponse),
        Failure::MEMBER_TIMEOUT => Some(RetryOn::Timeout),
        Failure::MEMBER_UNAVAILABLE => Some(RetryOn::GrpcUnavailable),
        // As with a connection that could not be made, nothing was done about the request.
        Failure::NO_CONTINUE => Some(RetryOn::Connect),
        Failure { cause, status, .. } if cause == Failure::MEMBER_STATUS.cause => {
            Some(RetryOn::Status(status))
        }
        _ => None,
    }
}

/// What balancing hears of a failure.
fn outcome(failure: Failure, stale: bool, silence_counts: bool) -> Outcome {
    match failure {
        _ if stale => Outcome::Aborted,
        _ if silence_counts && is_silent_end(failure) => Outcome::ConnectFailed,
        Failure::NO_CONTINUE => Outcome::ConnectFailed,
        Failure { side: Side::Downstream | Side::Internal, .. } => Outcome::Aborted,
        Failure::MEMBER_TIMEOUT | Failure::MEMBER_STALLED | Failure::REQUEST_TIMEOUT_UP => {
            Outcome::Timeout
        }
        Failure::MEMBER_CLOSED
        | Failure::MEMBER_RESET
        | Failure::MEMBER_REFUSED
        | Failure::MEMBER_CUT => Outcome::Reset,
        Failure { cause, status, .. }
            if [Failure::MEMBER_STATUS, Failure::MEMBER_UNAVAILABLE, Failure::OVERRIDDEN]
                .iter()
                .any(|told| told.cause == cause) =>
        {
            Outcome::Answered { status }
        }
        _ => Outcome::BadAnswer,
    }
}
