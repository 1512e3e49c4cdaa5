//! FastCGI: what must hold for any bytes, and a responder's side of the protocol to hold it
//! against.

use evenkeel_wire::fastcgi::{Decoder, Event, Head, Params, Request, write};
use evenkeel_wire::http1::{Limits, Parsed, Refusal, ResponseHead};

const LIMITS: Limits = Limits { head_bytes: 1000, target_bytes: 100, fields: 12 };

/// Cutting never changes an answer.
pub fn answer(data: &[u8]) {
    let whole = read(data, 1, usize::MAX);
    for cut in [1, 2, 7] {
        assert_eq!(whole, read(data, 1, cut), "cut every {cut}");
    }
}

/// What an answer came to.
#[derive(PartialEq, Debug, Default)]
pub struct Answer {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub end: Option<Event>,
    /// Bytes not taken.
    pub rest: usize,
    pub refusal: Option<Refusal>,
}

/// Decodes with at most `cut` more bytes a step.
pub fn read(data: &[u8], id: u16, cut: usize) -> Answer {
    let mut decoder = Decoder::new(id);
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
            Event::Stdout(span) | Event::Stderr(span) => {
                assert!(!span.is_empty() && span.end as usize == taken);
                let is_error = matches!(event, Event::Stderr(_));
                let stream = if is_error { &mut answer.stderr } else { &mut answer.stdout };
                stream.extend_from_slice(span.of(input));
            }
            Event::End { .. } => assert_eq!(answer.end.replace(event), None),
        }
    }
    answer.rest = data.len() - at;
    answer
}

/// Cutting never changes a CGI head, and written out it is one of HTTP/1.1.
pub fn head(data: &[u8]) {
    let read = |cut: usize| {
        let mut head = Head::new();
        let mut have = 0usize;
        loop {
            have = data.len().min(have.saturating_add(cut));
            match head.parse(&data[..have], &LIMITS) {
                Ok(Parsed::Partial) if have < data.len() => {}
                result => return (result, result.is_ok().then_some(head)),
            }
        }
    };
    let whole = read(usize::MAX);
    for cut in [1, 2, 7] {
        let (result, head) = read(cut);
        assert_eq!(result, whole.0, "cut every {cut}");
        if result == Ok(Parsed::Complete) {
            assert_eq!(format!("{head:?}"), format!("{:?}", whole.1));
        }
    }
    let (Ok(Parsed::Complete), Some(head)) = whole else { return };
    assert!(head.len <= data.len().min(LIMITS.head_bytes) && head.fields.len() <= LIMITS.fields);
    let mut out = Vec::new();
    head.write_http1(data, &mut out);
    let mut again = ResponseHead::new();
    let limits = Limits { head_bytes: 1 << 20, ..LIMITS };
    assert_eq!(again.parse(&out, &limits), Ok(Parsed::Complete));
    assert_eq!((again.status, again.len), (head.status, out.len()));
    assert_eq!(again.content_length(), head.content_length);
    let kept: Vec<_> = head.fields.iter().filter(|field| !field.drop).collect();
    assert_eq!(again.fields.len(), kept.len());
    for (ours, theirs) in kept.iter().zip(&again.fields) {
        assert_eq!(ours.name.of(data), theirs.name.of(&out));
        assert_eq!(ours.value.of(data), theirs.value.of(&out));
    }
}

/// A request as a responder understands it.
#[derive(PartialEq, Debug, Default)]
pub struct Understood {
    pub id: u16,
    pub keep_conn: bool,
    pub params: Vec<(Vec<u8>, Vec<u8>)>,
    pub stdin: Vec<u8>,
}

