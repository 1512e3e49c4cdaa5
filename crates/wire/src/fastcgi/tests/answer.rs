use super::*;
use crate::http1::{Limits, Parsed};

/// What was decoded for request 1, in words; however it is cut, that must be the same.
fn read(bytes: &[u8]) -> Result<Vec<String>, Refusal> {
    let whole = read_cut(bytes, usize::MAX);
    for cut in [1, 2, 3, 5] {
        assert_eq!(whole, read_cut(bytes, cut), "cut every {cut}");
    }
    whole
}

fn read_cut(bytes: &[u8], cut: usize) -> Result<Vec<String>, Refusal> {
    let mut decoder = Decoder::new(1);
    let mut streams = [String::new(), String::new()];
    let mut said = Vec::new();
    let (mut at, mut have) = (0, 0usize);
    loop {
        let input = &bytes[at..have];
        let (taken, event) = decoder.step(input)?;
        at += taken;
        match event {
            Event::NeedMore if have == bytes.len() => break,
            Event::NeedMore => have = bytes.len().min(have.saturating_add(cut)),
            Event::Stdout(span) => streams[0] += str::from_utf8(span.of(input)).unwrap(),
            Event::Stderr(span) => streams[1] += str::from_utf8(span.of(input)).unwrap(),
            Event::End { app_status, protocol_status } => {
                said.push(format!("{app_status} {protocol_status:?}"));
            }
        }
    }
    said.extend(streams);
    said.extend((at < bytes.len()).then(|| format!("{} left", bytes.len() - at)));
    Ok(said)
}

fn record(kind: u8, content: &[u8], padding: u8) -> Vec<u8> {
    let mut out = vec![1, kind, 0, 1];
    out.extend((content.len() as u16).to_be_bytes());
    out.extend([padding, 0]);
    out.extend(content);
    out.resize(out.len() + usize::from(padding), 0xee);
    out
}

/// The examples of appendix B of the specification.
#[test]
fn answers_are_read_as_the_specification_has_them() {
    let page = b"Content-type: text/html\r\n\r\n<html>\n<head> ... ";
    let good = [record(6, page, 0), record(6, b"", 0), record(3, &[0; 8], 0)].concat();
    assert_eq!(read(&good).unwrap(), ["0 Complete", str::from_utf8(page).unwrap(), ""]);
    let bad = [
        record(6, b"Content-type: text/html\r\n\r\n<ht", 0),
        record(7, b"config error: missing SI_UID\n", 0),
        record(6, b"ml>\n<head> ... ", 0),
        record(6, b"", 0),
        record(7, b"", 0),
        record(3, &[0, 0, 0x03, 0xaa, 0, 0, 0, 0], 0),
    ]
    .concat();
    let want = ["938 Complete", str::from_utf8(page).unwrap(), "config error: missing SI_UID\n"];
    assert_eq!(read(&bad).unwrap(), want);
}

#[test]
fn padding_is_skipped_and_streams_need_no_end() {
    let bytes = [
        record(6, b"ab", 6),
        record(6, b"", 255),
        record(7, b"e", 7),
        record(6, b"c", 0),
        record(3, &[0, 0, 0, 0, 0, 1, 2, 3], 9),
        record(6, b"next", 4),
    ]
    .concat();
    assert_eq!(read(&bytes).unwrap(), ["0 Complete", "abc", "e", "16 left"]);
    for (status, name) in [(1, "CantMultiplex"), (2, "Overloaded"), (3, "UnknownRole")] {
        let bytes = record(3, &[0, 0, 0, 0, status, 0, 0, 0], 0);
        assert_eq!(read(&bytes).unwrap(), [&format!("0 {name}"), "", ""]);
    }
}

#[test]
fn records_that_nobody_asked_for_are_refused() {
    for (bytes, cause) in [
        (&[0u8, 6, 0, 1, 0, 0, 0, 0][..], "fastcgi-bad-version"),
        (&[2], "fastcgi-bad-version"),
        (b"HTTP/1.1 400 Bad Request", "fastcgi-bad-version"),
        (&[1, 5, 0, 1, 0, 0, 0, 0], "fastcgi-bad-type"),
        (&[1, 0, 0, 1, 0, 0, 0, 0], "fastcgi-bad-type"),
        // What a responder says of itself, and of a type it does not know.
        (&[1, 10, 0, 0, 0, 0, 0, 0], "fastcgi-bad-type"),
        (&[1, 11, 0, 0, 0, 8, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0], "fastcgi-bad-type"),
        (&[1, 6, 0, 0, 0, 0, 0, 0], "fastcgi-bad-id"),
        (&[1, 6, 0, 2, 0, 0, 0, 0], "fastcgi-bad-id"),
        (&[1, 6, 1, 1, 0, 0, 0, 0], "fastcgi-bad-id"),
        (&[1, 3, 0, 1, 0, 7, 0, 0], "fastcgi-bad-end"),
        (&[1, 3, 0, 1, 1, 8, 0, 0], "fastcgi-bad-end"),
        (&[1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0], "fastcgi-bad-end"),
    ] {
        assert_eq!(read(bytes).unwrap_err().cause, cause, "{bytes:?}");
    }
}

