//! Drives a machine by a script of bytes, for tests and fuzzing: frames of a client and actions of
//! those who serve it, in any order, after each of which the machine must be in order.

mod client;

use std::task::{Context, Poll, Waker};

use evenkeel_net::Micros;
use evenkeel_wire::http1::{Limits, Parsed, RequestHead, ResponseHead};
use evenkeel_wire::http2::frame::{Header, PAYLOAD, PREFACE, flag, kind};
use tokio::io::ReadBuf;

use super::stream::Stream;
use super::{CONNECTION_WINDOW, Engine, Event, FAREWELL, OUT, REPLIES, STREAM_WINDOW, Settings};
use crate::request::{Asked, write_key};
use client::Client;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 100\r\n\r\n";
/// GET http / without an authority, by the table of RFC 7541.
const GET: [u8; 3] = [0x82, 0x86, 0x84];
/// The same as a POST with a length of 50.
const POST: [u8; 8] = [0x83, 0x86, 0x84, 0x0f, 0x0d, 2, b'5', b'0'];
/// The beginning of a POST to an authority,
const BEGUN: &[u8] = b"\x83\x86\x84\x41\x01a";
/// and of a wish for a WebSocket.
const SOCKET: &[u8] = b"\x02\x07CONNECT\x86\x84\x41\x01a\x00\x09:protocol\x09websocket";

/// Runs a script.
#[cfg_attr(test, allow(unreachable_pub, reason = "fuzzing reaches it"))]
pub fn exercise(script: &[u8]) {
    let settings = Settings { streams: 3, head_bytes: 500, fields: 9, spent: 0 };
    let mut engine = Engine::new(settings, Micros(0));
    let mut client = Client::new();
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
                let fresh = *op < 0xf0 && (which == 1 || (which == 2 && op >> 6 != 1));
                let id = if fresh { engine.last + 1 + engine.last % 2 } else { id };
                rest = frame(&mut input, which, id, rest);
            }
            0..=7 => {}
            15 if id == 15 => engine.wind_down(),
            15 => leave_out(&mut engine, &mut client, 9000 * id as usize),
            which => act(&mut engine, &mut client, which, id, op >> 6),
        }
        while let (used @ 1.., event) = engine.hear(&input, &mut 50, &|| Micros(0)) {
            input.drain(..used);
            if let Some(Event::Request { asked, .. }) = event {
                check_request(&engine.text, asked);
            }
        }
        check(&engine);
    }
    let ids: Vec<u32> = engine.streams.keys().copied().collect();
    ids.into_iter().for_each(|id| engine.leave(id));
    check(&engine);
    leave_out(&mut engine, &mut client, usize::MAX);
}

/// Bytes leave, and come to the client.
fn leave_out(engine: &mut Engine, client: &mut Client, most: usize) {
    let leaving = engine.out().len().min(most);
    client.hear(&engine.out()[..leaving]);
    engine.sent(leaving);
}

/// Something that whoever serves a stream does, in one of four ways.
fn act(engine: &mut Engine, client: &mut Client, which: u8, id: u32, way: u8) {
    let cx = Context::from_waker(Waker::noop());
    match (which, way) {
        (8, _) => {
            let mut room = [0; 30_000];
            let most = if way & 1 == 0 { 3000 } else { 30_000 };
            engine.take(id, &mut ReadBuf::new(&mut room[..most]));
        }
        (9, _) => say_head(engine, id),
        (10, 1) => {
            let _ = engine.poll_room(id, &cx);
        }
        // Who ends an answer waits for no turn.
        (11, 1) if engine.is_open(id) => engine.say_trailers(id, b"a: b\r\nTe: c\r\n"),
        (11, 2) if engine.is_open(id) => engine.say_data(id, b"", true),
        (10 | 11, _) => say_data(engine, client, id, which == 11),
        (12, _) => engine.leave(id),
        (13, _) => engine.cut(id),
        _ => {
            let _ = engine.poll_heard(id, way & 1 == 0, &cx);
        }
    }
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
    let (length, rest) = rest.split_first().map_or((0, rest), |(n, rest)| (*n, rest));
    let kinds = [
        kind::DATA,
        kind::HEADERS,
        kind::HEADERS,
        kind::RST_STREAM,
        kind::SETTINGS,
        kind::WINDOW_UPDATE,
        kind::CONTINUATION,
        match length {
            0..128 => kind::PING,
            128..=254 => kind::PRIORITY_UPDATE,
            255 => kind::GOAWAY,
        },
    ];
    let kind = kinds[usize::from(which)];
    let (flags, whole) = (flags(kind, length), whole_connection(kind, length));
    let (mut payload, rest) = match kind {
        kind::HEADERS if length > 200 => (POST.to_vec(), rest),
        kind::HEADERS if which == 2 && length > 50 => {
            let begun = if length < 150 { BEGUN } else { SOCKET };
            let (more, rest) = rest.split_at(usize::from(length % 50).min(rest.len()));
            ([begun, more].concat(), rest)
        }
        kind::HEADERS if which == 1 || length > 50 => (GET.to_vec(), rest),
        kind::DATA if length > 200 => (vec![0; (usize::from(length) - 200) * 290], rest),
        kind::RST_STREAM => (vec![0, 0, 0, length], rest),
        kind::WINDOW_UPDATE => (vec![0, length & 1, length, length & 2], rest),
        // A window, or a table.
        kind::SETTINGS if length & 6 == 6 => (vec![0, 1, 0, 0, length >> 3, length], rest),
        kind::SETTINGS => (vec![0, 4, 0, length & 1, length, 0], rest),
        kind::PING if length < 64 => (vec![length; 8], rest),
        kind::PING => (FAREWELL.to_vec(), rest),
        kind::PRIORITY_UPDATE => {
            let value: &[u8] = if length & 8 == 0 { b"" } else { b",i" };
            ([&id.to_be_bytes(), &b"u="[..], &[b'0' + (length & 7)], value].concat(), rest)
        }
        kind::GOAWAY => (vec![0; 8], rest),
        _ => {
            let (payload, rest) = rest.split_at(usize::from(length % 64).min(rest.len()));
            (payload.to_vec(), rest)
        }
    };
    if flags & flag::PADDED != 0 {
        let fits = payload.len() as u8;
        payload.insert(0, if length & 8 == 0 { 0 } else { fits });
    }
    let stream = if whole { 0 } else { id };
    let header = Header { length: payload.len(), kind, flags, stream };
    input.extend(header.bytes());
    input.extend(payload);
    rest
}

