//! Relayed connections on the simulated network: each direction ends as its own sender ended it,
//! in whatever order the two sides do so, and no half of a stream ever looks whole.

mod support;

use std::io;
use std::rc::Rc;
use std::time::Duration;

use evenkeel_net::sim::Weather;
use evenkeel_net::{Buffer, Deadline, Stream, clock};
use evenkeel_plan::{Plan, Protocol};
use support::*;
use tokio::sync::mpsc;

#[derive(Clone, Copy, PartialEq, Debug)]
enum End {
    Finish,
    Reset,
}

/// A connection through a TCP listener: the client's end and the member's.
async fn relayed(setup: &Setup) -> (Stream, Stream) {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    setup.member(1, move |stream| {
        let arrived = arrived.clone();
        async move { drop(arrived.send(stream)) }
    });
    let client = setup.client().await;
    (client, arrivals.recv().await.unwrap())
}

fn tcp(plan: &mut Plan) {
    plan.listeners[0] = plan.listeners[0].clone().speaking(Protocol::Tcp);
}

/// Ends a side; a reset takes the stream with it.
async fn end(stream: Stream, end: End) -> Option<Stream> {
    let mut stream = stream;
    match end {
        End::Finish => {
            stream.split().1.finish().await.unwrap();
            Some(stream)
        }
        End::Reset => {
            stream.reset_on_close();
            None
        }
    }
}

/// What comes until the end, and how it ended.
async fn read_to_end(stream: &mut Stream) -> (Vec<u8>, io::Result<()>) {
    let (mut buffer, mut wait) = (Buffer::new(), Deadline::never());
    wait.set_after(clock::now(), Duration::from_secs(60));
    loop {
        match stream.recv(&mut buffer, 1 << 24, &mut wait).await {
            Ok(0) => return (buffer.bytes().to_vec(), Ok(())),
            Ok(_) => {}
            Err(error) => return (buffer.bytes().to_vec(), Err(error)),
        }
    }
}

