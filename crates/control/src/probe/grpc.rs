//! The check of gRPC services: `grpc.health.v1.Health/Check`
//! (<https://github.com/grpc/grpc/blob/master/doc/health-checking.md>).

use std::io::IoSlice;

use evenkeel_net::{Buffer, Deadline, Stream};
use evenkeel_wire::http1::{self, BodyReader, write};

use super::{ANSWER_MAX, read_body, read_head, told};

/// The only status that passes.
const SERVING: u64 = 1;

/// Asks how the service is; the empty name means the whole server.
pub(super) async fn probe(
    service: &str,
    stream: &mut Stream,
    label: &str,
) -> Result<String, String> {
    let message = question(service);
    let mut out = Vec::new();
    write::request_line(&mut out, b"POST", b"/grpc.health.v1.Health/Check");
    write::field(&mut out, b"Host", label.as_bytes());
    write::field(&mut out, b"User-Agent", b"evenkeel-probe");
    write::field(&mut out, b"Content-Type", b"application/grpc");
    write::field(&mut out, b"TE", b"trailers");
    write::field(&mut out, b"Content-Length", message.len().to_string().as_bytes());
    write::end(&mut out);
    out.extend_from_slice(&message);
    let mut never = Deadline::never();
    stream
        .send(&mut [IoSlice::new(&out)], &mut never)
        .await
        .map_err(|error| told("send", &error))?;
    let limits = http1::Limits { head_bytes: ANSWER_MAX, target_bytes: 0, fields: 200 };
    let mut buffer = Buffer::new();
    let head = read_head(stream, &mut buffer, &limits).await?;
    if head.status != 200 {
        return Err(format!("status {}", head.status));
    }
    let early = head.field(buffer.bytes(), "grpc-status").next().map(<[u8]>::to_vec);
    let mut reader = BodyReader::new(head.framing(false), &limits);
    buffer.consume(head.len);
    let body = read_body(stream, &mut buffer, &mut reader).await?;
    let status = early.or_else(|| trailer(reader.trailers(), b"grpc-status"));
    match status.as_deref() {
        Some(b"0") => {}
        Some(b"5") => return Err(format!("it knows no service \"{service}\"")),
        Some(b"12") => return Err("it has no health service (grpc.health.v1)".to_owned()),
        Some(other) => return Err(format!("grpc-status {}", String::from_utf8_lossy(other))),
        None => return Err("it ended without a grpc-status".to_owned()),
    }
    match answered(&body) {
        Some(SERVING) => Ok("serving".to_owned()),
        Some(0) => Err("status unknown".to_owned()),
        Some(2) => Err("not serving".to_owned()),
        Some(other) => Err(format!("health status {other}")),
        None => Err("an answer that is no HealthCheckResponse".to_owned()),
    }
}

/// A HealthCheckRequest in its frame: one field, `string service = 1`.
fn question(service: &str) -> Vec<u8> {
    let mut message = Vec::with_capacity(service.len() + 8);
    // The configuration allows at most 127 bytes, so that the length is one byte.
    if let Ok(length @ 1..=127) = u8::try_from(service.len()) {
        message.extend_from_slice(&[0x0a, length]);
        message.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(message.len()).unwrap_or(0);
    let mut frame = vec![0];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&message);
    frame
}

/// The status of a HealthCheckResponse in its frame: `ServingStatus status = 1`; a message without
/// it says 0, as protocol buffers do.
fn answered(body: &[u8]) -> Option<u64> {
    let (&[compressed, a, b, c, d], rest) = body.split_first_chunk::<5>()?;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    if compressed != 0 || rest.len() != length {
        return None;
    }
    let (mut rest, mut status) = (rest, 0);
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        match (key >> 3, key & 7) {
            (1, 0) => status = varint(&mut rest)?,
            (_, 0) => drop(varint(&mut rest)?),
            (_, 2) => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                rest = rest.get(length..)?;
            }
            _ => return None,
        }
    }
    Some(status)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..63).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The value of a trailer, from its lines.
fn trailer(lines: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    lines.split(|b| *b == b'\n').find_map(|line| {
        let colon = line.iter().position(|b| *b == b':')?;
        let (have, value) = line.split_at(colon);
        have.eq_ignore_ascii_case(name).then(|| value[1..].trim_ascii().to_vec())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_name_the_service() {
        assert_eq!(question(""), [0, 0, 0, 0, 0]);
        assert_eq!(question("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
    }

    #[test]
    fn answers_tell_the_status_or_nothing() {
        let cases: [(&[u8], Option<u64>); 8] = [
            (&[0, 0, 0, 0, 2, 8, 1], Some(1)),
            (&[0, 0, 0, 0, 2, 8, 2], Some(2)),
            (&[0, 0, 0, 0, 0], Some(0)),
            (&[0, 0, 0, 0, 5, 0x12, 1, b'x', 8, 1], Some(1)),
            (&[1, 0, 0, 0, 2, 8, 1], None),
            (&[0, 0, 0, 0, 3, 8, 1], None),
            (&[0, 0, 0, 0, 1, 8], None),
            (b"", None),
        ];
        for (body, status) in cases {
            assert_eq!(answered(body), status, "{body:?}");
        }
    }

    #[test]
    fn trailers_are_found_by_name() {
        let lines = b"grpc-message: a:b\r\nGrpc-Status: 0\r\n";
        assert_eq!(trailer(lines, b"grpc-status").as_deref(), Some(&b"0"[..]));
        assert_eq!(trailer(b"", b"grpc-status"), None);
    }
}
