//! One attempt: the request goes to a member and the answer to the client, both directions at once.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use evenkeel_httpd::Passage;
use evenkeel_plan::{HostHeader, MemberProtocol, RetryOn};
use evenkeel_wire::http1::Method;

use crate::cause::Failure;
use crate::dial::Upstream;
use crate::filter::template::Place;
use crate::http::answer_head::Answering;
use crate::http::download::{Done, Download};
use crate::http::passing;
use crate::http::progress::Progress;
use crate::http::request_head::{Asking, Toward};
use crate::http::scratch::Scratch;
use crate::http::session::Session;
use crate::http::upload::Upload;
use crate::http2::grpc;
use crate::snapshot::{ListenerRt, PoolRt, RouteRt};

/// The longest line of the head of an answer, where an Apache configuration rules and says no other.
const LINE_MAX: usize = 8192;

/// Everything one attempt depends on.
pub(crate) struct Forwarding<'a> {
    pub(crate) listener: &'a ListenerRt,
    pub(crate) route: &'a RouteRt,
    pub(crate) pool: &'a PoolRt,
    /// Whether such an answer is thrown away for another attempt; takes from the budget.
    pub(crate) again: &'a dyn Fn(RetryOn) -> bool,
    pub(crate) cookie: Option<(&'a evenkeel_plan::CookieAffinity, Vec<u8>)>,
    /// A line that tells the client of its member.
    pub(crate) announced: Option<String>,
    pub(crate) progress: &'a Progress,
}

