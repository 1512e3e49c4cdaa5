//! `mapping=servlet`: paths compared as servlet containers do, without the parameters of segments,
//! and with `..;x` going up as well.

/// A segment of a path.
enum Segment<'p> {
    /// With a name, and what follows its first semicolon, that included.
    Named(&'p [u8], &'p [u8]),
    /// Nothing, or a dot: it does not count in the comparison.
    Passed(&'p [u8]),
}

impl<'p> Segment<'p> {
    fn whole(&self) -> Vec<u8> {
        match self {
            Segment::Named(name, parameters) => [*name, *parameters].concat(),
            Segment::Passed(text) => text.to_vec(),
        }
    }
}

/// What follows `rule` in `path`, which is still encoded; `None` when the rule does not match.
pub(crate) fn rest(path: &[u8], rule: &[u8]) -> Option<Vec<u8>> {
    let segments = segments(path)?;
    let wanted = rule.split(|b| *b == b'/').filter(|segment| !segment.is_empty());
    let (mut at, mut parameters) = (0, &b""[..]);
    for name in wanted {
        while let Some(Segment::Passed(_)) = segments.get(at) {
            at += 1;
        }
        match segments.get(at) {
            Some(Segment::Named(own, more)) if *own == name => (at, parameters) = (at + 1, more),
            _ => return None,
        }
    }
    let left = &segments[at..];
    let joined: Vec<Vec<u8>> = left.iter().map(Segment::whole).collect();
    let joined = joined.join(&b'/');
    if rule.ends_with(b"/") {
        // Something must follow, be it nothing after a slash.
        return (!left.is_empty()).then_some(joined);
    }
    if left.is_empty() {
        return Some(Vec::new());
    }
    // Parameters of the last segment go on where more than a slash follows.
    let parameters = if joined.is_empty() { b"" } else { parameters };
    Some([parameters, b"/", &joined].concat())
}

/// The segments of a path after those that go up were followed; `None` above its root.
fn segments(path: &[u8]) -> Option<Vec<Segment<'_>>> {
    let mut segments = Vec::new();
    let mut texts = path.strip_prefix(b"/")?.split(|b| *b == b'/').peekable();
    while let Some(text) = texts.next() {
        let is_last = texts.peek().is_none();
        let end = text.iter().position(|b| *b == b';').unwrap_or(text.len());
        let (name, parameters) = text.split_at(end);
        match name {
            b".." => {
                while let Some(Segment::Passed(_)) = segments.last() {
                    segments.pop();
                }
                segments.pop()?;
                if is_last {
                    segments.push(Segment::Passed(b""));
                }
            }
            b"" | b"." if is_last || !parameters.is_empty() => segments.push(Segment::Passed(text)),
            b"" | b"." => {}
            name => segments.push(Segment::Named(name, parameters)),
        }
    }
    Some(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_without_parameters() {
        for (path, rule, expected) in [
            ("/app", "/app", Some("")),
            ("/app/x;a=1/y", "/app", Some("/x;a=1/y")),
            ("/app;v=1/x", "/app", Some(";v=1/x")),
            ("/app;v=1", "/app", Some("")),
            ("/app;v=1/", "/app", Some("/")),
            ("/app/..;/x", "/app", None),
            ("/app/a/..;x/b", "/app", Some("/b")),
            ("/x/..;/app/z", "/app", Some("/z")),
            ("/a;x/b;y/c;z", "/a/b", Some(";y/c;z")),
            ("/a/;x/b", "/a/b", Some("")),
            ("/sl", "/sl/", None),
            ("/sl;a/x", "/sl/", Some("x")),
            ("/sl/", "/sl/", Some("")),
            ("/appx", "/app", None),
            ("/..;/app", "/app", None),
            ("/app/x/;p", "/app", Some("/x/;p")),
        ] {
            let got = rest(path.as_bytes(), rule.as_bytes());
            assert_eq!(got.as_deref(), expected.map(str::as_bytes), "{path}");
        }
    }
}
