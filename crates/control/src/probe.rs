//! One active check of one member: its own connection each time, so that it sees what a new
//! client would.

mod grpc;

use std::io::{self, IoSlice};
use std::time::Duration;

use evenkeel_http2::{Back, BackSettings, PIPE_BYTES};
use evenkeel_httpd::Fields;
use evenkeel_httpd::expr::Scene;
use evenkeel_net::udp::{self, Batch, UdpSocket};
use evenkeel_net::{Buffer, Deadline, Stream, Target, clock, connect, pipe};
use evenkeel_plan::{Check, CheckMethod, Health, HttpCheck, MemberCheck, TcpCheck, UdpCheck};
use evenkeel_proxy::snapshot::MemberRt;
use evenkeel_tls::Members;
use evenkeel_wire::http1::{self, BodyReader, Parsed, ResponseHead, write};

/// Bytes of an answer that are looked at.
const ANSWER_MAX: usize = 64 * 1024;

/// How a check ended, and why in a few words.
pub(crate) enum Verdict {
    /// The member is well.
    Pass(String),
    /// It is not.
    Fail(String),
    /// It did not answer in time.
    Timeout(String),
}

impl Verdict {
    /// The word in metrics.
    pub(crate) fn result(&self) -> &'static str {
        match self {
            Verdict::Pass(_) => "pass",
            Verdict::Fail(_) => "fail",
            Verdict::Timeout(_) => "timeout",
        }
    }

    /// Why, in a few words.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Verdict::Pass(reason) | Verdict::Fail(reason) | Verdict::Timeout(reason) => reason,
        }
    }
}

/// Checks a member; `http2`: it speaks that and nothing else.
pub(crate) async fn run(
    check: &Check,
    own: Option<&MemberCheck>,
    health: &Health,
    member: &MemberRt,
    tls: Option<&Members>,
    http2: bool,
) -> Verdict {
    let (targets, label) = (&member.targets, &*member.label);
    let Some(target) = targets.next() else {
        return Verdict::Fail("its name has no address".to_owned());
    };
    if let Check::Udp(udp) = check {
        return probe_udp(udp, health.timeout, &target).await;
    }
    let attempt = async {
        let mut stream = connect::connect(&target, health.timeout)
            .await
            .map_err(|error| told("connect", &error))?;
        if let (Some(tls), Some(name)) = (tls, &member.tls_name) {
            let shaken = evenkeel_net::tls::connect(stream, &tls.config(), name.clone()).await;
            stream = shaken.map_err(|error| told("TLS", &error))?;
        }
        if http2 && matches!(check, Check::Http(_) | Check::Grpc(_)) {
            stream = by_http2(stream).await?;
        }
        match check {
            Check::Tcp(tcp) => probe_tcp(tcp, &mut stream).await,
            Check::Http(http) => probe_http(http, own, &mut stream, label).await,
            Check::Grpc(grpc) => grpc::probe(&grpc.service, &mut stream, label).await,
            Check::Udp(_) => Err("datagrams need no connection".to_owned()),
        }
    };
    match clock::within(health.timeout, attempt).await {
        Some(Ok(reason)) => Verdict::Pass(reason),
        Some(Err(reason)) if reason.ends_with("timed out") => Verdict::Timeout(reason),
        Some(Err(reason)) => Verdict::Fail(reason),
        None => Verdict::Timeout(format!("no answer within {}", millis(health.timeout))),
    }
}

/// A stream of HTTP/2 on a new connection, as bytes of HTTP/1.1.
async fn by_http2(stream: Stream) -> Result<Stream, String> {
    let settings = BackSettings { streams: 1, head_bytes: 64 * 1024 };
    let begun = Back::begin(stream, &settings).await;
    let (back, driving) = begun.map_err(|error| format!("HTTP/2: {error}"))?;
    tokio::task::spawn_local(driving);
    let (near, far) = pipe::pair(PIPE_BYTES);
    // Ends with the check, which drops its end of the pipe, and takes the connection with it.
    let carrying = back.carry(far, false);
    tokio::task::spawn_local(async move {
        carrying.await;
        drop(back);
    });
    Ok(Stream::Memory(near))
}

