//! Requests that httpd's rules decide about ([`evenkeel_httpd`]): from the parsed head to a
//! [`Passage`], and from its verdict to a member or an answer of our own.

use std::borrow::Cow;
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use evenkeel_httpd::{
    Asked, Fields, Handler, HeadSize, Own, Passage, Sites, Times, TlsFacts, Verdict,
};
use evenkeel_net::{Deadline, Peer, clock};
use evenkeel_plan::MemberProtocol;
use evenkeel_wire::http1::{
    self, BodyReader, Field, Framing, Known, RequestHead, TargetForm, Version, write,
};

use crate::cause::Failure;
use crate::core::PageAsked;
use crate::filter::edits::Edits;
use crate::foreign;
use crate::http::record::Tally;
use crate::http::respond;
use crate::http::scratch::Scratch;
use crate::http::session::{Next, Session};
use crate::snapshot::{ActionRt, ListenerRt, PoolRt, RouteRt, Snapshot};

/// How long a page may take to be made.
const PAGE_TIME: Duration = Duration::from_secs(5);
/// Bytes of a form that are taken.
const FORM_MAX: usize = 16 * 1024;

/// Takes the request through the rules.
pub(crate) fn begin(
    session: &Session,
    scratch: &mut Scratch,
    listener: &ListenerRt,
    sites: &Arc<Sites>,
) -> Result<(), Failure> {
    let (head, buf) = (&scratch.head, session.buffer.bytes());
    scratch.asked.read_for_rules(buf, head, listener, session.peer.ip())?;
    scratch.asked.https |= session.secured.is_some();
    let (path, https) = (scratch.asked.path(), scratch.asked.https);
    let tls = session.secured.as_ref().map(|secured| TlsFacts {
        version: secured.version,
        cipher: secured.cipher,
        server_name: secured.server_name.to_string(),
        certified: secured.certified,
    });
    let tls = &tls.unwrap_or_default();
    let passage = through(sites, (buf, head), (path, https, tls), ends(session), times(session));
    scratch.passage = Some(Box::new(passage));
    Ok(())
}

/// Takes a head through the rules; `path` as they look at it, `ends`: the client's and ours.
pub(crate) fn through(
    sites: &Arc<Sites>,
    (buf, head): (&[u8], &RequestHead),
    (path, https, tls): (&[u8], bool, &TlsFacts),
    (peer, local): (SocketAddr, SocketAddr),
    times: Times,
) -> Passage {
    let host = head.host.map_or(&[][..], |span| span.of(buf));
    // The host of an absolute target is made small on the way.
    let host = match head.form {
        TargetForm::Absolute => Cow::Owned(host.to_ascii_lowercase()),
        _ => Cow::Borrowed(host),
    };
    let asked = Asked {
        method: head.method_span.of(buf),
        path,
        query: head.query.map(|span| span.of(buf)),
        protocol: match head.version {
            Version::H11 => "HTTP/1.1",
            Version::H10 => "HTTP/1.0",
        },
        host: &host,
        https,
        tls,
        peer,
        local,
        times,
        size: size(head),
    };
    let ends_here = [Known::Host, Known::ContentLength, Known::Http2Settings];
    let theirs = head.fields.iter().filter(|field| {
        let ours = field.name.of(buf).eq_ignore_ascii_case(foreign::FACTS);
        !ours && !ends_here.contains(&field.known)
    });
    // Nobody is asked here for what the client shows to proxies: it may be for the member.
    let (fields, ending): (Vec<_>, Vec<_>) =
        theirs.partition(|field| !field.drop || field.known == Known::ProxyAuthorization);
    let of = |field: &'_ Field| (field.name.of(buf), field.value.of(buf));
    Passage::new(sites, &asked, fields.into_iter().map(of), ending.into_iter().map(of))
}

/// Both ends of the client's connection.
pub(crate) fn ends(session: &Session) -> (SocketAddr, SocketAddr) {
    let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let peer = match session.peer {
        Peer::Tcp(address) => address,
        Peer::Unix => nowhere,
    };
    (peer, session.local.or_else(|| session.stream.local_address()).unwrap_or(nowhere))
}

fn size(head: &RequestHead) -> HeadSize {
    let lines = head.fields.iter().map(|field| field.name.len() + 2 + field.value.len());
    HeadSize {
        line: head.method_span.len() + head.target.len() + " ".len() + " HTTP/1.1".len(),
        fields: head.fields.len(),
        field: lines.max().unwrap_or(0),
    }
}

fn times(session: &Session) -> Times {
    let took = clock::now().since(session.began);
    let began = clock::wall().saturating_sub(took);
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    Times { began: micros(began), took: micros(took) }
}

/// The route and pool of the verdict, if a member is to serve the request.
pub(crate) fn route<'s>(
    passage: &Passage,
    snapshot: &'s Snapshot,
) -> Option<(&'s RouteRt, &'s Arc<PoolRt>)> {
    let Verdict::Proxy(toward) = &passage.verdict else { return None };
    let route = snapshot.routes.get(toward.route)?;
    match &route.action {
        ActionRt::Pool(pool) => Some((route, pool)),
        _ => None,
    }
}

