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
    let settings = Settings { streams: 3, head_bytes: 500, fields: 9 };
    let mut engine = Engine::new(settings, Micros(0));
    let mut input = [&PREFACE[..], &[0, 0, 0, kind::SETTINGS, 0, 0, 0, 0, 0]].concat();
    let mut rest = script;
    while let Some((op, more)) = rest.split_first() {
        let id = u32::from(op >> 4);
        rest = more;
        match op & 15 {
            0..=7 => rest = frame(&mut input, op & 7, id, rest),
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
                let leaving = engine.out().len().min(1000 * id as usize);
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
    let length = match kind {
        kind::RST_STREAM | kind::WINDOW_UPDATE => 4,
        kind::SETTINGS => length % 3 * 6,
        kind::PING => 8,
        _ => length % 64,
    };
    let (payload, rest) = rest.split_at(length.min(rest.len()));
    let mut payload = payload.to_vec();
    if which == 1 {
        // GET http / without an authority, by the table of RFC 7541.
        payload = vec![0x82, 0x86, 0x84];
    } else if kind != kind::DATA && kind != kind::HEADERS && kind != kind::CONTINUATION {
        payload.resize(length, 0);
    }
    let ends = if length & 1 == 1 { flag::END_STREAM } else { 0 };
    let flags = match kind {
        kind::HEADERS => ends | if length == 40 { 0 } else { flag::END_HEADERS },
        kind::DATA => ends,
        _ => 0,
    };
    let stream = if matches!(kind, kind::SETTINGS | kind::PING) { 0 } else { id };
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
    }
}

fn say_data(engine: &mut Engine, id: u32, ends: bool) {
    if !turn(engine, id) {
        return;
    }
    match engine.room(id).min(40_000) {
        0 => engine.wait(id, Waker::noop()),
        room => engine.say_data(id, &vec![0; room], ends),
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
