//! Hostile clients of HTTP/2, frame by frame, on the simulated network.

mod support;

use std::time::Duration;

use evenkeel_net::sim::Weather;
use evenkeel_net::{Stream, clock};
use support::frames::*;
use support::*;

const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a.example")];

fn request(stream: u32, extra: &[(&str, &str)]) -> Vec<u8> {
    let list = [&GET[..], extra].concat();
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &fields(&list))
}

fn hello() -> Vec<u8> {
    [PREFACE.to_vec(), frame(SETTINGS, 0, 0, &[])].concat()
}

fn code(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[payload.len() - 4..].try_into().unwrap())
}

/// What ended the stream: `Ok` its answer's head, or the error code of its reset.
fn verdict(bytes: &[u8], stream: u32) -> Option<Result<(), u32>> {
    frames(bytes).iter().find_map(|(kind, id, payload)| match *kind {
        HEADERS if *id == stream => Some(Ok(())),
        RST_STREAM if *id == stream => Some(Err(code(payload))),
        _ => None,
    })
}

fn goaway(bytes: &[u8]) -> Option<u32> {
    let found = frames(bytes).into_iter().rfind(|(kind, ..)| *kind == GOAWAY);
    found.map(|(_, _, payload)| u32::from_be_bytes(payload[4..8].try_into().unwrap()))
}

async fn answering_setup() -> (Setup, Stream) {
    let setup = setup(1, Weather::default(), 1, |_| ());
    setup.member(1, answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let client = setup.client().await;
    (setup, client)
}

/// Sends all of it while reading what comes, until the other side closes or half an hour passed.
async fn flood(client: &mut Stream, mut next: impl FnMut() -> Option<Vec<u8>>) -> Vec<u8> {
    let (mut recv, mut sending) = client.split();
    let mut buffer = evenkeel_net::Buffer::new();
    let reading = async {
        while let Ok(1..) =
            recv.recv(&mut buffer, usize::MAX, &mut evenkeel_net::Deadline::never()).await
        {}
    };
    let writing = async {
        while let Some(bytes) = next() {
            let mut slices = [std::io::IoSlice::new(&bytes)];
            if sending.send(&mut slices, &mut evenkeel_net::Deadline::never()).await.is_err() {
                break;
            }
        }
    };
    let both = async { tokio::join!(reading, writing) };
    clock::within(Duration::from_secs(1800), both).await;
    buffer.bytes().to_vec()
}

#[test]
fn bad_pseudo_fields_and_fields_reset_the_stream() {
    let mut bad: Vec<Vec<(&str, &str)>> = vec![
        [&GET[..], &[("X-Upper", "1")]].concat(),
        [&GET[..], &[("connection", "close")]].concat(),
        [&GET[..], &[("transfer-encoding", "chunked")]].concat(),
        [&GET[..], &[("upgrade", "h2c")]].concat(),
        [&GET[..], &[("proxy-connection", "x")]].concat(),
        [&GET[..], &[("te", "gzip")]].concat(),
        [&GET[..], &[("x", "a\r\nevil: 1")]].concat(),
        [&GET[..], &[("x", "a\0b")]].concat(),
        [&GET[..], &[("x", "a\nb")]].concat(),
        [&GET[..], &[("x", " a")]].concat(),
        [&GET[..], &[("x y", "a")]].concat(),
        [&GET[..], &[("x:", "a")]].concat(),
        [&GET[..], &[("", "a")]].concat(),
        [&GET[..], &[(":path", "/twice")]].concat(),
        [&GET[..], &[(":unknown", "x")]].concat(),
        [&GET[..], &[(":status", "200")]].concat(),
        [&GET[..], &[("x", "y"), (":late", "x")]].concat(),
        [&GET[..], &[("host", "b.example")]].concat(),
        [&GET[..], &[("content-length", "1")]].concat(),
        [&GET[1..], &[("x", "no method")]].concat(),
        vec![(":method", "GET"), (":path", "/"), (":authority", "a")],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "a")],
        vec![("x", "y"), (":method", "GET"), (":scheme", "http"), (":path", "/")],
    ];
    for path in ["", "x", "*", "http://b/", "/ HTTP/1.1\r\nx: y", "/a b", "/\0"] {
        bad.push(vec![
            (":method", "GET"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "a"),
        ]);
    }
    for method in ["GET /x HTTP/1.1\r\n", "G ET", "", "GET\n"] {
        bad.push([&[(":method", method)], &GET[1..]].concat());
    }
    for authority in ["a b", "a\r\nx: y", "u@a", ""] {
        bad.push([&GET[..3], &[(":authority", authority)]].concat());
    }
    for list in &bad {
        simulate(async {
            let (_setup, mut client) = answering_setup().await;
            let head = frame(HEADERS, 5, 1, &fields(list));
            send(&mut client, &[hello(), head, request(3, &[])].concat()).await;
            let ends = |bytes: &[u8]| verdict(bytes, 1).is_some() && verdict(bytes, 3).is_some();
            let bytes = read(&mut client, ends).await;
            assert_eq!(goaway(&bytes), None, "{list:?}");
            assert_eq!(verdict(&bytes, 1), Some(Err(1)), "{list:?}");
            assert_eq!(verdict(&bytes, 3), Some(Ok(())), "{list:?}");
        });
    }
}

