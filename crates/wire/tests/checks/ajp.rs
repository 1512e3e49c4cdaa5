//! AJP: what must hold for any bytes, and a container's side of the protocol to hold it against.

use evenkeel_wire::ajp::{Body, BodySender, Decoder, Event, Limits, Request, Tls, Turn};
use evenkeel_wire::http1::{self, Parsed, Refusal, ResponseHead};

const LIMITS: Limits = Limits { packet_bytes: 8192, fields: 12 };

/// Cutting never changes an answer, and a head that is written out is an answer of HTTP/1.1.
pub fn answer(data: &[u8]) {
    let whole = read(data, usize::MAX);
    for cut in [1, 2, 7] {
        assert_eq!(whole, read(data, cut), "cut every {cut}");
    }
}

/// What an answer came to.
#[derive(PartialEq, Debug, Default)]
pub struct Answer {
    /// Events other than body bytes; of the head as HTTP/1.1.
    pub events: Vec<String>,
    pub body: Vec<u8>,
    /// Bytes not taken.
    pub rest: usize,
    pub refusal: Option<Refusal>,
}

/// Decodes with at most `cut` more bytes a step.
pub fn read(data: &[u8], cut: usize) -> Answer {
    let mut decoder = Decoder::new(&LIMITS);
    let mut answer = Answer::default();
    let (mut at, mut have) = (0, 0usize);
    loop {
        let input = &data[at..have];
        let (taken, event) = match decoder.step(input) {
            Ok(step) => step,
            Err(refusal) => {
                assert_eq!(refusal.status, 502);
                answer.refusal = Some(refusal);
                return answer;
            }
        };
        assert!(taken <= input.len() && (taken > 0 || event == Event::NeedMore));
        at += taken;
        match event {
            Event::NeedMore if have == data.len() => break,
            Event::NeedMore => have = data.len().min(have.saturating_add(cut)),
            Event::Body(span) => {
                assert!(!span.is_empty() && span.end as usize <= taken);
                answer.body.extend_from_slice(span.of(input));
            }
            Event::Head => answer.events.push(as_http1(&decoder, &input[..taken])),
            event => answer.events.push(format!("{event:?}")),
        }
    }
    answer.rest = data.len() - at;
    answer
}

fn as_http1(decoder: &Decoder, input: &[u8]) -> String {
    let head = decoder.head();
    assert!(head.fields.len() <= LIMITS.fields);
    let mut out = Vec::new();
    head.write_http1(input, &mut out);
    let mut again = ResponseHead::new();
    let limits = http1::Limits { head_bytes: 1 << 20, ..http1::Limits::default() };
    match again.parse(&out, &limits) {
        Ok(parsed) => assert_eq!(parsed, Parsed::Complete),
        Err(refusal) => panic!("{refusal}: {:?}", String::from_utf8_lossy(&out)),
    }
    assert_eq!((again.status, again.len), (head.status, out.len()));
    assert_eq!(again.content_length(), head.content_length);
    let kept: Vec<_> = head.fields.iter().filter(|field| !field.drop).collect();
    assert_eq!(again.fields.len(), kept.len());
    for (ours, theirs) in kept.iter().zip(&again.fields) {
        assert_eq!(ours.name.of(input), theirs.name.of(&out));
        assert_eq!(ours.value.of(input), theirs.value.of(&out));
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A request as a container understands it.
#[derive(PartialEq, Debug, Default)]
pub struct Understood {
    pub method: Vec<u8>,
    pub protocol: Vec<u8>,
    pub uri: Vec<u8>,
    pub remote_addr: Vec<u8>,
    pub remote_host: Option<Vec<u8>>,
    pub server_name: Vec<u8>,
    pub server_port: u16,
    pub is_tls: bool,
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// By code, or by name where the code is 10.
    pub attributes: Vec<(u8, Vec<u8>, Vec<u8>)>,
}

/// Reads one packet as Tomcat does; `None` when it would not.
pub fn understand(packet: &[u8]) -> Option<Understood> {
    let (start, content) = packet.split_at_checked(4)?;
    if start[..2] != [0x12, 0x34] || usize::from(number(&start[2..])?) != content.len() {
        return None;
    }
    let mut rest = content;
    let rest = &mut rest;
    if byte(rest)? != 2 {
        return None;
    }
    let method = byte(rest)?;
    let mut got = Understood {
        method: METHODS.get(usize::from(method)).map(|name| name.as_bytes().to_vec())?,
        protocol: string(rest)??,
        uri: string(rest)??,
        remote_addr: string(rest)??,
        remote_host: string(rest)?,
        server_name: string(rest)??,
        server_port: take(rest, 2).and_then(number)?,
        is_tls: byte(rest)? == 1,
        ..Understood::default()
    };
    for _ in 0..take(rest, 2).and_then(number)? {
        let code = number(rest)?;
        let name = if code >> 8 == 0xA0 {
            take(rest, 2)?;
            FIELDS.get(usize::from(code - 0xA001))?.as_bytes().to_vec()
        } else {
            string(rest)??
        };
        got.fields.push((name, string(rest)??));
    }
    loop {
        let (code, mut name) = (byte(rest)?, Vec::new());
        match code {
            0xFF => break,
            10 => name = string(rest)??,
            13 => {
                got.method = string(rest)??;
                continue;
            }
            _ => {}
        }
        let value = if code == 11 { take(rest, 2)?.to_vec() } else { string(rest)?? };
        got.attributes.push((code, name, value));
    }
    rest.is_empty().then_some(got)
}

/// A request made of noise is understood as it was meant, or refused with nothing written.
pub fn request(data: &[u8]) {
    let mut parts = data.split(|&byte| byte == b'\n');
    let mut next = || parts.next().unwrap_or_default();
    let uri = [b"/", next()].concat();
    let request = Request {
        method: next(),
        protocol: b"HTTP/1.1",
        uri: &uri,
        remote_addr: next(),
        remote_host: None,
        server_name: next(),
        server_port: data.len() as u16,
        is_tls: data.len() % 2 == 1,
        body: Body::Length(data.len() as u64),
        query: Some(next()),
        secret: Some(next()),
        remote_port: None,
        local_addr: None,
        route: Some(next()),
        tls: Tls { key_bits: Some(256), ..Tls::default() },
    };
    let is_name = |name: &[u8]| name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
    let fields = parts.map(|line| line.split_at(line.len() / 2));
    let fields: Vec<_> = fields.filter(|(name, _)| is_name(name)).collect();
    let mut out = Vec::new();
    let result = request.write(fields.iter().copied(), &LIMITS, &mut out);
    assert_eq!(result.is_err(), out.is_empty());
    assert!(out.len() <= LIMITS.packet_bytes);
    if result.is_err() {
        return;
    }
    let got = understand(&out).expect("a container understands it");
    // An empty or unknown method is stored; a code is case-sensitive.
    assert_eq!((&got.method[..], &got.uri[..]), (request.method, &uri[..]));
    assert_eq!((&got.remote_addr[..], &got.remote_host), (request.remote_addr, &None));
    assert_eq!((&got.server_name[..], got.server_port), (request.server_name, request.server_port));
    assert_eq!(got.is_tls, request.is_tls);
    let length = data.len().to_string().into_bytes();
    assert_eq!(got.fields[0], (b"content-length".to_vec(), length));
    let framing = |name: &[u8]| {
        name.eq_ignore_ascii_case(b"content-length")
            || name.eq_ignore_ascii_case(b"transfer-encoding")
    };
    let meant = fields.iter().filter(|(name, _)| !framing(name));
    assert!(
        got.fields[1..]
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), &value[..]))
            .eq(meant.map(|(name, value)| (name.to_ascii_lowercase(), *value)))
    );
    let attributes: Vec<_> =
        got.attributes.iter().map(|(code, _, value)| (*code, &value[..])).collect();
    assert_eq!(
        attributes,
        [
            (12, request.secret.unwrap()),
            (5, request.query.unwrap()),
            (6, request.route.unwrap()),
            (11, &[1, 0][..]),
        ]
    );
}

