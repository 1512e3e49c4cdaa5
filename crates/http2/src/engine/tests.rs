use std::io::IoSlice;
use std::task::{Context, Poll, Waker};

use evenkeel_wire::http1::{Limits, Parsed};
use evenkeel_wire::http2::frame::{flag, settings};
use evenkeel_wire::http2::hpack::Field;
use tokio::io::ReadBuf;

use super::exercise::exercise;
use super::*;

const SETTINGS: Settings = Settings { streams: 4, head_bytes: 2000, fields: 20, spent: 0 };

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let header = Header { length: payload.len(), kind, flags, stream };
    [&header.bytes()[..], payload].concat()
}

/// Literals without indexing (RFC 7541 section 6.2.2).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut fixed = Vec::new();
    for (name, value) in fields {
        fixed.push(0);
        for text in [name, value] {
            fixed.push(text.len() as u8);
            fixed.extend(text.bytes());
        }
    }
    fixed
}

fn get(stream: u32) -> Vec<u8> {
    let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a")];
    frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, &block(&fields))
}

fn post(stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    let mut fields =
        vec![(":method", "POST"), (":scheme", "http"), (":path", "/x"), (":authority", "a")];
    fields.extend(more);
    frame(kind::HEADERS, flag::END_HEADERS, stream, &block(&fields))
}

/// A machine whose client has said its settings, and nothing of its own to send.
fn open() -> Engine {
    let mut engine = Engine::new(SETTINGS, Micros(0));
    hear(&mut engine, PREFACE);
    hear(&mut engine, &frame(kind::SETTINGS, 0, 0, &[]));
    said(&mut engine);
    engine
}

fn hear(engine: &mut Engine, mut bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let (used, event) = engine.hear(bytes, &mut 1000, &|| Micros(0));
        bytes = &bytes[used..];
        let had = event.is_some();
        events.extend(event);
        if used == 0 && !had {
            return events;
        }
    }
}

/// The frames that leave: kind, flags, stream, payload.
fn said(engine: &mut Engine) -> Vec<(u8, u8, u32, Vec<u8>)> {
    let mut frames = Vec::new();
    let bytes = engine.out().to_vec();
    let mut rest = &bytes[..];
    while let Some(header) = Header::read(rest) {
        let (payload, more) = rest[HEADER..].split_at(header.length);
        frames.push((header.kind, header.flags, header.stream, payload.to_vec()));
        rest = more;
    }
    assert!(rest.is_empty());
    engine.sent(bytes.len());
    frames
}

fn answer(engine: &mut Engine, id: u32, text: &str, ends: bool) {
    let mut head = ResponseHead::new();
    let parsed = head.parse(text.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(parsed, Parsed::Complete);
    engine.say_head(id, text.as_bytes(), &head, ends);
}

fn turn(engine: &mut Engine, id: u32) -> bool {
    matches!(engine.poll_turn(id, &Context::from_waker(Waker::noop())), Poll::Ready(Ok(())))
}

fn code(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[payload.len() - 4..].try_into().unwrap())
}

#[test]
fn settings_are_said_first_and_the_clients_are_acknowledged() {
    let mut engine = Engine::new(SETTINGS, Micros(0));
    let frames = said(&mut engine);
    assert_eq!((frames[0].0, frames[1].0, frames.len()), (kind::SETTINGS, kind::WINDOW_UPDATE, 2));
    let pairs: Vec<_> = settings(&frames[0].3).collect();
    assert!(pairs.contains(&(setting::MAX_CONCURRENT_STREAMS, 4)));
    assert!(!engine.has_begun());
    assert_eq!(engine.hear(&PREFACE[..10], &mut 9, &|| Micros(0)).0, 0);
    hear(&mut engine, PREFACE);
    assert!(engine.has_begun());
    hear(&mut engine, &frame(kind::SETTINGS, 0, 0, &[]));
    assert_eq!(said(&mut engine), [(kind::SETTINGS, flag::ACK, 0, vec![])]);
}

