use super::*;

/// What was decoded, in words; whole and byte by byte must agree.
fn read(bytes: &[u8]) -> Result<Vec<String>, Refusal> {
    let whole = read_cut(bytes, usize::MAX);
    for cut in [1, 2, 3, 5] {
        assert_eq!(whole, read_cut(bytes, cut), "cut every {cut}");
    }
    whole
}

fn read_cut(bytes: &[u8], cut: usize) -> Result<Vec<String>, Refusal> {
    let mut decoder = Decoder::new(&Limits::default());
    let mut said = Vec::new();
    let mut body = String::new();
    let (mut at, mut have) = (0, 0usize);
    loop {
        let (taken, event) = decoder.step(&bytes[at..have])?;
        let input = &bytes[at..have];
        at += taken;
        match event {
            Event::NeedMore if have == bytes.len() => break,
            Event::NeedMore => have = bytes.len().min(have.saturating_add(cut)),
            Event::Body(span) => body += std::str::from_utf8(span.of(input)).unwrap(),
            Event::Head => {
                let mut out = Vec::new();
                decoder.head().write_http1(input, &mut out);
                said.push(String::from_utf8(out).unwrap());
            }
            event => said.push(format!("{event:?}")),
        }
    }
    said.extend((!body.is_empty()).then_some(body));
    said.extend((at < bytes.len()).then(|| format!("{} left", bytes.len() - at)));
    Ok(said)
}

/// A packet of a container with that content.
fn packet(content: &str) -> Vec<u8> {
    let content = dump(content);
    let mut out = b"AB".to_vec();
    out.extend((content.len() as u16).to_be_bytes());
    out.extend(content);
    out
}

fn packets(contents: &[&str]) -> Vec<u8> {
    contents.iter().flat_map(|content| packet(content)).collect()
}

/// The packets that Tomcat has ready-made.
const END: &str = "05 01";
const FLUSH: &str = "03 00 00 00";
const GET_BODY: &str = "06 1f fa";
/// The least head.
const OK: &str = "04 00 c8 00 00 00 00 00";

/// Composed after Tomcat's sources, not recorded.
#[test]
fn an_answer_is_read_as_tomcat_sends_it() {
    let page = dump(
        "41 42 00 43 04 00 c8 00 03 '200' 00 00 03
         a0 01 00 17 'text/html;charset=UTF-8' 00 a0 03 00 01 '5' 00
         00 05 'X-Tag' 00 00 0b 'application' 00
         41 42 00 09 03 00 05 'hello' 00 41 42 00 02 05 01",
    );
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html;charset=UTF-8\r\n\
        Content-Length: 5\r\nX-Tag: application\r\n\r\n";
    assert_eq!(read(&page).unwrap(), [head, "End { reuse: true }", "hello"]);
}

