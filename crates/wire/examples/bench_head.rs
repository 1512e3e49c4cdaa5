//! Nanoseconds per head, printed: `cargo run --release -p evenkeel-wire --example bench_head`.
#![allow(clippy::print_stdout, reason = "it is a report")]

use std::hint::black_box;
use std::time::Instant;

use evenkeel_wire::http1::{BodyReader, Framing, Limits, RequestHead, ResponseHead, path};

const BROWSER: &[u8] = b"GET /assets/css/site.css?v=20240131 HTTP/1.1\r\n\
Host: shop.example.com\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
Accept: text/css,*/*;q=0.1\r\n\
Accept-Language: en-US,en;q=0.5\r\n\
Accept-Encoding: gzip, deflate, br\r\n\
Referer: https://shop.example.com/products/list\r\n\
Cookie: ROUTEID=.a; session=0123456789abcdef\r\n\
Connection: keep-alive\r\n\
Cache-Control: no-cache\r\n\r\n";

const SHORT: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAccept: */*\r\n\r\n";

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\n\
Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
Server: Apache/2.4.58 (Unix)\r\n\
Content-Type: text/html; charset=utf-8\r\n\
Content-Length: 12345\r\n\
Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
ETag: \"3039-60de0f5e0a8c0\"\r\n\
Vary: Accept-Encoding\r\n\
Keep-Alive: timeout=5, max=100\r\n\
Connection: Keep-Alive\r\n\r\n";

fn main() {
    let limits = Limits::default();
    let mut request = RequestHead::new();
    for (name, head) in [("browser request", BROWSER), ("short request", SHORT)] {
        report(name, head.len(), || {
            request.reset();
            black_box(request.parse(black_box(head), &limits).is_ok());
        });
    }
    let mut response = ResponseHead::new();
    report("response", ANSWER.len(), || {
        response.reset();
        black_box(response.parse(black_box(ANSWER), &limits).is_ok());
    });
    let mut scratch = Vec::new();
    let plain = b"/assets/css/site.css";
    report("path", plain.len(), || {
        black_box(path::normalise(black_box(plain), &mut scratch).is_ok());
    });
    let chunk = b"400\r\n".iter().copied().chain([b'x'; 1024]).chain(*b"\r\n").collect::<Vec<_>>();
    let mut reader = BodyReader::new(Framing::Chunked, &limits);
    report("chunk of 1 KiB", chunk.len(), || {
        let mut rest = black_box(&chunk[..]);
        while let Ok(piece) = reader.step(rest)
            && !rest.is_empty()
        {
            rest = &rest[piece.skip + piece.data..];
        }
    });
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
