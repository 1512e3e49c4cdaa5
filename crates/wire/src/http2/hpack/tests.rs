use super::*;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

fn read(decoder: &mut Decoder, block: &[u8]) -> Result<Fields, Fault> {
    let mut fields = Vec::new();
    decoder.decode(block, |field| fields.push((field.name.to_vec(), field.value.to_vec())))?;
    Ok(fields)
}

fn fields(rows: &[(&str, &str)]) -> Fields {
    let bytes = |text: &str| text.as_bytes().to_vec();
    rows.iter().map(|(name, value)| (bytes(name), bytes(value))).collect()
}

/// The dynamic table, the newest first, as indices show it.
fn table(decoder: &mut Decoder) -> Fields {
    (62..127).map_while(|index| read(decoder, &[0x80 | index]).ok()).flatten().collect()
}

type Rows<'a> = &'a [(&'a str, &'a str)];

/// Blocks one after the other, with what they say and what is then in the table.
fn check(most: usize, blocks: &[(&str, Rows<'_>, Rows<'_>)]) {
    let mut decoder = Decoder::new(most);
    for (block, want, entries) in blocks {
        assert_eq!(read(&mut decoder, &hex(block)), Ok(fields(want)));
        assert_eq!(table(&mut decoder), fields(entries));
    }
}

const DATE_21: (&str, &str) = ("date", "Mon, 21 Oct 2013 20:13:21 GMT");
const DATE_22: (&str, &str) = ("date", "Mon, 21 Oct 2013 20:13:22 GMT");
const PRIVATE: (&str, &str) = ("cache-control", "private");
const LOCATION: (&str, &str) = ("location", "https://www.example.com");
const COOKIE: (&str, &str) =
    ("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1");
const AUTHORITY: (&str, &str) = (":authority", "www.example.com");
const NO_CACHE: (&str, &str) = ("cache-control", "no-cache");
const CUSTOM: (&str, &str) = ("custom-key", "custom-value");

#[test]
fn single_fields_of_appendix_c_2() {
    let custom = ("custom-key", "custom-header");
    let inserted = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
    check(4096, &[(inserted, &[custom], &[custom])]);
    check(4096, &[("040c 2f73 616d 706c 652f 7061 7468", &[(":path", "/sample/path")], &[])]);
    let never = "1008 7061 7373 776f 7264 0673 6563 7265 74";
    check(4096, &[(never, &[("password", "secret")], &[])]);
    check(4096, &[("82", &[(":method", "GET")], &[])]);
}

fn check_requests(blocks: [&str; 3]) {
    let (get, http, https) = ((":method", "GET"), (":scheme", "http"), (":scheme", "https"));
    let (root, index) = ((":path", "/"), (":path", "/index.html"));
    check(
        4096,
        &[
            (blocks[0], &[get, http, root, AUTHORITY], &[AUTHORITY]),
            (blocks[1], &[get, http, root, AUTHORITY, NO_CACHE], &[NO_CACHE, AUTHORITY]),
            (blocks[2], &[get, https, index, AUTHORITY, CUSTOM], &[CUSTOM, NO_CACHE, AUTHORITY]),
        ],
    );
}

#[test]
fn requests_of_appendix_c_3_and_c_4() {
    check_requests([
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ]);
    check_requests([
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ]);
}

/// With a table of 256 bytes, from which entries leave.
fn check_answers(blocks: [&str; 3]) {
    let (found, again, ok) = ((":status", "302"), (":status", "307"), (":status", "200"));
    let gzip = ("content-encoding", "gzip");
    check(
        256,
        &[
            (blocks[0], &[found, PRIVATE, DATE_21, LOCATION], &[LOCATION, DATE_21, PRIVATE, found]),
            (blocks[1], &[again, PRIVATE, DATE_21, LOCATION], &[again, LOCATION, DATE_21, PRIVATE]),
            (blocks[2], &[ok, PRIVATE, DATE_22, LOCATION, gzip, COOKIE], &[COOKIE, gzip, DATE_22]),
        ],
    );
}

#[test]
fn answers_of_appendix_c_5_and_c_6() {
    check_answers([
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
         2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70
         6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d
         54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049
         5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e
         3d31",
    ]);
    check_answers([
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
         2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
         77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f
         9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ]);
}

#[test]
fn a_block_cut_off_within_a_field_is_truncated() {
    let block = hex("3f e1 1f 8286 84 41 8c f1e3 c2e5 f23a 6ba0 ab90 f4ff 0f 0d 02 3132");
    let ends = [0, 3, 4, 5, 6, 20, block.len()];
    for cut in 0..=block.len() {
        let verdict = read(&mut Decoder::new(4096), &block[..cut]);
        match verdict {
            Ok(_) => assert!(ends.contains(&cut), "{cut}"),
            Err(fault) => {
                assert_eq!(fault, Fault::Truncated, "{cut}");
                assert!(!ends.contains(&cut), "{cut}");
            }
        }
    }
}