/// The protocol the member is asked to switch to, if the client wants that and the rules allow it.
pub(crate) fn upgrade(
    session: &Session,
    head: &RequestHead,
    passage: &RefCell<Option<Box<Passage>>>,
    member: usize,
) -> Option<Vec<u8>> {
    let protocol = head.upgrade?.of(session.buffer.bytes());
    let passage = passage.borrow();
    let may = passage.as_ref().is_none_or(|passage| passage.may_switch(member, protocol));
    may.then(|| protocol.to_vec())
}

/// How long the member may take to answer.
pub(crate) fn time(
    passage: &RefCell<Option<Box<Passage>>>,
    member: usize,
    pool: &PoolRt,
) -> Duration {
    let passage = passage.borrow();
    let own = passage.as_ref().and_then(|passage| {
        passage.member(member).and_then(|member| member.timeout).or_else(|| passage.timeout())
    });
    own.unwrap_or(pool.plan.timeouts.response)
}

/// How long the member may take to ask for the body (`ping`), if it is to be asked whether it
/// wants it.
pub(crate) fn ping(
    head: &RequestHead,
    passage: &RefCell<Option<Box<Passage>>>,
    member: usize,
    pool: &PoolRt,
) -> Option<Duration> {
    let passage = passage.borrow();
    asks_first(head, passage.as_deref()?, member, pool)
}

/// Whether the client itself asks before it sends its body.
pub(crate) fn expects(head: &RequestHead) -> bool {
    head.fields.iter().any(|field| field.known == Known::Expect && !field.drop)
}

fn asks_first(
    head: &RequestHead,
    passage: &Passage,
    member: usize,
    pool: &PoolRt,
) -> Option<Duration> {
    let rules = pool.plan.rules.as_ref().filter(|rules| rules.protocol == MemberProtocol::Http)?;
    let has_body = matches!(head.body, Framing::Length(1..) | Framing::Chunked);
    let asked = has_body || expects(head);
    rules.member(member)?.ping.filter(|_| asked && !passage.manner().old)
}

