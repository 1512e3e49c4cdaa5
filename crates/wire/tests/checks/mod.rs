//! What must hold for any bytes whatever. The fuzz targets, the property tests and the corpus all
//! call these; they panic when something does not hold.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each includer uses some of it")]

pub mod ajp;
pub mod fastcgi;
pub mod hpack;

use std::hash::DefaultHasher;

use evenkeel_wire::http1::{
    BodyReader, Field, Framing, Limits, Parsed, Piece, Refusal, RequestHead, ResponseHead, Span,
    path,
};
use evenkeel_wire::quic::{self, Kind, Packet};
use evenkeel_wire::udp_flow::Table;

/// What became of a message.
#[derive(PartialEq, Debug)]
pub enum Outcome {
    Partial,
    Refused(Refusal),
    /// Facts in the words of the corpus.
    Read(Vec<String>),
}

const LIMITS: Limits = Limits { head_bytes: 1000, target_bytes: 100, fields: 12 };

/// Cutting never changes what a request is, and spans stay within the head.
pub fn http1_request(data: &[u8]) {
    let whole = read_request(data, usize::MAX, &LIMITS);
    for cut in [1, 2, 7] {
        assert_eq!(whole, read_request(data, cut, &LIMITS), "cut every {cut}");
    }
    let mut head = RequestHead::new();
    if head.parse(data, &LIMITS) == Ok(Parsed::Complete) {
        let optional = [head.query, head.host, head.host_name, head.upgrade];
        let spans = [head.method_span, head.target, head.path].into_iter();
        check_spans(spans.chain(optional.into_iter().flatten()), head.len, data);
        check_fields(&head.fields, head.len, data);
        assert!(head.body != Framing::UntilClose);
        rewritten_is_the_same(&head, data);
    }
}

/// Cutting never changes what an answer is, whatever it answers.
pub fn http1_response(data: &[u8]) {
    for was_head in [false, true] {
        let whole = read_response(data, usize::MAX, was_head, &LIMITS);
        for cut in [1, 2, 7] {
            assert_eq!(whole, read_response(data, cut, was_head, &LIMITS), "cut every {cut}");
        }
    }
    let mut head = ResponseHead::new();
    if head.parse(data, &LIMITS) == Ok(Parsed::Complete) {
        check_spans([head.reason].into_iter().chain(head.upgrade), head.len, data);
        check_fields(&head.fields, head.len, data);
        assert!((100..600).contains(&head.status));
    }
}

/// Cutting never changes a chunked body, and it is what a plain decoder makes of it.
pub fn http1_body(data: &[u8]) {
    let whole = read_body(data, usize::MAX, Framing::Chunked, &LIMITS);
    for cut in [1, 2, 7] {
        assert_eq!(whole, read_body(data, cut, Framing::Chunked, &LIMITS), "cut every {cut}");
    }
    if let Ok(Some(body)) = whole {
        let (plain, rest) = plain_chunks(data).expect("the plain decoder takes it too");
        assert_eq!((body.data, body.rest), (plain, rest));
    }
}

/// A normal path stays as it is.
pub fn http1_path(data: &[u8]) {
    let mut scratch = Vec::new();
    if let Ok(normal) = path::normalise(data, &mut scratch) {
        let mut again = Vec::new();
        assert_eq!(path::normalise(normal, &mut again), Ok(normal));
    }
}

/// Cutting never changes a PROXY header; one that is read can be written and read again.
pub fn proxy_protocol(data: &[u8]) {
    use evenkeel_wire::proxy_protocol::{Addresses, Command, Header, V2Writer, write_v1};
    let whole = Header::parse(data);
    for have in 0..data.len() {
        let part = Header::parse(&data[..have]);
        assert!(part == Ok(None) || part == whole, "{part:?} {whole:?}");
    }
    let Ok(Some(header)) = whole else { return };
    assert!(header.len <= data.len());
    let mut out = Vec::new();
    if header.version == 1 {
        write_v1(&mut out, &header.addresses);
    } else {
        let mut writer = V2Writer::begin(&mut out, header.command, &header.addresses);
        for tlv in header.tlvs(data).filter(|tlv| tlv.kind != 3) {
            writer.tlv(tlv.kind, tlv.value).unwrap();
        }
        if writer.finish(true).is_err() {
            return;
        }
    }
    let again = Header::parse(&out).unwrap().unwrap();
    assert_eq!(header.command == Command::Local, again.command == Command::Local);
    if header.addresses != Addresses::Unknown {
        assert_eq!(again.addresses, header.addresses);
    }
}