#[test]
fn a_request_is_answered() {
    let mut engine = open();
    let events = hear(&mut engine, &get(1));
    assert!(matches!(events[..], [Event::Request { id: 1, .. }]));
    assert_eq!(engine.text, b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(turn(&mut engine, 1));
    answer(&mut engine, 1, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false);
    assert_eq!(engine.room(1), OUT - engine.out().len());
    engine.say_data(1, b"hello", true);
    let frames = said(&mut engine);
    assert_eq!((frames[0].0, frames[0].1, frames[0].2), (kind::HEADERS, flag::END_HEADERS, 1));
    assert_eq!(frames[1], (kind::DATA, flag::END_STREAM, 1, b"hello".to_vec()));
    engine.leave(1);
    assert_eq!((engine.open(), engine.active, engine.take_cuts()), (0, 0, 0));
    assert!(engine.out().is_empty());
}

#[test]
fn what_is_offered_and_not_taken_leaves_later() {
    let text: Vec<u8> = (0..40_000_u32).map(|n| n as u8).collect();
    for taken in [0, 1, 20, 60, 5000, 16_500, 40_000, usize::MAX] {
        let mut engine = open();
        hear(&mut engine, &get(1));
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n";
        answer(&mut engine, 1, head, false);
        let mut whole = open();
        hear(&mut whole, &get(1));
        answer(&mut whole, 1, head, false);
        whole.say_data(1, &text, true);
        let mut gone = Vec::new();
        engine.offer_data(1, &text, true, |slices| {
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            gone.extend_from_slice(&all[..taken.min(all.len())]);
            gone.len()
        });
        assert!([&gone, engine.out()].concat() == whole.out(), "{taken}");
        assert_eq!(engine.send_window, whole.send_window);
        assert!(!engine.is_open(1));
    }
}

#[test]
fn an_answer_that_is_left_is_reset_and_counted() {
    let mut engine = open();
    hear(&mut engine, &get(1));
    engine.leave(1);
    let frames = said(&mut engine);
    assert_eq!((frames[0].0, code(&frames[0].3)), (kind::RST_STREAM, 2));
    assert_eq!((engine.active, engine.take_cuts(), engine.take_cuts()), (0, 1, 0));
}

#[test]
fn what_a_client_sends_is_bounded_by_windows_that_open_as_it_is_taken() {
    let mut engine = open();
    hear(&mut engine, &post(1, &[]));
    let data = frame(kind::DATA, 0, 1, &[7; PAYLOAD]);
    for _ in 0..16 {
        hear(&mut engine, &data);
    }
    assert!(said(&mut engine).is_empty());
    let mut room = vec![0; 200 * 1024];
    let mut buf = ReadBuf::new(&mut room);
    engine.take(1, &mut buf);
    let frames = said(&mut engine);
    assert_eq!((frames[0].0, frames[0].2), (kind::WINDOW_UPDATE, 1));
    for _ in 0..20 {
        hear(&mut engine, &data);
    }
    let frames = said(&mut engine);
    assert_eq!((frames[0].0, frames[0].2, code(&frames[0].3)), (kind::RST_STREAM, 1, 3));
    engine.leave(1);
    let total = engine.recv_window + i64::from(engine.credit);
    assert_eq!(total, i64::from(CONNECTION_WINDOW), "all is given back");
}

#[test]
fn lengths_must_be_kept() {
    for (data, ends, good) in [(5, true, true), (4, true, false), (6, false, false)] {
        let mut engine = open();
        hear(&mut engine, &post(1, &[("content-length", "5")]));
        let flags = if ends { flag::END_STREAM } else { 0 };
        let events = hear(&mut engine, &frame(kind::DATA, flags, 1, &vec![0; data]));
        assert_eq!(events.is_empty(), good, "{data}");
        assert_eq!(said(&mut engine).is_empty(), good);
    }
}

#[test]
fn windows_of_the_client_are_respected() {
    let mut engine = open();
    let small = [0, setting::INITIAL_WINDOW_SIZE as u8, 0, 0, 0, 10];
    hear(&mut engine, &frame(kind::SETTINGS, 0, 0, &small));
    hear(&mut engine, &get(1));
    answer(&mut engine, 1, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", false);
    assert_eq!(engine.room(1), 10);
    engine.say_data(1, &[0; 10], false);
    assert_eq!(engine.room(1), 0);
    engine.wait(1, Waker::noop());
    let smaller = [0, setting::INITIAL_WINDOW_SIZE as u8, 0, 0, 0, 5];
    hear(&mut engine, &frame(kind::SETTINGS, 0, 0, &smaller));
    hear(&mut engine, &frame(kind::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 20]));
    assert_eq!(engine.room(1), 15);
    assert!(turn(&mut engine, 1));
}

#[test]
fn the_urgent_go_first_and_the_others_in_turns() {
    let mut engine = open();
    for (id, priority) in [(1, "u=5"), (3, "u=1"), (5, "u=5")] {
        hear(&mut engine, &post(id, &[("priority", priority)]));
        assert!(turn(&mut engine, id));
        answer(&mut engine, id, "HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n", false);
    }
    hear(&mut engine, &frame(kind::WINDOW_UPDATE, 0, 0, &[0, 16, 0, 0]));
    let room = engine.room(1);
    engine.say_data(1, &vec![0; room], false);
    for id in [1, 5, 3] {
        assert!(!turn(&mut engine, id), "nothing more finds room");
    }
    let place = TURN + 1;
    engine.sent(place);
    assert!(turn(&mut engine, 3), "the most urgent");
    engine.say_data(3, &[0; 1000], false);
    assert!(!turn(&mut engine, 5));
    let update = [&1_u32.to_be_bytes()[..], b"u=0"].concat();
    hear(&mut engine, &frame(kind::PRIORITY_UPDATE, 0, 0, &update));
    assert_eq!(engine.streams[&1].priority.urgency, 0);
}

#[test]
fn a_turn_goes_on_when_all_of_it_leaves_at_once() {
    let mut engine = open();
    for id in [1, 3] {
        hear(&mut engine, &post(id, &[]));
        answer(&mut engine, id, "HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n", false);
    }
    hear(&mut engine, &frame(kind::WINDOW_UPDATE, 0, 0, &[0, 16, 0, 0]));
    let room = engine.room(1);
    engine.say_data(1, &vec![0; room], false);
    assert!(!turn(&mut engine, 1) && !turn(&mut engine, 3));
    // Room for one.
    engine.out.consume(OUT - 10);
    engine.out.extend(&[0; OUT - TURN]);
    engine.give_turns();
    assert!(turn(&mut engine, 1));
    assert!(engine.streams[&3].waits);
    let all = |slices: &[IoSlice<'_>]| slices.iter().map(|slice| slice.len()).sum();
    engine.offer_data(1, &[0; 1000], false, all);
    assert!(engine.out.is_empty() && engine.streams[&3].turn);
}

#[test]
fn a_goodbye_waits_for_what_was_on_its_way() {
    let mut engine = open();
    hear(&mut engine, &get(1));
    engine.wind_down();
    let frames = said(&mut engine);
    assert_eq!((frames[0].0, frames[1].0), (kind::GOAWAY, kind::PING));
    hear(&mut engine, &get(3));
    assert_eq!(engine.open(), 2);
    hear(&mut engine, &frame(kind::PING, flag::ACK, 0, &frames[1].3));
    let frames = said(&mut engine);
    assert_eq!((frames[0].0, &frames[0].3[..4]), (kind::GOAWAY, &[0, 0, 0, 3][..]));
    hear(&mut engine, &get(5));
    assert_eq!(engine.open(), 2);
    assert!(!engine.is_over());
    engine.leave(1);
    engine.leave(3);
    assert!(engine.is_over() && engine.cause().is_none());
}

#[test]
fn faults_of_the_connection_end_it() {
    let of = |frames: &[Vec<u8>]| {
        let mut engine = open();
        hear(&mut engine, &get(1));
        engine.leave(1);
        hear(&mut engine, &get(3));
        answer(&mut engine, 3, "HTTP/1.1 204 No\r\n\r\n", true);
        engine.leave(3);
        said(&mut engine);
        hear(&mut engine, &frames.concat());
        let last = said(&mut engine).pop();
        assert!(engine.is_over(), "{frames:?}");
        let (kind, _, _, payload) = last.unwrap();
        assert_eq!(kind, kind::GOAWAY);
        code(&payload)
    };
    let cases = [
        (frame(kind::DATA, 0, 0, b"x"), 1),
        (frame(kind::DATA, 0, 5, b"x"), 1),
        (frame(kind::DATA, 0, 3, b"x"), 5),
        (frame(kind::DATA, flag::PADDED, 1, &[5, 0]), 1),
        (frame(kind::HEADERS, flag::END_HEADERS, 2, &[]), 1),
        (frame(kind::HEADERS, flag::END_HEADERS, 5, &[0x80]), 9),
        (frame(kind::HEADERS, flag::END_HEADERS | flag::PRIORITY, 5, &[0; 4]), 6),
        (get(3), 5),
        (frame(kind::PRIORITY, 0, 0, &[0; 5]), 1),
        (frame(kind::RST_STREAM, 0, 0, &[0; 4]), 1),
        (frame(kind::RST_STREAM, 0, 5, &[0; 4]), 1),
        (frame(kind::RST_STREAM, 0, 3, &[0; 5]), 6),
        (frame(kind::SETTINGS, 0, 1, &[]), 1),
        (frame(kind::SETTINGS, 0, 0, &[0; 5]), 6),
        (frame(kind::SETTINGS, flag::ACK, 0, &[0; 6]), 6),
        (frame(kind::SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 2]), 1),
        (frame(kind::SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0]), 3),
        (frame(kind::SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1]), 1),
        (frame(kind::PUSH_PROMISE, 0, 1, &[0; 4]), 1),
        (frame(kind::PING, 0, 1, &[0; 8]), 1),
        (frame(kind::PING, 0, 0, &[0; 7]), 6),
        (frame(kind::GOAWAY, 0, 1, &[0; 8]), 1),
        (frame(kind::GOAWAY, 0, 0, &[0; 7]), 6),
        (frame(kind::WINDOW_UPDATE, 0, 0, &[0; 4]), 1),
        (frame(kind::WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), 3),
        (frame(kind::WINDOW_UPDATE, 0, 7, &[0, 0, 0, 1]), 1),
        (frame(kind::WINDOW_UPDATE, 0, 0, &[0; 3]), 6),
        (frame(kind::CONTINUATION, flag::END_HEADERS, 5, &[]), 1),
        (frame(kind::PRIORITY_UPDATE, 0, 1, &[0, 0, 0, 1]), 1),
        (frame(kind::PRIORITY_UPDATE, 0, 0, &[0, 0, 0]), 6),
    ];
    for (bytes, expected) in cases {
        assert_eq!(of(std::slice::from_ref(&bytes)), expected, "{bytes:?}");
    }
    let begun = frame(kind::HEADERS, 0, 5, &[]);
    assert_eq!(of(&[begun.clone(), frame(kind::PING, 0, 0, &[0; 8])]), 1);
    assert_eq!(of(&[begun.clone(), frame(0xee, 0, 5, &[])]), 1);
    let parts = vec![frame(kind::CONTINUATION, 0, 5, &[0; 1000]); 5];
    assert_eq!(of(&[vec![begun], parts].concat()), 11);
    assert_eq!(of(&[get(7), get(5)]), 1, "numbers only grow");
}