/// What cannot be mistaken for something else, and is refused over HTTP/1.1 as well, is answered.
#[test]
fn targets_and_hosts_that_are_none_are_answered() {
    for (path, authority) in [("/", "a/b"), ("/a#b", "a"), ("/\u{e9}", "a"), ("/", "a:b:c")] {
        let list =
            [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", authority)];
        simulate(async {
            let (_setup, mut client) = answering_setup().await;
            let head = frame(HEADERS, 5, 1, &fields(&list));
            send(&mut client, &[hello(), head].concat()).await;
            let bytes = read(&mut client, |bytes| verdict(bytes, 1).is_some()).await;
            let heads: Vec<_> = frames(&bytes).into_iter().filter(|f| f.0 == HEADERS).collect();
            // The status 400 has a number of its own (RFC 7541 appendix A).
            assert_eq!(heads[0].2[0], 0x8c, "{list:?}");
        });
    }
}

#[test]
fn a_length_that_does_not_match_resets_the_stream() {
    for (announced, data) in [("3", &b"12"[..]), ("3", b"1234"), ("0", b"1")] {
        simulate(async {
            let (_setup, mut client) = answering_setup().await;
            let list = [&GET[..], &[("content-length", announced)]].concat();
            let bytes = [
                hello(),
                frame(HEADERS, END_HEADERS, 1, &fields(&list)),
                frame(0, END_STREAM, 1, data),
                request(3, &[]),
            ];
            send(&mut client, &bytes.concat()).await;
            let enough = |bytes: &[u8]| {
                verdict(bytes, 3).is_some() && verdict(bytes, 1).is_some()
                    || goaway(bytes).is_some()
            };
            let bytes = read(&mut client, enough).await;
            assert_eq!(verdict(&bytes, 1), Some(Err(1)), "{announced} {data:?}");
            assert_eq!(verdict(&bytes, 3), Some(Ok(())));
        });
    }
}

#[test]
fn floods_end_the_connection_in_bounded_time() {
    let empty_data = [
        frame(HEADERS, END_HEADERS, 1, &fields(&[&[(":method", "POST")], &GET[1..]].concat())),
        frame(0, 0, 1, &[]).repeat(100),
    ];
    let repeated: [(&str, Vec<u8>); 6] = [
        ("ping", frame(6, 0, 0, &[7; 8])),
        ("settings", frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9])),
        ("priority", frame(2, 0, 1, &[0, 0, 0, 0, 9])),
        ("unknown", frame(0x42, 0, 0, b"?")),
        ("window", frame(8, 0, 0, &[0, 0, 0, 1])),
        ("empty", frame(0, 0, 1, &[])),
    ];
    for (name, one) in repeated {
        simulate(async {
            let (setup, mut client) = answering_setup().await;
            let first = if name == "empty" { empty_data.concat() } else { Vec::new() };
            let mut turn = 0;
            let bytes = flood(&mut client, || {
                turn += 1;
                match turn {
                    1 => Some([hello(), first.clone()].concat()),
                    2..3000 => Some(one.repeat(100)),
                    _ => None,
                }
            })
            .await;
            assert!(turn < 3000, "{name}: 300,000 frames were taken");
            let code = goaway(&bytes);
            assert!(matches!(code, Some(11) | Some(1)), "{name}: {code:?}");
            assert_eq!(setup.core.report().sessions, 0, "{name}");
        });
    }
}

