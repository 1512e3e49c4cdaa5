//! Members that speak HTTP/2, on the simulated network.

mod support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use evenkeel_net::sim::Weather;
use evenkeel_net::{Buffer, Stream, Whole, clock};
use evenkeel_plan::{MemberProtocol, Plan, RetryOn};
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, client};
use http::{HeaderMap, Request, Response};
use support::*;

type Respond = SendResponse<Bytes>;

const LIMIT: Duration = Duration::from_secs(600);

fn http2(plan: &mut Plan) {
    plan.pools[0].protocol = MemberProtocol::Http2;
}

/// What a member saw.
#[derive(Default)]
struct Seen {
    connections: Cell<u32>,
    requests: RefCell<Vec<Request<()>>>,
}

/// A member that answers each request by `script`, and allows so many at once.
fn member<F: Future<Output = ()> + 'static>(
    setup: &Setup,
    n: u8,
    streams: u32,
    script: impl Fn(Request<RecvStream>, Respond, u32) -> F + Clone + 'static,
) -> Rc<Seen> {
    let seen = Rc::new(Seen::default());
    let told = seen.clone();
    setup.member(n, move |stream| {
        let (script, told) = (script.clone(), told.clone());
        async move {
            told.connections.set(told.connections.get() + 1);
            let whole = Whole::new(stream, Buffer::new());
            let builder = Builder::new()
                .max_concurrent_streams(streams)
                .enable_connect_protocol()
                .handshake(whole)
                .await;
            let Ok(mut connection) = builder else { return };
            let mut count = 0;
            while let Some(Ok((request, respond))) = connection.accept().await {
                count += 1;
                let (parts, body) = request.into_parts();
                told.requests.borrow_mut().push(Request::from_parts(parts.clone(), ()));
                tokio::task::spawn_local(script(Request::from_parts(parts, body), respond, count));
            }
        }
    });
    seen
}

fn answer(status: u16) -> Response<()> {
    Response::builder().status(status).body(()).unwrap()
}

async fn all(recv: &mut RecvStream) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
    let mut bytes = Vec::new();
    while let Some(data) = recv.data().await {
        let data = data?;
        bytes.extend_from_slice(&data);
        recv.flow_control().release_capacity(data.len())?;
    }
    Ok((bytes, recv.trailers().await?))
}

async fn hello(_: Request<RecvStream>, mut respond: Respond, _: u32) {
    let mut body = respond.send_response(answer(200), false).unwrap();
    body.send_data(Bytes::from_static(b"hello"), true).unwrap();
}

/// As a gRPC server echoes: each message at once, the status at the end.
async fn grpc_echo(request: Request<RecvStream>, mut respond: Respond, _: u32) {
    let mut head = answer(200);
    head.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let mut sending = respond.send_response(head, false).unwrap();
    let mut body = request.into_body();
    while let Some(Ok(data)) = body.data().await {
        body.flow_control().release_capacity(data.len()).unwrap();
        sending.reserve_capacity(data.len());
        sending.send_data(data, false).unwrap();
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    trailers.insert("grpc-message", "fine".parse().unwrap());
    sending.send_trailers(trailers).unwrap();
}

async fn http1(setup: &Setup, request: &str) -> String {
    let mut client = setup.client().await;
    send(&mut client, request.as_bytes()).await;
    String::from_utf8(read(&mut client, |_| false).await).unwrap()
}

async fn http2_client(setup: &Setup) -> client::SendRequest<Bytes> {
    let stream = Whole::new(setup.client().await, Buffer::new());
    // One stream that is not read must not hold up the others: that is the client's to see to.
    let mut builder = client::Builder::new();
    let handshake = builder.initial_connection_window_size(8 << 20).handshake(stream);
    let (send, connection) = handshake.await.unwrap();
    tokio::task::spawn_local(async move { drop(connection.await) });
    send.ready().await.unwrap()
}

fn call() -> Request<()> {
    Request::post("http://a.example/echo.Echo/Call")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap()
}

fn run(weather: Weather, members: u8, change: fn(&mut Plan), test: impl AsyncFn(Setup)) {
    for seed in 0..if weather.read_max < 100 { 8 } else { 1 } {
        simulate(async {
            let setup = setup(seed, weather, members, change);
            assert!(clock::within(LIMIT, test(setup)).await.is_some(), "seed {seed} hangs");
        });
    }
}

const GET: &str = "GET /x HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";

#[test]
fn a_client_of_http_1_gets_what_the_member_says() {
    run(ROUGH, 1, http2, async |setup| {
        let seen = member(&setup, 1, 100, hello);
        for _ in 0..3 {
            let text = http1(&setup, GET).await;
            assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
            assert!(text.ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), "{text}");
        }
        assert_eq!(seen.connections.get(), 1, "one connection serves them all");
        let request = &seen.requests.borrow()[0];
        assert_eq!(request.uri(), "http://a.example/x");
        assert!(request.headers().contains_key("x-forwarded-for"));
        assert!(!request.headers().contains_key("connection"));
    });
}

