//! The Huffman code of strings (RFC 7541 section 5.2 and appendix B).
//!
//! The code is canonical: shorter codes have smaller numbers, and those of one length ascend with
//! the byte. So the lengths say all, and every table here is made from them by the compiler.

/// How many bits the code of each byte has.
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/// The shortest code.
const SHORTEST: usize = 5;
/// The longest code; also that of the end-of-string symbol, which is all ones.
const LONGEST: usize = 30;
/// Codes of up to so many bits are found in one step.
const STEP: usize = 8;

/// The codes of one length.
#[derive(Clone, Copy)]
struct Row {
    /// The first code that is too large, moved to the top of 32 bits.
    beyond: u32,
    /// The first code.
    first: u32,
    /// Where the bytes of this length begin in `sorted`.
    at: u32,
}

struct Tables {
    codes: [u32; 256],
    rows: [Row; LONGEST + 1],
    /// The bytes by length of their code, then by value.
    sorted: [u8; 256],
    /// By the next `STEP` bits: the length of the code in the upper byte and what it stands for
    /// in the lower; 0 where the code is longer.
    steps: [u16; 1 << STEP],
}

static TABLES: Tables = tables();

const fn tables() -> Tables {
    let mut all = Tables {
        codes: [0; 256],
        rows: [Row { beyond: 0, first: 0, at: 0 }; LONGEST + 1],
        sorted: [0; 256],
        steps: [0; 1 << STEP],
    };
    let (mut code, mut at) = (0_u32, 0);
    let mut length = SHORTEST;
    while length <= LONGEST {
        let (first, start) = (code, at as u32);
        let mut byte = 0;
        while byte < 256 {
            if LENGTHS[byte] as usize == length {
                all.codes[byte] = code;
                all.sorted[at] = byte as u8;
                if length <= STEP {
                    let spare = STEP - length;
                    let mut place = (code as usize) << spare;
                    while place < (code as usize + 1) << spare {
                        all.steps[place] = (length << 8 | byte) as u16;
                        place += 1;
                    }
                }
                code += 1;
                at += 1;
            }
            byte += 1;
        }
        all.rows[length] = Row { beyond: code << (32 - length), first, at: start };
        code <<= 1;
        length += 1;
    }
    // One code is left, of 30 ones: the end of a string.
    assert!(at == 256 && code >> 1 == (1 << LONGEST) - 1);
    all
}

/// The most bytes that so many coded ones can stand for.
pub(super) fn decoded_most(coded: usize) -> usize {
    coded.saturating_mul(8) / SHORTEST
}

/// Decodes to the start of `out`, which has room for [`decoded_most`]. Gives the number of bytes;
/// `None` when it is no string.
pub(super) fn decode(coded: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut rest = coded;
    // The next bits, from the top, and how many they are; zeros follow.
    let (mut bits, mut have) = (0_u64, 0_usize);
    let mut written = 0;
    while let Some((four, tail)) = rest.split_first_chunk::<4>() {
        rest = tail;
        bits |= u64::from(u32::from_be_bytes(*four)) << (32 - have);
        have += 32;
        while have >= LONGEST {
            let (byte, length) = symbol(bits)?;
            *out.get_mut(written)? = byte;
            written += 1;
            bits <<= length;
            have -= length;
        }
    }
    for &byte in rest {
        bits |= u64::from(byte) << (56 - have);
        have += 8;
    }
    loop {
        // With ones behind them the last bits are a code, or the beginning of one.
        let filled = bits | u64::MAX >> have;
        match symbol(filled) {
            Some((byte, length)) if length <= have => {
                *out.get_mut(written)? = byte;
                written += 1;
                bits <<= length;
                have -= length;
            }
            _ => return (have < 8 && filled == u64::MAX).then_some(written),
        }
    }
}

/// What the bits begin with and how many of them it takes; `None` for the end-of-string symbol.
#[inline]
fn symbol(bits: u64) -> Option<(u8, usize)> {
    match TABLES.steps[(bits >> (64 - STEP)) as usize] {
        0 => long(bits),
        step => Some((step as u8, usize::from(step >> 8))),
    }
}