/// Silence is only a failure when an answer is expected: many protocols ignore what they do not
/// understand.
async fn probe_udp(check: &UdpCheck, timeout: Duration, target: &Target) -> Verdict {
    let Target::Tcp(address) = target else {
        return Verdict::Fail("a unix socket takes no datagrams here".to_owned());
    };
    let attempt = async {
        let how = udp::Connect::default();
        let socket = UdpSocket::connect(*address, &how).map_err(|error| told("connect", &error))?;
        let slices = [IoSlice::new(&check.send)];
        let sent = socket.try_send(&slices, check.send.len().max(1), None, None);
        sent.map_err(|error| told("send", &error))?;
        let mut batch = Batch::new();
        loop {
            socket.recv(&mut batch).await.map_err(|error| told("receive", &error))?;
            if batch.messages().any(|message| contains(message.bytes, &check.expect)) {
                return Ok("answered as expected".to_owned());
            }
        }
    };
    match clock::within(timeout, attempt).await {
        Some(Ok(reason)) => Verdict::Pass(reason),
        Some(Err(reason)) => Verdict::Fail(reason),
        None if check.expect.is_empty() => Verdict::Pass("not refused".to_owned()),
        None => Verdict::Timeout(format!("no expected answer within {}", millis(timeout))),
    }
}

