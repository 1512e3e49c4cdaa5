use std::ops::Range;

use super::dynamic::{Entry, Table};
use super::{Fault, Field, TABLE_BYTES, fixed, huffman};

/// The most octets of a number after its prefix: 35 bits, of which 32 are used.
const MORE_OCTETS: u32 = 5;
/// What of the buffer for strings is kept from block to block.
const SCRATCH_KEPT: usize = 4096;

/// Reads the blocks of one direction of a connection.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    most: usize,
    /// Strings of the field at hand that were Huffman-coded.
    scratch: Vec<u8>,
}

impl Decoder {
    /// A decoder whose peer may use a table of `most` bytes, as we announced (the setting
    /// `SETTINGS_HEADER_TABLE_SIZE`; 4096 if we announced nothing). Memory grows with use, to about
    /// twice of that.
    pub fn new(most: usize) -> Decoder {
        // A larger table than the usual one begins when the peer says so.
        Decoder { table: Table::new(most.min(TABLE_BYTES)), most, scratch: Vec::new() }
    }

    /// Reads a whole block and gives each field in order.
    ///
    /// # Errors
    /// When the block is malformed. Fields before that place were given; the decoder is of no use
    /// any more, nor is the connection.
    pub fn decode(&mut self, block: &[u8], mut each: impl FnMut(Field<'_>)) -> Result<(), Fault> {
        self.decode_while(block, |field| {
            each(field);
            true
        })
    }

    /// The same, for as long as fields are wanted.
    ///
    /// # Errors
    /// When the block is malformed, or `each` said false.
    pub fn decode_while(
        &mut self,
        block: &[u8],
        mut each: impl FnMut(Field<'_>) -> bool,
    ) -> Result<(), Fault> {
        let mut rest = self.resize(block)?;
        while let Some(&first) = rest.first() {
            if first & 0x80 != 0 {
                let index = number(&mut rest, 7)?;
                let (name, value) = lookup(&self.table, index)?;
                if !each(Field { name, value }) {
                    return Err(Fault::Stopped);
                }
            } else if first & 0x40 != 0 {
                self.literal(&mut rest, 6, &mut each)?;
            } else if first & 0x20 != 0 {
                return Err(Fault::SizeUpdate);
            } else {
                // Not indexed now, or never: to a reader the same.
                self.literal(&mut rest, 4, &mut each)?;
            }
        }
        if self.scratch.len() > SCRATCH_KEPT {
            self.scratch = Vec::new();
        }
        Ok(())
    }

    /// Follows the size updates at the beginning; gives what comes after.
    fn resize<'a>(&mut self, block: &'a [u8]) -> Result<&'a [u8], Fault> {
        let mut rest = block;
        while rest.first().is_some_and(|first| first & 0xe0 == 0x20) {
            let size = number(&mut rest, 5)?;
            if size > self.most {
                return Err(Fault::SizeUpdate);
            }
            self.table.set_limit(size);
        }
        Ok(rest)
    }

    /// A field with its value, and its name by index or as it is. It goes into the table when the
    /// prefix has six bits.
    fn literal(
        &mut self,
        rest: &mut &[u8],
        prefix: u32,
        each: &mut impl FnMut(Field<'_>) -> bool,
    ) -> Result<(), Fault> {
        let index = number(rest, prefix)?;
        let name = if index == 0 { self.string(rest, 0)? } else { Text::Indexed };
        let value = self.string(rest, name.end())?;
        let name = match name {
            Text::Indexed => lookup(&self.table, index)?.0,
            text => text.of(&self.scratch),
        };
        let value = value.of(&self.scratch);
        if !each(Field { name, value }) {
            return Err(Fault::Stopped);
        }
        if prefix == 6 {
            // The name may stand in an entry that leaves: it is copied first.
            let entry = Entry::new(name, value);
            self.table.insert(entry);
        }
        Ok(())
    }

    /// A string; decoded into the scratch buffer from `at` if it is coded.
    fn string<'a>(&mut self, rest: &mut &'a [u8], at: usize) -> Result<Text<'a>, Fault> {
        let is_coded = rest.first().is_some_and(|first| first & 0x80 != 0);
        let len = number(rest, 7)?;
        let (bytes, tail) = rest.split_at_checked(len).ok_or(Fault::Truncated)?;
        *rest = tail;
        if !is_coded {
            return Ok(Text::Plain(bytes));
        }
        let room = at + huffman::decoded_most(len);
        if self.scratch.len() < room {
            self.scratch.resize(room, 0);
        }
        let out = self.scratch.get_mut(at..).unwrap_or_default();
        let written = huffman::decode(bytes, out).ok_or(Fault::Huffman)?;
        Ok(Text::Decoded(at..at + written))
    }
}