#[test]
fn many_requests_share_few_connections() {
    fn few(plan: &mut Plan) {
        http2(plan);
        plan.pools[0].limits.streams = 10;
    }
    async fn slow(request: Request<RecvStream>, respond: Respond, n: u32) {
        clock::sleep(Duration::from_secs(1)).await;
        hello(request, respond, n).await;
    }
    for (change, connections) in [(http2 as fn(&mut Plan), 1), (few, 4)] {
        run(Weather::default(), 1, change, async move |setup| {
            let seen = member(&setup, 1, 100, slow);
            let mut client = http2_client(&setup).await;
            let get = || Request::get("http://a.example/").body(()).unwrap();
            let asked: Vec<_> =
                (0..40).map(|_| client.send_request(get(), true).unwrap().0).collect();
            for answer in asked {
                assert_eq!(answer.await.unwrap().status(), 200);
            }
            assert_eq!(seen.connections.get(), connections);
        });
    }
}

#[test]
fn a_member_that_allows_few_streams_gets_no_more() {
    async fn slow(request: Request<RecvStream>, respond: Respond, n: u32) {
        clock::sleep(Duration::from_secs(1)).await;
        hello(request, respond, n).await;
    }
    run(Weather::default(), 1, http2, async |setup| {
        let seen = member(&setup, 1, 3, slow);
        let text = http1(&setup, GET).await;
        assert!(text.ends_with("hello\r\n0\r\n\r\n"), "{text}");
        let mut client = http2_client(&setup).await;
        let get = || Request::get("http://a.example/").body(()).unwrap();
        let asked: Vec<_> = (0..9).map(|_| client.send_request(get(), true).unwrap().0).collect();
        for answer in asked {
            assert_eq!(answer.await.unwrap().status(), 200);
        }
        assert!(seen.connections.get() <= 4, "{}", seen.connections.get());
    });
}

#[test]
fn grpc_goes_both_ways_message_by_message() {
    for weather in [Weather::default(), ROUGH] {
        run(weather, 2, http2, async |setup| {
            let seen = [member(&setup, 1, 100, grpc_echo), member(&setup, 2, 100, grpc_echo)];
            let mut client = http2_client(&setup).await;
            for _ in 0..4 {
                let (answer, mut sending) = client.send_request(call(), false).unwrap();
                let mut answer = answer.await.unwrap();
                assert_eq!(answer.headers()["content-type"], "application/grpc");
                for n in 0..5_u8 {
                    sending.send_data(Bytes::from(vec![n; 20]), false).unwrap();
                    let mut got = 0;
                    while got < 20 {
                        let data = answer.body_mut().data().await.unwrap().unwrap();
                        assert!(data.iter().all(|b| *b == n));
                        got += data.len();
                        answer.body_mut().flow_control().release_capacity(data.len()).unwrap();
                    }
                }
                sending.send_data(Bytes::new(), true).unwrap();
                let (rest, trailers) = all(answer.body_mut()).await.unwrap();
                assert!(rest.is_empty());
                assert_eq!(trailers.unwrap()["grpc-message"], "fine");
            }
            for seen in seen {
                // Calls are balanced, not connections.
                assert_eq!(seen.requests.borrow().len(), 2);
                assert_eq!(seen.requests.borrow()[0].headers()["te"], "trailers");
            }
        });
    }
}