/// Writes the head for the member.
pub(crate) fn write_head(session: &Session, scratch: &mut Scratch, pool: &PoolRt, member: usize) {
    scratch.down.clear();
    let (out, head) = (&mut scratch.up, &scratch.head);
    out.clear();
    let Some(passage) = &scratch.passage else { return };
    let foreign = pool.plan.rules.as_ref().is_some_and(|r| r.protocol != MemberProtocol::Http);
    passage.write_request(member, foreign, out);
    if foreign {
        facts(passage, head.target.of(session.buffer.bytes()), out);
    }
    match head.body {
        Framing::Length(length) => write::number_field(out, b"Content-Length", length),
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Framing::None | Framing::UntilClose => {}
    }
    if !expects(head) && asks_first(head, passage, member, pool).is_some() {
        out.extend_from_slice(b"Expect: 100-continue\r\n");
    }
    let upgrade = head.upgrade.map(|span| span.of(session.buffer.bytes()));
    match upgrade.filter(|protocol| passage.may_switch(member, protocol)) {
        Some(protocol) => {
            out.extend_from_slice(b"Connection: Upgrade\r\n");
            write::field(out, b"Upgrade", protocol);
        }
        None if passage.manner().old => {}
        None if passage.manner().once || !foreign && passage.is_lone(member) => {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        None if foreign => {}
        // It goes without saying, but httpd says it, and members of HTTP/1.0 ask for it.
        None => out.extend_from_slice(b"Connection: Keep-Alive\r\n"),
    }
    out.extend_from_slice(b"\r\n");
}

/// What members that do not speak HTTP are told about the client.
fn facts(passage: &Passage, target: &[u8], out: &mut Vec<u8>) {
    let facts = &passage.facts;
    let text = format!(
        "{} {} {} {} {} {} {} {}",
        facts.client,
        facts.client_port,
        facts.local.ip(),
        facts.local.port(),
        u8::from(facts.https),
        String::from_utf8_lossy(&facts.host),
        String::from_utf8_lossy(target),
        u8::from(passage.is_bound())
    );
    write::field(out, foreign::FACTS, text.as_bytes());
}

/// Answers what no member serves.
pub(crate) async fn answer_here(
    session: &mut Session,
    scratch: &mut Scratch,
    tally: &mut Tally,
) -> Next {
    let Some(mut passage) = scratch.passage.take() else { return Next::Close };
    if let Verdict::Page(handler) = passage.verdict {
        let own = match page(session, scratch, &mut passage, handler, tally).await {
            Some(own) => own,
            None => passage.own(503, None),
        };
        let next = send(session, scratch, &own, tally.body_settled, tally).await;
        scratch.passage = Some(passage);
        return next;
    }
    let own = match &passage.verdict {
        Verdict::Own(status, to) => {
            let (status, to) = (*status, to.clone());
            passage.own(status, to.as_deref())
        }
        Verdict::Page(_) | Verdict::Proxy(_) => passage.own(404, None),
    };
    let keep = tally.body_settled;
    let next = send(session, scratch, &own, keep, tally).await;
    scratch.passage = Some(passage);
    next
}

/// A page that the controller makes; `None` when it cannot now.
async fn page(
    session: &mut Session,
    scratch: &Scratch,
    passage: &mut Passage,
    handler: Handler,
    tally: &mut Tally,
) -> Option<Own> {
    let body = form(session, scratch, tally).await?;
    let (reply, answer) = oneshot::channel();
    let facts = &passage.facts;
    let asked = PageAsked {
        handler,
        site: passage.site(),
        method: facts.method.clone(),
        path: facts.path.clone(),
        query: facts.query.clone(),
        origin: [facts.scheme().as_bytes(), b"://", &facts.host].concat(),
        referer: facts.field(b"referer"),
        server: passage.server_name(),
        body,
        reply,
    };
    session.core.pages.as_ref()?.try_send(asked).ok()?;
    let page = clock::within(PAGE_TIME, answer).await?.ok()?;
    let mut fields = match page.status {
        200 => passage.page_fields(page.content_type),
        status => passage.own(status, None).fields,
    };
    let allow = page.allow.map(|allow| (b"Allow".to_vec(), allow.as_bytes().to_vec()));
    fields.extend(allow);
    Some(Own { status: page.status, phrase: None, fields, body: page.body.into_bytes() })
}

/// The request's body, as far as forms are read; more than that is not taken.
async fn form(session: &mut Session, scratch: &Scratch, tally: &mut Tally) -> Option<Vec<u8>> {
    let head = &scratch.head;
    let mut reader = BodyReader::new(head.body, &http1::Limits::default());
    let mut body = Vec::new();
    let mut used = head.len;
    let mut wait = Deadline::never();
    wait.set_after(clock::now(), PAGE_TIME);
    while !reader.is_done() && body.len() < FORM_MAX {
        let input = &session.buffer.bytes()[used..];
        if !input.is_empty() {
            let piece = reader.step(input).ok()?;
            body.extend_from_slice(&input[piece.skip..piece.skip + piece.data]);
            used += piece.skip + piece.data;
            if piece.skip + piece.data > 0 {
                continue;
            }
        }
        let most = used + FORM_MAX;
        match session.stream.recv(&mut session.buffer, most, &mut wait).await {
            Ok(n) if n > 0 => {}
            _ => return None,
        }
    }
    tally.used = used;
    tally.body_settled = reader.is_done();
    Some(body)
}

/// Answers a failure as httpd's configuration says.
pub(crate) async fn fail(
    session: &mut Session,
    scratch: &mut Scratch,
    failure: Failure,
    tally: &mut Tally,
) -> Next {
    let Some(mut passage) = scratch.passage.take() else { return Next::Close };
    if is_silent(failure, session) {
        scratch.passage = Some(passage);
        return Next::Close;
    }
    let about = reason(failure);
    let own = passage.failed_with(failure.status, about);
    let keep = tally.body_settled && failure.keeps_connection();
    let next = send(session, scratch, &own, keep, tally).await;
    scratch.passage = Some(passage);
    next
}

/// What the page for a failure says of it.
fn reason(failure: Failure) -> Option<&'static str> {
    match failure.status {
        500 if failure.cause == Failure::UNRESOLVED.cause => Some("DNS lookup failure"),
        500 if failure.cause == Failure::MEMBER_TLS.cause => {
            Some("Error during SSL Handshake with remote server")
        }
        502 if failure.cause == Failure::OVERRIDDEN.cause => None,
        502 if failure.cause == Failure::TOO_MANY_INTERIM.cause => {
            Some("Too many interim responses from origin server")
        }
        502 if failure.cause == Failure::BAD_UPGRADE.cause => Some("Unexpected Upgrade"),
        502 => Some("Error reading from remote server"),
        _ => None,
    }
}

/// Whether the connection ends without an answer: a later request on it that a member let down can
/// be repeated by the client.
pub(crate) fn is_silent(failure: Failure, session: &Session) -> bool {
    let silent = failure == Failure::MEMBER_CLOSED || failure == Failure::MEMBER_RESET;
    silent && session.served > 1
}

async fn send(
    session: &mut Session,
    scratch: &mut Scratch,
    own: &Own,
    keep: bool,
    tally: &mut Tally,
) -> Next {
    let extra = lines(&own.fields);
    let own = respond::Own {
        status: own.status,
        phrase: own.phrase.as_deref(),
        content_type: b"",
        body: &own.body,
        location: None,
        edits: &Edits::default(),
        extra: &extra,
    };
    respond::send(session, scratch, &own, keep, tally).await
}

fn lines(fields: &Fields) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        write::field(&mut out, name, value);
    }
    out
}