async fn probe_tcp(check: &TcpCheck, stream: &mut Stream) -> Result<String, String> {
    let mut never = Deadline::never();
    if !check.send.is_empty() {
        let mut slices = [IoSlice::new(&check.send)];
        stream.send(&mut slices, &mut never).await.map_err(|error| told("send", &error))?;
    }
    if check.expect.is_empty() {
        return Ok("connected".to_owned());
    }
    let mut buffer = Buffer::new();
    loop {
        if contains(buffer.bytes(), &check.expect) {
            return Ok("answered as expected".to_owned());
        }
        if buffer.len() >= 16 * 1024 {
            return Err("the answer does not contain what is expected".to_owned());
        }
        match stream.recv(&mut buffer, 16 * 1024, &mut never).await {
            Ok(0) => return Err("closed before the expected answer".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(told("receive", &error)),
        }
    }
}

/// `own`: what an Apache configuration says of the check; it is made as httpd makes it then.
async fn probe_http(
    check: &HttpCheck,
    own: Option<&MemberCheck>,
    stream: &mut Stream,
    label: &str,
) -> Result<String, String> {
    let out = probe_head(check, own, label);
    let mut never = Deadline::never();
    stream
        .send(&mut [IoSlice::new(&out)], &mut never)
        .await
        .map_err(|error| told("send", &error))?;
    let limits = http1::Limits { head_bytes: ANSWER_MAX, target_bytes: 0, fields: 200 };
    let mut buffer = Buffer::new();
    let head = read_head(stream, &mut buffer, &limits).await?;
    let status = head.status;
    if let Some((_, expr)) = own.and_then(|own| own.expr.as_ref()) {
        let fields = head.fields.iter();
        let fields = fields
            .map(|f| (f.name.of(buffer.bytes()).to_vec(), f.value.of(buffer.bytes()).to_vec()));
        let fields = fields.collect();
        let framing = head.framing(check.method == "HEAD");
        buffer.consume(head.len);
        let mut reader = BodyReader::new(framing, &limits);
        let body = read_body(stream, &mut buffer, &mut reader).await?;
        return match expr.holds(&Answered { status, fields, body }) {
            true => Ok(format!("status {status}, the expression holds")),
            false => Err(format!("status {status}, the expression does not hold")),
        };
    }
    if !check.status.iter().any(|range| range.contains(status)) {
        return Err(format!("status {status}"));
    }
    let Some(text) = &check.body else { return Ok(format!("status {status}")) };
    let framing = head.framing(check.method == "HEAD");
    buffer.consume(head.len);
    let mut reader = BodyReader::new(framing, &limits);
    let body = read_body(stream, &mut buffer, &mut reader).await?;
    match contains(&body, text.as_bytes()) {
        true => Ok(format!("status {status}, body as expected")),
        false => Err(format!("status {status}, but the body does not contain what is expected")),
    }
}

/// The final head of an answer, at the front of the buffer.
async fn read_head(
    stream: &mut Stream,
    buffer: &mut Buffer,
    limits: &http1::Limits,
) -> Result<ResponseHead, String> {
    let (mut head, mut never) = (ResponseHead::new(), Deadline::never());
    loop {
        match stream.recv(buffer, ANSWER_MAX, &mut never).await {
            Ok(0) => return Err("closed before its answer was complete".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(told("receive", &error)),
        }
        // Interim answers may lie before it.
        loop {
            let parsed = head
                .parse(buffer.bytes(), limits)
                .map_err(|refusal| format!("bad answer: {}", refusal.cause))?;
            match parsed {
                Parsed::Complete if head.status < 200 => {
                    buffer.consume(head.len);
                    head.reset();
                }
                Parsed::Complete => return Ok(head),
                Parsed::Partial => break,
            }
        }
    }
}

fn probe_head(check: &HttpCheck, own: Option<&MemberCheck>, label: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let local = label.starts_with("unix:");
    let host = check.host.as_deref().unwrap_or(if local { "localhost" } else { label });
    let (method, path) = (check.method.as_bytes(), check.path.as_bytes());
    match own.map(|own| own.method) {
        Some(CheckMethod::Http { modern: false, .. }) => {
            out.extend_from_slice(&[method, b" ", path, b" HTTP/1.0\r\n"].concat());
            write::field(&mut out, b"Host", host.as_bytes());
        }
        Some(_) => {
            write::request_line(&mut out, method, path);
            write::field(&mut out, b"Host", host.as_bytes());
        }
        None => {
            write::request_line(&mut out, method, path);
            write::field(&mut out, b"Host", host.as_bytes());
            write::field(&mut out, b"User-Agent", b"evenkeel-probe");
            write::field(&mut out, b"Connection", b"close");
        }
    }
    write::end(&mut out);
    out
}

/// What an expression of a check looks at.
struct Answered {
    status: u16,
    fields: Fields,
    body: Vec<u8>,
}

impl Scene for Answered {
    fn variable(&self, name: &str) -> Vec<u8> {
        match name {
            "REQUEST_STATUS" => self.status.to_string().into_bytes(),
            "HC_BODY" => self.body.clone(),
            _ => Vec::new(),
        }
    }

    fn field(&self, _: &[u8]) -> Vec<u8> {
        Vec::new()
    }

    fn answered(&self, name: &[u8]) -> Vec<u8> {
        evenkeel_httpd::answer::field(&self.fields, name).unwrap_or_default()
    }

    fn environment(&self, _: &str) -> Vec<u8> {
        Vec::new()
    }
}

/// The first [`ANSWER_MAX`] bytes of a body.
async fn read_body(
    stream: &mut Stream,
    buffer: &mut Buffer,
    reader: &mut BodyReader,
) -> Result<Vec<u8>, String> {
    let mut never = Deadline::never();
    let mut body = Vec::new();
    while !reader.is_done() && body.len() < ANSWER_MAX {
        if buffer.is_empty() {
            match stream.recv(buffer, ANSWER_MAX, &mut never).await {
                Ok(0) => {
                    reader
                        .finish_eof()
                        .map_err(|refusal| format!("bad answer: {}", refusal.cause))?;
                    break;
                }
                Ok(_) => {}
                Err(error) => return Err(told("receive", &error)),
            }
        }
        let piece = reader
            .step(buffer.bytes())
            .map_err(|refusal| format!("bad answer: {}", refusal.cause))?;
        body.extend_from_slice(&buffer.bytes()[piece.skip..piece.skip + piece.data]);
        buffer.consume(piece.skip + piece.data);
    }
    Ok(body)
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || text.windows(wanted.len()).any(|window| window == wanted)
}

fn told(step: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => format!("{step}: connection reset"),
        io::ErrorKind::TimedOut => format!("{step}: timed out"),
        _ => format!("{step}: {error}"),
    }
}

fn millis(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}
