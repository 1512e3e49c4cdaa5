use super::Limits;
use super::body::{Piece, clamp};
use super::chars::{hex, is_control, is_token};
use super::refusal::{
    BAD_CHUNK, BAD_EXTENSION, BARE_CR, BARE_LF, CONTROL_BYTE, LONG_CHUNK, LONG_EXTENSIONS, Refusal,
};
use super::trailer::Trailers;

/// The largest chunk.
const CHUNK_BYTES: u64 = 1 << 60;
/// The most hexadecimal digits of a size, leading zeros included.
const SIZE_DIGITS: u8 = 16;
/// The most bytes of chunk extensions in one message.
const EXTENSION_BYTES: u16 = 4096;

/// The chunked coding (RFC 9112 section 7.1), one byte of framing after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunked {
    state: State,
    /// In `Size` the size so far, in `Data` what is left of the chunk.
    size: u64,
    digits: u8,
    extensions: u16,
    trailers: Trailers,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    #[default]
    Size,
    Extension(Extension),
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailers,
    Done,
}

/// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`, RFC 9112 section 7.1.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Extension {
    /// Whitespace before `;`.
    Before,
    /// After `;`.
    Begin,
    Name,
    AfterName,
    ValueBegin,
    Value,
    Quoted,
    QuotedPair,
    QuotedEnd,
}

impl Chunked {
    pub(super) fn reset(&mut self) {
        let mut trailers = std::mem::take(&mut self.trailers);
        trailers.clear();
        *self = Chunked { trailers, ..Chunked::default() };
    }

    pub(super) fn step(&mut self, input: &[u8], limits: &Limits) -> Result<Piece, Refusal> {
        let skip = self.skip(input, limits)?;
        Ok(match self.state {
            State::Data => self.data(skip, input.len() - skip),
            _ => Piece { skip, data: 0 },
        })
    }

    /// The framing at the beginning of the input: how many bytes.
    pub(super) fn skip(&mut self, input: &[u8], limits: &Limits) -> Result<usize, Refusal> {
        let mut at = 0;
        loop {
            match self.state {
                State::Data | State::Done => return Ok(at),
                State::Trailers => {
                    let (taken, done) = self.trailers.take(&input[at..], limits)?;
                    if done {
                        self.state = State::Done;
                    }
                    return Ok(at + taken);
                }
                _ => {}
            }
            let Some(&byte) = input.get(at) else { return Ok(at) };
            self.framing(byte)?;
            at += 1;
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    pub(super) fn remaining(&self) -> Option<u64> {
        match self.state {
            State::Data => Some(self.size),
            State::Done => Some(0),
            _ => None,
        }
    }

    pub(super) fn relayed(&mut self, bytes: u64) {
        if self.state == State::Data {
            self.size = self.size.saturating_sub(bytes);
            self.end_of_data();
        }
    }

    pub(super) fn trailers(&self) -> &[u8] {
        if self.is_done() { self.trailers.lines() } else { &[] }
    }

    fn data(&mut self, skip: usize, have: usize) -> Piece {
        let data = clamp(self.size, have);
        self.size -= data as u64;
        self.end_of_data();
        Piece { skip, data }
    }

    fn end_of_data(&mut self) {
        if self.size == 0 {
            self.state = State::DataCr;
        }
    }

    #[inline]
    fn framing(&mut self, byte: u8) -> Result<(), Refusal> {
        self.state = match self.state {
            State::Size => self.size_byte(byte)?,
            State::Extension(place) => self.extension_byte(place, byte)?,
            State::SizeLf if byte == b'\n' => self.size_end(),
            State::DataCr if byte == b'\r' => State::DataLf,
            State::DataLf if byte == b'\n' => State::Size,
            State::SizeLf | State::DataLf => return Err(BARE_CR),
            _ => return Err(BAD_CHUNK),
        };
        Ok(())
    }

    fn size_byte(&mut self, byte: u8) -> Result<State, Refusal> {
        if let Some(digit) = hex(byte) {
            self.digits += 1;
            if self.digits > SIZE_DIGITS {
                return Err(BAD_CHUNK);
            }
            // Sixteen digits fit.
            self.size = self.size << 4 | u64::from(digit);
            return if self.size > CHUNK_BYTES { Err(LONG_CHUNK) } else { Ok(State::Size) };
        }
        match byte {
            b'\n' => Err(BARE_LF),
            _ if self.digits == 0 => Err(BAD_CHUNK),
            b'\r' => Ok(State::SizeLf),
            b';' => Ok(State::Extension(Extension::Begin)),
            b' ' | b'\t' => Ok(State::Extension(Extension::Before)),
            _ => Err(BAD_CHUNK),
        }
    }

    fn size_end(&mut self) -> State {
        self.digits = 0;
        if self.size == 0 { State::Trailers } else { State::Data }
    }

    #[cold]
    fn extension_byte(&mut self, place: Extension, byte: u8) -> Result<State, Refusal> {
        use Extension::*;
        self.extensions += 1;
        if self.extensions > EXTENSION_BYTES {
            return Err(LONG_EXTENSIONS);
        }
        let next = match (place, byte) {
            (_, b'\n') => return Err(BARE_LF),
            (Name | Value | QuotedEnd, b'\r') => return Ok(State::SizeLf),
            (Quoted, b'"') => QuotedEnd,
            (Quoted, b'\\') => QuotedPair,
            (Quoted | QuotedPair, _) if byte == b'\t' || !is_control(byte) => Quoted,
            (Begin | Name, _) if is_token(byte) => Name,
            (ValueBegin | Value, _) if is_token(byte) => Value,
            (ValueBegin, b'"') => Quoted,
            (Name | AfterName, b'=') => ValueBegin,
            (Before | Name | AfterName | Value | QuotedEnd, b';') => Begin,
            (Before | Value | QuotedEnd, b' ' | b'\t') => Before,
            (Name | AfterName, b' ' | b'\t') => AfterName,
            (Begin | ValueBegin, b' ' | b'\t') => place,
            _ if byte != b'\r' && is_control(byte) => return Err(CONTROL_BYTE),
            (Before, _) => return Err(BAD_CHUNK),
            _ => return Err(BAD_EXTENSION),
        };
        Ok(State::Extension(next))
    }
}
