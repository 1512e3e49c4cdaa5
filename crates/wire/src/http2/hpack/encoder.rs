use super::dynamic::{Entry, Table};
use super::{TABLE_BYTES, fixed, huffman, words};

/// Larger fields stay out of the table: they would push out too many others.
const INDEXED_BYTES: usize = 1024;
/// A secret of fewer bytes could be guessed.
const GUESSED_BYTES: usize = 20;
/// How many fields are remembered that are not in the table.
const SEEN: usize = 64;

/// The first octets of the representations (RFC 7541 section 6).
const INDEXED: u8 = 0x80;
const INSERTED: u8 = 0x40;
const SIZE_UPDATE: u8 = 0x20;
const NEVER_INDEXED: u8 = 0x10;
const NOT_INDEXED: u8 = 0;

/// Writes the blocks of one direction of a connection.
///
/// A field goes into the table when it comes for the second time, so what is sent only once
/// pushes nothing out. Then it is Huffman-coded, as it is sent that one time; all other strings
/// are sent as they are, for a few more bytes and much less work.
#[derive(Debug)]
pub struct Encoder {
    table: Table,
    /// Of the entries of the table, in its order.
    hashes: Vec<u32>,
    /// Of fields that came of late, and where the next one goes. When two fields have one hash,
    /// the second goes into the table at once, which is no harm; so who makes such fields gains
    /// nothing.
    seen: [u32; SEEN],
    next: usize,
    change: Option<Change>,
}

/// Sizes of the table that were not said yet.
#[derive(Clone, Copy, Debug)]
struct Change {
    smallest: usize,
    last: usize,
}

/// What becomes of a field that is in no table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rule {
    Index,
    Plain,
    Never,
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder::new()
    }
}

impl Encoder {
    /// An encoder for a peer that said nothing yet: its table has at most 4096 bytes.
    pub fn new() -> Encoder {
        Encoder {
            table: Table::new(TABLE_BYTES),
            hashes: Vec::new(),
            seen: [0; SEEN],
            next: 0,
            change: None,
        }
    }

    /// The peer's `SETTINGS_HEADER_TABLE_SIZE`, used up to 4096. The next block begins with it.
    pub fn limit(&mut self, most: usize) {
        let most = most.min(TABLE_BYTES);
        match &mut self.change {
            Some(change) => {
                change.smallest = change.smallest.min(most);
                change.last = most;
            }
            None if most == self.table.limit() => {}
            None => self.change = Some(Change { smallest: most, last: most }),
        }
    }

    /// Begins a block. Says how the size of the table changed since the last; if it went down and
    /// up again, the smallest size too, which emptied the peer's table (RFC 7541 section 4.2).
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        let Some(Change { smallest, last }) = self.change.take() else { return };
        if smallest < last && smallest < self.table.limit() {
            self.resize(smallest, out);
        }
        self.resize(last, out);
    }

    /// The field `:status`, of three digits.
    #[inline]
    pub fn status(&mut self, status: u16, out: &mut Vec<u8>) {
        let digit = |unit: u16| b'0' + (status / unit % 10) as u8;
        let value = [digit(100), digit(10), digit(1)];
        self.named(fixed::STATUS, b":status", &value, out);
    }

    /// A field. The name may have upper-case letters: it is written in lower case.
    #[inline]
    pub fn field(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        self.named(fixed::find(name), name, value, out);
    }

    /// A field whose name has that index of the fixed table, or 0.
    fn named(&mut self, index: u8, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        let pair = fixed::find_pair(index, value);
        if pair != 0 {
            out.push(INDEXED | pair);
            return;
        }
        match self.rule(index, name, value) {
            Rule::Index => self.indexed(index, name, value, out),
            Rule::Plain => literal(NOT_INDEXED, index, name, value, out),
            Rule::Never => literal(NEVER_INDEXED, index, name, value, out),
        }
    }

    /// Short secrets are never indexed, not by the next hop either: one who can make the other
    /// fields of a connection could guess them from the length of a block (RFC 7541 section
    /// 7.1.3). Of other fields the values seldom come again.
    fn rule(&self, index: u8, name: &[u8], value: &[u8]) -> Rule {
        use fixed::*;
        match index {
            SET_COOKIE | COOKIE | AUTHORIZATION | PROXY_AUTHORIZATION
                if value.len() < GUESSED_BYTES =>
            {
                Rule::Never
            }
            SET_COOKIE | CONTENT_LENGTH | ETAG | LAST_MODIFIED | LOCATION | CONTENT_RANGE | AGE => {
                Rule::Plain
            }
            _ => {
                let bytes = name.len() + value.len();
                let fits = bytes <= INDEXED_BYTES && self.table.holds(bytes);
                if fits { Rule::Index } else { Rule::Plain }
            }
        }
    }

    /// By its place in the table, or into it if it came before.
    fn indexed(&mut self, index: u8, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        let hash = words::hash(name, value);
        if let Some(at) = self.find(hash, name, value) {
            number(INDEXED, 7, fixed::COUNT + 1 + at, out);
            return;
        }
        if !self.seen.contains(&hash) {
            self.seen[self.next] = hash;
            self.next = (self.next + 1) % SEEN;
            literal(NOT_INDEXED, index, name, value, out);
            return;
        }
        let entry = Entry::lower(name, value);
        let (name, value) = entry.parts();
        number(INSERTED, 6, index.into(), out);
        if index == 0 {
            coded(name, out);
        }
        coded(value, out);
        self.table.insert(entry);
        self.hashes.insert(0, hash);
        self.hashes.truncate(self.table.len());
    }

    fn find(&self, hash: u32, name: &[u8], value: &[u8]) -> Option<usize> {
        let is_same = |entry: &Entry| {
            let (lower, same) = entry.parts();
            same == value && words::is_name(name, lower)
        };
        let hashes = self.hashes.iter().enumerate();
        let mut places = hashes.filter(|(_, other)| **other == hash).map(|(at, _)| at);
        places.find(|at| self.table.get(*at).is_some_and(is_same))
    }

    fn resize(&mut self, size: usize, out: &mut Vec<u8>) {
        number(SIZE_UPDATE, 5, size, out);
        self.table.set_limit(size);
        self.hashes.truncate(self.table.len());
    }
}

