mod decode;

use super::*;
use crate::http1::Refusal;

/// The bytes of a dump: hexadecimal digits, and text between quotes.
fn dump(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, part) in text.split('\'').enumerate() {
        if at % 2 == 1 {
            out.extend_from_slice(part.as_bytes());
            continue;
        }
        for pair in part.split_whitespace() {
            out.push(u8::from_str_radix(pair, 16).unwrap());
        }
    }
    out
}

fn request() -> Request<'static> {
    Request {
        method: b"GET",
        protocol: b"HTTP/1.1",
        uri: b"/a/b",
        remote_addr: b"192.0.2.1",
        remote_host: None,
        server_name: b"a.example",
        server_port: 443,
        is_tls: true,
        body: Body::None,
        query: None,
        secret: None,
        remote_port: None,
        local_addr: None,
        route: None,
        tls: Tls::default(),
    }
}

fn written(request: &Request<'_>, fields: &[(&str, &str)]) -> Result<Vec<u8>, Refusal> {
    let mut out = b"before".to_vec();
    let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let result = request.write(fields, &Limits::default(), &mut out);
    assert!(out.starts_with(b"before") && (result.is_ok() || out.len() == 6));
    result.map(|()| out.split_off(6))
}

/// What httpd 2.4.71 sent for `curl -H 'X-A: 1' …/j/x?c=d` and `curl -X PATCH …/j/y`, the second
/// with the client's port of the first.
#[test]
fn a_request_is_written_as_httpd_writes_it() {
    let head = "00 08 'HTTP/1.1' 00 00 04 URI 00 00 09 '127.0.0.1' 00 ff ff 00 09 '127.0.0.1' 00
        46 a0 00 00 COUNT a0 0b 00 0f '127.0.0.1:18080' 00 a0 0e 00 0b 'curl/7.88.1' 00
        a0 01 00 03 '*/*' 00";
    let ends = "00 0a 00 0f 'AJP_REMOTE_PORT' 00 00 05 '59132' 00
        0a 00 0e 'AJP_LOCAL_ADDR' 00 00 09 '127.0.0.1' 00 ff";
    let get = format!(
        "12 34 00 b4 02 02 {} 00 03 'X-A' 00 00 01 '1' 00 0c 00 06 's3cret' 00 05 00 03 'c=d' {ends}",
        head.replace("URI", "'/j/x'").replace("COUNT", "04"),
    );
    let patch = format!(
        "12 34 00 ac 02 ff {} 0c 00 06 's3cret' 00 0d 00 05 'PATCH' {ends}",
        head.replace("URI", "'/j/y'").replace("COUNT", "03"),
    );
    let request = Request {
        uri: b"/j/x",
        remote_addr: b"127.0.0.1",
        server_name: b"127.0.0.1",
        server_port: 18080,
        is_tls: false,
        query: Some(b"c=d"),
        secret: Some(b"s3cret"),
        remote_port: Some(59132),
        local_addr: Some(b"127.0.0.1"),
        ..request()
    };
    let fields = [
        ("Host", "127.0.0.1:18080"),
        ("User-Agent", "curl/7.88.1"),
        ("Accept", "*/*"),
        ("X-A", "1"),
    ];
    assert_eq!(written(&request, &fields), Ok(dump(&get)));
    let request = Request { method: b"PATCH", uri: b"/j/y", query: None, ..request };
    assert_eq!(written(&request, &fields[..3]), Ok(dump(&patch)));
}

#[test]
fn every_attribute_has_its_code() {
    let plain = written(&request(), &[]).unwrap();
    let all = Request {
        remote_host: Some(b"h"),
        query: Some(b"q"),
        secret: Some(b"s"),
        remote_port: Some(4711),
        local_addr: Some(b"::1"),
        route: Some(b"r"),
        tls: Tls {
            certificate: Some(b"C"),
            cipher: Some(b"AES"),
            session: Some(b"5e"),
            key_bits: Some(256),
            protocol: Some(b"TLSv1.3"),
        },
        ..request()
    };
    let all = written(&all, &[]).unwrap();
    let tail = dump(
        "0c 00 01 's' 00 05 00 01 'q' 00 06 00 01 'r' 00 07 00 01 'C' 00 08 00 03 'AES' 00 09 00 02 '5e' 00
         0b 01 00 0a 00 0f 'AJP_REMOTE_PORT' 00 00 04 '4711' 00
         0a 00 0e 'AJP_LOCAL_ADDR' 00 00 03 '::1' 00
         0a 00 10 'AJP_SSL_PROTOCOL' 00 00 07 'TLSv1.3' 00 ff",
    );
    assert!(all.ends_with(&tail));
    // The name is two bytes longer than none.
    assert_eq!(all.len(), plain.len() - 1 + 2 + tail.len());
}

#[test]
fn methods_are_coded_or_stored() {
    for (method, code) in [
        ("OPTIONS", 1),
        ("GET", 2),
        ("HEAD", 3),
        ("POST", 4),
        ("PUT", 5),
        ("DELETE", 6),
        ("TRACE", 7),
        ("PROPFIND", 8),
        ("ACL", 15),
        ("SEARCH", 21),
        ("MKACTIVITY", 27),
        ("PATCH", 0xFF),
        ("get", 0xFF),
    ] {
        let got = written(&Request { method: method.as_bytes(), ..request() }, &[]).unwrap();
        assert_eq!(got[5], code, "{method}");
        let stored = [&[13, 0, method.len() as u8], method.as_bytes(), &[0, 0xFF]].concat();
        assert_eq!(got.ends_with(&stored), code == 0xFF, "{method}");
    }
}

