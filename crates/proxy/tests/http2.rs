//! Clients that speak HTTP/2, on the simulated network.

mod support;

use std::time::Duration;

use bytes::Bytes;
use evenkeel_net::sim::Weather;
use evenkeel_net::{Buffer, Stream, Whole, clock};
use evenkeel_plan::Plan;
use h2::client::{self, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use support::*;

const LIMIT: Duration = Duration::from_secs(600);

/// A client whose connection is served by a task.
async fn begin(setup: &Setup) -> SendRequest<Bytes> {
    begin_with(setup, &client::Builder::new()).await
}

async fn begin_with(setup: &Setup, builder: &client::Builder) -> SendRequest<Bytes> {
    let stream = Whole::new(setup.client().await, Buffer::new());
    let (send, connection) = builder.handshake(stream).await.unwrap();
    tokio::task::spawn_local(async move { drop(connection.await) });
    send.ready().await.unwrap()
}

fn get(path: &str) -> Request<()> {
    Request::get(format!("http://a.example{path}")).body(()).unwrap()
}

fn post(path: &str) -> http::request::Builder {
    Request::post(format!("http://a.example{path}"))
}

/// The whole body, and the trailers.
async fn body(recv: &mut RecvStream) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
    let mut all = Vec::new();
    while let Some(data) = recv.data().await {
        let data = data?;
        all.extend_from_slice(&data);
        recv.flow_control().release_capacity(data.len())?;
    }
    Ok((all, recv.trailers().await?))
}

async fn text(answer: ResponseFuture) -> (u16, String) {
    let mut answer = answer.await.unwrap();
    let (bytes, _) = body(answer.body_mut()).await.unwrap();
    (answer.status().as_u16(), String::from_utf8(bytes).unwrap())
}

/// Sends as the window allows.
async fn upload(stream: &mut SendStream<Bytes>, mut data: Bytes) -> Result<(), h2::Error> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
        let Some(room) = room else { break };
        stream.send_data(data.split_to(room?.min(data.len())), false)?;
    }
    Ok(())
}

fn reason(error: &h2::Error) -> Option<Reason> {
    error.reason()
}

/// A member that sends back each request, head and body, as its answer's body.
fn echo() -> impl Fn(Stream) -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
    |mut stream| {
        Box::pin(async move {
            let request = read(&mut stream, |bytes| {
                let head = String::from_utf8_lossy(bytes).to_lowercase();
                match (head.find("\r\n\r\n"), head.find("content-length: ")) {
                    (None, _) => false,
                    (Some(_), _) if head.contains("chunked") => head.ends_with("\r\n0\r\n\r\n"),
                    (Some(end), Some(at)) => {
                        let number = head[at + 16..].split('\r').next().unwrap();
                        bytes.len() >= end + 4 + number.parse::<usize>().unwrap()
                    }
                    (Some(_), None) => true,
                }
            })
            .await;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.len());
            send(&mut stream, head.as_bytes()).await;
            send(&mut stream, &request).await;
        })
    }
}

fn run(weather: Weather, change: fn(&mut Plan), test: impl AsyncFn(Setup)) {
    for seed in 0..if weather.read_max < 100 { 8 } else { 1 } {
        simulate(async {
            let setup = setup(seed, weather, 2, change);
            assert!(clock::within(LIMIT, test(setup)).await.is_some(), "seed {seed} hangs");
        });
    }
}

fn as_is(_: &mut Plan) {}