async fn assert_over(setup: &Setup, what: &str) {
    for _ in 0..100 {
        if setup.core.report().sessions == 0 {
            return;
        }
        clock::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: the session did not end");
}

#[test]
fn ends_and_resets_pass_through_in_every_order() {
    simulate(async {
        for seed in 0..SEEDS {
            for first in [End::Finish, End::Reset] {
                for second in [End::Finish, End::Reset] {
                    for client_first in [true, false] {
                        let what = format!("seed {seed}, {first:?}, {second:?}, {client_first}");
                        one_order(seed, first, second, client_first, &what).await;
                    }
                }
            }
        }
    });
}

async fn one_order(seed: u64, first: End, second: End, client_first: bool, what: &str) {
    let setup = setup(seed, ROUGH, 1, tcp);
    let (client, member) = relayed(&setup).await;
    let (mut one, mut other) = if client_first { (client, member) } else { (member, client) };
    send(&mut one, &[b'1'; 500]).await;
    assert_eq!(read(&mut other, |bytes| bytes.len() == 500).await, [b'1'; 500], "{what}");
    send(&mut other, &[b'2'; 500]).await;
    assert_eq!(read(&mut one, |bytes| bytes.len() == 500).await, [b'2'; 500], "{what}");
    let left = end(one, first).await;
    let (bytes, ended) = read_to_end(&mut other).await;
    assert_eq!(bytes, [], "{what}");
    assert_eq!(ended.is_ok(), first == End::Finish, "{what}: {ended:?}");
    if let Some(mut one) = left {
        // Half closed: the other side goes on as long as it likes.
        send(&mut other, &[b'3'; 400]).await;
        assert_eq!(read(&mut one, |bytes| bytes.len() == 400).await, [b'3'; 400], "{what}");
        drop(end(other, second).await);
        let (bytes, ended) = read_to_end(&mut one).await;
        assert_eq!(bytes, [], "{what}");
        assert_eq!(ended.is_ok(), second == End::Finish, "{what}: {ended:?}");
    }
    assert_over(&setup, what).await;
    setup.world.leave();
}

#[test]
fn what_was_sent_before_the_member_was_reached_arrives() {
    simulate(async {
        for seed in 0..SEEDS {
            let setup = setup(seed, ROUGH, 1, tcp);
            let mut client = setup.client().await;
            send(&mut client, b"early").await;
            client.split().1.finish().await.unwrap();
            let (arrived, mut arrivals) = mpsc::unbounded_channel();
            setup.member(1, move |stream| {
                let arrived = arrived.clone();
                async move { drop(arrived.send(stream)) }
            });
            let mut member: Stream = arrivals.recv().await.unwrap();
            let (bytes, ended) = read_to_end(&mut member).await;
            assert!(bytes == b"early" && ended.is_ok(), "seed {seed}: {bytes:?} {ended:?}");
            send(&mut member, b"late").await;
            drop(member);
            let (bytes, ended) = read_to_end(&mut client).await;
            assert!(bytes == b"late" && ended.is_ok(), "seed {seed}: {bytes:?} {ended:?}");
            assert_over(&setup, "early").await;
            setup.world.leave();
        }
    });
}

/// Sends all of it and the end, and receives to the end, at once.
async fn exchange(stream: &mut Stream, mine: Vec<u8>) -> Vec<u8> {
    let (mut recv, mut send) = stream.split();
    let sending = async {
        let mut never = Deadline::never();
        for piece in mine.chunks(777) {
            send.send(&mut [io::IoSlice::new(piece)], &mut never).await.unwrap();
        }
        send.finish().await.unwrap();
    };
    let receiving = async {
        let (mut buffer, mut never) = (Buffer::new(), Deadline::never());
        while recv.recv(&mut buffer, 1 << 20, &mut never).await.unwrap() > 0 {}
        buffer.bytes().to_vec()
    };
    tokio::join!(sending, receiving).1
}

#[test]
fn both_directions_at_once_lose_nothing() {
    simulate(async {
        for seed in 0..SEEDS {
            let weather = Weather { read_max: 900, window: 3000, ..ROUGH };
            let setup = setup(seed, weather, 1, tcp);
            let (mut client, mut member) = relayed(&setup).await;
            let text = |n: u32| -> Vec<u8> { (0..20_000).map(|i| (i * n % 251) as u8).collect() };
            let near = exchange(&mut client, text(7));
            let far = exchange(&mut member, text(11));
            let (at_client, at_member) = tokio::join!(near, far);
            assert!(at_client == text(11) && at_member == text(7), "seed {seed}");
            assert_over(&setup, "both").await;
            setup.world.leave();
        }
    });
}

#[test]
fn silence_ends_a_relay_and_traffic_in_one_direction_keeps_it() {
    simulate(async {
        let setup = setup(1, Weather::default(), 1, |plan| {
            tcp(plan);
            plan.listeners[0].timeouts.idle = Duration::from_secs(10);
        });
        let (mut client, mut member) = relayed(&setup).await;
        let start = clock::now();
        for _ in 0..5 {
            clock::sleep(Duration::from_secs(8)).await;
            send(&mut member, b"tick").await;
            assert_eq!(read(&mut client, |bytes| bytes.len() == 4).await, b"tick");
        }
        let (bytes, ended) = read_to_end(&mut client).await;
        assert!(bytes.is_empty() && ended.is_err());
        assert_eq!(clock::now().since(start).as_secs(), 50);
        assert_over(&setup, "idle").await;
        setup.world.leave();
    });
}

#[test]
fn a_refused_member_is_passed_over_and_none_left_is_a_reset() {
    simulate(async {
        let setup = setup(3, Weather::default(), 2, tcp);
        // Nobody listens at the first member's address.
        let (arrived, mut arrivals) = mpsc::unbounded_channel();
        setup.member(2, move |stream| {
            let arrived = arrived.clone();
            async move { drop(arrived.send(stream)) }
        });
        for _ in 0..4 {
            let mut client = setup.client().await;
            send(&mut client, b"hello").await;
            let mut member: Stream = arrivals.recv().await.unwrap();
            assert_eq!(read(&mut member, |bytes| bytes.len() == 5).await, b"hello");
        }
        setup.world.leave();
        let setup = Rc::new(self::setup(4, Weather::default(), 2, tcp));
        let mut client = setup.client().await;
        let (_, ended) = read_to_end(&mut client).await;
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        setup.world.leave();
    });
}