#[test]
fn the_framing_is_the_bodys_and_never_the_callers() {
    let fields = [("Content-Length", "7"), ("transfer-encoding", "chunked"), ("accept", "*/*")];
    for (body, want) in [
        (Body::None, "00 01 a0 01 00 03 '*/*' 00 ff"),
        (
            Body::Unknown,
            "00 02 00 11 'Transfer-Encoding' 00 00 07 'chunked' 00 a0 01 00 03 '*/*' 00 ff",
        ),
        (Body::Length(0), "00 02 a0 08 00 01 '0' 00 a0 01 00 03 '*/*' 00 ff"),
        (Body::Length(12), "00 02 a0 08 00 02 '12' 00 a0 01 00 03 '*/*' 00 ff"),
    ] {
        let got = written(&Request { body, ..request() }, &fields).unwrap();
        assert!(got.ends_with(&dump(want)), "{body:?}");
    }
}

#[test]
fn all_fourteen_names_are_coded_in_any_case() {
    for (at, name) in [
        "ACCEPT",
        "Accept-Charset",
        "Accept-Encoding",
        "Accept-Language",
        "Authorization",
        "Connection",
        "Content-Type",
        "",
        "Cookie",
        "Cookie2",
        "host",
        "Pragma",
        "Referer",
        "User-Agent",
    ]
    .into_iter()
    .enumerate()
    .filter(|(_, name)| !name.is_empty())
    {
        let got = written(&request(), &[(name, "v")]).unwrap();
        assert!(got.ends_with(&[0, 1, 0xA0, at as u8 + 1, 0, 1, b'v', 0, 0xFF]), "{name}");
    }
}

#[test]
fn what_could_be_misread_is_not_written() {
    for uri in ["", "a", "http://b/", "HTTP://b/", "/a?b"] {
        let got = written(&Request { uri: uri.as_bytes(), ..request() }, &[]);
        assert_eq!(got.unwrap_err().cause, "ajp-bad-uri", "{uri}");
    }
    assert!(written(&Request { uri: b"*", ..request() }, &[]).is_ok());
    let long = "x".repeat(8192);
    assert_eq!(written(&request(), &[("a", &long)]).unwrap_err().cause, "ajp-long-request");
    // Of 8192 bytes, exactly all may be used.
    let spare = 8192 - written(&request(), &[("a", "")]).unwrap().len();
    assert_eq!(written(&request(), &[("a", &long[..spare])]).unwrap().len(), 8192);
    assert!(written(&request(), &[("a", &long[..=spare])]).is_err());
    // A name whose length looks like a code.
    let limits = Limits { packet_bytes: 1 << 20, ..Limits::default() };
    let name = vec![b'x'; 0xA001];
    let mut out = Vec::new();
    let fields = [(&name[..], &b""[..])];
    assert!(request().write(fields.into_iter(), &limits, &mut out).is_err() && out.is_empty());
    let fields = [(&name[..0x9FFF], &b""[..])];
    assert!(request().write(fields.into_iter(), &limits, &mut out).is_ok());
}

#[test]
fn a_body_goes_when_the_container_counts_on_it() {
    let limits = Limits::default();
    let data = [b'd'; 9000];
    let mut out = Vec::new();
    let mut sender = BodySender::new(Body::Length(9000), &limits);
    assert_eq!(sender.turn(), Turn::Data(8186));
    assert_eq!(sender.write(&mut out, b""), 0);
    assert_eq!(sender.write(&mut out, &data), 8186);
    assert_eq!((out.len(), &out[..7]), (8192, &dump("12 34 1f fc 1f fa 'd'")[..]));
    assert_eq!((sender.turn(), sender.write(&mut out, &data)), (Turn::Wait, 0));
    sender.ask(8186).unwrap();
    assert_eq!(sender.ask(8186).unwrap_err().cause, "ajp-bad-ask");
    assert_eq!(sender.turn(), Turn::Data(814));
    out.clear();
    assert_eq!(sender.write(&mut out, &data[..4]), 4);
    assert_eq!(out, dump("12 34 00 06 00 04 'dddd'"));
    sender.ask(20000).unwrap();
    assert_eq!(sender.write(&mut out, &data), 810);
    assert_eq!((sender.left(), sender.turn()), (Some(0), Turn::Wait));
    sender.ask(8186).unwrap();
    assert_eq!(sender.turn(), Turn::End);
    out.clear();
    sender.end(&mut out);
    assert_eq!(out, dump("12 34 00 02 00 00"));
    // Said once per question.
    sender.end(&mut out);
    assert_eq!((out.len(), sender.turn()), (6, Turn::Wait));
}

#[test]
fn a_body_of_unknown_length_waits_to_be_asked() {
    let limits = Limits::default();
    let mut out = Vec::new();
    let mut sender = BodySender::new(Body::Unknown, &limits);
    assert_eq!((sender.turn(), sender.left()), (Turn::Wait, None));
    sender.ask(3).unwrap();
    assert_eq!(sender.write(&mut out, b"abcd"), 3);
    sender.ask(3).unwrap();
    sender.end(&mut out);
    assert_eq!(out, dump("12 34 00 05 00 03 'abc' 12 34 00 02 00 00"));
    for body in [Body::None, Body::Length(0)] {
        let mut sender = BodySender::new(body, &limits);
        assert_eq!(sender.turn(), Turn::Wait);
        sender.ask(8186).unwrap();
        assert_eq!(sender.turn(), Turn::End);
    }
}
