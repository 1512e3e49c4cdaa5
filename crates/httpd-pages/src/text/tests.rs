use super::*;

#[test]
fn what_is_not_our_own_text_cannot_leave_its_place() {
    let table = [
        ("plain text", "plain text"),
        ("<b a=\"1\">&'", "&lt;b a=&quot;1&quot;&gt;&amp;'"),
        ("é€", "&#233;&#8364;"),
        ("a\0b\u{1b}\u{85}\u{ffff}", "a&#65533;b&#65533;&#65533;&#65533;"),
    ];
    for (text, expected) in table {
        assert_eq!(Escaped(text).to_string(), expected);
    }
    assert_eq!(Quoted("'><").to_string(), "&#39;&gt;&lt;");
}

#[test]
fn links_keep_what_httpd_keeps_and_survive_two_decodings() {
    assert_eq!(uri("http://h:1/a b?c#d\"<[é]"), "http://h:1/a%20b%3fc%23d%22%3c%5b%c3%a9%5d");
    assert_eq!(uri("a&b=c%20"), "a&b=c%2520");
    assert_eq!(parameter("a&b=c%20+"), "a%26b=c%252520%2b");
}

#[test]
fn sizes_take_four_characters() {
    let table: &[(u64, &str)] = &[
        (0, "  0 "),
        (972, "972 "),
        (973, "1.0K"),
        (1024, "1.0K"),
        (1536, "1.5K"),
        (9_700, "9.5K"),
        (10_200, " 10K"),
        (972 * 1024, "972K"),
        (973 * 1024, "1.0M"),
        (5 << 30, "5.0G"),
        (u64::MAX, " 16E"),
    ];
    for (bytes, expected) in table {
        assert_eq!(size(*bytes), *expected, "{bytes}");
    }
    assert_eq!(size_in_words(910.2), "910 B");
    assert_eq!(size_in_words(5120.0), "5.0 kB");
    assert_eq!(size_in_words(600_000.0), "0.6 MB");
    assert_eq!(size_in_words(600_000_000.0), "0.6 GB");
    assert_eq!(kilobytes_in_words(16), "16 kB");
    assert_eq!(kilobytes_in_words(2048), "2.0 MB");
    assert_eq!(kilobytes_in_words(3 << 20), "3.0 GB");
}

#[test]
fn numbers_lose_the_zeros_at_their_ends() {
    let table = [
        (0.0, 6, "0"),
        (1.0 / 6.0, 6, ".166667"),
        (796.444_444, 6, "796.444"),
        (4_778.666_66, 6, "4778.67"),
        (4096.0, 6, "4096"),
        (0.222_22, 3, ".222"),
        (0.05, 6, ".05"),
        (12_345_678.0, 6, "12345700"),
        (0.000_012, 6, "1.2e-05"),
        (1e12, 6, "1.e+12"),
        (f64::NAN, 6, "0"),
        (f64::INFINITY, 6, "0"),
    ];
    for (value, precision, expected) in table {
        assert_eq!(number(value, precision), expected, "{value}");
    }
    assert_eq!(factor(150), "1.50");
    assert_eq!(factor(10_005), "100.05");
}

#[test]
fn times_are_those_of_the_calendar() {
    assert_eq!(date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
    assert_eq!(date(4_107_542_399), "Sun, 28 Feb 2100 23:59:59 GMT");
    assert_eq!(date(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 GMT");
    assert_eq!(long_date(1_795_478_601), "Tuesday, 24-Nov-2026 00:03:21 UTC");
    assert_eq!(date(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    assert_eq!(duration(0), "");
    assert_eq!(duration(18), " 18 seconds");
    assert_eq!(duration(86_400 + 7_200 + 61), " 1 day 2 hours 1 minute 1 second");
}