#[test]
fn many_requests_share_a_connection_in_any_weather() {
    for weather in [Weather::default(), ROUGH] {
        run(weather, as_is, async |setup| {
            setup.member(1, answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
            setup.member(
                2,
                answering(
                    b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbye\r\n0\r\n\r\n",
                ),
            );
            let mut client = begin(&setup).await;
            let asked: Vec<_> =
                (0..20).map(|_| client.send_request(get("/x"), true).unwrap().0).collect();
            let mut seen = [0, 0];
            for answer in asked {
                match text(answer).await {
                    (200, text) if text == "hello" => seen[0] += 1,
                    (404, text) if text == "bye" => seen[1] += 1,
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(seen, [10, 10]);
        });
    }
}

#[test]
fn bodies_go_both_ways_with_length_and_without() {
    for weather in [Weather::default(), ROUGH] {
        run(weather, as_is, async |setup| {
            setup.member(1, echo());
            setup.member(2, echo());
            let size = if setup.world_is_rough() { 2_000 } else { 700_000 };
            let data = Bytes::from(vec![b'z'; size]);
            let mut client = begin(&setup).await;
            for request in [
                post("/p").header("content-length", size).body(()).unwrap(),
                post("/p").body(()).unwrap(),
            ] {
                let (answer, mut sending) = client.send_request(request, false).unwrap();
                let sent = async {
                    upload(&mut sending, data.clone()).await.unwrap();
                    sending.send_data(Bytes::new(), true).unwrap();
                };
                let ((), (status, text)) = tokio::join!(sent, text(answer));
                assert_eq!(status, 200);
                assert!(text.starts_with("POST /p HTTP/1.1\r\nHost: a.example\r\n"), "{text:.200}");
                assert_eq!(text.bytes().filter(|b| *b == b'z').count(), size);
            }
        });
    }
}

#[test]
fn heads_may_be_as_large_as_the_limit_says() {
    run(Weather::default(), as_is, async |setup| {
        setup.member(1, echo());
        let mut client = begin(&setup).await;
        for size in [10_000, 16_300, 16_384, 20_000, 30_000] {
            let mut request = get("/large");
            request.headers_mut().insert("x-large", "v".repeat(size).parse().unwrap());
            let (answer, _) = client.send_request(request, true).unwrap();
            let (status, said) = text(answer).await;
            assert_eq!(status, 200, "{size}");
            assert!(said.contains(&"v".repeat(size)), "{size}");
        }
    });
}

#[test]
fn trailers_go_both_ways() {
    run(ROUGH, as_is, async |setup| {
        for n in [1, 2] {
            setup.member(n, |mut stream| async move {
                let all = |bytes: &[u8]| bytes.ends_with(b"\r\n\r\n") && !bytes.ends_with(b"chunked\r\n\r\n") && bytes.windows(3).any(|w| w == b"0\r\n");
                let request = String::from_utf8(read(&mut stream, all).await).unwrap();
                assert!(request.ends_with("\r\n4\r\nping\r\n0\r\nx-sum: 9\r\n\r\n"), "{request}");
                let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npong\r\n0\r\ngrpc-status: 0\r\n\r\n";
                send(&mut stream, answer).await;
            });
        }
        let mut client = begin(&setup).await;
        let (answer, mut sending) =
            client.send_request(post("/").body(()).unwrap(), false).unwrap();
        sending.send_data(Bytes::from_static(b"ping"), false).unwrap();
        let mut fields = HeaderMap::new();
        fields.insert("x-sum", "9".parse().unwrap());
        sending.send_trailers(fields).unwrap();
        let mut answer = answer.await.unwrap();
        let (text, trailers) = body(answer.body_mut()).await.unwrap();
        assert_eq!(text, b"pong");
        assert_eq!(trailers.unwrap()["grpc-status"], "0");
    });
}

/// RFC 9218: whoever orders the answers' bytes can know what both ends want.
#[test]
fn priorities_are_passed_on_both_ways() {
    run(ROUGH, as_is, async |setup| {
        for n in [1, 2] {
            setup.member(n, |mut stream| async move {
                let all = |bytes: &[u8]| bytes.ends_with(b"\r\n\r\n");
                let request = String::from_utf8(read(&mut stream, all).await).unwrap();
                assert!(request.contains("priority: u=1, i\r\n"), "{request}");
                send(&mut stream, b"HTTP/1.1 204 No Content\r\nPriority: u=5\r\n\r\n").await;
            });
        }
        let mut client = begin(&setup).await;
        let mut request = get("/");
        request.headers_mut().insert("priority", "u=1, i".parse().unwrap());
        let (answer, _) = client.send_request(request, true).unwrap();
        assert_eq!(answer.await.unwrap().headers()["priority"], "u=5");
    });
}

#[test]
fn interim_answers_and_empty_ones_arrive() {
    run(ROUGH, as_is, async |setup| {
        for n in [1, 2] {
            setup.member(n, answering(b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 204 No Content\r\nx: y\r\n\r\n"));
        }
        let mut client = begin(&setup).await;
        let (mut answer, _) = client.send_request(get("/"), true).unwrap();
        let hint = std::future::poll_fn(|cx| answer.poll_informational(cx)).await.unwrap().unwrap();
        assert_eq!((hint.status().as_u16(), &hint.headers()["link"]), (103, &"a".parse().unwrap()));
        let answer = answer.await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["x"]),
            (204, &"y".parse().unwrap())
        );
        assert!(answer.body().is_end_stream());
        let head = Request::head("http://a.example/").body(()).unwrap();
        let (answer, _) = client.send_request(head, true).unwrap();
        assert!(answer.await.unwrap().body().is_end_stream());
    });
}

#[test]
fn a_failure_before_the_head_is_an_answer_and_one_within_the_body_a_reset() {
    run(Weather::default(), as_is, async |setup| {
        // Nobody listens.
        let mut client = begin(&setup).await;
        let (answer, _) = client.send_request(get("/"), true).unwrap();
        let (status, said) = text(answer).await;
        assert_eq!(status, 503, "{said}");
        for n in [1, 2] {
            setup.member(n, |mut stream| async move {
                read(&mut stream, has_head).await;
                send(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
            });
        }
        let (answer, _) = client.send_request(get("/"), true).unwrap();
        let mut answer = answer.await.unwrap();
        let error = body(answer.body_mut()).await.unwrap_err();
        assert_eq!(reason(&error), Some(Reason::INTERNAL_ERROR));
        // The connection is in order all the same.
        let (answer, _) = client.send_request(get("/"), true).unwrap();
        assert_eq!(answer.await.unwrap().status(), 200);
    });
}

#[test]
fn a_client_that_resets_cancels_its_exchange() {
    run(Weather::default(), as_is, async |setup| {
        let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
        for n in [1, 2] {
            let told = told.clone();
            setup.member(n, move |mut stream| {
                let told = told.clone();
                async move {
                    read(&mut stream, has_head).await;
                    told.send("asked").unwrap();
                    read(&mut stream, |_| false).await;
                    told.send("left").unwrap();
                }
            });
        }
        let mut client = begin(&setup).await;
        let (answer, mut sending) = client.send_request(get("/"), true).unwrap();
        assert_eq!(hears.recv().await, Some("asked"));
        sending.send_reset(Reason::CANCEL);
        assert_eq!(hears.recv().await, Some("left"));
        assert!(answer.await.is_err());
        assert_eq!(setup.core.report().sessions, 1, "the connection stays");
    });
}

#[test]
fn a_refused_upload_is_answered_before_its_end() {
    fn small(plan: &mut Plan) {
        plan.listeners[0].limits.body = evenkeel_plan::Bytes(1000);
    }
    run(Weather::default(), small, async |setup| {
        setup.member(1, echo());
        setup.member(2, echo());
        let mut client = begin(&setup).await;
        let (answer, mut sending) =
            client.send_request(post("/").body(()).unwrap(), false).unwrap();
        let sent = upload(&mut sending, Bytes::from(vec![0; 10_000_000]));
        let (sent, (status, said)) = tokio::join!(sent, text(answer));
        assert_eq!(status, 413, "{said}");
        drop(sent);
        let (answer, _) = client.send_request(get("/"), true).unwrap();
        assert_eq!(answer.await.unwrap().status(), 200);
    });
}

#[test]
fn what_a_client_does_not_read_is_not_taken_from_the_member() {
    run(Weather::default(), as_is, async |setup| {
        let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
        for n in [1, 2] {
            let told = told.clone();
            setup.member(n, move |mut stream| {
                let told = told.clone();
                async move {
                    read(&mut stream, has_head).await;
                    send(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n").await;
                    for _ in 0..1000 {
                        send(&mut stream, &[b'x'; 10_000]).await;
                        told.send(()).unwrap();
                    }
                }
            });
        }
        let mut client = begin(&setup).await;
        let (answer, _) = client.send_request(get("/"), true).unwrap();
        let mut answer = answer.await.unwrap();
        clock::sleep(Duration::from_secs(20)).await;
        let mut taken = 0;
        while hears.try_recv().is_ok() {
            taken += 1;
        }
        // Windows, pipes and buffers on the way hold some.
        assert!((5..100).contains(&taken), "{taken} pieces of 10 kB");
        let (text, _) = body(answer.body_mut()).await.unwrap();
        assert_eq!(text.len(), 10_000_000);
    });
}

#[test]
fn malformed_requests_are_reset_and_reach_no_member() {
    run(Weather::default(), as_is, async |setup| {
        setup.member(1, echo());
        setup.member(2, echo());
        let mut client = begin(&setup).await;
        let uri = "http://a.example/";
        for request in [
            Request::get(uri).header("host", "b.example"),
            Request::get(uri).header("x", "\tlead"),
            Request::get(uri).header("content-length", "7"),
            Request::get("ftp://a.example/"),
            Request::get("http://user@a.example/"),
        ] {
            let shown = format!("{request:?}");
            let (answer, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
            let error = answer.await.expect_err(&shown);
            assert_eq!(reason(&error), Some(Reason::PROTOCOL_ERROR), "{shown}");
        }
        // What HTTP/1.1 refuses has its status.
        for (request, expected) in [
            (Request::get("/no-host"), 400),
            (Request::connect("a.example:80"), 501),
            (Request::get(uri).header("content_length", "7"), 400),
            (Request::get(uri).header("x", "y".repeat(40_000)), 431),
        ] {
            let (answer, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
            let answer = answer.await.unwrap();
            assert_eq!(answer.status().as_u16(), expected);
        }
        let (answer, _) = client.send_request(get("/"), true).unwrap();
        assert_eq!(text(answer).await.0, 200);
    });
}

#[test]
fn draining_says_goaway_and_finishes_what_is_under_way() {
    run(ROUGH, as_is, async |setup| {
        for n in [1, 2] {
            setup.member(n, |mut stream| async move {
                read(&mut stream, has_head).await;
                clock::sleep(Duration::from_secs(3)).await;
                send(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").await;
            });
        }
        let mut client = begin(&setup).await;
        let (answer, _) = client.send_request(get("/"), true).unwrap();
        clock::sleep(Duration::from_secs(1)).await;
        setup.core.drain();
        assert_eq!(text(answer).await, (200, "late".to_owned()));
        clock::sleep(Duration::from_secs(3)).await;
        assert!(client.ready().await.is_err(), "no more streams");
        assert_eq!(setup.core.report().sessions, 0);
    });
}

#[test]
fn an_idle_connection_ends_after_its_time() {
    run(Weather::default(), as_is, async |setup| {
        setup.member(1, answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
        setup.member(2, answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
        let mut client = begin(&setup).await;
        for _ in 0..3 {
            clock::sleep(Duration::from_secs(50)).await;
            let (answer, _) = client.send_request(get("/"), true).unwrap();
            assert_eq!(answer.await.unwrap().status(), 200);
        }
        assert_eq!(setup.core.report().sessions, 1);
        clock::sleep(Duration::from_secs(65)).await;
        assert_eq!(setup.core.report().sessions, 0);
        assert!(client.ready().await.is_err());
    });
}

#[test]
fn a_websocket_goes_through_an_extended_connect() {
    run(ROUGH, as_is, async |setup| {
        for n in [1, 2] {
            setup.member(n, |mut stream| async move {
                let head = String::from_utf8(read(&mut stream, has_head).await).unwrap();
                assert!(head.starts_with("GET /chat HTTP/1.1\r\n"), "{head}");
                assert!(head.to_lowercase().contains("\r\nsec-websocket-key: "), "{head}");
                send(&mut stream, b"HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nwelcome").await;
                let said = read(&mut stream, |bytes| bytes.ends_with(b"bye")).await;
                send(&mut stream, &said).await;
            });
        }
        let mut client = begin(&setup).await;
        while !client.is_extended_connect_protocol_enabled() {
            clock::sleep(Duration::from_millis(10)).await;
        }
        let connect = Request::connect("http://a.example/chat")
            .extension(h2::ext::Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13");
        let (answer, mut sending) = client.send_request(connect.body(()).unwrap(), false).unwrap();
        let mut answer: Response<RecvStream> = answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(!answer.headers().contains_key("sec-websocket-accept"));
        sending.send_data(Bytes::from_static(b"hello, "), false).unwrap();
        sending.send_data(Bytes::from_static(b"bye"), true).unwrap();
        let (text, _) = body(answer.body_mut()).await.unwrap();
        assert_eq!(text, b"welcomehello, bye");
    });
}

#[test]
fn a_member_may_end_its_half_of_a_websocket_first() {
    thread_local! {
        static HEARD: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    // Both ends of the client's half: said, or lost with the connection.
    for ends in [true, false] {
        run(ROUGH, as_is, async |setup| {
            for n in [1, 2] {
                setup.member(n, |mut stream| async move {
                    read(&mut stream, has_head).await;
                    send(&mut stream, b"HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nover").await;
                    stream.split().1.finish().await.unwrap();
                    let heard = read(&mut stream, |_| false).await;
                    HEARD.with(|all| all.replace(heard));
                });
            }
            let mut client = begin(&setup).await;
            while !client.is_extended_connect_protocol_enabled() {
                clock::sleep(Duration::from_millis(10)).await;
            }
            let connect = Request::connect("http://a.example/chat")
                .extension(h2::ext::Protocol::from_static("websocket"));
            let (answer, mut sending) =
                client.send_request(connect.body(()).unwrap(), false).unwrap();
            let mut answer: Response<RecvStream> = answer.await.unwrap();
            let (text, _) = body(answer.body_mut()).await.unwrap();
            assert_eq!(text, b"over");
            clock::sleep(Duration::from_secs(1)).await;
            sending.send_data(Bytes::from_static(b"one more thing"), ends).unwrap();
            if !ends {
                clock::sleep(Duration::from_secs(1)).await;
                sending.send_reset(Reason::CANCEL);
            }
            clock::sleep(Duration::from_secs(2)).await;
            assert_eq!(HEARD.with(|all| all.take()), b"one more thing");
            // That of the connection.
            assert_eq!(setup.core.report().sessions, 1);
        });
    }
}

#[test]
fn a_client_that_resets_all_it_asks_for_is_sent_away() {
    run(Weather::default(), as_is, async |setup| {
        setup.member(1, |mut stream| async move { drop(read(&mut stream, |_| false).await) });
        setup.member(2, |mut stream| async move { drop(read(&mut stream, |_| false).await) });
        let mut client = begin(&setup).await;
        let mut told = None;
        for _ in 0..5000 {
            client = match client.ready().await {
                Ok(ready) => ready,
                Err(error) => {
                    told = reason(&error);
                    break;
                }
            };
            let Ok((_, mut sending)) = client.send_request(get("/"), true) else { break };
            // It is told a second after it was heard for the last time.
            clock::sleep(Duration::from_millis(1)).await;
            sending.send_reset(Reason::CANCEL);
        }
        assert_eq!(told, Some(Reason::ENHANCE_YOUR_CALM));
        clock::sleep(Duration::from_secs(3)).await;
        assert_eq!(setup.core.report().sessions, 0);
    });
}
