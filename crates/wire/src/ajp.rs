//! AJP/1.3, the binary protocol between a balancer and a servlet container such as Tomcat: the
//! side that sends requests.
//!
//! One exchange at a time on a connection: a [`Request`] goes out as one packet, its body follows
//! as the container asks for it ([`BodySender`]), a [`Decoder`] makes events of what comes back.
//! The protocol has no means to find its place again, and a body packet where a request is
//! expected *is* a request to the container. So the framing fields are never the caller's:
//! [`Request::write`] sets them from [`Body`], and the first packet is sent exactly when the
//! container counts on it.
//!
//! After the protocol reference of the Apache Tomcat connectors ("AJPv13"), and where it is silent
//! after what Tomcat and httpd send.

mod body;
mod codes;
mod decode;
mod refusal;
mod request;

use crate::http1::{Known, Span, write};

pub use body::{BodySender, Turn, write_body};
pub use decode::{Decoder, Event};
pub use refusal::CAUSES;
pub use request::{Body, Request, Tls};

/// Asks a container whether it is there; it answers with [`Event::Pong`].
pub const CPING: [u8; 5] = [0x12, 0x34, 0, 1, 10];

/// What is accepted and sent at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The largest packet, its four bytes of header included; 8192. Values outside of 8192 to
    /// 65536 count as the nearer of the two. The container's (`packetSize` of Tomcat) must be as
    /// large.
    pub packet_bytes: usize,
    /// Fields of an answer; 100.
    pub fields: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { packet_bytes: 8192, fields: 100 }
    }
}

impl Limits {
    fn packet(&self) -> usize {
        self.packet_bytes.clamp(8192, 65536)
    }
}

/// The head of an answer; its spans are offsets into the bytes given to [`Decoder::step`].
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// 200 to 599.
    pub status: u16,
    /// The reason phrase; empty also when it is the status in digits, which is what Tomcat sends.
    pub reason: Span,
    /// The fields, in order.
    pub fields: Vec<Field>,
    /// The value of `Content-Length`; the body is that long at most.
    pub content_length: Option<u64>,
}

impl Head {
    /// Appends the head as HTTP/1.1 has it, without the fields marked `drop`. `buf` is what the
    /// head was decoded from.
    pub fn write_http1(&self, buf: &[u8], out: &mut Vec<u8>) {
        write::status_line(out, self.status, self.reason.of(buf));
        for field in self.fields.iter().filter(|field| !field.drop) {
            write::field(out, field.name.of(buf), field.value.of(buf));
        }
        write::end(out);
    }
}

/// One field of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// The name, a token.
    pub name: Name,
    /// The value without whitespace at its ends.
    pub value: Span,
    /// Which name it is, if the balancer has an opinion about it.
    pub known: Known,
    /// A hop-by-hop field ([`Known::is_hop_by_hop`]): it cannot mean anything here.
    pub drop: bool,
}

/// How a field name was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Name {
    /// As one of the codes 0xA001 to 0xA00B.
    Coded(&'static str),
    /// In full.
    Spelt(Span),
}

impl Name {
    /// The name; `buf` is what the head was decoded from.
    pub fn of(self, buf: &[u8]) -> &[u8] {
        match self {
            Name::Coded(name) => name.as_bytes(),
            Name::Spelt(span) => span.of(buf),
        }
    }
}

#[cfg(test)]
mod tests;
