//! Exchanges on the simulated network: every seed is another weather (reads down to a byte, late
//! bytes), and what the client gets must not depend on it.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_net::clock;
use evenkeel_net::sim::{Fault, Weather};
use support::*;

#[test]
fn a_request_and_its_answer_survive_any_weather() {
    simulate(async {
        for seed in 0..SEEDS {
            let setup = setup(seed, ROUGH, 1, |_| {});
            setup.member(
                1,
                answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\n\r\nhello"),
            );
            let mut client = setup.client().await;
            for _ in 0..3 {
                send(&mut client, b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
                let answer = read(&mut client, |bytes| bytes.ends_with(b"hello")).await;
                let text = String::from_utf8(answer).unwrap();
                assert!(
                    text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\nhello"),
                    "seed {seed}: {text}"
                );
                assert!(
                    text.contains("\r\nX-A: 1\r\n") && text.contains("Content-Length: 5\r\n"),
                    "seed {seed}: {text}"
                );
            }
            setup.world.leave();
        }
    });
}

#[test]
fn chunks_are_understood_and_written_anew_in_any_weather() {
    simulate(async {
        for seed in 0..SEEDS {
            let setup = setup(seed, ROUGH, 1, |_| {});
            setup.member(
                1,
                answering(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                      0005;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 7\r\n\r\n",
                ),
            );
            let mut client = setup.client().await;
            send(&mut client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let answer = read(&mut client, |bytes| bytes.ends_with(b"X-Sum: 7\r\n\r\n")).await;
            let text = String::from_utf8(answer).unwrap();
            let (_, body) = text.split_once("\r\n\r\n").unwrap();
            let mut rest = body.split_once("0\r\nX-Sum: 7\r\n\r\n").unwrap().0;
            let mut whole = String::new();
            while let Some((size, tail)) = rest.split_once("\r\n") {
                let size = usize::from_str_radix(size, 16).unwrap();
                whole.push_str(&tail[..size]);
                rest = &tail[size + 2..];
            }
            assert_eq!(whole, "hello world", "seed {seed}");
            assert!(!text.contains("ext"), "seed {seed}: {text}");
            setup.world.leave();
        }
    });
}

#[test]
fn a_chunked_request_body_reaches_the_member_whole() {
    simulate(async {
        for seed in 0..SEEDS {
            let setup = setup(seed, ROUGH, 1, |_| {});
            setup.member(1, |mut stream| async move {
                let whole =
                    |bytes: &[u8]| bytes.contains(&b'!') && bytes.ends_with(b"\r\n0\r\n\r\n");
                let request = read(&mut stream, whole).await;
                let text = String::from_utf8_lossy(&request).into_owned();
                let good = text.contains("Transfer-Encoding: chunked\r\n") && text.contains('!');
                let answer: &[u8] = if good {
                    b"HTTP/1.1 204 No Content\r\n\r\n"
                } else {
                    b"HTTP/1.1 500 X\r\n\r\n"
                };
                send(&mut stream, answer).await;
            });
            let mut client = setup.client().await;
            send(
                &mut client,
                b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            )
            .await;
            send(&mut client, b"1\r\n!\r\n0\r\n\r\n").await;
            let answer = read(&mut client, has_head).await;
            assert!(
                answer.starts_with(b"HTTP/1.1 204"),
                "seed {seed}: {}",
                String::from_utf8_lossy(&answer)
            );
            setup.world.leave();
        }
    });
}

#[test]
fn a_refused_and_a_lost_member_are_passed_over() {
    simulate(async {
        for seed in 0..SEEDS {
            let setup = setup(seed, ROUGH, 3, |_| {});
            setup.world.fault(SocketAddr::from(([10, 0, 0, 2], 80)), Some(Fault::BlackHole));
            setup.member(3, answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
            // The first does not listen, the second never answers; both are tried before the third.
            let mut client = setup.client().await;
            for _ in 0..3 {
                send(&mut client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
                let answer =
                    read(&mut client, |bytes| bytes.ends_with(b"ok") || has_503(bytes)).await;
                assert!(
                    answer.ends_with(b"ok"),
                    "seed {seed}: {}",
                    String::from_utf8_lossy(&answer)
                );
            }
            setup.world.leave();
        }
    });
}

fn has_503(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/1.1 50") && bytes.ends_with(b"\n") && has_head(bytes)
}

#[test]
fn a_member_that_closes_before_its_answer_costs_a_get_nothing_and_a_post_is_not_repeated() {
    simulate(async {
        for seed in 0..SEEDS {
            let setup = setup(seed, ROUGH, 2, |_| {});
            setup.member(1, |mut stream| async move {
                read(&mut stream, has_head).await;
            });
            setup.member(2, answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
            let mut failed = 0;
            for method in ["GET", "GET", "GET", "POST", "POST"] {
                let mut client = setup.client().await;
                let request = format!(
                    "{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
                send(&mut client, request.as_bytes()).await;
                let answer = read(&mut client, |_| false).await;
                let good = answer.ends_with(b"ok");
                assert!(
                    good || method == "POST",
                    "seed {seed}: {}",
                    String::from_utf8_lossy(&answer)
                );
                failed += usize::from(!good);
                if !good {
                    assert!(answer.starts_with(b"HTTP/1.1 502"), "seed {seed}");
                    assert!(
                        String::from_utf8_lossy(&answer).contains("cause: member-"),
                        "seed {seed}"
                    );
                }
            }
            assert!((1..=2).contains(&failed), "seed {seed}: {failed}");
            setup.world.leave();
        }
    });
}

#[test]
fn a_member_that_is_too_slow_is_a_504_at_its_time() {
    simulate(async {
        let setup = setup(1, Weather::default(), 1, |plan| {
            plan.pools[0].timeouts.response = Duration::from_secs(3);
        });
        setup.member(1, |mut stream| async move {
            read(&mut stream, |_| false).await;
        });
        let mut client = setup.client().await;
        let began = clock::now();
        send(&mut client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = read(&mut client, has_503).await;
        assert!(answer.starts_with(b"HTTP/1.1 504"), "{}", String::from_utf8_lossy(&answer));
        assert_eq!(clock::now().since(began).as_secs(), 3);
        setup.world.leave();
    });
}

#[test]
fn a_cut_answer_never_looks_complete() {
    simulate(async {
        for seed in 0..SEEDS {
            for answer in [
                &b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"[..],
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            ] {
                let setup = setup(seed, ROUGH, 1, |_| {});
                setup.member(1, move |mut stream| async move {
                    read(&mut stream, has_head).await;
                    send(&mut stream, answer).await;
                });
                let mut client = setup.client().await;
                send(&mut client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
                let got = read(&mut client, |_| false).await;
                assert!(
                    !got.ends_with(b"0\r\n\r\n"),
                    "seed {seed}: {}",
                    String::from_utf8_lossy(&got)
                );
                setup.world.leave();
            }
        }
    });
}

#[test]
fn a_client_that_leaves_ends_the_members_work() {
    simulate(async {
        for seed in 0..SEEDS {
            let setup = setup(seed, ROUGH, 1, |_| {});
            let (told, mut gone) = tokio::sync::mpsc::unbounded_channel();
            setup.member(1, move |mut stream| {
                let told = told.clone();
                async move {
                    read(&mut stream, has_head).await;
                    // The answer never comes; the end of the connection does.
                    read(&mut stream, |_| false).await;
                    told.send(()).unwrap();
                }
            });
            let mut client = setup.client().await;
            send(&mut client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            clock::sleep(Duration::from_millis(200)).await;
            let left = clock::now();
            drop(client);
            gone.recv().await.unwrap();
            assert!(clock::now().since(left) < Duration::from_secs(2), "seed {seed}");
            setup.world.leave();
        }
    });
}

#[test]
fn a_tunnel_ends_each_direction_by_its_own_sender() {
    simulate(async {
        for seed in 0..SEEDS {
            let setup = setup(seed, ROUGH, 1, |_| {});
            setup.member(1, |mut stream| async move {
                read(&mut stream, has_head).await;
                send(&mut stream, b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
                    .await;
                // Answers only after the client has finished sending.
                let all = read(&mut stream, |_| false).await;
                send(&mut stream, &all).await;
            });
            let mut client = setup.client().await;
            send(
                &mut client,
                b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nfirst,",
            )
            .await;
            send(&mut client, b"second").await;
            client.split().1.finish().await.unwrap();
            let got = read(&mut client, |_| false).await;
            let text = String::from_utf8_lossy(&got).into_owned();
            assert!(text.starts_with("HTTP/1.1 101 "), "seed {seed}: {text}");
            assert!(text.ends_with("\r\n\r\nfirst,second"), "seed {seed}: {text}");
            setup.world.leave();
        }
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    simulate(async {
        for seed in 0..SEEDS {
            let setup = setup(seed, ROUGH, 1, |_| {});
            setup.member(1, |mut stream| async move {
                let mut seen = Vec::new();
                loop {
                    let request = read(&mut stream, has_head).await;
                    if !has_head(&request) {
                        return;
                    }
                    seen.extend_from_slice(&request);
                    let path =
                        String::from_utf8_lossy(&request).split(' ').nth(1).unwrap().to_owned();
                    let answer =
                        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len());
                    send(&mut stream, answer.as_bytes()).await;
                }
            });
            let mut client = setup.client().await;
            let requests: String =
                (0..20).map(|n| format!("GET /{n:03} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
            send(&mut client, requests.as_bytes()).await;
            let got = read(&mut client, |bytes| bytes.ends_with(b"/019")).await;
            let text = String::from_utf8_lossy(&got).into_owned();
            let bodies: Vec<&str> = text.split("\r\n\r\n").skip(1).map(|body| &body[..4]).collect();
            let expected: Vec<String> = (0..20).map(|n| format!("/{n:03}")).collect();
            assert_eq!(bodies, expected, "seed {seed}");
            setup.world.leave();
        }
    });
}
