use std::net::{Ipv4Addr, SocketAddr};

use super::super::Affinity;
use super::*;
use crate::access_log::Tls;

fn record() -> Record<'static> {
    Record {
        unix_millis: 971_186_136_007,
        listener: "web",
        route: "shop",
        pool: "api",
        member: "a",
        client: Some(Ipv4Addr::new(10, 0, 0, 200).into()),
        peer: Some(SocketAddr::from(([192, 0, 2, 1], 4711))),
        connection: 42,
        method: b"GET",
        target: b"/shop?q=1",
        host: b"shop.example.com",
        protocol: "HTTP/1.1",
        tls: Tls::default(),
        status: 200,
        bytes_in: 120,
        bytes_out: 5000,
        duration: Duration::from_micros(12_034),
        first_byte: Some(Duration::from_micros(999)),
        attempts: 1,
        cause: None,
        affinity: Affinity::Kept,
        request_id: b"01ARZ3",
        user_agent: b"curl/8",
        referer: b"",
    }
}

fn line(format: &Format, record: &Record<'_>) -> String {
    let mut out = b"before\n".to_vec();
    format.append(&mut out, &mut Dates::new(), record);
    let text = String::from_utf8(out).expect("lines are UTF-8");
    text.strip_prefix("before\n").unwrap().to_owned()
}

#[test]
fn json_has_every_field_that_has_a_value() {
    assert_eq!(
        line(&Format::json(), &record()),
        concat!(
            r#"{"time":"2000-10-10T13:55:36.007Z","listener":"web","route":"shop","pool":"api","#,
            r#""member":"a","client":"10.0.0.200","connection":42,"method":"GET","#,
            r#""target":"/shop?q=1","host":"shop.example.com","protocol":"HTTP/1.1","#,
            r#""status":200,"bytes_in":120,"bytes_out":5000,"duration_ms":12.034,"#,
            r#""first_byte_ms":0.999,"attempts":1,"affinity":"kept","#,
            r#""request_id":"01ARZ3","user_agent":"curl/8"}"#,
            "\n"
        )
    );
    let bare = line(&Format::json(), &Record { cause: Some("bad_request"), ..Record::default() });
    let expected = concat!(
        r#"{"time":"1970-01-01T00:00:00.000Z","connection":0,"status":0,"bytes_in":0,"#,
        r#""bytes_out":0,"duration_ms":0.000,"attempts":0,"cause":"bad_request"}"#,
        "\n"
    );
    assert_eq!(bare, expected);
}

#[test]
fn combined_is_apaches() {
    assert_eq!(
        line(&Format::combined(), &record()),
        "10.0.0.200 - - [10/Oct/2000:13:55:36 +0000] \"GET /shop?q=1 HTTP/1.1\" 200 5000 \"-\" \"curl/8\"\n"
    );
    let bare = line(&Format::combined(), &Record::default());
    assert_eq!(bare, "- - - [01/Jan/1970:00:00:00 +0000] \"-\" 0 0 \"-\" \"-\"\n");
}

#[test]
fn a_template_names_fields_and_doubles_braces() {
    let format = Format::template("{{{time_clf}}}\t{peer}:{peer_port} {path} {query} {cause}é");
    let line = line(&format.unwrap(), &record());
    assert_eq!(line, "{10/Oct/2000:13:55:36 +0000}\t192.0.2.1:4711 /shop q=1 -é\n");
}

#[test]
fn every_field_works_in_a_template() {
    let all: String = FIELDS.iter().map(|row| format!("{{{}}}|", row.name)).collect();
    let line = line(&Format::template(&all).unwrap(), &record());
    assert_eq!(line.matches('|').count(), FIELDS.len());
}

#[test]
fn a_wrong_template_says_where() {
    let error = |text: &str| Format::template(text).map(drop).unwrap_err();
    assert_eq!(error("a {statu}").unknown.as_deref(), Some("statu"));
    assert_eq!(error("a {statu}").at, 2);
    for (text, at) in [("a {b", 2), ("a } b", 2), ("", 0), ("ab\nc", 2), ("{}", 0)] {
        assert_eq!(error(text).at, at, "{text:?}");
    }
    assert!(Format::template(&"x".repeat(TEMPLATE_MAX + 1)).is_err());
}

#[test]
fn no_value_breaks_out_of_its_line_or_quotes() {
    let mut nasty: Vec<u8> = (0..=255).collect();
    nasty.extend("\u{2028}é".as_bytes());
    let record = Record {
        method: &nasty,
        target: &nasty,
        host: &nasty,
        user_agent: &nasty,
        referer: &nasty,
        request_id: &nasty,
        ..record()
    };
    let template = Format::template("\"{target}\" \"{host}\"").unwrap();
    for format in [Format::json(), Format::combined(), template] {
        let line = line(&format, &record);
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(line.ends_with('\n'));
        assert!(!line.trim_end_matches('\n').contains(char::is_control), "{line}");
    }
    let text = line(&template_of("{user_agent}"), &record);
    assert!(text.starts_with(r"\x00\x01\x02\x03\x04\x05\x06\x07\b\t\n\v\x0c\r\x0e"), "{text}");
    assert!(text.contains(r##" !\"#$%"##) && text.contains(r"[\\]") && text.contains(r"~\x7f\x80"));
}

#[test]
fn values_are_cut_so_that_lines_are_bounded() {
    let long = vec![0xff; 1_000_000];
    let record = Record {
        method: &long,
        target: &long,
        host: &long,
        user_agent: &long,
        referer: &long,
        request_id: &long,
        ..record()
    };
    for format in [Format::json(), Format::combined()] {
        assert!(line(&format, &record).len() < 6 * 6 * super::super::VALUE_MAX + 1000);
    }
}

#[test]
fn addresses_are_canonical() {
    let with = |ip: &str| Record { client: Some(ip.parse().unwrap()), ..Record::default() };
    let format = template_of("{client}");
    for (ip, shown) in [("::ffff:10.1.2.3", "10.1.2.3"), ("2001:db8::1", "2001:db8::1")] {
        assert_eq!(line(&format, &with(ip)), format!("{shown}\n"));
    }
}

fn template_of(text: &str) -> Format {
    Format::template(text).unwrap()
}