/// Cutting never changes a ClientHello.
pub fn tls_hello(data: &[u8]) {
    use evenkeel_wire::tls_hello::ClientHello;
    let read = |cut: usize| {
        let mut hello = ClientHello::new();
        let mut have = 0usize;
        loop {
            have = data.len().min(have.saturating_add(cut));
            match hello.parse(&data[..have]) {
                Ok(Parsed::Partial) if have < data.len() => {}
                result => {
                    let protocols: Vec<_> = hello.alpn().map(<[u8]>::to_vec).collect();
                    return (result, hello.server_name().map(str::to_owned), protocols);
                }
            }
        }
    };
    assert_eq!(read(usize::MAX), read(1));
    assert_eq!(read(usize::MAX), read(7));
}

/// A header is read from its own bytes alone: what follows changes nothing, and what is cut off is
/// missed.
pub fn quic(data: &[u8]) {
    match Packet::parse(data) {
        Ok(Packet::Long { version, kind, dcid, scid }) => {
            let end = 7 + dcid.len() + scid.len();
            assert!(end <= data.len());
            assert_eq!((&data[6..6 + dcid.len()], &data[end - scid.len()..end]), (dcid, scid));
            assert_eq!(version.to_be_bytes(), data[1..5]);
            assert_eq!(kind == Kind::VersionNegotiation, version == 0);
            assert_eq!(Packet::parse(&data[..end]), Packet::parse(data));
            for cut in 0..end {
                assert!(Packet::parse(&data[..cut]).is_err(), "cut at {cut}");
            }
        }
        Ok(Packet::Short { after }) => assert_eq!(after, &data[1..]),
        Err(_) => {}
    }
    for length in 1..=20 {
        if let Some(id) = quic::server_id(data, length) {
            assert_eq!(id, &data[1..=length]);
        }
    }
}

/// The table of flows is what a list that is searched from its start would be. Each byte is an
/// order: two bits of what, six of whom.
pub fn udp_flow(data: &[u8]) {
    const LIMIT: usize = 9;
    const IDLE: u64 = 40;
    let mut table = Table::new(LIMIT, std::hash::BuildHasherDefault::<DefaultHasher>::default());
    // Client, when it was heard, whether it is proven; the longest silent first.
    let mut model: Vec<(u8, u64, bool)> = Vec::new();
    for (now, order) in (0_u64..).zip(data) {
        let (what, client) = (order >> 6, order & 15);
        let known = model.iter().position(|(key, ..)| *key == client);
        assert_eq!(table.find(&client).is_some(), known.is_some());
        match (what, table.find(&client)) {
            (0 | 1, None) => {
                let crowded = (model.len() == LIMIT).then(|| {
                    let at = model.iter().position(|(_, _, proven)| !proven).unwrap_or(0);
                    model.remove(at).0
                });
                model.push((client, now, false));
                let (id, out) = table.insert(client, client, now);
                assert_eq!((table.get(id), out.map(|(key, _)| key)), (Some(&client), crowded));
            }
            (0..=2, Some(id)) => {
                let (_, _, proven) = model.remove(known.unwrap_or_default());
                model.push((client, now, proven || what == 1));
                if what == 1 { table.answered(id, now) } else { table.touch(id, now) }
            }
            (_, Some(id)) => {
                model.remove(known.unwrap_or_default());
                assert_eq!(table.remove(id), Some((client, client)));
                assert!(table.get(id).is_none() && table.remove(id).is_none());
            }
            (_, None) => {
                while let Some((key, _)) = table.expire(now, IDLE) {
                    let at = model.iter().position(|(other, ..)| *other == key);
                    let (_, heard, _) = model.remove(at.unwrap_or(usize::MAX));
                    assert!(now - heard >= IDLE);
                }
                assert!(model.iter().all(|(_, heard, _)| now - heard < IDLE));
            }
        }
        assert_eq!((table.len(), table.is_empty()), (model.len(), model.is_empty()));
    }
}