#[test]
fn rapid_resets_end_the_connection() {
    simulate(async {
        let (setup, mut client) = answering_setup().await;
        let mut stream = 1;
        let bytes = flood(&mut client, || {
            if stream == 1 {
                stream = 3;
                return Some(hello());
            }
            stream += 2;
            let reset = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
            (stream < 20_000).then(|| [request(stream, &[]), reset].concat())
        })
        .await;
        assert!(stream < 6_000, "{stream}");
        assert_eq!(goaway(&bytes), Some(11));
        clock::sleep(Duration::from_secs(5)).await;
        assert_eq!(setup.core.report().sessions, 0);
    });
}

#[test]
fn an_offender_is_held_and_comes_back_with_little() {
    simulate(async {
        let (setup, mut client) = answering_setup().await;
        let mut last = Vec::new();
        for _ in 0..2 {
            let (began, mut stream) = (clock::now(), 1);
            let bytes = flood(&mut client, || {
                stream += 2;
                (stream < 20_000).then(|| match stream {
                    3 => hello(),
                    // Malformed (RFC 9113 section 8.2.2): we are to reset it.
                    _ => request(stream, &[("connection", "close")]),
                })
            })
            .await;
            assert_eq!(goaway(&bytes), Some(11));
            let time = clock::now().since(began);
            assert!(time >= Duration::from_secs(1) && time < Duration::from_secs(3), "{time:?}");
            let (.., payload) = frames(&bytes).into_iter().rfind(|f| f.0 == GOAWAY).unwrap();
            last.push(code(&payload[..4]) / 2);
            client = setup.client().await;
        }
        // A budget for 400, and what had come back of it when the client was there again.
        assert!((400..410).contains(&last[0]) && (20..50).contains(&last[1]), "{last:?}");
        clock::sleep(Duration::from_secs(5)).await;
        assert_eq!(setup.core.report().sessions, 1);
    });
}

#[test]
fn endless_heads_end_the_connection() {
    simulate(async {
        let (setup, mut client) = answering_setup().await;
        let mut turn = 0;
        let piece = fields(&[("x-filler", &"y".repeat(100))]);
        let bytes = flood(&mut client, || {
            turn += 1;
            match turn {
                1 => Some([hello(), frame(HEADERS, END_STREAM, 1, &fields(&GET))].concat()),
                2..20_000 => Some(frame(CONTINUATION, 0, 1, &piece)),
                _ => None,
            }
        })
        .await;
        assert!(turn < 2_000, "{turn}");
        assert!(goaway(&bytes).is_some());
        assert_eq!(setup.core.report().sessions, 0);
    });
}

