//! Members of HTTP/2 that break its rules, frame by frame, on the simulated network.

mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use evenkeel_net::clock;
use evenkeel_net::sim::Weather;
use evenkeel_plan::{Bytes, MemberProtocol, Plan};
use support::frames::*;
use support::*;

const DATA: u8 = 0;
const GET: &str = "GET /x HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
const POST: &str =
    "POST /x HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc";

fn plan(plan: &mut Plan) {
    plan.pools[0].protocol = MemberProtocol::Http2;
    plan.pools[0].limits.header_bytes = Bytes(1024);
    plan.pools[0].limits.headers = 10;
    plan.pools[0].retry.attempts = 1;
}

/// What a client gets from two members that answer each request with this frame, and how often they
/// were asked.
fn asked(request: &str, answer: &[u8]) -> (String, u32) {
    let (request, answer) = (request.to_owned(), answer.to_vec());
    let count = Rc::new(Cell::new(0));
    let counted = count.clone();
    let got = Rc::new(Cell::new(String::new()));
    let told = got.clone();
    simulate(async move {
        let setup = setup(1, Weather::default(), 2, plan);
        for n in [1, 2] {
            let (answer, counted) = (answer.clone(), counted.clone());
            setup.member(n, move |mut stream| {
                let (answer, counted) = (answer.clone(), counted.clone());
                async move {
                    send(&mut stream, &frame(SETTINGS, 0, 0, &[])).await;
                    let is_asked = |bytes: &[u8]| {
                        let frames = bytes.get(PREFACE.len()..).map(frames).unwrap_or_default();
                        frames.iter().any(|(kind, ..)| *kind == HEADERS)
                    };
                    read(&mut stream, is_asked).await;
                    counted.set(counted.get() + 1);
                    send(&mut stream, &answer).await;
                    // Until the other side ends it.
                    read(&mut stream, |_| false).await;
                }
            });
        }
        let mut client = setup.client().await;
        send(&mut client, request.as_bytes()).await;
        let answer = clock::within(Duration::from_secs(60), read(&mut client, |_| false)).await;
        told.set(String::from_utf8(answer.expect("an answer in time")).expect("text"));
    });
    (got.take(), count.get())
}

fn head(list: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, 1, &fields(list))
}

#[test]
fn answers_that_break_the_rules_have_a_cause_of_their_own() {
    let (text, _) = asked(GET, &head(&[(":status", "200"), ("x-a", "1")]));
    assert!(text.starts_with("HTTP/1.1 200 ") && text.contains("x-a: 1"), "{text}");
    let ok = (":status", "200");
    for (name, answer) in [
        ("no number", head(&[(":status", "abc")])),
        ("no status", head(&[("x-a", "1")])),
        ("two statuses", head(&[ok, ok])),
        ("a field of the connection", head(&[ok, ("connection", "close")])),
        ("another", head(&[ok, ("transfer-encoding", "chunked")])),
        ("upper case", head(&[ok, ("X-A", "1")])),
        ("no length", head(&[ok, ("content-length", "x")])),
        ("two lengths", head(&[ok, ("content-length", "1"), ("content-length", "2")])),
        ("a body without a head", frame(DATA, END_STREAM, 1, b"x")),
        ("no HPACK", frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0xff; 9])),
    ] {
        let (text, count) = asked(GET, &answer);
        assert!(
            text.starts_with("HTTP/1.1 502 ") && text.contains("member-http2"),
            "{name}: {text}"
        );
        assert_eq!(count, 2, "{name}: what may be repeated is tried elsewhere");
        let (text, count) = asked(POST, &answer);
        assert!(text.contains("member-http2"), "{name}: {text}");
        assert_eq!(count, 1, "{name}: what may not is not");
    }
}

#[test]
fn a_head_that_is_too_large_is_no_refusal() {
    let value = "v".repeat(100);
    let mut list = vec![(":status", "200")];
    list.extend((0..30).map(|_| ("x-large", &*value)));
    let (text, count) = asked(POST, &head(&list));
    assert!(text.starts_with("HTTP/1.1 502 ") && text.contains("member-http2"), "{text}");
    assert_eq!(count, 1, "the member has answered it");
}
