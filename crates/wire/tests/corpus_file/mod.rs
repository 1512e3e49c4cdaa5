//! Reads the corpus format.
#![allow(dead_code, reason = "each includer uses some of it")]

/// One message and what is to become of it.
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) verdict: String,
    pub(crate) bytes: Vec<u8>,
}

/// All records of a file.
pub(crate) fn records(text: &str) -> Vec<Record> {
    let mut all: Vec<Record> = Vec::new();
    for line in text.lines() {
        if let Some(header) = line.strip_prefix("== ") {
            let parts: Vec<_> = header.split(" | ").collect();
            let [name, section, verdict] = parts[..] else { panic!("{line}") };
            assert!(section.starts_with(|c: char| c.is_ascii_digit()), "no section: {line}");
            assert!(all.iter().all(|record| record.name != name), "twice: {name}");
            all.push(Record { name: name.into(), verdict: verdict.into(), bytes: Vec::new() });
        } else if !line.starts_with("##")
            && let Some(record) = all.last_mut()
        {
            record.bytes.extend(unescape(line));
        }
    }
    all
}

/// Resolves escapes and repetitions.
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((part, times, after)) = repetition(rest) {
            out.extend(unescape(part).repeat(times));
            rest = after;
        } else if let Some(escape) = rest.strip_prefix('\\') {
            let (byte, len) = match escape.as_bytes() {
                [b'r', ..] => (b'\r', 1),
                [b'n', ..] => (b'\n', 1),
                [b't', ..] => (b'\t', 1),
                [b's', ..] => (b' ', 1),
                [b'0', ..] => (0, 1),
                [b'\\', ..] => (b'\\', 1),
                [b'x', ..] => (u8::from_str_radix(&escape[1..3], 16).unwrap(), 3),
                _ => panic!("unknown escape: {text}"),
            };
            out.push(byte);
            rest = &escape[len..];
        } else {
            assert!(first.is_ascii(), "write {first} as escapes");
            out.push(first as u8);
            rest = &rest[1..];
        }
    }
    out
}

fn repetition(text: &str) -> Option<(&str, usize, &str)> {
    let (inner, after) = text.strip_prefix('{')?.split_once('}')?;
    let (part, times) = inner.rsplit_once('*')?;
    Some((part, times.parse().ok()?, after))
}
