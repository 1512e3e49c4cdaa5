mod answer;

use super::*;
use crate::http1::Refusal;

/// What httpd 2.4.71 sent for a POST, its variables left out; the flag of the first record is ours.
#[test]
fn a_request_is_framed_as_httpd_frames_it() {
    let mut out = Vec::new();
    write::begin(&mut out, 1, false);
    assert_eq!(out, [1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    out.clear();
    write::begin(&mut out, 0x203, true);
    assert_eq!(out, [1, 1, 2, 3, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]);
    out.clear();
    write::params(&mut out, 1, &Params::default());
    assert_eq!(out, [1, 4, 0, 1, 0, 0, 0, 0]);
    out.clear();
    out.extend(write::stdin_header(1, 5));
    out.extend(b"hello");
    write::end_stdin(&mut out, 1);
    assert_eq!(out, b"\x01\x05\0\x01\0\x05\0\0hello\x01\x05\0\x01\0\0\0\0");
    out.clear();
    write::abort(&mut out, 1);
    assert_eq!(out, [1, 2, 0, 1, 0, 0, 0, 0]);
}

#[test]
fn records_are_padded_and_long_streams_cut() {
    for (length, padding) in [(1, 7), (5, 3), (7, 1), (8, 0), (9, 7), (65528, 0)] {
        let mut out = Vec::new();
        write::stdin(&mut out, 1, &vec![b'x'; length]);
        assert_eq!((out[6], out.len()), (padding, 8 + length + usize::from(padding)));
        assert_eq!(out[4..6], (length as u16).to_be_bytes());
    }
    let mut out = Vec::new();
    write::stdin(&mut out, 1, b"");
    assert!(out.is_empty());
    write::stdin(&mut out, 1, &vec![b'x'; 65528 * 2 + 1]);
    assert_eq!(out.len(), 3 * 8 + 65528 * 2 + 8);
    assert_eq!(out[65536..65544], [1, 5, 0, 1, 0xff, 0xf8, 0, 0]);
    assert_eq!(out[131_072..131_080], [1, 5, 0, 1, 0, 1, 7, 0]);
}

#[test]
fn lengths_have_one_byte_or_four() {
    for (name, value, want) in [
        (0, 0, &b"\0\0"[..]),
        (1, 127, b"\x01\x7f"),
        (127, 128, b"\x7f\x80\0\0\x80"),
        (128, 1, b"\x80\0\0\x80\x01"),
        (300, 60000, b"\x80\0\x01\x2c\x80\0\xea\x60"),
    ] {
        let mut params = Params::default();
        params.push(&vec![b'n'; name], &vec![b'v'; value]).unwrap();
        let (lengths, rest) = params.bytes().split_at(want.len());
        assert_eq!((lengths, rest.len()), (want, name + value));
    }
}

#[test]
fn variables_are_bounded() {
    let mut params = Params::new(20);
    assert_eq!(params.push(b"A", b"0123456789"), Ok(()));
    assert_eq!(params.push(b"B", b"45678").unwrap_err().cause, "fastcgi-long-params");
    assert_eq!(params.bytes().len(), 13);
    assert_eq!(params.push(b"B", b"4567"), Ok(()));
    assert!(params.push(b"", b"").is_err());
    params.clear();
    assert_eq!(params.push(b"", b""), Ok(()));
}

fn request() -> Request<'static> {
    Request {
        method: b"POST",
        uri: b"/p/i.php/more%20x?c=d",
        script_filename: b"/srv/www/p/i.php",
        script_name: b"/p/i.php",
        path_info: b"/more x",
        query: b"c=d",
        document_root: b"/srv/www",
        protocol: b"HTTP/1.1",
        software: b"s",
        server_name: b"127.0.0.1",
        server_addr: Some(b"127.0.0.1"),
        server_port: 18080,
        remote_addr: b"127.0.0.1",
        remote_port: Some(59176),
        is_tls: false,
        content_length: Some(5),
        pass_authorization: false,
    }
}

/// `NAME=value` of every variable.
fn variables(request: &Request<'_>, fields: &[(&str, &str)]) -> Vec<String> {
    let mut params = Params::default();
    let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    request.params(fields, &mut params).unwrap();
    let mut rest = params.bytes();
    let mut got = Vec::new();
    while let &[name, value, ..] = rest {
        let (name, value) = (usize::from(name), usize::from(value));
        let text = str::from_utf8(&rest[2..2 + name + value]).unwrap();
        got.push(format!("{}={}", &text[..name], &text[name..]));
        rest = &rest[2 + name + value..];
    }
    got
}

/// The request whose variables httpd 2.4.71 sent as: `HTTP_HOST 127.0.0.1:18080`, `HTTP_X_B 1, 2`,
/// `HTTP_COOKIE a=1, b=2`, `CONTENT_TYPE text/plain`, `CONTENT_LENGTH 5` and so on, without `Proxy`,
/// `X_A` and `Authorization`. Cookies alone are put together otherwise, as RFC 9113 section 8.2.3
/// has it and PHP understands it.
#[test]
fn variables_are_those_that_httpd_sends() {
    let fields = [
        ("Host", "127.0.0.1:18080"),
        ("User-Agent", "curl/7.88.1"),
        ("Accept", "*/*"),
        ("Proxy", "evil"),
        ("X_A", "1"),
        ("X-B", "1"),
        ("Cookie", "a=1"),
        ("x-b", "2"),
        ("cookie", "b=2"),
        ("Authorization", "Basic eA=="),
        ("Content-Type", "text/plain"),
        ("Content-Length", "5"),
    ];
    let want = [
        "HTTP_HOST=127.0.0.1:18080",
        "HTTP_USER_AGENT=curl/7.88.1",
        "HTTP_ACCEPT=*/*",
        "HTTP_X_B=1, 2",
        "HTTP_COOKIE=a=1; b=2",
        "CONTENT_TYPE=text/plain",
        "CONTENT_LENGTH=5",
        "SERVER_SOFTWARE=s",
        "SERVER_NAME=127.0.0.1",
        "SERVER_ADDR=127.0.0.1",
        "SERVER_PORT=18080",
        "REMOTE_ADDR=127.0.0.1",
        "REMOTE_PORT=59176",
        "DOCUMENT_ROOT=/srv/www",
        "REQUEST_SCHEME=http",
        "SCRIPT_FILENAME=/srv/www/p/i.php",
        "GATEWAY_INTERFACE=CGI/1.1",
        "SERVER_PROTOCOL=HTTP/1.1",
        "REQUEST_METHOD=POST",
        "QUERY_STRING=c=d",
        "REQUEST_URI=/p/i.php/more%20x?c=d",
        "SCRIPT_NAME=/p/i.php",
        "PATH_INFO=/more x",
    ];
    assert_eq!(variables(&request(), &fields), want);
}

#[test]
fn what_is_absent_is_not_said() {
    let least = Request {
        path_info: b"",
        query: b"",
        server_addr: None,
        remote_port: None,
        content_length: None,
        ..request()
    };
    let got = variables(&least, &[]);
    for name in ["PATH_INFO", "SERVER_ADDR", "REMOTE_PORT", "CONTENT_LENGTH", "HTTPS", "HTTP_"] {
        assert!(!got.iter().any(|variable| variable.starts_with(name)), "{name}");
    }
    assert!(got.contains(&"QUERY_STRING=".into()));
    let got = variables(&Request { is_tls: true, ..least }, &[]);
    assert!(got.contains(&"HTTPS=on".into()) && got.contains(&"REQUEST_SCHEME=https".into()));
}

#[test]
fn no_field_poses_as_another_or_as_a_setting() {
    for name in [
        "Proxy",
        "PROXY",
        "proxy",
        "X_Forwarded_For",
        "Content_Length",
        "Content.Type",
        "a'b",
        "X~Y",
        "_",
        "",
        "Authorization",
        "Proxy-Authorization",
        "Transfer-Encoding",
        "Connection",
        "Upgrade",
        "TE",
        "Keep-Alive",
        "Content-Length",
    ] {
        assert_eq!(variables(&request(), &[(name, "v")]), variables(&request(), &[]), "{name}");
    }
    let passing = Request { pass_authorization: true, ..request() };
    let got = variables(&passing, &[("Authorization", "Basic eA==")]);
    assert_eq!(got[0], "HTTP_AUTHORIZATION=Basic eA==");
    // Nor does a name merely like it get lost.
    let got = variables(&request(), &[("Proxy-Status", "v"), ("X-Proxy", "w"), ("Https", "x")]);
    assert_eq!(got[..3], ["HTTP_PROXY_STATUS=v", "HTTP_X_PROXY=w", "HTTP_HTTPS=x"]);
}