#[test]
fn a_status_without_a_message_stays_one_head() {
    async fn only_trailers(_: Request<RecvStream>, mut respond: Respond, _: u32) {
        let mut head = answer(200);
        head.headers_mut().insert("grpc-status", "5".parse().unwrap());
        respond.send_response(head, true).unwrap();
    }
    run(ROUGH, 1, http2, async |setup| {
        member(&setup, 1, 100, only_trailers);
        let mut client = http2_client(&setup).await;
        let (answer, mut sending) = client.send_request(call(), false).unwrap();
        sending.send_data(Bytes::from_static(b"ask"), true).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.headers()["grpc-status"], "5");
        assert!(answer.body().is_end_stream());
    });
}

#[test]
fn a_refused_stream_goes_to_another_member_even_for_post() {
    async fn refuse(_: Request<RecvStream>, mut respond: Respond, _: u32) {
        respond.send_reset(Reason::REFUSED_STREAM);
    }
    run(Weather::default(), 2, http2, async |setup| {
        let refusing = member(&setup, 1, 100, refuse);
        member(&setup, 2, 100, hello);
        let post =
            "POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc";
        for _ in 0..4 {
            let text = http1(&setup, post).await;
            assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
        }
        assert!(!refusing.requests.borrow().is_empty());
    });
}

#[test]
fn a_reset_stream_is_not_repeated_for_post() {
    async fn reset(_: Request<RecvStream>, mut respond: Respond, _: u32) {
        respond.send_reset(Reason::INTERNAL_ERROR);
    }
    run(Weather::default(), 2, http2, async |setup| {
        let seen = [member(&setup, 1, 100, reset), member(&setup, 2, 100, reset)];
        let post =
            "POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc";
        let text = http1(&setup, post).await;
        assert!(text.starts_with("HTTP/1.1 502 ") && text.contains("member-reset"), "{text}");
        let sent: usize = seen.iter().map(|seen| seen.requests.borrow().len()).sum();
        assert_eq!(sent, 1);
    });
}

#[test]
fn a_goodbye_loses_no_request() {
    run(Weather::default(), 1, http2, async |setup| {
        // Says goodbye with each third request, and still answers it.
        let connections = Rc::new(Cell::new(0));
        let counted = connections.clone();
        setup.member(1, move |stream| {
            counted.set(counted.get() + 1);
            async move {
                let whole = Whole::new(stream, Buffer::new());
                let Ok(mut connection) = h2::server::handshake(whole).await else { return };
                let mut count = 0;
                while let Some(Ok((request, respond))) = connection.accept().await {
                    count += 1;
                    if count == 3 {
                        connection.graceful_shutdown();
                    }
                    tokio::task::spawn_local(hello(request, respond, count));
                }
            }
        });
        let mut client = http2_client(&setup).await;
        for _ in 0..20 {
            let post = Request::post("http://a.example/").body(()).unwrap();
            let (answer, mut sending) = client.send_request(post, false).unwrap();
            sending.send_data(Bytes::from_static(b"x"), true).unwrap();
            let mut answer = answer.await.unwrap();
            let (text, _) = all(answer.body_mut()).await.unwrap();
            assert_eq!((answer.status().as_u16(), &text[..]), (200, &b"hello"[..]));
        }
        assert!(connections.get() >= 5, "{}", connections.get());
    });
}

