use super::*;

fn vector(length_bytes: usize, body: &[u8]) -> Vec<u8> {
    let len = body.len().to_be_bytes();
    [&len[len.len() - length_bytes..], body].concat()
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector(2, body)].concat()
}

fn name(text: &[u8]) -> Vec<u8> {
    extension(0, &vector(2, &[&[0][..], &vector(2, text)].concat()))
}

fn alpn(names: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> = names.iter().flat_map(|name| vector(1, name)).collect();
    extension(16, &vector(2, &list))
}

fn versions() -> Vec<u8> {
    extension(43, &vector(1, &[0x1a, 0x1a, 3, 4, 3, 3]))
}

fn message(extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend(vector(1, &[9; 32]));
    body.extend(vector(2, &[0x13, 1, 0x13, 2]));
    body.extend(vector(1, &[0]));
    body.extend(vector(2, &extensions.concat()));
    [&[1][..], &vector(3, &body)].concat()
}

fn records(message: &[u8], size: usize) -> Vec<u8> {
    message.chunks(size).flat_map(|part| [&[22, 3, 1][..], &vector(2, part)].concat()).collect()
}

type Facts = (Option<String>, Vec<Vec<u8>>, u16);

fn read(bytes: &[u8], cut: usize) -> Result<Option<Facts>, Fault> {
    let mut hello = ClientHello::new();
    let mut have = 0;
    loop {
        have = bytes.len().min(have + cut);
        match hello.parse(&bytes[..have])? {
            Parsed::Complete => break,
            Parsed::Partial if have == bytes.len() => return Ok(None),
            Parsed::Partial => {}
        }
    }
    let protocols = hello.alpn().map(<[u8]>::to_vec).collect();
    Ok(Some((hello.server_name().map(str::to_owned), protocols, hello.version())))
}

/// However it is cut.
fn read_all_ways(message: &[u8]) -> Result<Option<Facts>, Fault> {
    let whole = read(&records(message, 1 << 14), usize::MAX >> 1);
    for size in [1, 3, 50, 1 << 14] {
        for cut in [1, 7, 1 << 20] {
            assert_eq!(read(&records(message, size), cut), whole, "{size} {cut}");
        }
    }
    whole
}

