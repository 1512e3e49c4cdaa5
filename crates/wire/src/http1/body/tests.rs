use super::*;

fn read(
    framing: Framing,
    input: &[u8],
    cut: usize,
) -> Result<(Vec<u8>, usize, Vec<u8>), &'static str> {
    let mut reader =
        BodyReader::new(framing, &Limits { fields: 4, head_bytes: 64, target_bytes: 0 });
    let mut body = Vec::new();
    let mut at = 0;
    while !reader.is_done() {
        let piece =
            reader.step(&input[at..input.len().min(at + cut)]).map_err(|refusal| refusal.cause)?;
        body.extend_from_slice(&input[at + piece.skip..][..piece.data]);
        if piece == Piece::default() {
            assert_eq!(at, input.len(), "stuck");
            reader.finish_eof().map_err(|refusal| refusal.cause)?;
            break;
        }
        at += piece.skip + piece.data;
    }
    Ok((body, at, reader.trailers().to_vec()))
}

/// Whole and byte by byte must agree.
fn chunked(input: &str) -> Result<(String, usize, String), &'static str> {
    let whole = read(Framing::Chunked, input.as_bytes(), usize::MAX >> 1);
    assert_eq!(whole, read(Framing::Chunked, input.as_bytes(), 1), "{input:?}");
    let (body, at, trailers) = whole?;
    Ok((String::from_utf8(body).unwrap(), at, String::from_utf8(trailers).unwrap()))
}

fn ok(body: &str, at: usize, trailers: &str) -> Result<(String, usize, String), &'static str> {
    Ok((body.to_owned(), at, trailers.to_owned()))
}

#[test]
fn lengths_end_where_they_say() {
    for cut in [1, 2, 100] {
        assert_eq!(read(Framing::Length(3), b"abcdef", cut).unwrap().0, b"abc");
        assert_eq!(read(Framing::Length(3), b"ab", cut), Err("early-eof"));
        assert_eq!(read(Framing::None, b"ab", cut).unwrap().1, 0);
        assert_eq!(read(Framing::UntilClose, b"ab", cut).unwrap().0, b"ab");
    }
}

#[test]
fn chunks_are_joined_and_the_next_message_is_left_alone() {
    assert_eq!(chunked("0\r\n\r\n"), ok("", 5, ""));
    assert_eq!(chunked("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET"), ok("abcde", 20, ""));
    assert_eq!(chunked("A\r\n0123456789\r\n000\r\n\r\n"), ok("0123456789", 22, ""));
    assert_eq!(chunked("0000000000000001\r\na\r\n0\r\n\r\n"), ok("a", 26, ""));
}

#[test]
fn extensions_are_checked_and_dropped() {
    for extension in [";a", ";a=b", " ; a = b", ";a=\"x;\\\"y\"", ";a;b=c\t;d", ";a=\"\""] {
        let input = format!("1{extension}\r\na\r\n0\r\n\r\n");
        assert_eq!(chunked(&input), ok("a", input.len(), ""), "{extension}");
    }
    for (extension, cause) in [
        (";", "bad-extension"),
        (";=b", "bad-extension"),
        (";a=", "bad-extension"),
        (";a b", "bad-extension"),
        (";a ", "bad-extension"),
        (";a=\"b", "bad-extension"),
        (";a=\"b\"c", "bad-extension"),
        (";a\n", "bare-lf"),
        (";a=\"\n\"", "bare-lf"),
        (";a\rb", "bare-cr"),
        (";a\0", "control-byte"),
        (" ", "bad-chunk"),
        (" x", "bad-chunk"),
        (";a=caf\u{e9}", "bad-extension"),
    ] {
        assert_eq!(
            chunked(&format!("1{extension}\r\na\r\n0\r\n\r\n")),
            Err(cause),
            "{extension:?}"
        );
    }
    let long = format!("1;{}\r\na\r\n0\r\n\r\n", "a".repeat(5000));
    assert_eq!(chunked(&long), Err("long-extensions"));
}