/// Sends `data` to a container that asks for `asks` bytes in turn, and says what it got. The
/// container is Tomcat: after an announced length it waits, else it asks first.
pub fn upload(data: &[u8], announced: bool, asks: &[u16]) -> Vec<u8> {
    let body = if announced { Body::Length(data.len() as u64) } else { Body::Unknown };
    let mut sender = BodySender::new(body, &LIMITS);
    let (mut sent, mut got) = (0, Vec::new());
    let mut waiting = announced && !data.is_empty();
    let mut asks = asks.iter().cycle();
    loop {
        let mut most = LIMITS.packet_bytes - 6;
        if !waiting {
            assert_eq!(sender.turn(), Turn::Wait);
            let bytes = *asks.next().unwrap_or(&8186);
            sender.ask(bytes).unwrap();
            most = most.min(usize::from(bytes));
        }
        waiting = false;
        let mut packet = Vec::new();
        match sender.turn() {
            Turn::Wait => panic!("the container waits"),
            Turn::Data(_) if sent < data.len() => sent += sender.write(&mut packet, &data[sent..]),
            Turn::Data(_) | Turn::End => sender.end(&mut packet),
        }
        assert_eq!(packet[..2], [0x12, 0x34]);
        assert_eq!(usize::from(number(&packet[2..]).unwrap()), packet.len() - 4);
        let chunk = &packet[6..];
        assert_eq!(usize::from(number(&packet[4..]).unwrap()), chunk.len());
        assert!(chunk.len() <= most);
        if chunk.is_empty() {
            return got;
        }
        got.extend_from_slice(chunk);
    }
}

/// Appends a container's packet.
pub fn packet(out: &mut Vec<u8>, content: &[u8]) {
    out.extend_from_slice(b"AB");
    out.extend_from_slice(&(content.len() as u16).to_be_bytes());
    out.extend_from_slice(content);
}

/// Appends a container's string.
pub fn put_string(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text);
    out.push(0);
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    take(rest, 1).map(|taken| taken[0])
}

fn number(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|two| u16::from_be_bytes(*two))
}

fn string(rest: &mut &[u8]) -> Option<Option<Vec<u8>>> {
    let length = take(rest, 2).and_then(number)?;
    if length == 0xFFFF {
        return Some(None);
    }
    let text = take(rest, length.into())?.to_vec();
    (byte(rest)? == 0).then_some(Some(text))
}

/// By code; the last for every other.
const METHODS: [&str; 256] = {
    let mut names = [""; 256];
    let known = [
        "OPTIONS",
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "DELETE",
        "TRACE",
        "PROPFIND",
        "PROPPATCH",
        "MKCOL",
        "COPY",
        "MOVE",
        "LOCK",
        "UNLOCK",
        "ACL",
        "REPORT",
        "VERSION-CONTROL",
        "CHECKIN",
        "CHECKOUT",
        "UNCHECKOUT",
        "SEARCH",
        "MKWORKSPACE",
        "UPDATE",
        "LABEL",
        "MERGE",
        "BASELINE-CONTROL",
        "MKACTIVITY",
    ];
    let mut at = 0;
    while at < known.len() {
        names[at + 1] = known[at];
        at += 1;
    }
    names
};

const FIELDS: [&str; 14] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "authorization",
    "connection",
    "content-type",
    "content-length",
    "cookie",
    "cookie2",
    "host",
    "pragma",
    "referer",
    "user-agent",
];