/// Reads head, path and body, at most `cut` more bytes a step.
pub fn read_request(data: &[u8], cut: usize, limits: &Limits) -> Outcome {
    let mut head = RequestHead::new();
    let mut have = 0usize;
    loop {
        have = data.len().min(have.saturating_add(cut));
        match head.parse(&data[..have], limits) {
            Err(refusal) => return Outcome::Refused(refusal),
            Ok(Parsed::Complete) => break,
            Ok(Parsed::Partial) if have == data.len() => return Outcome::Partial,
            Ok(Parsed::Partial) => {}
        }
    }
    let mut facts = vec![format!("body={}", framing_name(head.body))];
    let mut scratch = Vec::new();
    match path::normalise(head.path_or_root(data), &mut scratch) {
        Ok(path) => facts.push(format!("path={}", lossy(path))),
        Err(refusal) => return Outcome::Refused(refusal),
    }
    let text = |span: Span| lossy(span.of(data));
    facts.extend(head.host.map(|host| format!("host={}", text(host))));
    facts.extend(head.query.map(|query| format!("query={}", text(query))));
    facts.push(head.upgrade.map_or("no-upgrade".into(), |name| format!("upgrade={}", text(name))));
    facts.push(if head.keep_alive { "keep" } else { "close" }.into());
    facts.push(if head.expect_continue { "continue" } else { "no-continue" }.into());
    facts.push(if head.lookalike { "lookalike" } else { "no-lookalike" }.into());
    facts.push(dropped(&head.fields, data));
    finish(facts, &data[head.len..], cut, head.body, limits)
}

/// The same for an answer.
pub fn read_response(data: &[u8], cut: usize, was_head: bool, limits: &Limits) -> Outcome {
    let mut head = ResponseHead::new();
    let mut have = 0usize;
    loop {
        have = data.len().min(have.saturating_add(cut));
        match head.parse(&data[..have], limits) {
            Err(refusal) => return Outcome::Refused(refusal),
            Ok(Parsed::Complete) => break,
            Ok(Parsed::Partial) if have == data.len() => return Outcome::Partial,
            Ok(Parsed::Partial) => {}
        }
    }
    let framing = head.framing(was_head);
    let mut facts = vec![
        format!("body={}", framing_name(framing)),
        format!("status={}", head.status),
        format!("reason={}", lossy(head.reason.of(data))),
    ];
    let upgrade = head.upgrade.map(|name| format!("upgrade={}", lossy(name.of(data))));
    facts.push(upgrade.unwrap_or("no-upgrade".into()));
    facts.push(if head.reusable(was_head) { "reusable" } else { "not-reusable" }.into());
    facts.push(if was_head { "head" } else { "no-head" }.into());
    facts.push(dropped(&head.fields, data));
    match finish(facts, &data[head.len..], cut, framing, limits) {
        Outcome::Refused(refusal) => Outcome::Refused(refusal.of_member()),
        outcome => outcome,
    }
}

#[derive(PartialEq, Debug)]
pub struct Body {
    pub data: Vec<u8>,
    pub trailers: Vec<u8>,
    /// Bytes left over.
    pub rest: usize,
}

/// Reads a body, seeing at most `cut` bytes a step; `None` when it is not all there.
pub fn read_body(
    input: &[u8],
    cut: usize,
    framing: Framing,
    limits: &Limits,
) -> Result<Option<Body>, Refusal> {
    let mut reader = BodyReader::new(framing, limits);
    let mut data = Vec::new();
    let mut at = 0usize;
    while !reader.is_done() {
        let piece = reader.step(&input[at..input.len().min(at.saturating_add(cut))])?;
        if piece == Piece::default() {
            assert_eq!(at, input.len(), "no progress");
            if reader.finish_eof().is_err() {
                return Ok(None);
            }
            break;
        }
        data.extend_from_slice(&input[at + piece.skip..][..piece.data]);
        at += piece.skip + piece.data;
    }
    let trailers = reader.trailers().to_vec();
    Ok(Some(Body { data, trailers, rest: input.len() - at }))
}