#[test]
fn faults_of_a_stream_reset_it_alone() {
    let of = |bytes: &[u8]| {
        let mut engine = open();
        hear(&mut engine, &post(1, &[]));
        hear(&mut engine, bytes);
        let (kind, _, _, payload) = said(&mut engine).pop().unwrap();
        assert!(!engine.is_over());
        assert_eq!(kind, kind::RST_STREAM, "{bytes:?}");
        code(&payload)
    };
    let bad = block(&[(":method", "GET"), (":scheme", "http"), (":authority", "a")]);
    let trailers = |flags, fields: &[(&str, &str)]| {
        frame(kind::HEADERS, flag::END_HEADERS | flags, 1, &block(fields))
    };
    let heads = flag::END_HEADERS | flag::END_STREAM;
    let depends = [&[0, 0, 0, 3, 9][..], &bad].concat();
    for (bytes, expected) in [
        (frame(kind::HEADERS, heads, 3, &bad), 1),
        (frame(kind::HEADERS, heads | flag::PRIORITY, 3, &depends), 1),
        (frame(kind::PRIORITY, 0, 3, &[0, 0, 0, 3, 0]), 1),
        (frame(kind::PRIORITY, 0, 3, &[0; 4]), 6),
        (frame(kind::WINDOW_UPDATE, 0, 1, &[0; 4]), 1),
        (frame(kind::WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff]), 3),
        (trailers(0, &[("x", "y")]), 1),
        (trailers(flag::END_STREAM, &[(":path", "/")]), 1),
        (trailers(flag::END_STREAM, &[("connection", "x")]), 1),
        ([get(3), frame(kind::DATA, 0, 3, b"x")].concat(), 5),
        ([get(3), get(3)].concat(), 5),
        ([3, 5, 7, 9].map(get).concat(), 7),
    ] {
        assert_eq!(of(&bytes), expected, "{bytes:?}");
    }
}

