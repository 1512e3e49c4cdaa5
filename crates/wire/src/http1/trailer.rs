use super::field::{Disguise, disguise};
use super::lines::{Line, Lines};
use super::refusal::{BAD_TRAILER, LONG_TRAILERS, Refusal};
use super::{Known, Limits, write};

/// The trailer section after the last chunk (RFC 9112 section 7.1.2). Holds memory only when there
/// are trailers, and never more than twice `head_bytes`.
#[derive(Clone, Debug, Default)]
pub(super) struct Trailers {
    /// The section as it came, until it is whole.
    raw: Vec<u8>,
    at: Lines,
    fields: usize,
    lines: Vec<u8>,
}

impl Trailers {
    pub(super) fn clear(&mut self) {
        self.raw.clear();
        self.at = Lines::default();
        self.fields = 0;
        self.lines.clear();
    }

    pub(super) fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// How many bytes of the input belong to the section, and whether it is complete.
    pub(super) fn take(&mut self, input: &[u8], limits: &Limits) -> Result<(usize, bool), Refusal> {
        if self.raw.is_empty() && input.starts_with(b"\r\n") {
            return Ok((2, true));
        }
        let before = self.raw.len();
        let taken = input.len().min(limits.most().saturating_sub(before));
        self.raw.extend_from_slice(&input[..taken]);
        loop {
            match self.at.next(&self.raw)? {
                Line::Field(name, value) => {
                    self.fields += 1;
                    if self.fields > limits.fields {
                        return Err(LONG_TRAILERS);
                    }
                    let name = name.of(&self.raw);
                    if passes(name)? {
                        write::field(&mut self.lines, name, value.of(&self.raw));
                    }
                }
                Line::End(len) => return Ok((len - before, true)),
                Line::More if self.raw.len() >= limits.most() => return Err(LONG_TRAILERS),
                Line::More => return Ok((taken, false)),
            }
        }
    }
}

/// Fields that would change framing, routing or the connection are an attack and refused. The
/// others the balancer knows are of no use so late, or dangerous where a server merges trailers
/// into the head (`Cookie`, `Authorization`, `X-Forwarded-For`), and are left out; so is what only
/// a balancer may say of the connection (RFC 9440, RFC 8470).
fn passes(name: &[u8]) -> Result<bool, Refusal> {
    let known = Known::of(name);
    if known == Known::Host || known == Known::ContentLength || known.is_hop_by_hop() {
        return Err(BAD_TRAILER);
    }
    match disguise(name) {
        Disguise::Framing => Err(BAD_TRAILER),
        Disguise::Forwarding => Ok(false),
        Disguise::None => Ok(known == Known::Other && !tells_of_connection(name)),
    }
}

fn tells_of_connection(name: &[u8]) -> bool {
    let names: [&[u8]; 3] = [b"client-cert", b"client-cert-chain", b"early-data"];
    names.iter().any(|told| told.eq_ignore_ascii_case(name))
}
