//! Drives a machine by a script of bytes, for tests and fuzzing: frames of a client and actions of
//! those who serve it, in any order, after each of which the machine must be in order.

use std::task::{Context, Poll, Waker};

use evenkeel_net::Micros;
use evenkeel_wire::http1::{Limits, ResponseHead};
use evenkeel_wire::http2::frame::{Header, PAYLOAD, PREFACE, flag, kind};
use tokio::io::ReadBuf;

use super::{CONNECTION_WINDOW, Engine, OUT, REPLIES, Settings};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 100\r\n\r\n";

/// Runs a script.
#[cfg_attr(test, allow(unreachable_pub, reason = "fuzzing reaches it"))]
pub fn exercise(script: &[u8]) {
    let settings = Settings { streams: 3, head_bytes: 500, fields: 9, spent: 0 };
    let mut engine = Engine::new(settings, Micros(0));
    let mut input = [&PREFACE[..], &[0, 0, 0, kind::SETTINGS, 0, 0, 0, 0, 0]].concat();
    let mut rest = script;
    while let Some((op, more)) = rest.split_first() {
        // Mostly streams that are open.
        let id = match engine.streams.keys().nth(usize::from(op >> 4 & 3)) {
            Some(id) if *op < 0xf0 => *id,
            _ => u32::from(op >> 4),
        };
        rest = more;
        match op & 15 {
            // Most of what would end the connection at once is left out.
            which @ 0..=7 if *op >= 0xf0 || is_sensible(&engine, which, id) => {
                let fresh = *op < 0xf0 && (which == 1 || which == 2);
                let id = if fresh { engine.last + 1 + engine.last % 2 } else { id };
                rest = frame(&mut input, which, id, rest);
            }
            0..=7 => {}
            8 => {
                let mut room = [0; 3000];
                engine.take(id, &mut ReadBuf::new(&mut room));
            }
            9 => say_head(&mut engine, id),
            10 | 11 => say_data(&mut engine, id, op & 1 == 1),
            12 => engine.leave(id),
            13 => engine.cut(id),
            14 => {
                let cx = Context::from_waker(Waker::noop());
                let _ = engine.poll_heard(id, op & 16 == 0, &cx);
            }
            _ if id == 15 => engine.wind_down(),
            _ => {
                let leaving = engine.out().len().min(9000 * id as usize);
                engine.sent(leaving);
            }
        }
        while let (used @ 1.., _) = engine.hear(&input, &mut 50, &|| Micros(0)) {
            input.drain(..used);
        }
        check(&engine);
    }
    let ids: Vec<u32> = engine.streams.keys().copied().collect();
    ids.into_iter().for_each(|id| engine.leave(id));
    check(&engine);
}

fn is_sensible(engine: &Engine, which: u8, id: u32) -> bool {
    match which {
        0 | 3 | 5 => engine.block.is_none() && engine.streams.contains_key(&id),
        6 => engine.block.is_some(),
        _ => engine.block.is_none(),
    }
}

/// A frame of the client's, usually one that can be right.
fn frame<'a>(input: &mut Vec<u8>, which: u8, id: u32, rest: &'a [u8]) -> &'a [u8] {
    let kinds = [
        kind::DATA,
        kind::HEADERS,
        kind::HEADERS,
        kind::RST_STREAM,
        kind::SETTINGS,
        kind::WINDOW_UPDATE,
        kind::CONTINUATION,
        kind::PING,
    ];
    let (length, rest) = rest.split_first().map_or((0, rest), |(n, rest)| (usize::from(*n), rest));
    let kind = kinds[usize::from(which)];
    let small = length as u8;
    let (payload, rest) = match kind {
        // GET http / without an authority, by the table of RFC 7541.
        kind::HEADERS if which == 1 || length > 50 => (vec![0x82, 0x86, 0x84], rest),
        kind::RST_STREAM => (vec![0, 0, 0, small], rest),
        kind::WINDOW_UPDATE => (vec![0, small & 1, small, small & 2], rest),
        kind::SETTINGS => (vec![0, 4, 0, small & 1, small, 0], rest),
        kind::PING => (vec![small; 8], rest),
        _ => {
            let (payload, rest) = rest.split_at((length % 64).min(rest.len()));
            (payload.to_vec(), rest)
        }
    };
    let ends = if length & 1 == 1 { flag::END_STREAM } else { 0 };
    let flags = match kind {
        kind::HEADERS => ends | if length == 40 { 0 } else { flag::END_HEADERS },
        kind::DATA => ends,
        _ => 0,
    };
    let whole = kind == kind::WINDOW_UPDATE && length & 4 == 0;
    let stream = if whole || matches!(kind, kind::SETTINGS | kind::PING) { 0 } else { id };
    let header = Header { length: payload.len(), kind, flags, stream };
    input.extend(header.bytes());
    input.extend(payload);
    rest
}

fn turn(engine: &mut Engine, id: u32) -> bool {
    let cx = Context::from_waker(Waker::noop());
    matches!(engine.poll_turn(id, &cx), Poll::Ready(Ok(())))
}

fn say_head(engine: &mut Engine, id: u32) {
    if turn(engine, id) {
        let mut head = ResponseHead::new();
        let _ = head.parse(ANSWER, &Limits::default());
        engine.say_head(id, ANSWER, &head, false);
        if id % 5 == 1 {
            engine.tunnel(id);
        }
    }
}

fn say_data(engine: &mut Engine, id: u32, ends: bool) {
    if !turn(engine, id) {
        return;
    }
    match engine.room(id).min(40_000) {
        0 => engine.wait(id, Waker::noop()),
        room if id % 3 == 1 => engine.say_data(id, &vec![0; room], ends),
        room => engine.offer_data(id, &vec![0; room], ends, |slices| {
            slices.iter().map(|slice| slice.len()).sum::<usize>() / (id as usize / 4 + 1)
        }),
    }
}

fn check(engine: &Engine) {
    let active = engine.streams.values().filter(|stream| stream.is_active()).count();
    assert_eq!(engine.active as usize, active, "streams are counted");
    assert!(engine.send_window >= 0, "the connection's window is kept");
    assert!(engine.out.len() <= REPLIES + PAYLOAD + OUT, "what leaves is bounded");
    let lying: i64 = engine.streams.values().map(|stream| i64::from(stream.lying)).sum();
    let total = engine.recv_window + i64::from(engine.credit) + lying;
    if !engine.is_failed() {
        assert_eq!(total, i64::from(CONNECTION_WINDOW), "what the client may send is counted");
    }
    for stream in engine.streams.values() {
        assert!(!stream.waits || !engine.turns.is_empty() || !engine.starved.is_empty());
    }
    // Nobody waits for a turn that nothing will bring.
    let idle = engine.out.is_empty() && !engine.streams.values().any(|stream| stream.turn);
    assert!(!idle || engine.turns.is_empty() || engine.is_failed());
}
