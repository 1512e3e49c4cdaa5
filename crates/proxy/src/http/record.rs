//! What is written down about an exchange when it ends: metrics and the access log.

use std::time::Duration;

use evenkeel_httpd::Sites;
use evenkeel_httpd::log::{Ended, Kept};
use evenkeel_net::{Micros, Peer, clock};
use evenkeel_observe::access_log::{Affinity, Record};
use evenkeel_observe::metrics::{self, Names, SeriesKey};
use evenkeel_wire::http1::{Known, Method, Version, find};

use crate::cause::Failure;
use crate::http::passing;
use crate::http::progress::Progress;
use crate::http::scratch::Scratch;
use crate::http::session::Session;
use crate::secure::Secured;
use crate::snapshot::{PoolRt, RouteRt, Snapshot};

/// What is counted while an exchange goes on.
pub(crate) struct Tally {
    pub(crate) began: Micros,
    pub(crate) status: u16,
    pub(crate) cause: Option<&'static str>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// Bytes of the answer's body, framing aside.
    pub(crate) body_out: u64,
    /// The client's connection may carry another request.
    pub(crate) kept: bool,
    /// Bytes of the session's buffer that belong to this request; `usize::MAX`: all of it, and
    /// more came after it.
    pub(crate) used: usize,
    /// The client got the first byte of an answer.
    pub(crate) answered: bool,
    /// Nothing of the request's body is still to come.
    pub(crate) body_settled: bool,
    pub(crate) attempts: u32,
    pub(crate) first_byte: Option<Duration>,
    pub(crate) affinity: Affinity,
    /// Position of the member in its pool.
    pub(crate) member: Option<usize>,
}

impl Tally {
    /// An exchange begins with the first byte of its request.
    pub(crate) fn begin(session: &mut Session) -> Tally {
        session.served = session.served.saturating_add(1);
        Tally {
            began: session.began,
            status: 0,
            cause: None,
            bytes_in: 0,
            bytes_out: 0,
            body_out: 0,
            kept: false,
            used: 0,
            answered: false,
            body_settled: false,
            attempts: 0,
            first_byte: None,
            affinity: Affinity::None,
            member: None,
        }
    }

    /// Takes over what an attempt counted.
    pub(crate) fn take(&mut self, progress: &Progress, head_len: usize) {
        self.answered |= progress.answered.get();
        if progress.answered.get() {
            // What the client saw, also when the rest of the answer never came.
            self.status = progress.status.get();
        }
        self.body_settled = progress.sent.get();
        self.bytes_in = head_len as u64 + progress.body_in.get();
        self.bytes_out += progress.down.get();
        self.body_out += progress.body_out.get();
        if progress.streamed.get() {
            self.used = usize::MAX;
        } else if progress.sent.get() {
            self.used = progress.used.get();
        }
    }
}

/// An exchange ended.
pub(crate) fn exchange(
    session: &Session,
    scratch: &Scratch,
    snapshot: &Snapshot,
    route: Option<&RouteRt>,
    pool: Option<&PoolRt>,
    tally: &Tally,
) {
    let core = &session.core;
    let duration = clock::now().since(tally.began);
    let member = pool.zip(tally.member).and_then(|(pool, at)| pool.members.get(at));
    let key = SeriesKey {
        listener: session.listener,
        route: route.map_or(Names::NONE, |route| route.id),
        pool: pool.map_or(Names::NONE, |pool| pool.id),
        member: member.map_or(Names::NONE, |member| member.id),
        code: tally.status,
    };
    let measured =
        metrics::Exchange { duration, bytes_in: tally.bytes_in, bytes_out: tally.bytes_out };
    {
        let mut counters = core.metrics.borrow_mut();
        counters.exchange(key, &measured);
        if let Some(cause) = tally.cause {
            counters.refused(session.listener, cause);
        }
    }
    if let Some(sites) = &snapshot.plan.sites {
        site_logs(session, scratch, sites, tally, duration);
    }
    let mut log = core.log.borrow_mut();
    let Some(log) = log.as_mut() else { return };
    let (buf, head) = (session.buffer.bytes(), &scratch.head);
    let text = |known| find(&head.fields, known).map_or(&[][..], |field| field.value.of(buf));
    let wall = u64::try_from(clock::wall().saturating_sub(duration).as_millis()).unwrap_or(0);
    log.write(&Record {
        unix_millis: wall,
        listener: snapshot.listener(session.listener).map_or("", |l| &l.plan.name),
        route: route.map_or("", |route| &route.name),
        pool: pool.map_or("", |pool| &pool.plan.name),
        member: pool.zip(tally.member).map_or("", |(pool, at)| &pool.plan.members[at].tag),
        client: scratch.asked.client.or(Some(session.peer.ip())),
        peer: match session.peer {
            Peer::Tcp(address) => Some(address),
            Peer::Unix => None,
        },
        connection: session.number,
        method: head.method_span.of(buf),
        target: head.target.of(buf),
        host: head.host.map_or(&[], |span| span.of(buf)),
        protocol: match head.version {
            _ if session.is_multiplexed() => "HTTP/2.0",
            Version::H11 => "HTTP/1.1",
            Version::H10 => "HTTP/1.0",
        },
        tls: Secured::logged(session.secured.as_deref()),
        status: tally.status,
        bytes_in: tally.bytes_in,
        bytes_out: tally.bytes_out,
        duration,
        first_byte: tally.first_byte,
        attempts: tally.attempts,
        cause: tally.cause,
        affinity: tally.affinity,
        request_id: &scratch.asked.id,
        user_agent: text(Known::UserAgent),
        referer: text(Known::Referer),
    });
}

/// Lines of the logs that httpd's configuration asks for.
fn site_logs(
    session: &Session,
    scratch: &Scratch,
    sites: &Sites,
    tally: &Tally,
    duration: Duration,
) {
    let mut logs = session.core.site_logs.borrow_mut();
    if logs.is_empty() {
        return;
    }
    let (buf, head) = (session.buffer.bytes(), &scratch.head);
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let (wall, took) = (micros(clock::wall()), micros(duration));
    let (peer, local) = passing::ends(session);
    let field = |name: &[u8]| {
        let mut fields = head.fields.iter();
        fields.find(|f| f.name.of(buf).eq_ignore_ascii_case(name)).map(|f| f.value.of(buf).to_vec())
    };
    let is_gone = |cause| {
        [Failure::CLIENT_GONE, Failure::CLIENT_STALLED].iter().any(|failure| failure.cause == cause)
    };
    let ended = Ended {
        passage: scratch.passage.as_deref(),
        method: head.method_span.of(buf),
        target: head.target.of(buf),
        protocol: match head.version {
            _ if session.is_multiplexed() => "HTTP/2.0",
            Version::H11 => "HTTP/1.1",
            Version::H10 => "HTTP/1.0",
        },
        host: head.host.map_or(&[], |span| span.of(buf)),
        field: &field,
        peer,
        local,
        status: tally.status,
        began: wall.saturating_sub(took),
        took,
        body: if head.method == Method::Head { 0 } else { tally.body_out },
        bytes_in: tally.bytes_in,
        bytes_out: tally.bytes_out,
        served: session.served.saturating_sub(1),
        kept: match tally.kept {
            _ if tally.cause.is_some_and(is_gone) => Kept::Aborted,
            true => Kept::Open,
            false => Kept::Closed,
        },
    };
    sites.log(&ended, &mut |file, line| {
        if let Some(log) = logs.get_mut(file) {
            log.line(line, wall / 1000);
        }
    });
}
