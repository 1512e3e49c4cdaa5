use super::*;

fn tcp(source: &str, destination: &str) -> Addresses {
    Addresses::Tcp { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
}

/// Whole and byte by byte must agree.
fn read(bytes: &[u8]) -> Result<Option<Header>, Fault> {
    let whole = Header::parse(bytes);
    let mut bytewise = Ok(None);
    for have in 0..=bytes.len() {
        bytewise = Header::parse(&bytes[..have]);
        if bytewise != Ok(None) {
            break;
        }
    }
    assert_eq!(whole, bytewise, "{bytes:?}");
    whole
}

fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let mut out = v2::START.to_vec();
    out.extend([command, family]);
    out.extend((block.len() as u16).to_be_bytes());
    out.extend(block);
    out
}

#[test]
fn lines_of_version_1_are_read() {
    for (line, want) in [
        ("PROXY TCP4 192.0.2.1 192.0.2.2 5555 443\r\n", tcp("192.0.2.1:5555", "192.0.2.2:443")),
        ("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n", tcp("[2001:db8::1]:0", "[::1]:65535")),
        ("PROXY UNKNOWN\r\n", Addresses::Unknown),
        ("PROXY UNKNOWN what ever 1 2\r\n", Addresses::Unknown),
    ] {
        let header = read(format!("{line}GET").as_bytes()).unwrap().unwrap();
        assert_eq!((header.version, header.len, header.command), (1, line.len(), Command::Proxy));
        assert_eq!(header.addresses, want);
        assert_eq!(header.tlvs(line.as_bytes()).count(), 0);
    }
}

#[test]
fn malformed_lines_are_refused() {
    for (line, fault) in [
        ("GET / HTTP/1.1\r\n", Fault::NoHeader),
        ("proxy TCP4 1.1.1.1 1.1.1.2 1 2\r\n", Fault::NoHeader),
        ("PROXY\r\n", Fault::NoHeader),
        ("PROXY \r\n", Fault::BadLine),
        ("PROXY TCP4\r\n", Fault::BadLine),
        ("PROXY TCP4 1.1.1.1 1.1.1.2 1\r\n", Fault::BadLine),
        ("PROXY TCP4 1.1.1.1 1.1.1.2 1 2 3\r\n", Fault::BadLine),
        ("PROXY TCP4 1.1.1.1  1.1.1.2 1 2\r\n", Fault::BadLine),
        ("PROXY TCP4 1.1.1.1 1.1.1.2 1 65536\r\n", Fault::BadLine),
        ("PROXY TCP4 1.1.1.1 1.1.1.2 1 +2\r\n", Fault::BadLine),
        ("PROXY TCP4 1.1.1.1 1.1.1.2 01 2\r\n", Fault::BadLine),
        ("PROXY TCP4 1.1.1.256 1.1.1.2 1 2\r\n", Fault::BadLine),
        ("PROXY TCP4 1.1.1 1.1.1.2 1 2\r\n", Fault::BadLine),
        ("PROXY TCP4 ::1 ::2 1 2\r\n", Fault::BadLine),
        ("PROXY TCP6 1.1.1.1 1.1.1.2 1 2\r\n", Fault::BadLine),
        ("PROXY UDP4 1.1.1.1 1.1.1.2 1 2\r\n", Fault::BadLine),
        ("PROXY TCP4 1.1.1.1 1.1.1.2 1 2\n", Fault::BadLine),
        ("PROXY TCP4 1.1.1.1 1.1.1.2 1 2\rX", Fault::BadLine),
    ] {
        assert_eq!(read(line.as_bytes()), Err(fault), "{line:?}");
    }
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
    assert_eq!(read(long.as_bytes()), Err(Fault::TooLong));
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(107 - 16));
    assert!(read(longest.as_bytes()).unwrap().is_some());
}

#[test]
fn blocks_of_version_2_are_read() {
    let four = [192, 0, 2, 1, 192, 0, 2, 2, 0x15, 0xb3, 1, 0xbb];
    let header = read(&v2(0x21, 0x11, &four)).unwrap().unwrap();
    assert_eq!(header.addresses, tcp("192.0.2.1:5555", "192.0.2.2:443"));
    assert_eq!((header.version, header.len), (2, 28));
    let header = read(&v2(0x21, 0, b"\xee\0\x02ab")).unwrap().unwrap();
    assert_eq!(header.addresses, Addresses::Unknown);
    // A local connection may carry anything.
    for family in [0, 0x11, 0xff] {
        let header = read(&v2(0x20, family, b"?")).unwrap().unwrap();
        assert_eq!((header.command, header.addresses), (Command::Local, Addresses::Unknown));
    }
    assert_eq!(read(&v2(0x21, 0x11, &four)[..27]), Ok(None));
}