impl Forwarding<'_> {
    /// Sends the request to the member and the answer to the client, both directions at once.
    pub(crate) async fn run(
        &self,
        session: &mut Session,
        scratch: &mut Scratch,
        upstream: &mut Upstream,
    ) -> Result<Done, Failure> {
        self.begin(session, scratch, upstream);
        let passage = RefCell::new(scratch.passage.take());
        let upgrade = passing::upgrade(session, &scratch.head, &passage, upstream.member);
        let (response_time, ping) = self.times(scratch, &passage, upstream.member);
        let (filled, own) = self.texts(session, scratch, upstream.member);
        let answering = Answering {
            core: &session.core.clone(),
            version: scratch.head.version,
            was_head: scratch.head.method == Method::Head,
            keep_alive: scratch.head.keep_alive && self.goes_on(session),
            upgrade: upgrade.as_deref(),
            again: self.again,
            edits: &self.route.response_edits,
            extra: &filled,
            passage: &passage,
            cookie: self.cookie.as_ref().map(|(plan, value)| (*plan, &value[..])),
            https: scratch.asked.https,
            via: self.listener.plan.forwarded.via,
            hsts: self.listener.hsts(),
            reverse: &self.route.reverse,
            own: own.as_bytes(),
        };
        let (line_max, rate_min) = self.bounds(upstream.member, session, scratch);
        let trailers = self.passes_trailers(&passage);
        let (client, member) = (session.stream.split(), upstream.stream.split());
        let mut wait_up = std::mem::take(&mut scratch.client_read_wait);
        let mut upload = Upload {
            client: client.0,
            member: member.1,
            buffer: &mut session.buffer,
            body: &mut scratch.body,
            out: &mut scratch.up,
            wait: &mut wait_up,
            head_len: scratch.head.len,
            framing: scratch.head.body,
            trailers,
            limits: self.listener.limits,
            body_max: self.listener.plan.limits.body.0,
            rate_min,
            send_time: response_time,
            progress: self.progress,
        };
        let mut download = Download {
            member: member.0,
            client: client.1,
            buffer: &mut upstream.buffer,
            answer: &mut scratch.answer,
            out: &mut scratch.down,
            member_wait: &mut scratch.member_wait,
            client_wait: &mut scratch.client_wait,
            limits: self.pool.limits,
            trailers,
            line_max,
            response_time,
            ping,
            send_time: self.listener.plan.timeouts.send,
            answering,
            progress: self.progress,
            guard: &mut upstream.guard,
        };
        let result = both(upload.run(), download.run(), &mut scratch.whole, self.progress).await;
        (scratch.client_read_wait, scratch.passage) = (wait_up, passage.into_inner());
        result.map_err(|failure| if scratch.hurried { hurried(failure) } else { failure })
    }

    fn begin(&self, session: &Session, scratch: &mut Scratch, upstream: &mut Upstream) {
        self.write_head(session, scratch, upstream.member);
        if session.is_multiplexed() {
            // Of answers that share a connection to the client, most wait: with little in hand.
            upstream.buffer.expect(0);
        }
    }

    /// Whether the request is a call of gRPC that may be tried again when nobody is there for it.
    fn tries_calls_again(&self, session: &Session, scratch: &Scratch) -> bool {
        let plan = &self.pool.plan;
        plan.retry.on.contains(&RetryOn::GrpcUnavailable)
            && (grpc::is_call(session, scratch)
                || plan.grpc_web && grpc::is_web_call(session, scratch))
    }

    /// Whether trailers go on: httpd keeps them from members of HTTP/1 and from their clients.
    fn passes_trailers(&self, passage: &RefCell<Option<Box<Passage>>>) -> bool {
        self.pool.plan.spoken() == MemberProtocol::Http2 || passage.borrow().is_none()
    }

    /// The longest line of an answer's head, and the slowest body.
    fn bounds(&self, member: usize, session: &Session, scratch: &Scratch) -> (usize, u32) {
        (self.line_max(member), self.rate_min(session, scratch))
    }

    /// The slowest body. Callers of gRPC may be silent within their request for as long as they like.
    fn rate_min(&self, session: &Session, scratch: &Scratch) -> u32 {
        let calls = grpc::is_call(session, scratch);
        if calls { 0 } else { self.listener.plan.limits.body_rate_min }
    }

    /// How long the member may take to answer, and to ask for a body that is held back.
    fn times(
        &self,
        scratch: &Scratch,
        passage: &RefCell<Option<Box<Passage>>>,
        member: usize,
    ) -> (Duration, Option<Duration>) {
        let answer = passing::time(passage, member, self.pool);
        (answer, self.hold(scratch, passage, member))
    }

    /// The lines that edits write, and our own address.
    fn texts(&self, session: &Session, scratch: &Scratch, member: usize) -> (Vec<u8>, String) {
        let filled = self.fill_edits(session, scratch, self.toward(member));
        (filled, self.own_address(session, scratch))
    }

    /// Holds the body back where the member is asked first; says for how long.
    fn hold(
        &self,
        scratch: &Scratch,
        passage: &RefCell<Option<Box<Passage>>>,
        member: usize,
    ) -> Option<Duration> {
        let ping = passing::ping(&scratch.head, passage, member, self.pool);
        self.progress.held.set(ping.is_some());
        self.progress.expected.set(passing::expects(&scratch.head));
        ping
    }

    /// The longest line of the head of a member's answer.
    fn line_max(&self, member: usize) -> usize {
        let own = self.pool.plan.rules.as_ref().and_then(|rules| rules.member(member));
        own.map_or(usize::MAX, |own| match own.line_max {
            0 => LINE_MAX,
            most => most as usize,
        })
    }

    fn toward(&self, member: usize) -> Toward<'_> {
        Toward {
            address: &self.pool.members[member].label,
            path: self.pool.plan.members.get(member).map_or("", |member| &member.path),
            own_host: self.pool.plan.host == HostHeader::Member,
        }
    }

    /// Whether the client's connection may carry more requests.
    fn goes_on(&self, session: &Session) -> bool {
        let most = self.listener.plan.limits.requests_per_connection;
        most == 0 || session.served < most
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

    fn write_head(&self, session: &Session, scratch: &mut Scratch, at: usize) {
        if scratch.passage.is_some() {
            return passing::write_head(session, scratch, self.pool, at);
        }
        self.progress.calls.set(self.tries_calls_again(session, scratch));
        scratch.down.clear();
        let mut up = std::mem::take(&mut scratch.up);
        up.clear();
        let toward = self.toward(at);
        Asking::of(session, scratch, self.listener, self.route, toward).write(&mut up);
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

/// A failure of an exchange that had no more time than its caller gave it.
fn hurried(failure: Failure) -> Failure {
    match failure {
        Failure::REQUEST_TIMEOUT_UP | Failure::REQUEST_TIMEOUT_DOWN => Failure::CALL_TIMEOUT,
        failure => failure,
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
        let held = progress.held.get();
        if let Poll::Ready(done) = download.as_mut().poll(cx) {
            return Poll::Ready(done);
        }
        if held && !progress.held.get() {
            // The member asks for the body: on with it.
            cx.waker().wake_by_ref();
        }
        whole.poll(cx).map(|()| match progress.sent.get() {
            true => Err(Failure::REQUEST_TIMEOUT_UP),
            false => Err(Failure::REQUEST_TIMEOUT_DOWN),
        })
    })
    .await
}