fn flags(kind: u8, length: u8) -> u8 {
    let ends = if length & 1 == 1 { flag::END_STREAM } else { 0 };
    match kind {
        kind::HEADERS => ends | if matches!(length, 40..44) { 0 } else { flag::END_HEADERS },
        kind::CONTINUATION if length & 1 == 1 => flag::END_HEADERS,
        kind::DATA if length & 6 == 6 && length <= 200 => ends | flag::PADDED,
        kind::DATA => ends,
        kind::PING if length >= 64 => flag::ACK,
        _ => 0,
    }
}

/// Whether the frame is the whole connection's.
fn whole_connection(kind: u8, length: u8) -> bool {
    match kind {
        kind::WINDOW_UPDATE => length & 4 == 0,
        kind::SETTINGS | kind::PING | kind::GOAWAY | kind::PRIORITY_UPDATE => true,
        _ => false,
    }
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

fn say_data(engine: &mut Engine, client: &mut Client, id: u32, ends: bool) {
    if !turn(engine, id) {
        return;
    }
    match engine.room(id).min(40_000) {
        0 => engine.wait(id, Waker::noop()),
        room if id % 3 == 1 => engine.say_data(id, &vec![id as u8; room], ends),
        room => engine.offer_data(id, &vec![id as u8; room], ends, |slices| {
            let all = slices.iter().map(|slice| &slice[..]).collect::<Vec<_>>().concat();
            let sent = all.len() / (id as usize / 4 + 1);
            client.hear(&all[..sent]);
            sent
        }),
    }
}

/// A request is either refused as HTTP/1.1 too, or read there as it was meant.
fn check_request(text: &[u8], asked: Asked) {
    let mut text = text.to_vec();
    if asked.socket {
        write_key([0; 16], &mut text);
    }
    let mut head = RequestHead::new();
    if let Ok(parsed) = head.parse(&text, &Limits::default()) {
        assert_eq!((parsed, head.len), (Parsed::Complete, text.len()), "a head ends with its text");
        assert_eq!(head.body, asked.framing, "a body ends where it was to end");
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
        engine.streams.iter().for_each(|(id, stream)| check_stream(engine, *id, stream));
    }
    let waiting = engine.streams.values().filter(|stream| stream.waits).count();
    let queued = engine.turns.len() + engine.starved.len();
    assert_eq!(waiting, queued, "who waits is in a queue");
    // Nobody waits for a turn or a window that nothing will bring.
    let may_write = |stream: &Stream| stream.turn && !stream.is_half();
    let idle = engine.out.is_empty() && !engine.streams.values().any(may_write);
    assert!(!idle || engine.turns.is_empty() || engine.is_failed());
    assert!(engine.starved.is_empty() || engine.send_window <= 0 || engine.is_failed());
}

fn check_stream(engine: &Engine, id: u32, stream: &Stream) {
    let starved = engine.starved.iter().filter(|starved| **starved == id).count();
    let queued = engine.turns.count(id) + starved;
    assert_eq!(queued, usize::from(stream.waits), "who waits is in a queue, once");
    if stream.broken.is_some() {
        return;
    }
    let counted = stream.recv_window + i64::from(stream.credit) + i64::from(stream.lying);
    assert_eq!(counted, i64::from(STREAM_WINDOW), "what the client may send is counted");
    let woken = stream.writer.is_none() || stream.waits || stream.send_window <= 0;
    assert!(woken, "whoever can write is told");
}
