//! gRPC: failures of our own in its words, and its deadlines.

use std::time::Duration;

use evenkeel_http2::{is_grpc, is_grpc_web};

use crate::cause::{Failure, Side};
use crate::filter::edits::Edits;
use crate::http::record::Tally;
use crate::http::respond::{self, Own};
use crate::http::scratch::Scratch;
use crate::http::session::{Next, Session};

/// Statuses of gRPC.
const UNKNOWN: u8 = 2;
const DEADLINE_EXCEEDED: u8 = 4;
const PERMISSION_DENIED: u8 = 7;
const RESOURCE_EXHAUSTED: u8 = 8;
const UNIMPLEMENTED: u8 = 12;
const INTERNAL: u8 = 13;
const UNAVAILABLE: u8 = 14;
const UNAUTHENTICATED: u8 = 16;
/// Zero would stand for no limit.
const SHORTEST: Duration = Duration::from_micros(1);
/// Digits of a time-out.
const DIGITS: usize = 8;

/// Whether the request at the front of the session's buffer is a call of gRPC.
pub(crate) fn is_call(session: &Session, scratch: &Scratch) -> bool {
    session.is_multiplexed() && field(session, scratch, b"content-type").is_some_and(is_grpc)
}

/// Whether it is one of gRPC-Web.
pub(crate) fn is_web_call(session: &Session, scratch: &Scratch) -> bool {
    field(session, scratch, b"content-type").is_some_and(is_grpc_web)
}

/// How long an exchange may take: `usual`, where zero stands for no limit, or less if the caller
/// does not wait for so long; and whether that is so.
pub(crate) fn patience(session: &Session, scratch: &Scratch, usual: Duration) -> (Duration, bool) {
    if !session.is_multiplexed() {
        return (usual, false);
    }
    let asked = field(session, scratch, b"grpc-timeout").and_then(read_timeout);
    match asked.map(|time| time.max(SHORTEST)) {
        Some(time) if usual.is_zero() || time < usual => (time, true),
        _ => (usual, false),
    }
}

/// Tells the caller about a failure: a head that is all there is, of status 200. It is counted and
/// logged by the status that it stands for.
pub(crate) async fn fail(
    session: &mut Session,
    scratch: &mut Scratch,
    failure: Failure,
    tally: &mut Tally,
) -> Next {
    let mut lines = String::from("content-type: application/grpc\r\n");
    lines.push_str(&format!("grpc-status: {}\r\n", status(failure)));
    lines.push_str(&format!("grpc-message: {}\r\n", failure.cause));
    let own = Own {
        phrase: None,
        status: 200,
        content_type: b"",
        body: b"",
        location: None,
        edits: &Edits::default(),
        extra: lines.as_bytes(),
    };
    let keep = tally.body_settled && failure.keeps_connection();
    let next = respond::send(session, scratch, &own, keep, tally).await;
    tally.status = failure.status;
    next
}

/// Ends a call's answer that was begun with the status of the failure; false when it cannot.
pub(crate) fn end(session: &Session, scratch: &Scratch, failure: Failure) -> bool {
    if failure.side == Side::Downstream || !is_call(session, scratch) {
        return false;
    }
    let status = status(failure);
    let lines = format!("grpc-status: {status}\r\ngrpc-message: {}\r\n", failure.cause);
    session.stream.end_with(lines.as_bytes())
}

fn field<'a>(session: &'a Session, scratch: &Scratch, name: &[u8]) -> Option<&'a [u8]> {
    let (buf, head) = (session.buffer.bytes(), &scratch.head);
    let mut fields = head.fields.iter().filter(|_| head.len > 0);
    let found = fields.find(|field| field.name.of(buf).eq_ignore_ascii_case(name))?;
    Some(found.value.of(buf))
}

/// As gRPC maps statuses of HTTP, with words of its own where those say more.
fn status(failure: Failure) -> u8 {
    match failure.status {
        _ if failure == Failure::CALL_TIMEOUT => DEADLINE_EXCEEDED,
        _ if failure.cause == Failure::REQUEST_TIMEOUT_UP.cause => DEADLINE_EXCEEDED,
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 | 405 | 501 => UNIMPLEMENTED,
        413 | 431 => RESOURCE_EXHAUSTED,
        429 | 502..=504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

/// At most eight digits and a unit.
fn read_timeout(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if digits.is_empty() || digits.len() > DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = str::from_utf8(digits).ok()?.parse().ok()?;
    match unit {
        b'H' => Some(Duration::from_secs(number * 3600)),
        b'M' => Some(Duration::from_secs(number * 60)),
        b'S' => Some(Duration::from_secs(number)),
        b'm' => Some(Duration::from_millis(number)),
        b'u' => Some(Duration::from_micros(number)),
        b'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        for (text, expected) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("99999999S", Some(Duration::from_secs(99_999_999))),
            ("100m", Some(Duration::from_millis(100))),
            ("7u", Some(Duration::from_micros(7))),
            ("8n", Some(Duration::from_nanos(8))),
            ("", None),
            ("S", None),
            ("1", None),
            ("-1S", None),
            ("999999999S", None),
            ("1s", None),
        ] {
            assert_eq!(read_timeout(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn failures_have_their_status() {
        assert_eq!(status(Failure::NO_MEMBER), UNAVAILABLE);
        assert_eq!(status(Failure::MEMBER_RESET), UNAVAILABLE);
        assert_eq!(status(Failure::NO_ROUTE), UNIMPLEMENTED);
        assert_eq!(status(Failure::REQUEST_TIMEOUT_UP), DEADLINE_EXCEEDED);
        assert_eq!(status(Failure::BODY_TOO_LARGE), RESOURCE_EXHAUSTED);
    }
}