#[test]
fn faults_are_told() {
    let of = |block: &[u8]| read(&mut Decoder::new(4096), block).err();
    assert_eq!(of(&[0x80]), Some(Fault::Index));
    assert_eq!(of(&[0xbd]), None);
    assert_eq!(of(&[0xbe]), Some(Fault::Index));
    assert_eq!(of(&[0xff, 0xff, 0xff, 0xff, 0xff, 0x07]), Some(Fault::Index));
    assert_eq!(of(&[0x7f, 0x00, 0x00]), Some(Fault::Index));
    assert_eq!(of(&[0x0f, 0x2f, 0x00]), Some(Fault::Index));
    assert_eq!(of(&[0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), Some(Fault::Integer));
    assert_eq!(of(&[0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0x7f]), Some(Fault::Integer));
    assert_eq!(of(&[0x00, 0x7f, 0x80, 0x80, 0x80, 0x80, 0x80]), Some(Fault::Integer));
    assert_eq!(of(&[0x00, 0x7f, 0x80, 0xff, 0xff, 0xff, 0x0f]), Some(Fault::Truncated));
    // 4096 and 4097.
    assert_eq!(of(&[0x3f, 0xe1, 0x1f, 0x20, 0x82]), None);
    assert_eq!(of(&[0x3f, 0xe2, 0x1f]), Some(Fault::SizeUpdate));
    assert_eq!(of(&[0x82, 0x20]), Some(Fault::SizeUpdate));
    assert_eq!(of(&[0x00, 0x01, b'a', 0x81, 0x1e]), Some(Fault::Huffman));
    assert_eq!(of(&[0x00, 0x82, 0x1f, 0xff, 0x00]), Some(Fault::Huffman));
    assert_eq!(of(&[0x00, 0x01, b'a', 0x84, 0xff, 0xff, 0xff, 0xff]), Some(Fault::Huffman));
    assert_eq!(Fault::Index.to_string(), "no field of that index");
}

#[test]
fn a_size_update_lets_entries_leave() {
    let mut decoder = Decoder::new(4096);
    let block = hex("4001 61 01 62 4001 63 01 64");
    assert_eq!(read(&mut decoder, &block), Ok(fields(&[("a", "b"), ("c", "d")])));
    // 40 bytes hold one of them.
    assert_eq!(read(&mut decoder, &hex("3f09 be")), Ok(fields(&[("c", "d")])));
    assert_eq!(table(&mut decoder), fields(&[("c", "d")]));
    assert_eq!(read(&mut decoder, &hex("20 3fe11f")), Ok(vec![]));
    assert_eq!(table(&mut decoder), vec![]);
}

#[test]
fn a_larger_table_begins_when_the_peer_says_so() {
    let mut decoder = Decoder::new(65_536);
    let field = [&[0x40, 0x01, b'a', 0x7f, 0x81, 0x1f][..], &[b'x'; 127 + 1 + 31 * 128]].concat();
    assert!(read(&mut decoder, &field).is_ok());
    assert_eq!(table(&mut decoder).len(), 0);
    // 65536.
    assert!(read(&mut decoder, &[&[0x3f, 0xe1, 0xff, 0x03][..], &field].concat()).is_ok());
    assert_eq!(table(&mut decoder).len(), 1);
}

#[test]
fn an_entry_is_named_after_one_that_leaves_for_it() {
    // 34 and 35 bytes in a table of 40.
    let mut decoder = Decoder::new(40);
    assert!(read(&mut decoder, &hex("4001 61 01 62")).is_ok());
    assert_eq!(read(&mut decoder, &hex("7e02 6363")), Ok(fields(&[("a", "cc")])));
    assert_eq!(table(&mut decoder), fields(&[("a", "cc")]));
}

#[test]
fn both_sides_keep_the_same_table() {
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new(4096);
    let limits = [4096, 0, 4096, 100, 33, 2000, 200, 65_536];
    for round in 0..400_u32 {
        if round % 25 == 24 {
            let at = (round / 25) as usize;
            encoder.limit(limits[at % 8]);
            encoder.limit(limits[at / 3 % 8]);
        }
        let (turn, second) = (round % 7, round / 10);
        let rows = [
            ("Date".into(), format!("Mon, 01 Jan 2024 00:00:{second:02} GMT")),
            ("Server".into(), "Apache".into()),
            (format!("X-Turn-{turn}"), "v".repeat((turn * 31) as usize)),
            ("Set-Cookie".into(), format!("id={round}")),
            ("ETag".into(), format!("\"{round}\"")),
            ("x-request-id".into(), format!("{round:032x}")),
            ("x-\u{e9}".into(), format!("\0\u{ff}{}", round % 3)),
        ];
        let mut block = Vec::new();
        encoder.begin(&mut block);
        let status = [200, 302, 404, 503][(round % 4) as usize];
        encoder.status(status, &mut block);
        let mut want = vec![(b":status".to_vec(), status.to_string().into_bytes())];
        for (name, value) in &rows {
            encoder.field(name.as_bytes(), value.as_bytes(), &mut block);
            want.push((name.to_ascii_lowercase().into_bytes(), value.clone().into_bytes()));
        }
        assert_eq!(read(&mut decoder, &block), Ok(want), "{round}");
    }
}