/// The head as HTTP/1.1 and what is left over, or why not; however it is cut.
fn head(text: &str) -> Result<Option<(String, String)>, &'static str> {
    let limits = Limits { head_bytes: 200, fields: 4, ..Limits::default() };
    let mut results = [1, 3, usize::MAX].map(|cut| {
        let mut head = Head::new();
        let mut have = 0usize;
        loop {
            have = text.len().min(have.saturating_add(cut));
            match head.parse(&text.as_bytes()[..have], &limits) {
                Ok(Parsed::Partial) if have == text.len() => return Ok(None),
                Ok(Parsed::Partial) => {}
                Ok(Parsed::Complete) => break,
                Err(refusal) => return Err(refusal.cause),
            }
        }
        let mut out = Vec::new();
        head.write_http1(text.as_bytes(), &mut out);
        Ok(Some((String::from_utf8(out).unwrap(), text[head.len..].to_owned())))
    });
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0], results[2]);
    results[0].as_mut().map(Option::take).map_err(|cause| *cause)
}

#[test]
fn heads_are_read_as_cgi_has_them() {
    for (text, want, rest) in [
        ("Content-type: a\r\n\r\nx", "200 OK\r\nContent-type: a\r\n", "x"),
        ("Content-type: a\n\nx", "200 OK\r\nContent-type: a\r\n", "x"),
        ("A: 1\nB:2 \t\r\n\n\nx", "200 OK\r\nA: 1\r\nB: 2\r\n", "\nx"),
        ("\r\nx", "200 OK\r\n", "x"),
        ("\nx", "200 OK\r\n", "x"),
        ("Status: 404 Not Found\r\n\r\n", "404 Not Found\r\n", ""),
        ("A: 1\nSTATUS:500\n\n", "500 Internal Server Error\r\nA: 1\r\n", ""),
        ("status: 299  Oh \n\n", "299 Oh\r\n", ""),
        // Without a status, a place to go to is a redirection.
        ("Location: http://b/\r\n\r\n", "302 Found\r\nLocation: http://b/\r\n", ""),
        ("Location: /b\n\n", "302 Found\r\nLocation: /b\r\n", ""),
        ("Status: 201\nLocation: /b\n\n", "201 Created\r\nLocation: /b\r\n", ""),
        ("Location: /b\nStatus: 200\n\n", "200 OK\r\nLocation: /b\r\n", ""),
        ("A:\nB: \u{e9}\tc\n\n", "200 OK\r\nA: \r\nB: \u{e9}\tc\r\n", ""),
        ("Connection: close\nTransfer-Encoding: chunked\nA: b\n\n", "200 OK\r\nA: b\r\n", ""),
        ("Content-Length: 012\n\n", "200 OK\r\nContent-Length: 012\r\n", ""),
    ] {
        let got = head(text).unwrap().unwrap();
        assert_eq!(got, (format!("HTTP/1.1 {want}\r\n"), rest.into()), "{text:?}");
    }
    for text in ["", "Content-type", "A: b\r\n", "A: b\r\n\r", "\r"] {
        assert_eq!(head(text), Ok(None), "{text:?}");
    }
}

#[test]
fn heads_that_could_be_misread_are_refused() {
    let long = format!("A: {}", "x".repeat(197));
    for (text, cause) in [
        ("HTTP/1.1 200 OK\r\n\r\n", "cgi-bad-name"),
        ("<html>\n", "cgi-bad-name"),
        ("PHP message\n", "cgi-bad-name"),
        (": b\n", "cgi-bad-name"),
        ("A : b\n", "cgi-bad-name"),
        (" A: b\n", "cgi-bad-name"),
        ("A: b\r\n c\r\n", "cgi-bad-name"),
        ("\r\r\n", "cgi-bad-name"),
        ("A: b\rC: d\n", "cgi-bad-value"),
        ("A: b\r\r\n", "cgi-bad-value"),
        ("A: b\0\n", "cgi-bad-value"),
        ("A: b\x7f\n", "cgi-bad-value"),
        ("Status: 99\n", "cgi-bad-status"),
        ("Status:\n", "cgi-bad-status"),
        ("Status: 2000\n", "cgi-bad-status"),
        ("Status: 200OK\n", "cgi-bad-status"),
        ("Status: +20\n", "cgi-bad-status"),
        ("Status: 100\n", "cgi-bad-status"),
        ("Status: 199\n", "cgi-bad-status"),
        ("Status: 600\n", "cgi-bad-status"),
        ("Status: 20\u{e9}\n", "cgi-bad-status"),
        ("Status: 200\nStatus: 200\n", "cgi-bad-status"),
        ("Content-Length: 1\nContent-Length: 1\n", "cgi-bad-length"),
        ("Content-Length: \n", "cgi-bad-length"),
        ("Content-Length: 1, 1\n", "cgi-bad-length"),
        ("Content-Length: 18446744073709551616\n", "cgi-bad-length"),
        ("A:\nB:\nC:\nD:\nE:\n", "cgi-many-fields"),
        (&long, "cgi-long-head"),
    ] {
        assert_eq!(head(text), Err(cause), "{text:?}");
    }
    assert_eq!(head(&long[..199]), Ok(None));
}

#[test]
fn a_head_is_reused_without_memory_of_the_last() {
    let limits = Limits::default();
    let mut head = Head::new();
    let first = b"Status: 404 No\nLocation: /\nContent-Length: 3\n\n";
    assert_eq!(head.parse(first, &limits), Ok(Parsed::Complete));
    assert_eq!((head.len, head.content_length), (first.len(), Some(3)));
    assert_eq!(head.parse(b"", &limits), Ok(Parsed::Complete));
    head.reset();
    let mut fresh = Head::new();
    for head in [&mut head, &mut fresh] {
        assert_eq!(head.parse(b"A: b\n\n", &limits), Ok(Parsed::Complete));
    }
    assert_eq!(format!("{head:?}"), format!("{fresh:?}"));
}
