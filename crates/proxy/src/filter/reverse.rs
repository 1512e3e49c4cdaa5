//! Where answers point: addresses of members become addresses of ours.

use evenkeel_plan::Reverse;

/// What a pointer becomes by the first rule that fits; `None`: it stays. `own`: scheme and host of
/// the request, `http://example.com`.
pub fn reversed(rules: &[Reverse], own: &[u8], pointer: &[u8]) -> Option<Vec<u8>> {
    rules.iter().find_map(|rule| {
        let from = rule.from.as_bytes();
        // A rule with a path is for that path, whatever the host.
        let compared = if from.starts_with(b"/") { path_of(pointer)? } else { pointer };
        let (start, rest) = compared.split_at_checked(from.len())?;
        let fits = start.eq_ignore_ascii_case(from);
        fits.then(|| [own, rule.to.as_bytes(), rest].concat())
    })
}

/// What follows scheme and host; the whole when it begins with a slash.
fn path_of(pointer: &[u8]) -> Option<&[u8]> {
    if pointer.starts_with(b"/") && !pointer.starts_with(b"//") {
        return Some(pointer);
    }
    let at = pointer.windows(3).position(|window| window == b"://")? + 3;
    let slash = pointer[at..].iter().position(|b| *b == b'/')?;
    Some(&pointer[at + slash..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_counts() {
        let rule = |from: &str, to: &str| Reverse { from: from.to_owned(), to: to.to_owned() };
        let rules = [rule("http://10.0.0.1:8080/base/", "/app/"), rule("/other/", "/o/")];
        let cases = [
            ("http://10.0.0.1:8080/base/x?y", Some("http://s.example/app/x?y")),
            ("HTTP://10.0.0.1:8080/BASE/x", Some("http://s.example/app/x")),
            ("https://10.0.0.1:8080/base/x", None),
            ("http://elsewhere/other/x", Some("http://s.example/o/x")),
            ("/other/y", Some("http://s.example/o/y")),
            ("other/y", None),
            ("http://10.0.0.1", None),
            ("//x", None),
        ];
        for (pointer, expected) in cases {
            let got = reversed(&rules, b"http://s.example", pointer.as_bytes());
            assert_eq!(got.as_deref(), expected.map(str::as_bytes), "{pointer}");
        }
    }
}