/// Where a string is.
#[derive(Debug)]
enum Text<'a> {
    /// In one of the tables.
    Indexed,
    /// In the block.
    Plain(&'a [u8]),
    /// In the scratch buffer.
    Decoded(Range<usize>),
}

impl<'a> Text<'a> {
    /// Where the scratch buffer is free.
    fn end(&self) -> usize {
        if let Text::Decoded(range) = self { range.end } else { 0 }
    }

    fn of(self, scratch: &'a [u8]) -> &'a [u8] {
        match self {
            Text::Indexed => &[],
            Text::Plain(bytes) => bytes,
            Text::Decoded(range) => scratch.get(range).unwrap_or_default(),
        }
    }
}

/// Name and value of an index, the fixed ones first (RFC 7541 section 2.3.3).
#[inline]
fn lookup(table: &Table, index: usize) -> Result<(&[u8], &[u8]), Fault> {
    if let Some(field) = fixed::get(index) {
        return Ok(field);
    }
    let at = index.checked_sub(fixed::COUNT + 1).ok_or(Fault::Index)?;
    table.get(at).map(Entry::parts).ok_or(Fault::Index)
}

/// A number whose first octet has `prefix` bits of it (RFC 7541 section 5.1).
#[inline]
fn number(rest: &mut &[u8], prefix: u32) -> Result<usize, Fault> {
    let (&first, tail) = rest.split_first().ok_or(Fault::Truncated)?;
    *rest = tail;
    let most = (1 << prefix) - 1;
    let value = usize::from(first) & most;
    if value < most { Ok(value) } else { long_number(rest, most) }
}

fn long_number(rest: &mut &[u8], prefix: usize) -> Result<usize, Fault> {
    let mut value = prefix as u64;
    for octet in 0..MORE_OCTETS {
        let (&next, tail) = rest.split_first().ok_or(Fault::Truncated)?;
        *rest = tail;
        value += u64::from(next & 0x7f) << (7 * octet);
        if next & 0x80 == 0 {
            let value = u32::try_from(value).map_err(|_| Fault::Integer)?;
            return usize::try_from(value).map_err(|_| Fault::Integer);
        }
    }
    Err(Fault::Integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8], prefix: u32) -> Result<usize, Fault> {
        let mut rest = bytes;
        let value = number(&mut rest, prefix)?;
        assert!(rest.is_empty());
        Ok(value)
    }

    #[test]
    fn numbers_of_appendix_c_1() {
        assert_eq!(whole(&[0b1110_1010], 5), Ok(10));
        assert_eq!(whole(&[0b0001_1111, 0b1001_1010, 0b0000_1010], 5), Ok(1337));
        assert_eq!(whole(&[0b0010_1010], 8), Ok(42));
    }

    #[test]
    fn numbers_have_32_bits() {
        let most = u32::MAX as usize;
        assert_eq!(whole(&[0x7f, 0x80, 0xff, 0xff, 0xff, 0x0f], 7), Ok(most));
        assert_eq!(whole(&[0x7f, 0x81, 0xff, 0xff, 0xff, 0x0f], 7), Err(Fault::Integer));
        assert_eq!(whole(&[0x7f, 0xff, 0xff, 0xff, 0xff, 0x7f], 7), Err(Fault::Integer));
        assert_eq!(whole(&[0x7f, 0x80, 0x80, 0x80, 0x80, 0x00], 7), Ok(127));
        assert_eq!(whole(&[0x7f, 0x80, 0x80, 0x80, 0x80, 0x80, 0], 7), Err(Fault::Integer));
        for cut in 0..6 {
            let bytes = [0x7f, 0x80, 0xff, 0xff, 0xff, 0x0f];
            assert_eq!(whole(&bytes[..cut], 7), Err(Fault::Truncated));
        }
    }

    #[test]
    fn little_is_kept_of_a_large_string() {
        // 10000 octets, in which the code of `0` stands 16000 times.
        let block = [&[0x00, 0x01, b'a', 0xff, 0x91, 0x4d][..], &[0; 10_000]].concat();
        let mut decoder = Decoder::new(TABLE_BYTES);
        let mut lengths = Vec::new();
        assert_eq!(decoder.decode(&block, |field| lengths.push(field.value.len())), Ok(()));
        assert_eq!((lengths, decoder.scratch.capacity()), (vec![16_000], 0));
    }
}