#[test]
fn frames_of_a_stream_that_we_reset_pass() {
    let mut engine = open();
    hear(&mut engine, &post(1, &[]));
    engine.cut(1);
    engine.leave(1);
    said(&mut engine);
    let rest = [frame(kind::DATA, 0, 1, b"x"), frame(kind::HEADERS, 5, 1, &block(&[("a", "b")]))];
    hear(&mut engine, &rest.concat());
    assert!(said(&mut engine).is_empty() && !engine.is_over());
    let other = hear(&mut engine, &get(3));
    assert!(matches!(other[..], [Event::Request { id: 3, .. }]));
}

#[test]
fn the_end_of_a_request_may_come_after_its_answer() {
    let mut engine = open();
    hear(&mut engine, &post(1, &[("content-length", "5")]));
    hear(&mut engine, &frame(kind::DATA, 0, 1, b"hello"));
    answer(&mut engine, 1, "HTTP/1.1 204 No\r\n\r\n", true);
    let frames = said(&mut engine);
    assert_eq!((frames.len(), frames[0].0), (1, kind::HEADERS), "no reset: it has come whole");
    assert_eq!(engine.active, 0);
    engine.leave(1);
    hear(&mut engine, &frame(kind::DATA, flag::END_STREAM, 1, b""));
    assert!(said(&mut engine).is_empty() && !engine.is_over());
    // Of another more is coming, and of no use.
    hear(&mut engine, &post(3, &[("content-length", "9")]));
    answer(&mut engine, 3, "HTTP/1.1 204 No\r\n\r\n", true);
    let frames = said(&mut engine);
    assert_eq!((frames[1].0, code(&frames[1].3)), (kind::RST_STREAM, 0));
}