#[test]
fn malformed_blocks_are_refused() {
    let four = [192, 0, 2, 1, 192, 0, 2, 2, 0x15, 0xb3, 1, 0xbb];
    for (command, family, block, fault) in [
        (0x11, 0x11, &four[..], Fault::BadBlock),
        (0x22, 0x11, &four, Fault::BadBlock),
        (0x31, 0x11, &four, Fault::BadBlock),
        (0x21, 0x10, &four, Fault::BadBlock),
        (0x21, 0x13, &four, Fault::BadBlock),
        (0x21, 0x01, &four, Fault::BadBlock),
        (0x21, 0x41, &four, Fault::BadBlock),
        (0x21, 0x11, &four[..11], Fault::BadBlock),
        (0x21, 0x21, &[0; 35], Fault::BadBlock),
        (0x21, 0x31, &[0; 215], Fault::BadBlock),
        (0x21, 0x33, &[0; 216], Fault::BadBlock),
        (0x21, 0, b"\x01\0", Fault::BadTlv),
        (0x21, 0, b"\x01\0\x05h2", Fault::BadTlv),
        (0x21, 0, b"\x03\0\x03abc", Fault::BadTlv),
        (0x21, 0, b"\x03\0\x04abcd", Fault::BadChecksum),
        (0x21, 0, &[4; 20000], Fault::TooLong),
    ] {
        assert_eq!(read(&v2(command, family, block)), Err(fault), "{command:x} {family:x}");
    }
    let id = [&[kind::UNIQUE_ID, 0, 129][..], &[b'x'; 129]].concat();
    assert_eq!(read(&v2(0x21, 0, &id)), Err(Fault::BadTlv));
    assert_eq!(read(b"\r\n\r\n\0\r\nQUIT\r"), Err(Fault::NoHeader));
}

#[test]
fn what_is_written_is_read_back() {
    let unix = |datagram| Addresses::Unix {
        source: b"\0abstract".to_vec(),
        destination: b"/run/sock".to_vec(),
        datagram,
    };
    let udp = Addresses::Udp {
        source: "[::1]:1".parse().unwrap(),
        destination: "[::2]:2".parse().unwrap(),
    };
    let all = [Addresses::Unknown, tcp("1.2.3.4:5", "6.7.8.9:10"), udp, unix(true), unix(false)];
    for (addresses, checksum) in all.iter().flat_map(|all| [(all, true), (all, false)]) {
        let mut out = Vec::new();
        let mut writer = V2Writer::begin(&mut out, Command::Proxy, addresses);
        writer.tlv(kind::ALPN, b"h2").unwrap().tlv(kind::AUTHORITY, b"a.example").unwrap();
        writer.tlv(kind::SSL, b"\x07\0\0\0\0\x21\0\x07TLSv1.3").unwrap();
        writer.finish(checksum).unwrap();
        let header = read(&out).unwrap().unwrap();
        assert_eq!((&header.addresses, header.len), (addresses, out.len()));
        assert_eq!(header.tlvs(&out).find(kind::ALPN), Some(&b"h2"[..]));
        let ssl = Ssl::parse(header.tlvs(&out).find(kind::SSL).unwrap()).unwrap();
        assert_eq!((ssl.client, ssl.verify), (7, 0));
        assert_eq!(ssl.tlvs.find(kind::SSL_VERSION), Some(&b"TLSv1.3"[..]));
        if checksum {
            let last = out.len() - 8;
            out[last] ^= 1;
            assert!(Header::parse(&out).is_err());
        }
    }
    let mut out = Vec::new();
    write_v1(&mut out, &tcp("1.2.3.4:5", "6.7.8.9:10"));
    assert_eq!(read(&out).unwrap().unwrap().addresses, tcp("1.2.3.4:5", "6.7.8.9:10"));
    out.clear();
    write_v1(&mut out, &tcp("1.2.3.4:5", "[::1]:10"));
    assert_eq!(out, b"PROXY UNKNOWN\r\n");
    let mut out = Vec::new();
    let mut writer = V2Writer::begin(&mut out, Command::Local, &Addresses::Unknown);
    assert_eq!(writer.tlv(kind::NOOP, &[0; V2_BYTES]).err(), Some(Fault::TooLong));
}