fn finish(
    mut facts: Vec<String>,
    rest: &[u8],
    cut: usize,
    framing: Framing,
    limits: &Limits,
) -> Outcome {
    match read_body(rest, cut, framing, limits) {
        Err(refusal) => Outcome::Refused(refusal),
        Ok(None) => Outcome::Partial,
        Ok(Some(body)) => {
            facts.push(format!("data={}", lossy(&body.data)));
            facts.push(format!("rest={}", body.rest));
            let names: Vec<_> = lossy(&body.trailers)
                .lines()
                .map(|line| line.split(':').next().unwrap().to_lowercase())
                .collect();
            facts.push(format!("trailers={}", names.join(",")));
            Outcome::Read(facts)
        }
    }
}

/// Writing a head out again and parsing it gives the same head.
fn rewritten_is_the_same(head: &RequestHead, data: &[u8]) {
    use evenkeel_wire::http1::write;
    let mut out = Vec::new();
    write::request_line(&mut out, head.method_span.of(data), head.target.of(data));
    for field in &head.fields {
        write::field(&mut out, field.name.of(data), field.value.of(data));
    }
    write::end(&mut out);
    let mut again = RequestHead::new();
    let limits = Limits { head_bytes: 1 << 20, ..LIMITS };
    // The version is always written as 1.1, which may ask for more than 1.0 did.
    if head.version == evenkeel_wire::http1::Version::H10 {
        return;
    }
    assert_eq!(again.parse(&out, &limits), Ok(Parsed::Complete));
    let text = |head: &RequestHead, buf: &[u8]| {
        let fields: Vec<_> = head
            .fields
            .iter()
            .map(|field| (lossy(field.name.of(buf)), lossy(field.value.of(buf)), field.drop))
            .collect();
        let host = head.host.map(|span| lossy(span.of(buf)));
        (head.body, head.keep_alive, head.form, host, fields, lossy(head.path.of(buf)))
    };
    assert_eq!(text(head, data), text(&again, &out));
}

fn check_spans(spans: impl Iterator<Item = Span>, len: usize, data: &[u8]) {
    assert!(len <= data.len() && len <= LIMITS.head_bytes);
    for span in spans {
        assert!(span.start <= span.end && span.end as usize <= len, "{span:?}");
    }
}

fn check_fields(fields: &[Field], len: usize, data: &[u8]) {
    assert!(fields.len() <= LIMITS.fields);
    check_spans(fields.iter().flat_map(|field| [field.name, field.value]), len, data);
    for field in fields {
        assert!(!field.name.is_empty());
        let value = field.value.of(data);
        assert!(!value.iter().any(|&b| (b < 0x20 && b != b'\t') || b == 0x7f));
        assert_eq!(value.trim_ascii(), value);
    }
}

/// A chunked decoder as one writes it in a minute: lenient, and right for what is well-formed.
fn plain_chunks(data: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut body = Vec::new();
    let mut rest = data;
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let digits = rest[..end].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let size = std::str::from_utf8(&rest[..digits]).ok()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        rest = &rest[end + 2..];
        if size == 0 {
            break;
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest[size..].strip_prefix(b"\r\n")?;
    }
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        rest = &rest[end + 2..];
        if end == 0 {
            return Some((body, rest.len()));
        }
    }
}

fn dropped(fields: &[Field], data: &[u8]) -> String {
    let names: Vec<_> = fields
        .iter()
        .filter(|field| field.drop)
        .map(|field| lossy(field.name.of(data)).to_lowercase())
        .collect();
    if names.is_empty() { "drop=-".into() } else { format!("drop={}", names.join(",")) }
}

fn framing_name(framing: Framing) -> &'static str {
    match framing {
        Framing::None => "none",
        Framing::Length(_) => "length",
        Framing::Chunked => "chunked",
        Framing::UntilClose => "close",
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
