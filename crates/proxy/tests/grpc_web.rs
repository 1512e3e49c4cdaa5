//! Calls of gRPC-Web to members of gRPC, on the simulated network.

mod support;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use evenkeel_net::sim::Weather;
use evenkeel_net::{Buffer, Whole, clock};
use evenkeel_plan::{MemberProtocol, Plan, RetryOn};
use h2::server;
use http::{HeaderMap, Request, Response};
use support::*;

const LIMIT: Duration = Duration::from_secs(600);

fn web(plan: &mut Plan) {
    plan.pools[0].protocol = MemberProtocol::Http2;
    plan.pools[0].grpc_web = true;
    plan.pools[0].retry.on.push(RetryOn::GrpcUnavailable);
}

fn not_web(plan: &mut Plan) {
    web(plan);
    plan.pools[0].grpc_web = false;
}

/// How a member answers: an echo with its status in trailers, or a status at once.
#[derive(Clone, Copy)]
enum Says {
    Echo,
    AtOnce(&'static str),
}

/// What members were asked: content type and body.
type Asked = Rc<RefCell<Vec<(String, Vec<u8>)>>>;

fn member(setup: &Setup, n: u8, says: Says, asked: &Asked) {
    let asked = asked.clone();
    setup.member(n, move |stream| {
        let asked = asked.clone();
        async move {
            let connection = server::handshake(Whole::new(stream, Buffer::new())).await;
            let Ok(mut connection) = connection else { return };
            while let Some(Ok((request, respond))) = connection.accept().await {
                tokio::task::spawn_local(answer(request, respond, says, asked.clone()));
            }
        }
    });
}

async fn answer(
    request: Request<h2::RecvStream>,
    mut respond: server::SendResponse<Bytes>,
    says: Says,
    asked: Asked,
) {
    let content = request.headers()["content-type"].to_str().unwrap().to_owned();
    assert_eq!(request.headers()["te"], "trailers");
    let mut body = request.into_body();
    let mut all = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        body.flow_control().release_capacity(data.len()).unwrap();
        all.extend_from_slice(&data);
    }
    asked.borrow_mut().push((content.clone(), all.clone()));
    let mut head = Response::builder().header("content-type", content);
    if let Says::AtOnce(status) = says {
        head = head.header("grpc-status", status);
        respond.send_response(head.body(()).unwrap(), true).unwrap();
        return;
    }
    let Ok(mut sending) = respond.send_response(head.body(()).unwrap(), false) else { return };
    sending.send_data(all.into(), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    trailers.insert("x-more", "1".parse().unwrap());
    sending.send_trailers(trailers).unwrap();
}

fn run(weather: Weather, change: fn(&mut Plan), test: impl AsyncFn(Setup)) {
    for seed in 0..if weather.read_max < 100 { 8 } else { 1 } {
        simulate(async {
            let setup = setup(seed, weather, 2, change);
            assert!(clock::within(LIMIT, test(setup)).await.is_some(), "seed {seed} hangs");
        });
    }
}

/// A call over HTTP/1.1: the head of the answer, and its body without chunks.
async fn call(setup: &Setup, content: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut client = setup.client().await;
    let head = format!(
        "POST /a.B/C HTTP/1.1\r\nHost: a.example\r\nContent-Type: {content}\r\nX-Grpc-Web: 1\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    send(&mut client, &[head.as_bytes(), body].concat()).await;
    let all = read(&mut client, |_| false).await;
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    let mut body = Vec::new();
    let mut rest = &all[end..];
    if !head.to_lowercase().contains("transfer-encoding: chunked") {
        return (head, rest.to_vec());
    }
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = usize::from_str_radix(str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            assert_eq!(&rest[line..], b"\r\n\r\n", "no trailers");
            return (head, body);
        }
        body.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 4 + size..];
    }
}

