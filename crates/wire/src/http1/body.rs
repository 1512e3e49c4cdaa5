use super::chunked::Chunked;
use super::refusal::{EARLY_EOF, Refusal};
use super::{Framing, Limits};

/// What the next bytes of the connection are: first `skip` bytes of framing, to be thrown away,
/// then `data` bytes of body. What follows is for the next step (or the next message, once
/// [`BodyReader::is_done`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[must_use]
pub struct Piece {
    /// Bytes of framing.
    pub skip: usize,
    /// Bytes of body after them.
    pub data: usize,
}

/// Finds a body in the bytes after a head, without storing or moving any of it.
#[derive(Clone, Debug)]
pub struct BodyReader {
    limits: Limits,
    kind: Kind,
    chunked: Chunked,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Length(u64),
    Chunked,
    UntilClose,
    Closed,
}

impl BodyReader {
    /// A reader of a body so framed. The limits are for trailers: `head_bytes` and `fields`.
    pub fn new(framing: Framing, limits: &Limits) -> BodyReader {
        BodyReader { limits: *limits, kind: kind(framing), chunked: Chunked::default() }
    }

    /// Begins the next body; keeps the limits and the memory.
    pub fn reset(&mut self, framing: Framing) {
        self.kind = kind(framing);
        self.chunked.reset();
    }

    /// Looks at the next bytes. The caller takes `skip + data` bytes off its input before the next
    /// step, which continues behind them. While the body is not done, a piece is empty only if
    /// `input` is.
    ///
    /// # Errors
    /// Malformed chunks or trailers, as a request is refused; use [`Refusal::of_member`] for the
    /// body of an answer. After an error the connection is of no further use.
    #[inline]
    pub fn step(&mut self, input: &[u8]) -> Result<Piece, Refusal> {
        match &mut self.kind {
            Kind::Length(left) => {
                let data = clamp(*left, input.len());
                *left -= data as u64;
                Ok(Piece { skip: 0, data })
            }
            Kind::Chunked => self.chunked.step(input, &self.limits),
            Kind::UntilClose => Ok(Piece { skip: 0, data: input.len() }),
            Kind::Closed => Ok(Piece::default()),
        }
    }

    /// The framing at the beginning of the input, which the caller takes off: how many bytes. What
    /// is next after it is body, if more is to come; [`BodyReader::remaining_hint`] says how much.
    /// For callers who cannot take body bytes at any time.
    ///
    /// # Errors
    /// As [`BodyReader::step`].
    #[inline]
    pub fn skip(&mut self, input: &[u8]) -> Result<usize, Refusal> {
        match &mut self.kind {
            Kind::Chunked => self.chunked.skip(input, &self.limits),
            Kind::Length(_) | Kind::UntilClose | Kind::Closed => Ok(0),
        }
    }

    /// Whether the body (and its trailers) is complete.
    #[inline]
    pub fn is_done(&self) -> bool {
        match self.kind {
            Kind::Length(left) => left == 0,
            Kind::Chunked => self.chunked.is_done(),
            Kind::UntilClose => false,
            Kind::Closed => true,
        }
    }

    /// How many body bytes are sure to come next with no framing between them: they can be relayed
    /// without a look, and reported with [`BodyReader::relayed`]. `None` when framing comes next
    /// or the length is unknown.
    #[inline]
    pub fn remaining_hint(&self) -> Option<u64> {
        match self.kind {
            Kind::Length(left) => Some(left),
            Kind::Chunked => self.chunked.remaining(),
            Kind::UntilClose => None,
            Kind::Closed => Some(0),
        }
    }

    /// That many body bytes, at most [`BodyReader::remaining_hint`], went by without a step.
    pub fn relayed(&mut self, bytes: u64) {
        match &mut self.kind {
            Kind::Length(left) => *left = left.saturating_sub(bytes),
            Kind::Chunked => self.chunked.relayed(bytes),
            Kind::UntilClose | Kind::Closed => {}
        }
    }

    /// The connection ended.
    ///
    /// # Errors
    /// `early-eof`, unless the body was done or was to last until now.
    pub fn finish_eof(&mut self) -> Result<(), Refusal> {
        if self.kind == Kind::UntilClose {
            self.kind = Kind::Closed;
        }
        if self.is_done() { Ok(()) } else { Err(EARLY_EOF) }
    }

    /// The trailers as `name: value` lines, each with its CRLF, without the final empty line; empty
    /// until the body is done. Fields that must not come last ([RFC 9110 section 6.5.1]) are left
    /// out; those that would change framing or routing were refused.
    ///
    /// [RFC 9110 section 6.5.1]: https://www.rfc-editor.org/rfc/rfc9110#section-6.5.1
    pub fn trailers(&self) -> &[u8] {
        if self.kind == Kind::Chunked { self.chunked.trailers() } else { &[] }
    }
}

fn kind(framing: Framing) -> Kind {
    match framing {
        Framing::None => Kind::Length(0),
        Framing::Length(length) => Kind::Length(length),
        Framing::Chunked => Kind::Chunked,
        Framing::UntilClose => Kind::UntilClose,
    }
}

/// The smaller of both.
#[inline]
pub(super) fn clamp(left: u64, have: usize) -> usize {
    usize::try_from(left).map_or(have, |left| left.min(have))
}

#[cfg(test)]
mod tests;