#[test]
fn packets_mean_what_the_reference_says() {
    for (bytes, want) in [
        (packets(&["09"]), &["Pong"][..]),
        (packets(&[GET_BODY]), &["GetBody(8186)"]),
        (packets(&[OK, GET_BODY]), &["HTTP/1.1 200 OK\r\n\r\n", "GetBody(8186)"]),
        (packets(&[FLUSH, OK]), &["Flush", "HTTP/1.1 200 OK\r\n\r\n"]),
        (packets(&[OK, "05 00"]), &["HTTP/1.1 200 OK\r\n\r\n", "End { reuse: false }"]),
        (packets(&[OK, "05 02"]), &["HTTP/1.1 200 OK\r\n\r\n", "End { reuse: false }"]),
        (
            packets(&[OK, "03 00 02 'ab' 00", FLUSH, "03 00 01 'c' 00", END, "09"]),
            &["HTTP/1.1 200 OK\r\n\r\n", "Flush", "End { reuse: true }", "abc", "5 left"],
        ),
        // No reason, no value; whitespace around a value.
        (
            packets(&["04 01 94 ff ff 00 02 00 01 'a' 00 ff ff 00 01 'b' 00 00 03 ' c\t' 00"]),
            &["HTTP/1.1 404 Not Found\r\na: \r\nb: c\r\n\r\n"],
        ),
        // A reason of its own; fields that speak to the next hop.
        (
            packets(&["04 00 c8 00 02 'Go' 00 00 03 00 0a 'Connection' 00 00 05 'close' 00
                00 11 'transfer-encoding' 00 00 07 'chunked' 00 a0 0a 00 01 '1' 00"]),
            &["HTTP/1.1 200 Go\r\nStatus: 1\r\n\r\n"],
        ),
    ] {
        assert_eq!(read(&bytes).unwrap(), want, "{bytes:x?}");
    }
}

#[test]
fn all_eleven_names_are_decoded() {
    for (code, name) in [
        (1, "Content-Type"),
        (2, "Content-Language"),
        (4, "Date"),
        (5, "Last-Modified"),
        (6, "Location"),
        (7, "Set-Cookie"),
        (8, "Set-Cookie2"),
        (9, "Servlet-Engine"),
        (10, "Status"),
        (11, "WWW-Authenticate"),
    ] {
        let got = read(&packet(&format!("04 00 c8 00 00 00 00 01 a0 {code:02x} 00 01 'v' 00")));
        assert_eq!(got.unwrap(), [format!("HTTP/1.1 200 OK\r\n{name}: v\r\n\r\n")]);
    }
}

#[test]
fn what_is_malformed_is_refused() {
    for (content, cause) in [
        ("04 00 c8 00 00 00 00 01", "ajp-bad-length"),
        ("04 00 c8 00 00 00 00 00 00", "ajp-bad-length"),
        ("04 00", "ajp-bad-length"),
        ("04", "ajp-bad-length"),
        ("05", "ajp-bad-length"),
        ("05 01 00", "ajp-bad-length"),
        ("06 1f", "ajp-bad-length"),
        ("06 1f fa 00", "ajp-bad-length"),
        ("09 00", "ajp-bad-length"),
        ("03 00", "ajp-bad-length"),
        ("03 00 00", "ajp-bad-length"),
        ("03 00 02 'a' 00", "ajp-bad-length"),
        ("03 00 00 00 00", "ajp-bad-length"),
        ("06 00 00", "ajp-bad-ask"),
        ("02 00", "ajp-bad-type"),
        ("00", "ajp-bad-type"),
        ("04 00 c8 00 02 'ok' 01 00 00", "ajp-bad-string"),
        ("04 00 c8 00 09 'ok' 00 00 00", "ajp-bad-string"),
        ("04 00 c8 00 00 00 00 01 00 01 'a' 00 00 02 'b' 00", "ajp-bad-string"),
        ("04 00 c8 00 00 00 00 01 00 01 'a' 00 00 01 'b'", "ajp-bad-string"),
        ("03 00 00 01", "ajp-bad-string"),
        ("04 00 c7 00 00 00 00 00", "ajp-bad-status"),
        ("04 00 64 00 00 00 00 00", "ajp-bad-status"),
        ("04 02 58 00 00 00 00 00", "ajp-bad-status"),
        ("04 00 c8 00 00 00 00 65", "ajp-many-fields"),
        ("04 00 c8 00 00 00 ff ff", "ajp-many-fields"),
        ("04 00 c8 00 00 00 00 01 a0 00 00 01 'v' 00", "ajp-bad-name"),
        ("04 00 c8 00 00 00 00 01 a0 0c 00 01 'v' 00", "ajp-bad-name"),
        ("04 00 c8 00 00 00 00 01 a0 ff 00 01 'v' 00", "ajp-bad-name"),
        ("04 00 c8 00 00 00 00 01 00 00 00 00 01 'v' 00", "ajp-bad-name"),
        ("04 00 c8 00 00 00 00 01 ff ff 00 01 'v' 00", "ajp-bad-name"),
        ("04 00 c8 00 00 00 00 01 00 03 'a b' 00 00 01 'v' 00", "ajp-bad-name"),
        ("04 00 c8 00 00 00 00 01 00 03 'a' 00 'b' 00 00 01 'v' 00", "ajp-bad-name"),
        ("04 00 c8 00 00 00 00 01 00 01 'a' 00 00 03 'v' 0d 0a 00", "ajp-bad-value"),
        ("04 00 c8 00 00 00 00 01 00 01 'a' 00 00 01 00 00", "ajp-bad-value"),
        ("04 00 c8 00 01 0a 00 00 00", "ajp-bad-value"),
        ("04 00 c8 00 00 00 00 01 a0 03 00 00 00", "ajp-bad-content-length"),
        ("04 00 c8 00 00 00 00 01 a0 03 00 02 '+1' 00", "ajp-bad-content-length"),
        ("04 00 c8 00 00 00 00 01 a0 03 00 14 '18446744073709551616' 00", "ajp-bad-content-length"),
        (
            "04 00 c8 00 00 00 00 02 a0 03 00 01 '1' 00 00 0e 'content-length' 00 00 01 '1' 00",
            "ajp-bad-content-length",
        ),
    ] {
        assert_eq!(read(&packet(content)).unwrap_err().cause, cause, "{content}");
    }
    for bytes in ["12 34 00 01 09", "41 43", "42", "41 41 42"] {
        assert_eq!(read(&dump(bytes)).unwrap_err().cause, "ajp-bad-magic", "{bytes}");
    }
    assert_eq!(read(&dump("41 42 00 00 09")).unwrap_err().cause, "ajp-bad-length");
    assert_eq!(read(&dump("41 42 1f fd 04")).unwrap_err().cause, "ajp-long-head");
    assert_eq!(read(&dump("41 42 1f fc 04")).unwrap(), ["5 left"]);
}

#[test]
fn packets_out_of_order_are_refused() {
    for contents in
        [&[END][..], &["03 00 01 'a' 00"], &[OK, OK], &[OK, "09"], &[FLUSH, END], &[GET_BODY, END]]
    {
        let got = read(&packets(contents)).unwrap_err();
        assert_eq!(got.cause, "ajp-out-of-order", "{contents:?}");
    }
}

#[test]
fn a_body_is_no_longer_than_announced() {
    let head = "04 00 c8 00 00 00 00 01 a0 03 00 01 '3' 00";
    let mut decoder = Decoder::new(&Limits::default());
    for (content, left) in [(head, 3), ("03 00 02 'ab' 00", 1), (FLUSH, 1)] {
        let mut bytes = &packet(content)[..];
        while let (taken @ 1.., _) = decoder.step(bytes).unwrap() {
            bytes = &bytes[taken..];
        }
        assert_eq!(decoder.body_left(), Some(left));
    }
    let got = read(&packets(&[head, "03 00 02 'ab' 00", "03 00 02 'cd' 00"]));
    assert_eq!(got.unwrap_err().cause, "ajp-long-body");
}

#[test]
fn a_decoder_serves_one_exchange_after_the_other() {
    let mut decoder = Decoder::new(&Limits::default());
    let exchange = packets(&["04 00 c8 00 00 00 00 01 a0 03 00 01 '0' 00", END]);
    for _ in 0..3 {
        let (head, event) = decoder.step(&exchange).unwrap();
        assert_eq!((event, decoder.head().fields.len()), (Event::Head, 1));
        let (end, event) = decoder.step(&exchange[head..]).unwrap();
        assert_eq!((event, head + end), (Event::End { reuse: true }, exchange.len()));
        assert_eq!(decoder.step(b"AB"), Ok((0, Event::NeedMore)));
        decoder.reset();
    }
}