#[test]
fn what_comes_for_streams_that_were_reset_is_bounded() {
    let mut engine = open();
    hear(&mut engine, &post(1, &[]));
    engine.cut(1);
    let data = frame(kind::DATA, 0, 1, &[0; PAYLOAD]);
    for _ in 0..64 {
        hear(&mut engine, &data);
    }
    assert!(!engine.is_over(), "all that can be on its way");
    for _ in 0..200 {
        hear(&mut engine, &data);
    }
    assert_eq!(engine.cause(), Some("http2-idle-frames"));
}

#[test]
fn a_head_that_is_far_too_large_is_the_end() {
    let mut engine = open();
    let value = "v".repeat(100);
    let large: Vec<_> = (0..90).map(|_| ("x", &value[..])).collect();
    let events = hear(&mut engine, &post(1, &large));
    assert!(events.is_empty() && engine.is_over());
    assert_eq!(engine.cause(), Some("http2-heads"));
    assert_eq!(code(&said(&mut engine)[0].3[4..]), 11);
}

#[test]
fn a_head_that_is_too_large_is_answered() {
    let mut engine = open();
    let value = "v".repeat(100);
    let large: Vec<_> = (0..30).map(|_| ("x", &value[..])).collect();
    let events = hear(&mut engine, &post(1, &large));
    assert!(matches!(events[..], [Event::TooLarge(1)]));
    let frames = said(&mut engine);
    assert_eq!((frames[0].0, frames[1].0), (kind::HEADERS, kind::RST_STREAM));
    let mut status = Vec::new();
    let each = |field: Field<'_>| status.extend_from_slice(field.value);
    Decoder::new(4096).decode(&frames[0].3, each).unwrap();
    assert_eq!((&status[..], code(&frames[1].3)), (&b"431"[..], 0));
}

#[test]
fn a_client_that_does_not_read_is_not_heard() {
    let mut engine = open();
    let ping = frame(kind::PING, 0, 0, &[0; 8]);
    let mut pings = 0;
    while engine.is_hearing() && pings < 100_000 {
        hear(&mut engine, &ping);
        engine.guard.sent(1 << 20);
        pings += 1;
    }
    assert!(engine.out().len() <= REPLIES + 100);
}

#[test]
fn any_bytes_leave_it_in_order() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for _ in 0..5000 {
        let script: Vec<u8> = (0..random() % 1000).map(|_| (random() >> 24) as u8).collect();
        exercise(&script);
    }
}

#[test]
fn why_a_stream_was_reset_is_said() {
    let mut engine = open();
    for stream in [1, 3, 5, 7] {
        hear(&mut engine, &get(stream));
    }
    let bad = post(11, &[("connection", "close")]);
    let cases = [
        (get(9), "http2-refused"),
        (frame(kind::DATA, 0, 1, b"after its end"), "http2-stream"),
        (frame(kind::WINDOW_UPDATE, 0, 3, &i32::MAX.to_be_bytes()), "http2-stream"),
        (bad, "http2-malformed"),
    ];
    for (bytes, cause) in cases {
        let events = hear(&mut engine, &bytes);
        assert!(matches!(events[..], [Event::Refused(said)] if said == cause), "{events:?}");
        // Room for the next.
        engine.leave(5);
    }
    assert!(!engine.is_over());
}