/// A literal that is not indexed: its name by index or as it is, its value as it is.
fn literal(first: u8, index: u8, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    number(first, 4, index.into(), out);
    if index == 0 {
        number(0, 7, name.len(), out);
        let start = out.len();
        out.extend_from_slice(name);
        out[start..].make_ascii_lowercase();
    }
    number(0, 7, value.len(), out);
    out.extend_from_slice(value);
}

/// A string, Huffman-coded if that is shorter.
fn coded(text: &[u8], out: &mut Vec<u8>) {
    let len = huffman::coded_len(text);
    if len < text.len() {
        number(0x80, 7, len, out);
        huffman::encode(text, out);
    } else {
        number(0, 7, text.len(), out);
        out.extend_from_slice(text);
    }
}

/// A number in the lower `prefix` bits of an octet and as many more as it needs (RFC 7541 section
/// 5.1).
#[inline]
fn number(first: u8, prefix: u32, value: usize, out: &mut Vec<u8>) {
    let most = (1 << prefix) - 1;
    if value < most {
        out.push(first | value as u8);
        return;
    }
    out.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::super::Decoder;
    use super::*;

    fn written(encoder: &mut Encoder, name: &[u8], value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encoder.field(name, value, &mut out);
        out
    }

    fn begun(encoder: &mut Encoder) -> Vec<u8> {
        let mut out = Vec::new();
        encoder.begin(&mut out);
        out
    }

    #[test]
    fn numbers_of_appendix_c_1() {
        let write = |first, prefix, value| {
            let mut out = Vec::new();
            number(first, prefix, value, &mut out);
            out
        };
        assert_eq!(write(0xe0, 5, 10), [0b1110_1010]);
        assert_eq!(write(0, 5, 1337), [0b0001_1111, 0b1001_1010, 0b0000_1010]);
        assert_eq!(write(0, 7, 127), [0x7f, 0]);
        assert_eq!(write(0, 7, 254), [0x7f, 0x7f]);
        assert_eq!(write(0, 7, 255), [0x7f, 0x80, 1]);
    }

    #[test]
    fn fixed_fields_are_one_octet() {
        let mut encoder = Encoder::new();
        let mut out = Vec::new();
        for status in [200, 204, 206, 304, 400, 404, 500] {
            encoder.status(status, &mut out);
        }
        encoder.field(b":path", b"/", &mut out);
        encoder.field(b"Accept-Encoding", b"gzip, deflate", &mut out);
        assert_eq!(out, [0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d, 0x8e, 0x84, 0x90]);
        out.clear();
        encoder.status(302, &mut out);
        assert_eq!(out, b"\x08\x03302");
    }

    #[test]
    fn a_field_is_indexed_when_it_comes_again() {
        let mut encoder = Encoder::new();
        assert_eq!(written(&mut encoder, b"X-Name", b"Value"), b"\0\x06x-name\x05Value");
        assert_eq!(encoder.table.len(), 0);
        let second = written(&mut encoder, b"x-nAme", b"Value");
        assert_eq!((second[0], encoder.table.len()), (0x40, 1));
        assert_eq!(written(&mut encoder, b"X-NAME", b"Value"), [0xbe]);
        for _ in 0..2 {
            encoder.field(b"server", b"httpd", &mut Vec::new());
        }
        assert_eq!(written(&mut encoder, b"x-name", b"Value"), [0xbf]);
        assert_eq!(written(&mut encoder, b"Server", b"httpd"), [0xbe]);
        assert_eq!(written(&mut encoder, b"x-name", b"value")[0], 0);
    }

    #[test]
    fn fields_do_not_push_each_other_out_of_memory() {
        let mut encoder = Encoder::new();
        let names: Vec<_> = (0..SEEN).map(|n| format!("x-{n}")).collect();
        // New, then into the table, then by index.
        for first in [0, 1, 2] {
            for name in &names {
                let out = written(&mut encoder, name.as_bytes(), b"");
                assert_eq!((out[0] >> 6).min(2), first, "{name}");
            }
        }
        // Once more as many between its two times, and a field is new again.
        encoder.field(b"a", b"b", &mut Vec::new());
        for name in &names {
            encoder.field(name.as_bytes(), b"other", &mut Vec::new());
        }
        assert_eq!(written(&mut encoder, b"a", b"b")[0], 0);
        assert_eq!(written(&mut encoder, b"a", b"b")[0], 0x40);
    }

    #[test]
    fn names_are_made_small() {
        for len in [0, 1, 63, 64, 65, 200] {
            let mut block = Vec::new();
            let mut encoder = Encoder::new();
            for _ in 0..3 {
                encoder.field("X".repeat(len).as_bytes(), b"Y", &mut block);
            }
            let mut read = Vec::new();
            let verdict = Decoder::new(TABLE_BYTES).decode(&block, |field| {
                assert_eq!(field.value, b"Y");
                read.push(field.name.to_vec());
            });
            assert_eq!((verdict, read), (Ok(()), vec!["x".repeat(len).into_bytes(); 3]));
        }
    }

    #[test]
    fn some_fields_are_not_indexed() {
        let mut encoder = Encoder::new();
        let long = "x".repeat(1021);
        for _ in 0..3 {
            for (name, value, first) in [
                ("set-cookie", "a=0123456789abcdefgh", &[0x0f, 55 - 15][..]),
                ("set-cookie", "a=0123456789abcdefg", &[0x1f, 55 - 15]),
                ("authorization", "Basic YTpi", &[0x1f, 23 - 15]),
                ("proxy-authorization", "Basic YTpi", &[0x1f, 49 - 15]),
                ("cookie", "a=b", &[0x1f, 32 - 15]),
                ("content-length", "12", &[0x0f, 28 - 15]),
                ("etag", "\"1\"", &[0x0f, 34 - 15]),
                ("last-modified", "x", &[0x0f, 44 - 15]),
                ("location", "/", &[0x0f, 46 - 15]),
                ("content-range", "bytes */1", &[0x0f, 30 - 15]),
                ("age", "1", &[0x0f, 21 - 15]),
                ("x-lo", &long, &[0]),
            ] {
                let out = written(&mut encoder, name.as_bytes(), value.as_bytes());
                assert_eq!(&out[..first.len()], first, "{name}");
            }
        }
        assert_eq!((encoder.table.len(), encoder.hashes.capacity()), (0, 0));
        let largest = [b'x'; 1021];
        assert_eq!(written(&mut encoder, b"x-l", &largest)[0], 0);
        assert_eq!(written(&mut encoder, b"x-l", &largest)[0], 0x40);
        assert_eq!(written(&mut encoder, b"x-l", &largest), [0xbe]);
    }

    #[test]
    fn sizes_are_said_once() {
        let mut encoder = Encoder::new();
        encoder.limit(65_536);
        encoder.limit(4096);
        assert!(begun(&mut encoder).is_empty());
        encoder.limit(0);
        assert_eq!(begun(&mut encoder), [0x20]);
        assert!(begun(&mut encoder).is_empty());
        encoder.limit(30);
        assert_eq!(begun(&mut encoder), [0x3e]);
        encoder.limit(10);
        encoder.limit(5);
        encoder.limit(31);
        assert_eq!(begun(&mut encoder), [0x25, 0x3f, 0]);
        encoder.limit(100);
        encoder.limit(usize::MAX);
        assert_eq!(begun(&mut encoder), [0x3f, 0xe1, 0x1f]);
    }

    #[test]
    fn without_a_table_nothing_is_kept() {
        let mut encoder = Encoder::new();
        for _ in 0..2 {
            encoder.field(b"a", b"b", &mut Vec::new());
        }
        encoder.limit(0);
        begun(&mut encoder);
        for _ in 0..4 {
            assert_eq!(written(&mut encoder, b"a", b"b"), b"\0\x01a\x01b");
        }
        assert_eq!((encoder.table.len(), encoder.hashes.len()), (0, 0));
    }
}