#[test]
fn name_protocols_and_version_are_found_however_it_is_cut() {
    let extensions = [
        extension(0x2a2a, b""),
        name(b"Shop.example.com"),
        extension(51, &[5; 1300]),
        alpn(&[b"h2", b"http/1.1"]),
        versions(),
    ];
    let facts = read_all_ways(&message(&extensions)).unwrap().unwrap();
    assert_eq!(facts.0.as_deref(), Some("Shop.example.com"));
    assert_eq!(facts.1, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert_eq!(facts.2, 0x0304);
}

#[test]
fn a_hello_without_extensions_or_names_is_fine() {
    let facts = read_all_ways(&message(&[])).unwrap().unwrap();
    assert_eq!(facts, (None, vec![], 0x0303));
    let mut bare = message(&[]);
    bare.truncate(bare.len() - 2);
    bare[3] -= 2;
    assert_eq!(read_all_ways(&bare).unwrap().unwrap(), (None, vec![], 0x0303));
    // A name of a type nobody knows.
    let other = extension(0, &vector(2, &[&[9][..], &vector(2, b"x")].concat()));
    assert_eq!(read_all_ways(&message(&[other])).unwrap().unwrap().0, None);
}

#[test]
fn what_follows_the_hello_is_not_looked_at() {
    let mut bytes = records(&message(&[name(b"a")]), 1 << 14);
    bytes.extend(b"\xff\xff\xff");
    assert_eq!(read(&bytes, 1 << 20).unwrap().unwrap().0.as_deref(), Some("a"));
}

#[test]
fn malformed_hellos_are_refused() {
    let two_names = [&[0][..], &vector(2, b"a"), &[0], &vector(2, b"b")].concat();
    for (why, extensions) in [
        ("two server_name", vec![name(b"a"), name(b"a")]),
        ("two alpn", vec![alpn(&[b"h2"]), alpn(&[b"h2"])]),
        ("empty name", vec![name(b"")]),
        ("NUL in the name", vec![name(b"a\0b")]),
        ("slash in the name", vec![name(b"a/b")]),
        ("high byte in the name", vec![name(b"caf\xe9")]),
        ("empty label", vec![name(b"a..b")]),
        ("long name", vec![name(&[b'a'; 256])]),
        ("empty list of names", vec![extension(0, &vector(2, b""))]),
        ("empty server_name", vec![extension(0, b"")]),
        ("two names", vec![extension(0, &vector(2, &two_names))]),
        ("bytes after the names", vec![extension(0, b"\0\x04\0\0\x01aX")]),
        ("empty list of protocols", vec![alpn(&[])]),
        ("empty protocol", vec![alpn(&[b""])]),
        ("protocol that does not fit", vec![extension(16, b"\0\x02\x05h")]),
        ("empty versions", vec![extension(43, b"\0")]),
        ("half a version", vec![extension(43, b"\x01\x03")]),
        ("extension that does not fit", vec![vec![0, 9, 0, 5, 1]]),
        ("half an extension", vec![vec![0, 9, 0]]),
    ] {
        assert_eq!(read_all_ways(&message(&extensions)), Err(Fault::BadHello), "{why}");
    }
    for (at, value) in [(4 + 34, 33), (4 + 34 + 33 + 1, 3), (4 + 34 + 33 + 6, 0)] {
        let mut odd = message(&[name(b"a")]);
        odd[at] = value;
        assert_eq!(read_all_ways(&odd), Err(Fault::BadHello), "{at}");
    }
}

#[test]
fn what_is_no_hello_is_refused_at_once() {
    for (bytes, fault) in [
        (&b"G"[..], Fault::NoTls),
        (b"\x80", Fault::NoTls),
        (b"\x15", Fault::NoTls),
        (b"\x16\x02", Fault::NoTls),
        (b"\x16\x03\x01\0\0", Fault::NoTls),
        (b"\x16\x03\x01\x40\x01", Fault::LongRecord),
        (b"\x16\x03\x01\0\x04\x02", Fault::NoHello),
        (b"\x16\x03\x01\0\x04\x01\x01\0\0", Fault::TooLong),
        (b"\x16\x03\x01\0\x01\x01\x17", Fault::NoTls),
    ] {
        for cut in [1, 100] {
            assert_eq!(read(bytes, cut), Err(fault), "{bytes:?}");
        }
        assert!(read(&bytes[..bytes.len() - 1], 100).is_ok(), "{bytes:?}");
    }
}

/// RFC 5246 appendix E.1, RFC 8446 section 5.1.
#[test]
fn any_minor_version_of_records_is_fine() {
    for minor in [0, 1, 3, 4, 5, 254, 255] {
        let mut bytes = records(&message(&[name(b"a")]), 1 << 14);
        bytes[2] = minor;
        assert!(read(&bytes, 1).is_ok_and(|facts| facts.is_some()), "{minor}");
    }
}

fn groups(list: &[u16]) -> Vec<u8> {
    let list: Vec<u8> = list.iter().flat_map(|group| group.to_be_bytes()).collect();
    extension(10, &vector(2, &list))
}

fn shares(list: &[u16]) -> Vec<u8> {
    let share = |group: &u16| [&group.to_be_bytes()[..], &vector(2, &[5; 32])].concat();
    extension(51, &vector(2, &list.iter().flat_map(share).collect::<Vec<u8>>()))
}

/// What is wrong with a hello of this version and these extensions.
fn breach(version: u16, extensions: &[Vec<u8>]) -> Option<Breach> {
    let mut bytes = message(extensions);
    bytes[4..6].copy_from_slice(&version.to_be_bytes());
    let mut hello = ClientHello::new();
    assert_eq!(hello.parse(&records(&bytes, 1 << 14)), Ok(Parsed::Complete));
    hello.breach()
}

#[test]
fn breaches_are_found_and_nothing_else() {
    let schemes = || extension(13, &vector(2, &[8, 4, 4, 3]));
    let psk = || extension(41, &[0; 9]);
    let renegotiation = |info: &[u8]| extension(0xff01, &vector(1, info));
    let whole = || vec![versions(), schemes(), groups(&[29, 23]), shares(&[29])];
    let without = |at: usize| {
        let mut rest = whole();
        rest.remove(at);
        rest
    };
    let with_shares = |list: &[u16]| [without(3), vec![shares(list)]].concat();
    let missing = Some(Breach::MissingExtension);
    // The place in the standard, the version, the extensions, the breach.
    let cases = [
        ("good", 0x0303, whole(), None),
        ("RFC 8446 D.5", 0x0300, whole(), Some(Breach::OldVersion)),
        ("RFC 8446 D.5", 0x0002, whole(), Some(Breach::OldVersion)),
        ("RFC 8446 D.5", 0x0300, vec![], Some(Breach::OldVersion)),
        ("RFC 8446 4.2.1: any other is ignored", 0x0301, whole(), None),
        ("RFC 8446 4.2.1: any other is ignored", 0x0a0a, whole(), None),
        ("TLS 1.2 goes without all", 0x0303, vec![], None),
        ("RFC 8446 9.2: no signature_algorithms", 0x0303, without(1), missing),
        ("RFC 8446 9.2: no supported_groups", 0x0303, without(2), missing),
        ("RFC 8446 9.2: no key_share", 0x0303, without(3), missing),
        ("RFC 8446 9.2: a key may do", 0x0303, vec![versions(), psk()], None),
        ("RFC 8446 9.2: also with a key", 0x0303, [without(3), vec![psk()]].concat(), missing),
        ("RFC 8446 9.2: also with a key", 0x0303, [without(2), vec![psk()]].concat(), missing),
        ("RFC 8446 4.2.8: no share yet", 0x0303, with_shares(&[]), None),
        ("RFC 8446 4.2.8: all", 0x0303, with_shares(&[29, 23]), None),
        ("RFC 8446 4.2.8", 0x0303, with_shares(&[24]), Some(Breach::ForeignShare)),
        ("RFC 8446 4.2.8", 0x0303, with_shares(&[29, 24]), Some(Breach::ForeignShare)),
        ("RFC 5746 3.6: empty", 0x0303, vec![renegotiation(b"")], None),
        ("RFC 5746 3.6", 0x0303, vec![renegotiation(b"x")], Some(Breach::Renegotiation)),
        ("not of TLS 1.3", 0x0303, [whole(), vec![renegotiation(b"x")]].concat(), None),
    ];
    for (why, version, extensions, expected) in cases {
        assert_eq!(breach(version, &extensions), expected, "{why}");
    }
    for (breach, description) in [
        (Breach::OldVersion, 70),
        (Breach::MissingExtension, 109),
        (Breach::ForeignShare, 47),
        (Breach::Renegotiation, 40),
    ] {
        assert_eq!(breach.alert(), [21, 3, 3, 0, 2, 2, description]);
    }
}

#[test]
fn what_cannot_be_read_is_no_breach() {
    for body in [&b""[..], b"\0", b"\0\x05", b"\0\x05\0", b"\0\x05\0\x1d\0\x09a"] {
        let odd = [versions(), extension(13, b""), extension(10, body), extension(51, body)];
        assert_eq!(breach(0x0303, &odd), None, "{body:?}");
    }
    assert_eq!(breach(0x0303, &[extension(0xff01, b"")]), None);
}

#[test]
fn many_small_records_are_bounded() {
    let big = message(&[extension(21, &[0; 20000])]);
    assert!(read(&records(&big, 100), 1 << 20).unwrap().is_some());
    assert_eq!(read(&records(&big, 1), 1 << 20), Err(Fault::TooLong));
}
