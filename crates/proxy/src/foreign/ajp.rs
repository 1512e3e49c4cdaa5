//! AJP/1.3: one request at a time on a connection, the body in packets that the container asks for.

use evenkeel_net::{Buffer, Stream, clock};
use evenkeel_wire::ajp::{Body, BodySender, CPING, Decoder, Event, Limits, Request, Tls, Turn};

use super::Manner;
use super::front::{Front, Gone, frame, piece, send};

/// Bytes of an answer that wait; one packet must fit.
const AHEAD: usize = 128 * 1024;

/// Serves the requests of an exchange by a container until one of both ends it.
pub(super) async fn serve(mut front: Front, mut member: Stream, manner: Manner) {
    let mut buffer = Buffer::new();
    while front.next().await {
        match one(&mut front, &mut member, &mut buffer, &manner).await {
            Ok(true) => {}
            // The exchange sees the end of the stream, and knows what it had by then.
            Ok(false) | Err(Gone) => return,
        }
    }
}

/// One request; whether the connection can carry another.
async fn one(
    front: &mut Front,
    member: &mut Stream,
    buffer: &mut Buffer,
    manner: &Manner,
) -> Result<bool, Gone> {
    let limits = Limits::default();
    let mut decoder = Decoder::new(&limits);
    if let Some(time) = manner.ping {
        let alive = clock::within(time, ping(front, member, buffer, &mut decoder)).await;
        alive.unwrap_or(Err(Gone))?;
        decoder.reset();
    }
    let mut out = Vec::new();
    let body = match front.asked.length {
        Some(0) => Body::None,
        Some(length) => Body::Length(length),
        None => Body::Unknown,
    };
    request(front, manner, body, &limits, &mut out)?;
    send(member, &out).await?;
    let mut sender = BodySender::new(body, &limits);
    let is_head = front.asked.method == b"HEAD";
    let mut chunked = false;
    loop {
        match sender.turn() {
            Turn::Wait => {}
            turn => {
                out.clear();
                let data = match turn {
                    Turn::Data(due) => front.body(due).await?,
                    _ => None,
                };
                match data {
                    Some(data) => drop(sender.write(&mut out, &data)),
                    None => sender.end(&mut out),
                }
                send(member, &out).await?;
                continue;
            }
        }
        let (used, event) = decoder.step(buffer.bytes()).map_err(|_| Gone)?;
        out.clear();
        match event {
            Event::NeedMore => front.receive_from(member, buffer, AHEAD).await?,
            Event::Head => {
                let head = decoder.head();
                head.write_http1(buffer.bytes(), &mut out);
                let bodiless = is_head || matches!(head.status, 204 | 304);
                chunked = head.content_length.is_none() && !bodiless;
                frame(&mut out, chunked);
            }
            Event::Body(span) if !is_head => piece(&mut out, span.of(buffer.bytes()), chunked),
            Event::GetBody(bytes) => sender.ask(bytes).map_err(|_| Gone)?,
            Event::End { reuse } => {
                if chunked {
                    front.send(b"0\r\n\r\n").await?;
                }
                buffer.consume(used);
                return Ok(reuse);
            }
            Event::Body(_) | Event::Flush | Event::Pong => {}
        }
        front.send(&out).await?;
        buffer.consume(used);
    }
}

async fn ping(
    front: &mut Front,
    member: &mut Stream,
    buffer: &mut Buffer,
    decoder: &mut Decoder,
) -> Result<(), Gone> {
    send(member, &CPING).await?;
    loop {
        let (used, event) = decoder.step(buffer.bytes()).map_err(|_| Gone)?;
        buffer.consume(used);
        match event {
            Event::Pong => return Ok(()),
            Event::NeedMore => front.receive_from(member, buffer, AHEAD).await?,
            _ => return Err(Gone),
        }
    }
}

fn request(
    front: &Front,
    manner: &Manner,
    body: Body,
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<(), Gone> {
    let (asked, facts) = (&front.asked, &front.asked.facts);
    let name = match facts.host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => &*facts.host,
    };
    let request = Request {
        method: &asked.method,
        protocol: b"HTTP/1.1",
        uri: &asked.path,
        remote_addr: facts.client.as_bytes(),
        remote_host: None,
        server_name: name.as_bytes(),
        server_port: facts.local_port,
        is_tls: facts.https,
        body,
        query: asked.query.as_deref(),
        secret: manner.secret.as_ref().map(|secret| secret.as_bytes()),
        remote_port: Some(facts.client_port),
        local_addr: Some(facts.local.as_bytes()),
        route: Some(manner.route.as_bytes()).filter(|route| facts.is_bound && !route.is_empty()),
        tls: Tls::default(),
    };
    let fields = asked.fields.iter().map(|(name, value)| (&name[..], &value[..]));
    request.write(fields, limits, out).map_err(|_| Gone)
}