#[test]
fn a_bomb_of_compressed_fields_is_refused() {
    simulate(async {
        let (_setup, mut client) = answering_setup().await;
        // One large field into the table, then a thousand references to it (RFC 7541 6.2.1, 6.1).
        let mut list = fields(&GET);
        list.extend([0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
        list.extend([b'y'; 4000]);
        list.extend([0xbe; 1000]);
        let bytes = [hello(), frame(HEADERS, 5, 1, &list), request(3, &[])].concat();
        send(&mut client, &bytes).await;
        let ends = |bytes: &[u8]| verdict(bytes, 1).is_some() || goaway(bytes).is_some();
        let bytes = read(&mut client, ends).await;
        // 431, a reset or the end of the connection; the member's 200 has no such answer.
        let head = frames(&bytes).into_iter().find(|(kind, id, _)| (*kind, *id) == (HEADERS, 1));
        assert!(head.is_none_or(|(_, _, payload)| payload[0] != 0x88), "it was served");
    });
}

#[test]
fn streams_beyond_the_limit_are_refused() {
    simulate(async {
        let setup = setup(1, Weather::default(), 1, |plan| plan.listeners[0].limits.streams = 5);
        setup.member(1, |mut stream| async move { drop(read(&mut stream, |_| false).await) });
        let mut client = setup.client().await;
        let mut bytes = hello();
        (0..8).for_each(|n| bytes.extend(request(2 * n + 1, &[])));
        send(&mut client, &bytes).await;
        let bytes = read(&mut client, |bytes| verdict(bytes, 15).is_some()).await;
        for stream in [11, 13, 15] {
            assert_eq!(verdict(&bytes, stream), Some(Err(7)), "REFUSED_STREAM");
        }
        assert_eq!(verdict(&bytes, 9), None);
    });
}

#[test]
fn a_client_that_only_half_says_the_preface_gets_an_answer_of_http_1() {
    for text in ["P", "PRI * HTTP/2.0\r\n", "PRI * HTTP/1.1\r\n\r\n", "POST / HTTP/9\r\n\r\n"] {
        simulate(async {
            let (setup, mut client) = answering_setup().await;
            send(&mut client, text.as_bytes()).await;
            let bytes = read(&mut client, |_| false).await;
            let said = String::from_utf8_lossy(&bytes);
            let http_2 = text.ends_with("2.0\r\n");
            assert!(
                http_2 || said.starts_with("HTTP/1.1 4") || said.starts_with("HTTP/1.1 5"),
                "{text}: {said}"
            );
            clock::sleep(Duration::from_secs(30)).await;
            assert_eq!(setup.core.report().sessions, 0, "{text}");
        });
    }
}

#[test]
fn a_closed_window_holds_little_and_not_for_ever() {
    simulate(async {
        let setup = setup(1, Weather::default(), 1, |_| ());
        setup.member(1, |mut stream| async move {
            read(&mut stream, has_head).await;
            send(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n").await;
            loop {
                if stream
                    .send(
                        &mut [std::io::IoSlice::new(&[0; 65536])],
                        &mut evenkeel_net::Deadline::never(),
                    )
                    .await
                    .is_err()
                {
                    return;
                }
            }
        });
        let mut client = setup.client().await;
        // SETTINGS_INITIAL_WINDOW_SIZE 0: nobody may send a byte of a body.
        let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
        send(&mut client, &[PREFACE.to_vec(), settings, request(1, &[])].concat()).await;
        let ends = |bytes: &[u8]| frames(bytes).iter().any(|(kind, ..)| *kind == RST_STREAM);
        let bytes = read(&mut client, ends).await;
        assert!(bytes.len() < 1000);
        clock::sleep(Duration::from_secs(120)).await;
        assert_eq!(setup.core.report().sessions, 0);
    });
}

/// RFC 9218: whoever is more urgent overtakes, and those that may be mixed share.
#[test]
fn urgent_answers_overtake() {
    const SIZE: usize = 400_000;
    // Where in the bytes that came each answer was whole.
    let whole_at = |bytes: &[u8], stream: u32| {
        let mut left = SIZE;
        frames(bytes).iter().position(|(kind, id, payload)| {
            if (*kind, *id) == (0, stream) {
                left -= payload.len();
            }
            left == 0
        })
    };
    let ask = async |first: &'static str, second: &'static str| {
        let setup = setup(1, Weather::default(), 1, |_| ());
        setup.member(1, |mut stream| async move {
            read(&mut stream, has_head).await;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
            send(&mut stream, &[head.as_bytes(), &vec![b'x'; SIZE]].concat()).await;
        });
        let mut client = setup.client().await;
        let windows = frame(SETTINGS, 0, 0, &[0, 4, 0x40, 0, 0, 0]);
        let window = frame(8, 0, 0, &[0x40, 0, 0, 0]);
        let begin = request(1, &[("priority", first)]);
        send(&mut client, &[PREFACE.to_vec(), windows, window, begin].concat()).await;
        // The first has begun, and more of it waits than the connection takes.
        clock::sleep(Duration::from_secs(5)).await;
        send(&mut client, &request(3, &[("priority", second)])).await;
        clock::sleep(Duration::from_secs(5)).await;
        let both = |b: &[u8]| whole_at(b, 1).is_some() && whole_at(b, 3).is_some();
        let bytes = read(&mut client, both).await;
        (whole_at(&bytes, 1).unwrap(), whole_at(&bytes, 3).unwrap())
    };
    simulate(async {
        let (first, second) = ask("u=5", "u=1").await;
        assert!(second + 20 < first, "the urgent one overtook: {second}, {first}");
    });
    simulate(async {
        let (first, second) = ask("u=1", "u=5").await;
        assert!(first + 20 < second, "the urgent one was not held up: {first}, {second}");
    });
    simulate(async {
        let (first, second) = ask("u=3, i", "u=3, i").await;
        assert!(first < second && second < first + 20, "they shared: {first}, {second}");
    });
}