fn long(bits: u64) -> Option<(u8, usize)> {
    let top = (bits >> 32) as u32;
    let length = (STEP + 1..=LONGEST).find(|length| top < TABLES.rows[*length].beyond)?;
    let row = TABLES.rows[length];
    let at = row.at + ((top >> (32 - length)) - row.first);
    Some((TABLES.sorted[at as usize], length))
}

/// How many bytes the text takes in code.
pub(super) fn coded_len(text: &[u8]) -> usize {
    let bits: usize = text.iter().map(|byte| usize::from(LENGTHS[usize::from(*byte)])).sum();
    bits.div_ceil(8)
}

/// Appends the code of the text.
pub(super) fn encode(text: &[u8], out: &mut Vec<u8>) {
    // Bits not written yet, at the bottom: fewer than eight between the bytes of the text.
    let (mut bits, mut have) = (0_u64, 0);
    for &byte in text {
        let length = LENGTHS[usize::from(byte)];
        bits = bits << length | u64::from(TABLES.codes[usize::from(byte)]);
        have += length;
        while have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
    if have > 0 {
        out.push((bits << (8 - have)) as u8 | 0xff >> have);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(coded: &[u8]) -> Option<Vec<u8>> {
        let mut out = vec![0; decoded_most(coded.len())];
        let written = decode(coded, &mut out)?;
        out.truncate(written);
        Some(out)
    }

    fn written(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(text, &mut out);
        assert_eq!(out.len(), coded_len(text));
        out
    }

    #[test]
    fn codes_are_those_of_appendix_b() {
        let some = [
            (0, 0x1ff8),
            (1, 0x7f_ffd8),
            (b'\t', 0xff_ffea),
            (b'\n', 0x3fff_fffc),
            (22, 0x3fff_fffe),
            (b' ', 0x14),
            (b'"', 0x3f9),
            (b'/', 0x18),
            (b'0', 0),
            (b'<', 0x7ffc),
            (b'X', 0xfc),
            (b'\\', 0x7_fff0),
            (b'~', 0x1ffd),
            (127, 0xfff_fffc),
            (128, 0xf_ffe6),
            (199, 0x1ff_ffec),
            (249, 0xfff_fffe),
            (255, 0x3ff_ffee),
        ];
        for (byte, code) in some {
            assert_eq!(TABLES.codes[usize::from(byte)], code, "{byte}");
        }
    }

    #[test]
    fn every_byte_is_read_back_wherever_it_stands() {
        for byte in 0..=255 {
            for before in 0..9 {
                for after in 0..9 {
                    let text = [&vec![b'a'; before][..], &[byte], &vec![b'-'; after]].concat();
                    assert_eq!(read(&written(&text)).as_ref(), Some(&text));
                }
            }
        }
        let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        assert_eq!(read(&written(&all)), Some(all));
        assert_eq!(read(b""), Some(Vec::new()));
    }

    #[test]
    fn padding_is_short_and_all_ones() {
        // `a` is 00011, `&` is 11111000.
        assert_eq!(read(&[0x1f]), Some(b"a".to_vec()));
        assert_eq!(read(&[0x1e]), None);
        assert_eq!(read(&[0x1b]), None);
        assert_eq!(read(&[0x1f, 0xff]), None);
        assert_eq!(read(&[0xf8]), Some(b"&".to_vec()));
        assert_eq!(read(&[0xf8, 0xff]), None);
        // Eleven bits after the `a`: only nine ones and two zeros are a code, that of `|`.
        for zeros in 1..8 {
            assert_eq!(read(&[0x1f, 0xff << zeros]).is_some(), zeros == 2);
        }
    }

    #[test]
    fn no_string_has_its_end_within() {
        for length in 1..12 {
            assert_eq!(read(&vec![0xff; length]), None, "{length}");
        }
        for before in 0..9 {
            // The symbol of 30 ones, whose two last bits stand before a zero.
            let mut coded = written(&vec![b'&'; before]);
            coded.extend([0xff, 0xff, 0xff, 0xfc, 0, 0, 0, 0]);
            assert_eq!(read(&coded), None, "{before}");
        }
    }
}