/// Reads a whole request; `None` when a responder would not.
pub fn understand(mut wire: &[u8]) -> Option<Understood> {
    let mut got = Understood::default();
    let (mut params, mut ended) = (Vec::new(), [false; 2]);
    while let Some((&[1, kind, id_high, id_low, high, low, padding, 0], rest)) =
        wire.split_first_chunk::<8>()
    {
        let id = u16::from_be_bytes([id_high, id_low]);
        let (content, rest) = rest.split_at_checked(u16::from_be_bytes([high, low]).into())?;
        wire = rest.get(usize::from(padding)..)?;
        match kind {
            1 => match *content {
                [0, 1, flags, 0, 0, 0, 0, 0] if got.id == 0 => {
                    (got.id, got.keep_conn) = (id, flags == 1);
                }
                _ => return None,
            },
            _ if id != got.id => return None,
            4 if ended[0] => return None,
            4 if content.is_empty() => ended[0] = true,
            4 => params.extend_from_slice(content),
            5 if !ended[0] || ended[1] => return None,
            5 if content.is_empty() => ended[1] = true,
            5 => got.stdin.extend_from_slice(content),
            _ => return None,
        }
    }
    let mut rest = &params[..];
    while !rest.is_empty() {
        let name = length(&mut rest)?;
        let value = length(&mut rest)?;
        let (name, after) = rest.split_at_checked(name)?;
        let (value, after) = after.split_at_checked(value)?;
        got.params.push((name.to_vec(), value.to_vec()));
        rest = after;
    }
    (wire.is_empty() && ended == [true; 2]).then_some(got)
}

fn length(rest: &mut &[u8]) -> Option<usize> {
    let (&first, after) = rest.split_first()?;
    if first < 128 {
        *rest = after;
        return Some(first.into());
    }
    let (four, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some((u32::from_be_bytes(*four) & 0x7fff_ffff) as usize)
}

/// A request made of noise is understood as it was meant, and no variable comes twice.
pub fn request(data: &[u8]) {
    let mut parts = data.split(|&byte| byte == b'\n');
    let mut next = || parts.next().unwrap_or_default();
    let request = Request {
        method: next(),
        uri: next(),
        script_filename: next(),
        script_name: b"/i.php",
        path_info: next(),
        query: next(),
        document_root: b"/srv",
        protocol: b"HTTP/1.1",
        software: b"s",
        server_name: next(),
        server_addr: None,
        server_port: data.len() as u16,
        remote_addr: b"::1",
        remote_port: Some(1),
        is_tls: data.len() % 2 == 1,
        content_length: Some(data.len() as u64),
        pass_authorization: false,
    };
    let fields: Vec<_> = parts.map(|line| line.split_at(line.len() / 2)).collect();
    let mut params = Params::default();
    if request.params(fields.iter().copied(), &mut params).is_err() {
        return;
    }
    let mut out = Vec::new();
    write::begin(&mut out, 7, true);
    write::params(&mut out, 7, &params);
    write::stdin(&mut out, 7, data);
    write::end_stdin(&mut out, 7);
    assert_eq!(out.len() % 8, 0);
    let got = understand(&out).expect("a responder understands it");
    assert_eq!((got.id, got.keep_conn, &got.stdin[..]), (7, true, data));
    for (at, (name, _)) in got.params.iter().enumerate() {
        assert!(got.params[..at].iter().all(|(other, _)| other != name), "{name:?} twice");
        assert!(name.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_'));
    }
    let value = |name: &str| {
        let found = got.params.iter().find(|(other, _)| other == name.as_bytes());
        found.map(|(_, value)| &value[..])
    };
    assert_eq!(value("REQUEST_METHOD"), Some(request.method));
    assert_eq!(value("REQUEST_URI"), Some(request.uri));
    assert_eq!(value("SCRIPT_FILENAME"), Some(request.script_filename));
    assert_eq!(value("QUERY_STRING"), Some(request.query));
    assert_eq!(value("SERVER_NAME"), Some(request.server_name));
    assert_eq!(value("PATH_INFO").unwrap_or_default(), request.path_info);
    assert_eq!(value("CONTENT_LENGTH"), Some(data.len().to_string().as_bytes()));
    for name in ["HTTP_PROXY", "HTTP_CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"] {
        assert_eq!(value(name), None, "{name}");
    }
}

/// Appends a responder's record.
pub fn record(out: &mut Vec<u8>, kind: u8, id: u16, content: &[u8], padding: u8) {
    out.extend_from_slice(&[1, kind]);
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&(content.len() as u16).to_be_bytes());
    out.extend_from_slice(&[padding, 0]);
    out.extend_from_slice(content);
    out.resize(out.len() + usize::from(padding), 0);
}
