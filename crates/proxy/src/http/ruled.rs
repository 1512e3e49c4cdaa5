//! A request that httpd's rules decide about, from their verdict to the answer: a member's, one of
//! ours, or the document that the configuration names for an error.

use std::sync::Arc;

use evenkeel_httpd::{Sites, Verdict};
use evenkeel_plan::MemberProtocol;
use evenkeel_wire::http1::{Framing, Method};

use crate::cause::Failure;
use crate::http::exchange::{balanced, in_apaches_words};
use crate::http::passing;
use crate::http::prefetch;
use crate::http::record::Tally;
use crate::http::respond;
use crate::http::scratch::Scratch;
use crate::http::session::{Next, Session};
use crate::snapshot::{ListenerRt, RouteRt, Snapshot};

/// Serves the request; says which route it took.
pub(crate) async fn serve<'s>(
    session: &mut Session,
    scratch: &mut Scratch,
    listener: &ListenerRt,
    (snapshot, sites): (&'s Snapshot, &Arc<Sites>),
    tally: &mut Tally,
) -> (Option<&'s RouteRt>, Result<Next, Failure>) {
    if let Err(failure) = passing::begin(session, scratch, listener, sites) {
        return (None, Err(failure));
    }
    let pool = scratch.passage.as_ref().and_then(|passage| passing::route(passage, snapshot));
    let goes_on = pool.is_some_and(|(_, pool)| pool.plan.spoken() == MemberProtocol::Http);
    if goes_on && let Err(failure) = prefetch::prepare(session, scratch, listener).await {
        return (None, Err(failure));
    }
    let had_body = !respond::has_no_body(scratch.head.body);
    let (mut taken, mut is_document) = (None, false);
    loop {
        let passage = scratch.passage.as_ref();
        let failed = match passage.and_then(|passage| passing::route(passage, snapshot)) {
            None => None,
            Some((route, pool)) => {
                taken = Some(route);
                match balanced(session, scratch, listener, route, pool, tally).await {
                    Ok(next) if is_document => {
                        return (taken, Ok(ended(next, scratch, had_body, tally)));
                    }
                    Ok(next) => return (taken, Ok(next)),
                    Err(failure) => Some(in_apaches_words(failure, pool)),
                }
            }
        };
        match failed {
            Some(failure) if is_told(failure, session, tally) => return (taken, Err(failure)),
            _ if turned(scratch, failed, tally) => is_document = true,
            Some(failure) if !gave_up(scratch) => return (taken, Err(failure)),
            _ => {
                gave_up(scratch);
                return (taken, Ok(passing::answer_here(session, scratch, tally).await));
            }
        }
    }
}

/// Whether the client knows already, or is not to be told.
fn is_told(failure: Failure, session: &Session, tally: &Tally) -> bool {
    tally.answered || failure.status == 0 || passing::is_silent(failure, session)
}

/// Turns to the document for the error, if there is one and members serve it.
fn turned(scratch: &mut Scratch, failed: Option<Failure>, tally: &mut Tally) -> bool {
    let Some(passage) = &mut scratch.passage else { return false };
    let status = match (failed, &passage.verdict) {
        (Some(failure), _) => failure.status,
        (None, Verdict::Own(status, None)) => *status,
        _ => return false,
    };
    if !passage.turn_to_document(status) {
        return false;
    }
    tally.cause = failed.map(|failure| failure.cause).or(tally.cause);
    let head = &mut scratch.head;
    // What is left of its body belongs to nobody: nothing may follow it on this connection.
    head.keep_alive &= respond::has_no_body(head.body);
    head.body = Framing::None;
    if head.method != Method::Head {
        head.method = Method::Get;
    }
    true
}

fn gave_up(scratch: &mut Scratch) -> bool {
    scratch.passage.as_mut().is_some_and(|passage| passage.give_up_document())
}

/// After a document: its status, and the end of a connection with a body that nobody read.
fn ended(next: Next, scratch: &Scratch, had_body: bool, tally: &mut Tally) -> Next {
    if let Some(passage) = &scratch.passage {
        tally.status = passage.status(tally.status);
    }
    match next {
        Next::KeepAlive | Next::Close if had_body => Next::Linger,
        next => next,
    }
}
