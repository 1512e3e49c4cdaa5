//! Nanoseconds per block of fields, printed: `cargo run --release -p evenkeel-wire --example
//! bench_hpack`.
#![allow(clippy::print_stdout, reason = "it is a report")]

use std::hint::black_box;
use std::time::Instant;

use evenkeel_wire::http2::hpack::{Decoder, Encoder};

const ANSWER: &[(&[u8], &[u8])] = &[
    (b"Date", b"Mon, 01 Jan 2024 00:00:00 GMT"),
    (b"Server", b"Apache/2.4.58 (Unix)"),
    (b"Content-Type", b"text/html; charset=utf-8"),
    (b"Content-Length", b"12345"),
    (b"ETag", b"\"3039-60de0f5e0a8c0\""),
    (b"Vary", b"Accept-Encoding"),
];

const REPEATED: &[(&[u8], &[u8])] = &[
    (b":authority", b"shop.example.com"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (b"accept", b"text/css,*/*;q=0.1"),
    (b"accept-language", b"en-US,en;q=0.5"),
    (b"referer", b"https://shop.example.com/products/list"),
    (b"cookie", b"ROUTEID=.a; session=0123456789abcdef"),
];

/// A request of a browser, the fields that repeat in the table of the other side.
const INDEXED: [u8; 9] = [0x82, 0x87, 0xc3, 0xc2, 0xc1, 0xc0, 0xbf, 0xbe, 0x84];

/// The same with a path of its own, Huffman-coded: `/assets/css/site.css?v=20240131`.
const PATH: [u8; 24] = [
    0x04, 0x96, 0x60, 0x68, 0x41, 0x52, 0x86, 0x08, 0x84, 0x30, 0x83, 0x24, 0xab, 0x91, 0x08, 0xff,
    0x3b, 0xc0, 0x20, 0x09, 0xa0, 0x05, 0x90, 0xff,
];

fn main() {
    let mut decoder = primed();
    report("decode, indexed", INDEXED.len(), || decode(&mut decoder, &INDEXED));
    let own = [&INDEXED[..8], &PATH].concat();
    report("decode, a path", own.len(), || decode(&mut decoder, &own));
    let mut block = Vec::new();
    let mut coder = Encoder::new();
    for _ in 0..3 {
        block.clear();
        answer(&mut coder, &mut block);
    }
    report("encode, known", block.len(), || {
        block.clear();
        answer(&mut coder, &mut block);
        black_box(block.as_slice());
    });
    let mut none = Encoder::new();
    none.limit(0);
    block.clear();
    answer(&mut none, &mut block);
    report("encode, no table", block.len(), || {
        block.clear();
        answer(&mut none, &mut block);
        black_box(block.as_slice());
    });
    let mut fresh = Vec::new();
    report("connection, new", 0, || {
        fresh.clear();
        let (mut encoder, mut peer) = (Encoder::new(), Decoder::new(4096));
        answer(&mut encoder, &mut fresh);
        decode(&mut peer, &fresh);
    });
}

/// A decoder whose table has what a browser repeats.
fn primed() -> Decoder {
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new(4096);
    for _ in 0..2 {
        let mut block = Vec::new();
        for (name, value) in REPEATED {
            encoder.field(name, value, &mut block);
        }
        decode(&mut decoder, &block);
    }
    decoder
}

fn decode(decoder: &mut Decoder, block: &[u8]) {
    let verdict = decoder.decode(black_box(block), |field| {
        black_box((field.name, field.value));
    });
    assert!(black_box(verdict).is_ok());
}

fn answer(encoder: &mut Encoder, block: &mut Vec<u8>) {
    encoder.begin(block);
    encoder.status(black_box(200), block);
    for (name, value) in ANSWER {
        encoder.field(black_box(name), black_box(value), block);
    }
}

fn report(name: &str, bytes: usize, mut work: impl FnMut()) {
    const ROUNDS: u32 = 200_000;
    let mut best = f64::MAX;
    for _ in 0..10 {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            work();
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(ROUNDS));
    }
    println!("{name:16} {bytes:5} bytes {best:7.1} ns");
}