#[test]
fn a_member_that_speaks_no_http_2_is_a_bad_gateway() {
    run(Weather::default(), 1, http2, async |setup| {
        setup.member(1, answering(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
        let text = http1(&setup, GET).await;
        assert!(text.starts_with("HTTP/1.1 502 "), "{text}");
    });
}

#[test]
fn a_cut_answer_never_looks_complete() {
    async fn cut(_: Request<RecvStream>, mut respond: Respond, _: u32) {
        let mut body = respond.send_response(answer(200), false).unwrap();
        body.send_data(Bytes::from_static(b"half"), false).unwrap();
        clock::sleep(Duration::from_secs(1)).await;
        body.send_reset(Reason::INTERNAL_ERROR);
    }
    run(ROUGH, 1, http2, async |setup| {
        member(&setup, 1, 100, cut);
        let text = http1(&setup, GET).await;
        assert!(!text.ends_with("0\r\n\r\n"), "{text}");
        let mut client = http2_client(&setup).await;
        let plain = Request::get("http://a/").body(()).unwrap();
        let (answer, _) = client.send_request(plain, true).unwrap();
        let error = all(answer.await.unwrap().body_mut()).await.unwrap_err();
        assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
        // To a call it can be said why.
        let (answer, _sending) = client.send_request(call(), true).unwrap();
        let (_, trailers) = all(answer.await.unwrap().body_mut()).await.unwrap();
        assert_eq!(trailers.unwrap()["grpc-message"], "member-cut");
    });
}

#[test]
fn a_client_that_leaves_resets_the_members_stream() {
    let told = Rc::new(Cell::new(None));
    let tell = told.clone();
    simulate(async {
        let setup = setup(1, Weather::default(), 1, http2);
        member(&setup, 1, 100, move |_, mut respond: Respond, _| {
            let tell = tell.clone();
            async move {
                let reason = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
                tell.set(reason.ok());
            }
        });
        let mut client = setup.client().await;
        send(&mut client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        clock::sleep(Duration::from_secs(2)).await;
        drop::<Stream>(client);
        clock::sleep(Duration::from_secs(5)).await;
        assert_eq!(told.get(), Some(Reason::CANCEL));
    });
}

#[test]
fn a_large_answer_waits_for_a_slow_reader_and_others_do_not() {
    async fn large(request: Request<RecvStream>, mut respond: Respond, _: u32) {
        let mut body = respond.send_response(answer(200), false).unwrap();
        let size = if request.uri().path() == "/large" { 3_000_000 } else { 10 };
        let mut data = Bytes::from(vec![b'x'; size]);
        while !data.is_empty() {
            body.reserve_capacity(data.len());
            let Some(Ok(room)) = std::future::poll_fn(|cx| body.poll_capacity(cx)).await else {
                return;
            };
            body.send_data(data.split_to(room.min(data.len())), false).unwrap();
        }
        body.send_data(Bytes::new(), true).unwrap();
    }
    run(Weather::default(), 1, http2, async |setup| {
        member(&setup, 1, 100, large);
        let mut client = http2_client(&setup).await;
        let get = |path| Request::get(format!("http://a.example{path}")).body(()).unwrap();
        let (slow, _) = client.send_request(get("/large"), true).unwrap();
        let mut slow = slow.await.unwrap();
        clock::sleep(Duration::from_secs(1)).await;
        for _ in 0..10 {
            let (answer, _) = client.send_request(get("/small"), true).unwrap();
            let mut answer = answer.await.unwrap();
            assert_eq!(all(answer.body_mut()).await.unwrap().0.len(), 10);
        }
        assert_eq!(all(slow.body_mut()).await.unwrap().0.len(), 3_000_000);
    });
}

#[test]
fn failures_of_our_own_are_statuses_of_grpc() {
    run(Weather::default(), 1, http2, async |setup| {
        // Nobody listens.
        let mut client = http2_client(&setup).await;
        let (answer, mut sending) = client.send_request(call(), false).unwrap();
        sending.send_data(Bytes::from_static(b"ask"), true).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.body().is_end_stream());
        assert_eq!(answer.headers()["content-type"], "application/grpc");
        assert_eq!(answer.headers()["grpc-status"], "14");
        assert_eq!(answer.headers()["grpc-message"], "connect-refused");
    });
}

/// As a gRPC server that is going, or a proxy before one that is gone.
async fn unavailable(_: Request<RecvStream>, mut respond: Respond, _: u32) {
    let mut head = answer(200);
    head.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    head.headers_mut().insert("grpc-status", "14".parse().unwrap());
    head.headers_mut().insert("grpc-message", "going".parse().unwrap());
    respond.send_response(head, true).unwrap();
}

/// Calls, and gives the status of gRPC: that of the head, or else that of the trailers.
async fn called(client: &mut client::SendRequest<Bytes>) -> String {
    let (answer, mut sending) = client.send_request(call(), false).unwrap();
    sending.send_data(Bytes::from_static(b"ask"), true).unwrap();
    let mut answer = answer.await.unwrap();
    let at_once = answer.headers().get("grpc-status").cloned();
    let (_, trailers) = all(answer.body_mut()).await.unwrap();
    let status = at_once.or_else(|| Some(trailers?["grpc-status"].clone())).unwrap();
    status.to_str().unwrap().to_owned()
}

#[test]
fn calls_that_find_nobody_are_tried_elsewhere_where_that_is_wanted() {
    fn wanted(plan: &mut Plan) {
        http2(plan);
        plan.pools[0].retry.on.push(RetryOn::GrpcUnavailable);
    }
    for (change, tried) in [(wanted as fn(&mut Plan), true), (http2, false)] {
        run(Weather::default(), 2, change, async |setup| {
            let going = member(&setup, 1, 100, unavailable);
            let there = member(&setup, 2, 100, grpc_echo);
            let mut client = http2_client(&setup).await;
            let mut found = 0;
            for _ in 0..4 {
                found += usize::from(called(&mut client).await == "0");
            }
            let (going, there) = (going.requests.borrow().len(), there.requests.borrow().len());
            assert!(going > 0, "the first was asked");
            assert_eq!(found, if tried { 4 } else { there });
            assert_eq!(there, if tried { 4 } else { 4 - going });
        });
    }
    // When all say the same, the caller hears it from the last.
    run(Weather::default(), 2, wanted, async |setup| {
        let seen = [1, 2].map(|n| member(&setup, n, 100, unavailable));
        let mut client = http2_client(&setup).await;
        assert_eq!(called(&mut client).await, "14");
        assert!(seen.iter().all(|seen| !seen.requests.borrow().is_empty()));
        // What has no other word for it in HTTP is no call.
        let mut get = call();
        *get.method_mut() = http::Method::GET;
        get.headers_mut().remove("content-type");
        let before: usize = seen.iter().map(|seen| seen.requests.borrow().len()).sum();
        let (answer, _) = client.send_request(get, true).unwrap();
        assert_eq!(answer.await.unwrap().headers()["grpc-status"], "14");
        let after: usize = seen.iter().map(|seen| seen.requests.borrow().len()).sum();
        assert_eq!(after, before + 1);
    });
}

#[test]
fn a_call_ends_at_its_deadline() {
    async fn silent(_: Request<RecvStream>, mut respond: Respond, _: u32) {
        let _ = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
    }
    run(Weather::default(), 1, http2, async |setup| {
        member(&setup, 1, 100, silent);
        let mut client = http2_client(&setup).await;
        let mut request = call();
        request.headers_mut().insert("grpc-timeout", "1500m".parse().unwrap());
        let began = clock::now();
        let (answer, mut sending) = client.send_request(request, false).unwrap();
        sending.send_data(Bytes::from_static(b"ask"), true).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.headers()["grpc-status"], "4");
        let took = clock::now().since(began);
        assert!((1400..1700).contains(&took.as_millis()), "{took:?}");
    });
}

#[test]
fn a_call_that_was_begun_ends_with_its_status() {
    async fn one(_: Request<RecvStream>, mut respond: Respond, _: u32) {
        let mut sending = respond.send_response(answer(200), false).unwrap();
        sending.send_data(Bytes::from_static(b"m"), false).unwrap();
        clock::sleep(Duration::from_secs(100)).await;
    }
    run(Weather::default(), 1, http2, async |setup| {
        member(&setup, 1, 100, one);
        let mut client = http2_client(&setup).await;
        let mut request = call();
        request.headers_mut().insert("grpc-timeout", "1S".parse().unwrap());
        let (answer, _sending) = client.send_request(request, false).unwrap();
        let (bytes, trailers) = all(answer.await.unwrap().body_mut()).await.unwrap();
        let trailers = trailers.unwrap();
        assert_eq!((&bytes[..], trailers["grpc-status"].as_bytes()), (&b"m"[..], &b"4"[..]));
        assert_eq!(trailers["grpc-message"], "call-timeout");
    });
}

#[test]
fn callers_may_be_silent_within_their_request() {
    run(Weather::default(), 1, http2, async |setup| {
        member(&setup, 1, 100, grpc_echo);
        let mut client = http2_client(&setup).await;
        let (answer, mut sending) = client.send_request(call(), false).unwrap();
        let mut answer = answer.await.unwrap();
        for _ in 0..3 {
            clock::sleep(Duration::from_secs(40)).await;
            sending.send_data(Bytes::from_static(b"m"), false).unwrap();
            assert_eq!(answer.body_mut().data().await.unwrap().unwrap(), "m");
        }
        sending.send_data(Bytes::new(), true).unwrap();
        assert!(all(answer.body_mut()).await.unwrap().1.is_some());
    });
}

const SOCKET: &[u8] = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[test]
fn a_websocket_goes_from_http_1_to_a_member_of_http_2() {
    async fn accept(request: Request<RecvStream>, mut respond: Respond, _: u32) {
        let protocol = request.extensions().get::<h2::ext::Protocol>();
        if protocol.is_none_or(|protocol| protocol.as_str() != "websocket") {
            return hello(request, respond, 0).await;
        }
        let mut sending = respond.send_response(answer(200), false).unwrap();
        let mut body = request.into_body();
        while let Some(Ok(data)) = body.data().await {
            body.flow_control().release_capacity(data.len()).unwrap();
            sending.send_data(data, false).unwrap();
        }
        sending.send_data(Bytes::from_static(b"over"), true).unwrap();
    }
    run(ROUGH, 1, http2, async |setup| {
        member(&setup, 1, 100, accept);
        let mut client = setup.client().await;
        send(&mut client, SOCKET).await;
        let head = read(&mut client, has_head).await;
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 ") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
        send(&mut client, b"tell me").await;
        let said = read(&mut client, |bytes| bytes.ends_with(b"tell me")).await;
        assert_eq!(said, b"tell me");
        client.split().1.finish().await.unwrap();
        assert_eq!(read(&mut client, |_| false).await, b"over");
    });
}

#[test]
fn a_member_of_http_2_may_end_its_half_of_a_websocket_first() {
    async fn listen(request: Request<RecvStream>, mut respond: Respond, _: u32) {
        let mut sending = respond.send_response(answer(200), false).unwrap();
        sending.send_data(Bytes::from_static(b"over"), true).unwrap();
        let (heard, _) = all(&mut request.into_body()).await.unwrap();
        HEARD.with(|all| all.replace(heard));
    }
    thread_local! {
        static HEARD: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    run(ROUGH, 1, http2, async |setup| {
        member(&setup, 1, 100, listen);
        let mut client = setup.client().await;
        send(&mut client, SOCKET).await;
        let all = read(&mut client, |_| false).await;
        assert!(all.starts_with(b"HTTP/1.1 101 ") && all.ends_with(b"\r\n\r\nover"));
        send(&mut client, b"one more thing").await;
        client.split().1.finish().await.unwrap();
        clock::sleep(Duration::from_secs(2)).await;
        assert_eq!(HEARD.with(RefCell::take), b"one more thing");
        assert_eq!(setup.core.report().sessions, 0);
    });
}

#[test]
fn a_member_that_falls_silent_gets_a_new_connection() {
    fn hasty(plan: &mut Plan) {
        http2(plan);
        plan.pools[0].timeouts.response = Duration::from_secs(2);
    }
    run(Weather::default(), 1, hasty, async |setup| {
        let connections = Rc::new(Cell::new(0));
        let counted = connections.clone();
        setup.member(1, move |stream| {
            counted.set(counted.get() + 1);
            let first = counted.get() == 1;
            async move {
                let whole = Whole::new(stream, Buffer::new());
                let Ok(mut connection) = h2::server::handshake(whole).await else { return };
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::task::spawn_local(hello(request, respond, 0));
                    if first {
                        // Frames go out only while somebody polls.
                        clock::sleep(Duration::from_secs(3600)).await;
                    }
                }
            }
        });
        let text = http1(&setup, GET).await;
        assert!(text.starts_with("HTTP/1.1 504 "), "{text}");
        let text = http1(&setup, GET).await;
        assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
        assert_eq!(connections.get(), 2);
    });
}