#[test]
fn malformed_chunks_are_refused() {
    for (input, cause) in [
        ("\r\n", "bad-chunk"),
        (" 1\r\na\r\n", "bad-chunk"),
        ("+1\r\na\r\n", "bad-chunk"),
        ("-1\r\na\r\n", "bad-chunk"),
        ("0x1\r\na\r\n", "bad-chunk"),
        ("g\r\n", "bad-chunk"),
        ("1_0\r\n", "bad-chunk"),
        ("1 \r\na\r\n", "bad-chunk"),
        ("00000000000000001\r\na", "bad-chunk"),
        ("1000000000000001\r\n", "long-chunk"),
        ("ffffffffffffffff\r\n", "long-chunk"),
        ("1\na\r\n", "bare-lf"),
        ("1\rX", "bare-cr"),
        ("1\r\nab\r\n", "bad-chunk"),
        ("1\r\na\n0\r\n", "bad-chunk"),
        ("1\r\na\rX", "bare-cr"),
        ("3\r\nab\r\n0\r\n\r\n", "bad-chunk"),
        ("1\r\na\r\n", "early-eof"),
        ("1\r\na\r\n0\r\n", "early-eof"),
        ("1\r\na\r\n0\r\n\r", "early-eof"),
        ("5\r\nab", "early-eof"),
    ] {
        assert_eq!(chunked(input), Err(cause), "{input:?}");
    }
}

#[test]
fn trailers_are_checked_and_normalised() {
    assert_eq!(chunked("0\r\nA:1\r\nB-c:\t2  \r\n\r\nX"), ok("", 20, "A: 1\r\nB-c: 2\r\n"));
    assert_eq!(
        chunked("0\r\nCookie: a\r\nE: 1\r\nX_Forwarded_For: b\r\n\r\n"),
        ok("", 42, "E: 1\r\n")
    );
    for told in ["Client-Cert: :AA:", "client-cert-chain: :AA:", "Early-Data: 1"] {
        let input = format!("0\r\n{told}\r\nE: 1\r\n\r\n");
        assert_eq!(chunked(&input), ok("", input.len(), "E: 1\r\n"));
    }
    for (trailer, cause) in [
        ("Content-Length: 1", "bad-trailer"),
        ("transfer-encoding: chunked", "bad-trailer"),
        ("Content_Length: 1", "bad-trailer"),
        ("Host: a", "bad-trailer"),
        ("Connection: close", "bad-trailer"),
        ("a : b", "space-before-colon"),
        (" a: b", "leading-space"),
        ("a: b\r\n c", "obs-fold"),
        ("a", "bad-field-name"),
        (": a", "bad-field-name"),
        ("a: b\nc: d", "bare-lf"),
        ("a: \0", "control-byte"),
        ("a:1\r\nb:2\r\nc:3\r\nd:4\r\ne:5", "long-trailers"),
    ] {
        assert_eq!(chunked(&format!("0\r\n{trailer}\r\n\r\n")), Err(cause), "{trailer:?}");
    }
    assert_eq!(chunked(&format!("0\r\na: {}\r\n\r\n", "x".repeat(80))), Err("long-trailers"));
}

#[test]
fn bytes_relayed_unseen_count() {
    let mut reader = BodyReader::new(Framing::Chunked, &Limits::default());
    assert_eq!(reader.remaining_hint(), None);
    assert_eq!(reader.step(b"10\r\nab").unwrap(), Piece { skip: 4, data: 2 });
    assert_eq!(reader.remaining_hint(), Some(14));
    reader.relayed(14);
    assert_eq!(reader.remaining_hint(), None);
    assert_eq!(reader.step(b"\r\n0\r\n\r\n").unwrap(), Piece { skip: 7, data: 0 });
    assert!(reader.is_done());
    reader.reset(Framing::Length(5));
    reader.relayed(3);
    assert_eq!(reader.remaining_hint(), Some(2));
    assert_eq!(reader.step(b"abc").unwrap(), Piece { skip: 0, data: 2 });
    assert!(reader.is_done());
}

#[test]
fn framing_is_skipped_without_the_data() {
    let mut reader = BodyReader::new(Framing::Chunked, &Limits::default());
    assert_eq!(reader.skip(b"10"), Ok(2));
    assert_eq!(reader.skip(b"\r\nabcdef"), Ok(2));
    assert_eq!(reader.skip(b"abcdef"), Ok(0));
    assert_eq!(reader.remaining_hint(), Some(16));
    reader.relayed(16);
    assert_eq!(reader.skip(b"\r\n0\r\nA: b\r\n\r\nrest"), Ok(13));
    assert_eq!((reader.is_done(), reader.trailers()), (true, &b"A: b\r\n"[..]));
    assert_eq!(reader.skip(b"rest"), Ok(0));
    let mut reader = BodyReader::new(Framing::Length(3), &Limits::default());
    assert_eq!((reader.skip(b"abc"), reader.remaining_hint()), (Ok(0), Some(3)));
}
