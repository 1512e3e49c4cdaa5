//! One request and its answer, from the whole head to the log line: admit → route → key → dial →
//! forward → respond → record.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use evenkeel_balance::{Micros, Outcome, Tried};
use evenkeel_net::clock;
use evenkeel_plan::{HostHeader, RetryOn};
use evenkeel_wire::http1::Method;

use crate::cause::{Failure, Side};
use crate::dial::{Dialing, Upstream};
use crate::filter::template::Place;
use crate::http::answer_head::Answering;
use crate::http::download::{Done, Download};
use crate::http::key::{self, Binding};
use crate::http::passing;
use crate::http::progress::Progress;
use crate::http::record::{self, Tally};
use crate::http::request_head::{Asking, Toward};
use crate::http::respond::{self, Own};
use crate::http::scratch::Scratch;
use crate::http::session::{Next, Session};
use crate::http::upload::Upload;
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
    scratch.whole.set_after(tally.began, listener.plan.timeouts.request);
    let mut taken = None;
    scratch.passage = None;
    let served = match &snapshot.plan.sites {
        Some(sites) => {
            let ruled = passing::begin(session, scratch, listener, sites);
            match ruled.map(|()| passing::route(scratch, &snapshot)) {
                Err(failure) => Err(failure),
                Ok(None) => Ok(passing::answer_here(session, scratch, &mut tally).await),
                Ok(Some((route, pool))) => {
                    taken = Some(route);
                    let served = balanced(session, scratch, listener, route, pool, &mut tally);
                    served.await.map_err(|failure| in_apaches_words(failure, pool))
                }
            }
        }
        None => match admit(session, scratch, listener) {
            Err(failure) => Err(failure),
            Ok(()) => {
                let method = scratch.head.method_span.of(session.buffer.bytes());
                taken = snapshot.find_route(listener, scratch.asked.wanted(method));
                match taken.map(|route| (route, &route.action)) {
                    None => Err(Failure::NO_ROUTE),
                    Some((route, ActionRt::Pool(pool))) => {
                        let served = balanced(session, scratch, listener, route, pool, &mut tally);
                        served.await.map_err(|failure| in_apaches_words(failure, pool))
                    }
                    Some((route, _)) => {
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
    let pool = taken.and_then(|route| match &route.action {
        ActionRt::Pool(pool) => Some(&**pool),
        _ => None,
    });
    record::exchange(session, scratch, &snapshot, taken, pool, &tally);
    session.advance(scratch, tally.used);
    next
}

/// Reads what is asked for, and refuses what no route could serve.
fn admit(session: &Session, scratch: &mut Scratch, listener: &ListenerRt) -> Result<(), Failure> {
    let random = || session.core.random();
    let (head, asked) = (&scratch.head, &mut scratch.asked);
    asked.read(session.buffer.bytes(), head, listener, session.peer.ip(), random)
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
        ActionRt::Pool(_) => (503, &b""[..], &b""[..]),
    };
    let mut extra = Vec::new();
    edits.write(&mut extra, &|place, out| asking.fill(place, out));
    let location = (!filled.is_empty()).then_some(&filled[..]);
    let own = Own { status, content_type, body, location, edits, extra: &extra };
    respond::send(session, scratch, &own, keep, tally).await
}

/// Serves the request from a member of the pool, from another when one fails and that is allowed.
async fn balanced(
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
    let key = key::of(session.buffer.bytes(), &scratch.head, &scratch.asked, pool);
    let repeatable = scratch.head.method.idempotent() || pool.plan.retry.non_idempotent;
    let (from, at) = (session.peer, session.local);
    let mut dialing = Dialing {
        core: &core,
        pool,
        key,
        bound: binding.bound(),
        preamble: Preamble::of(pool, from, at, &session.stream, &Told::default()),
        repeatable,
        tried: Tried::default(),
        attempts: 0,
        fresh_only: false,
        last: None,
    };
    loop {
        let mut upstream =
            dialing.dial().await.inspect_err(|_| tally.attempts = dialing.attempts)?;
        tally.attempts = dialing.attempts;
        tally.member = Some(upstream.member);
        tally.affinity = binding.affinity(upstream.bound);
        if let Some(passage) = &mut scratch.passage {
            passage.chose(&binding.chosen(upstream.member, passage));
        }
        let progress = Progress::default();
        let again = |status| repeatable && dialing.more() && dialing.again(RetryOn::Status(status));
        let (cookie, announced) =
            (binding.cookie(pool, &upstream), binding.announce(pool, &upstream));
        let (again, progress) = (&again, &progress);
        let forwarded = Forwarding { listener, route, pool, again, cookie, announced, progress };
        let result = forwarded.run(session, scratch, &mut upstream).await;
        tally.take(progress, scratch.head.len);
        tally.first_byte = upstream.guard.first_byte_after();
        match result {
            Ok(done) => {
                let asked_to_close = !scratch.head.keep_alive;
                let once = scratch.passage.as_ref().is_some_and(|passage| passage.manner().once);
                return Ok(settle(session, pool, upstream, done, (asked_to_close, once), tally));
            }
            Err(failure) => {
                let now = Micros(clock::now().0);
                let stale = upstream.reused && is_silent_end(failure) && !progress.answered.get();
                // For httpd, a fresh connection that ends without a word is an error only later on
                // a client's connection.
                let marks = scratch.passage.is_some() && session.served > 1 && !upstream.reused;
                let told = match is_silent_end(failure) && marks {
                    true => Outcome::ConnectFailed,
                    false => outcome(failure, stale),
                };
                upstream.guard.report(told, now);
                let again = !progress.answered.get() && !progress.streamed.get();
                let Some(cause) = retry_cause(failure).filter(|_| again && repeatable) else {
                    return Err(failure);
                };
                // A kept connection that died is no news about the member: once more, afresh.
                if stale && !dialing.fresh_only {
                    dialing.fresh_only = true;
                    dialing.attempts -= 1;
                } else if matches!(cause, RetryOn::Status(_)) || dialing.again(cause) {
                    dialing.tried.add(upstream.member);
                } else {
                    return Err(failure);
                }
                core.metrics.borrow_mut().retried(pool.id, failure.cause);
            }
        }
    }
}

/// Everything one attempt depends on.
struct Forwarding<'a> {
    listener: &'a ListenerRt,
    route: &'a RouteRt,
    pool: &'a PoolRt,
    /// Whether an answer of this status is thrown away for another attempt; takes from the budget.
    again: &'a dyn Fn(u16) -> bool,
    cookie: Option<(&'a evenkeel_plan::CookieAffinity, Vec<u8>)>,
    /// A line that tells the client of its member.
    announced: Option<String>,
    progress: &'a Progress,
}

impl Forwarding<'_> {
    /// Sends the request to the member and the answer to the client, both directions at once.
    async fn run(
        &self,
        session: &mut Session,
        scratch: &mut Scratch,
        upstream: &mut Upstream,
    ) -> Result<Done, Failure> {
        let member = Toward {
            address: &self.pool.members[upstream.member].label,
            path: self.pool.plan.members.get(upstream.member).map_or("", |member| &member.path),
            own_host: self.pool.plan.host == HostHeader::Member,
        };
        match &scratch.passage {
            Some(_) => passing::write_head(session, scratch, upstream.member),
            None => self.write_head(session, scratch, member),
        }
        let passage = RefCell::new(scratch.passage.take());
        let head = &scratch.head;
        let upgrade = head.upgrade.map(|span| span.of(session.buffer.bytes()).to_vec());
        let upgrade = upgrade.filter(|protocol| {
            passage.borrow().as_ref().is_none_or(|p| p.may_switch(upstream.member, protocol))
        });
        let response_time = passing::time(&passage, upstream.member, self.pool);
        let requests_max = self.listener.plan.limits.requests_per_connection;
        let filled = self.fill_edits(session, scratch, member);
        let own = self.own_address(session, scratch);
        let answering = Answering {
            core: &session.core.clone(),
            version: head.version,
            was_head: head.method == Method::Head,
            keep_alive: head.keep_alive && (requests_max == 0 || session.served < requests_max),
            upgrade: upgrade.as_deref(),
            again: self.again,
            edits: &self.route.response_edits,
            extra: &filled,
            passage: &passage,
            cookie: self.cookie.as_ref().map(|(plan, value)| (*plan, &value[..])),
            https: scratch.asked.https,
            via: self.listener.plan.forwarded.via,
            reverse: &self.route.reverse,
            own: own.as_bytes(),
        };
        let (client_recv, client_send) = session.stream.split();
        let (member_recv, member_send) = upstream.stream.split();
        let mut wait_up = std::mem::take(&mut scratch.client_read_wait);
        let mut upload = Upload {
            client: client_recv,
            member: member_send,
            buffer: &mut session.buffer,
            body: &mut scratch.body,
            out: &mut scratch.up,
            wait: &mut wait_up,
            head_len: scratch.head.len,
            framing: scratch.head.body,
            limits: self.listener.limits,
            body_max: self.listener.plan.limits.body.0,
            rate_min: self.listener.plan.limits.body_rate_min,
            send_time: response_time,
            progress: self.progress,
        };
        let mut download = Download {
            member: member_recv,
            client: client_send,
            buffer: &mut upstream.buffer,
            answer: &mut scratch.answer,
            out: &mut scratch.down,
            member_wait: &mut scratch.member_wait,
            client_wait: &mut scratch.client_wait,
            limits: self.pool.limits,
            response_time,
            send_time: self.listener.plan.timeouts.send,
            answering,
            progress: self.progress,
            guard: &mut upstream.guard,
        };
        let result = both(upload.run(), download.run(), &mut scratch.whole, self.progress).await;
        scratch.client_read_wait = wait_up;
        scratch.passage = passage.into_inner();
        result
    }

    /// Scheme and host of the request as the client knows them, if answers are to say them.
    fn own_address(&self, session: &Session, scratch: &Scratch) -> String {
        if self.route.reverse.is_empty() {
            return String::new();
        }
        let host = scratch.head.host.map_or(&[][..], |span| span.of(session.buffer.bytes()));
        let scheme = if scratch.asked.https { "https" } else { "http" };
        format!("{scheme}://{}", String::from_utf8_lossy(host))
    }

    fn write_head(&self, session: &Session, scratch: &mut Scratch, member: Toward<'_>) {
        scratch.down.clear();
        let mut up = std::mem::take(&mut scratch.up);
        up.clear();
        Asking::of(session, scratch, self.listener, self.route, member).write(&mut up);
        scratch.up = up;
    }

    fn fill_edits(&self, session: &Session, scratch: &Scratch, member: Toward<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(line) = &self.announced {
            out.extend_from_slice(line.as_bytes());
        }
        if !self.route.response_edits.is_empty() {
            let asking = Asking::of(session, scratch, self.listener, self.route, member);
            self.route.response_edits.write(&mut out, &|place: Place, out| asking.fill(place, out));
        }
        out
    }
}

/// Runs both directions until the answer is complete, or the client's side or the time ends it.
async fn both(
    upload: impl Future<Output = Result<(), Failure>>,
    download: impl Future<Output = Result<Done, Failure>>,
    whole: &mut evenkeel_net::Deadline,
    progress: &Progress,
) -> Result<Done, Failure> {
    let (mut upload, mut download) = (pin!(upload), pin!(download));
    let mut uploading = true;
    poll_fn(|cx| {
        if uploading && let Poll::Ready(ended) = upload.as_mut().poll(cx) {
            if let Err(failure) = ended {
                return Poll::Ready(Err(failure));
            }
            uploading = false;
        }
        if let Poll::Ready(done) = download.as_mut().poll(cx) {
            return Poll::Ready(done);
        }
        whole.poll(cx).map(|()| match progress.sent.get() {
            true => Err(Failure::REQUEST_TIMEOUT_UP),
            false => Err(Failure::REQUEST_TIMEOUT_DOWN),
        })
    })
    .await
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
    let now = clock::now();
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

/// Apache's policies come with its statuses: a member that is late is a bad gateway.
fn in_apaches_words(failure: Failure, pool: &PoolRt) -> Failure {
    match failure.status {
        504 if failure == Failure::CONNECT_TIMEOUT && pool.plan.policy.is_apache() => {
            Failure { status: 503, ..failure }
        }
        504 if pool.plan.policy.is_apache() => Failure { status: 502, ..failure },
        503 if failure == Failure::UNRESOLVED && pool.plan.policy.is_apache() => {
            Failure { status: 500, ..failure }
        }
        _ => failure,
    }
}

/// The member ended the connection without a word.
fn is_silent_end(failure: Failure) -> bool {
    failure == Failure::MEMBER_CLOSED || failure == Failure::MEMBER_RESET
}

fn retry_cause(failure: Failure) -> Option<RetryOn> {
    match failure {
        Failure::MEMBER_CLOSED | Failure::MEMBER_RESET => Some(RetryOn::ResetBeforeResponse),
        Failure::MEMBER_TIMEOUT => Some(RetryOn::Timeout),
        Failure { cause, status, .. } if cause == Failure::MEMBER_STATUS.cause => {
            Some(RetryOn::Status(status))
        }
        _ => None,
    }
}

/// What balancing hears of a failure.
fn outcome(failure: Failure, stale: bool) -> Outcome {
    match failure {
        _ if stale => Outcome::Aborted,
        Failure { side: Side::Downstream | Side::Internal, .. } => Outcome::Aborted,
        Failure::MEMBER_TIMEOUT | Failure::MEMBER_STALLED | Failure::REQUEST_TIMEOUT_UP => {
            Outcome::Timeout
        }
        Failure::MEMBER_CLOSED | Failure::MEMBER_RESET | Failure::MEMBER_CUT => Outcome::Reset,
        Failure { cause, status, .. }
            if cause == Failure::MEMBER_STATUS.cause || cause == Failure::OVERRIDDEN.cause =>
        {
            Outcome::Answered { status }
        }
        _ => Outcome::BadAnswer,
    }
}
