//! FastCGI: one request for each connection.

use evenkeel_net::{Buffer, Stream};
use evenkeel_wire::fastcgi::{Decoder, Event, Head, Params, Request, write};
use evenkeel_wire::http1::{Limits, Parsed};

use super::front::{Front, Gone, frame, piece, send};

/// The request's number on its connection.
const ID: u16 = 1;
/// Variables of a request.
const PARAMS_MAX: usize = 64 * 1024;
/// A body whose length is not known is collected up to this size: responders read by length.
const COLLECT_MAX: usize = 8 * 1024 * 1024;
/// Bytes of an answer that wait; one record must fit.
const AHEAD: usize = 128 * 1024;
const LIMITS: Limits = Limits { head_bytes: 64 * 1024, target_bytes: 0, fields: 200 };

/// Serves one request of an exchange by a responder.
pub(super) async fn serve(mut front: Front, mut member: Stream) {
    if front.next().await {
        // The exchange sees the end of the stream, and knows what it had by then.
        let _ = one(&mut front, &mut member).await;
    }
}

async fn one(front: &mut Front, member: &mut Stream) -> Result<(), Gone> {
    let mut collected = Vec::new();
    if front.asked.length.is_none() {
        while let Some(data) = front.body(AHEAD).await? {
            collected.extend_from_slice(&data);
            if collected.len() > COLLECT_MAX {
                return front
                    .send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
                    .await;
            }
        }
        front.asked.length = Some(collected.len() as u64);
    }
    let mut out = Vec::new();
    write::begin(&mut out, ID, false);
    write::params(&mut out, ID, &params(front)?);
    if !collected.is_empty() {
        write::stdin(&mut out, ID, &collected);
    }
    send(member, &out).await?;
    while let Some(data) = front.body(32 * 1024).await? {
        out.clear();
        write::stdin(&mut out, ID, &data);
        send(member, &out).await?;
    }
    out.clear();
    write::end_stdin(&mut out, ID);
    send(member, &out).await?;
    answer(front, member).await
}

/// Passes the responder's output on: a head as CGI has it, then the body.
async fn answer(front: &mut Front, member: &mut Stream) -> Result<(), Gone> {
    let (mut decoder, mut head, mut buffer) = (Decoder::new(ID), Head::new(), Buffer::new());
    let is_head = front.asked.method == b"HEAD";
    let (mut text, mut out) = (Vec::new(), Vec::new());
    let mut begun = None;
    loop {
        let (used, event) = decoder.step(buffer.bytes()).map_err(|_| Gone)?;
        out.clear();
        match (event, begun) {
            (Event::NeedMore, _) => front.receive_from(member, &mut buffer, AHEAD).await?,
            (Event::Stdout(span), Some(chunked)) if !is_head => {
                piece(&mut out, span.of(buffer.bytes()), chunked);
            }
            (Event::Stdout(span), None) => {
                text.extend_from_slice(span.of(buffer.bytes()));
                if head.parse(&text, &LIMITS).map_err(|_| Gone)? == Parsed::Complete {
                    head.write_http1(&text, &mut out);
                    let bodiless = is_head || matches!(head.status, 204 | 304);
                    let chunked = head.content_length.is_none() && !bodiless;
                    frame(&mut out, chunked);
                    if !bodiless {
                        piece(&mut out, &text[head.len..], chunked);
                    }
                    begun = Some(chunked);
                }
            }
            // What programs complain about is theirs to log.
            (Event::Stdout(_) | Event::Stderr(_), _) => {}
            (Event::End { .. }, None) => return Err(Gone),
            (Event::End { .. }, Some(chunked)) => {
                return if chunked { front.send(b"0\r\n\r\n").await } else { Ok(()) };
            }
        }
        front.send(&out).await?;
        buffer.consume(used);
    }
}

fn params(front: &Front) -> Result<Params, Gone> {
    let (asked, facts) = (&front.asked, &front.asked.facts);
    let uri = facts.target.as_bytes();
    let path = uri.split(|b| *b == b'?').next().unwrap_or_default();
    let name = facts.host.split(':').next().unwrap_or_default();
    let port = facts.host.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let request = Request {
        method: &asked.method,
        uri,
        script_filename: &asked.path,
        script_name: path,
        path_info: b"",
        query: asked.query.as_deref().unwrap_or_default(),
        document_root: b"",
        protocol: b"HTTP/1.1",
        software: b"evenkeel",
        server_name: name.as_bytes(),
        server_addr: Some(facts.local.as_bytes()),
        server_port: port.unwrap_or(if facts.https { 443 } else { 80 }),
        remote_addr: facts.client.as_bytes(),
        remote_port: Some(facts.client_port),
        is_tls: facts.https,
        content_length: asked.length.filter(|length| *length > 0),
        pass_authorization: true,
    };
    let mut params = Params::new(PARAMS_MAX);
    let fields = asked.fields.iter().map(|(name, value)| (&name[..], &value[..]));
    request.params(fields, &mut params).map_err(|_| Gone)?;
    Ok(params)
}