/// A message as gRPC frames it: a flag, a length, bytes.
fn message(flag: u8, bytes: &[u8]) -> Vec<u8> {
    [&[flag][..], &u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

const STATUS: &[u8] = b"grpc-status: 0\r\nx-more: 1\r\n";

#[test]
fn calls_of_browsers_become_calls_of_grpc() {
    for weather in [Weather::default(), ROUGH] {
        run(weather, web, async |setup| {
            let asked = Asked::default();
            [1, 2].into_iter().for_each(|n| member(&setup, n, Says::Echo, &asked));
            let sent = message(0, b"hello");
            let (head, body) = call(&setup, "application/grpc-web+proto", &sent).await;
            assert!(head.contains("content-type: application/grpc-web+proto\r\n"), "{head}");
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            assert_eq!(body, [&sent[..], &message(0x80, STATUS)].concat());
            let got = asked.borrow().last().cloned().unwrap();
            assert_eq!(got, ("application/grpc+proto".to_owned(), sent));
        });
    }
}

#[test]
fn text_is_read_and_written_where_the_caller_wants_it() {
    for weather in [Weather::default(), ROUGH] {
        run(weather, web, async |setup| {
            let asked = Asked::default();
            [1, 2].into_iter().for_each(|n| member(&setup, n, Says::Echo, &asked));
            // message(0, "hello") in two pieces of base64.
            let sent = b"AAAAAAVoZQ==bGxv";
            let (head, body) = call(&setup, "application/grpc-web-text", sent).await;
            assert!(head.contains("content-type: application/grpc-web-text\r\n"), "{head}");
            let got = asked.borrow().last().cloned().unwrap();
            assert_eq!(got, ("application/grpc".to_owned(), message(0, b"hello")));
            let text = String::from_utf8(body).unwrap();
            assert_eq!(decoded(&text), [message(0, b"hello"), message(0x80, STATUS)].concat());
        });
    }
}

/// Pieces of base64 that follow each other.
fn decoded(text: &str) -> Vec<u8> {
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for four in text.as_bytes().chunks(4) {
        let value = |b: &u8| digits.find(char::from(*b)).unwrap_or(0) as u32;
        let whole = four.iter().fold(0, |sum, b| sum << 6 | value(b));
        let kept = 3 - four.iter().filter(|b| **b == b'=').count();
        out.extend_from_slice(&whole.to_be_bytes()[1..=kept]);
    }
    out
}

#[test]
fn what_is_no_base64_is_the_callers_fault() {
    run(Weather::default(), web, async |setup| {
        let asked = Asked::default();
        [1, 2].into_iter().for_each(|n| member(&setup, n, Says::Echo, &asked));
        for bad in [&b"no base64!"[..], b"AAA"] {
            let (head, body) = call(&setup, "application/grpc-web-text", bad).await;
            assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
            assert!(head.contains("grpc-status: 13\r\n"), "{head}");
            assert_eq!(body, b"400 the body is not base64.\n");
        }
        let (head, _) = call(&setup, "application/grpc-web-text", b"AAAAAAA=").await;
        assert!(head.starts_with("HTTP/1.1 200 "), "others are served on: {head}");
    });
}

#[test]
fn a_status_at_once_stays_in_the_head_and_calls_are_tried_elsewhere() {
    run(Weather::default(), web, async |setup| {
        let asked = Asked::default();
        member(&setup, 1, Says::AtOnce("14"), &asked);
        member(&setup, 2, Says::AtOnce("5"), &asked);
        for _ in 0..3 {
            let (head, body) = call(&setup, "application/grpc-web", &message(0, b"x")).await;
            assert!(head.contains("grpc-status: 5\r\n"), "{head}");
            assert!(head.contains("content-type: application/grpc-web\r\n"), "{head}");
            assert_eq!(body, b"");
        }
        assert!(asked.borrow().len() > 3);
    });
}

#[test]
fn pools_that_do_not_ask_for_it_pass_it_on_as_it_is() {
    run(Weather::default(), not_web, async |setup| {
        let seen = Rc::new(RefCell::new(String::new()));
        for n in [1, 2] {
            let seen = seen.clone();
            setup.member(n, move |stream| {
                let seen = seen.clone();
                async move {
                    let whole = Whole::new(stream, Buffer::new());
                    let Ok(mut connection) = server::handshake(whole).await else { return };
                    while let Some(Ok((request, mut respond))) = connection.accept().await {
                        let content = request.headers()["content-type"].to_str().unwrap();
                        content.clone_into(&mut seen.borrow_mut());
                        respond.send_response(Response::new(()), true).unwrap();
                    }
                }
            });
        }
        call(&setup, "application/grpc-web", &message(0, b"x")).await;
        assert_eq!(*seen.borrow(), "application/grpc-web");
    });
}
