//! What a route does to a message on its way. Each filter is compiled once per plan and works on
//! the compact head; later ones (splits, caching, compression) join here.

pub mod edits;
pub mod reverse;
pub mod template;

use evenkeel_plan::Rewrite;

/// Applies a prefix rewrite to a path (without query); `None` when the prefix does not stand there.
pub fn rewrite<'a>(rewrite: &'a Rewrite, path: &'a [u8]) -> Option<[&'a [u8]; 2]> {
    let prefix = rewrite.prefix.trim_end_matches('/').as_bytes();
    let rest = path.strip_prefix(prefix)?;
    if !(rest.is_empty() || rest.starts_with(b"/")) {
        return None;
    }
    let to = rewrite.to.trim_end_matches('/').as_bytes();
    match (to, rest) {
        (b"", b"") => Some([b"/", b""]),
        // `/shop` with `to = "/base/"` keeps the slash that was asked for.
        (to, b"") if rewrite.to.ends_with('/') && to.len() < rewrite.to.len() => {
            Some([rewrite.to.as_bytes(), b""])
        }
        (to, rest) => Some([to, rest]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rewrite_replaces_whole_segments() {
        let cases = [
            ("/shop", "/", "/shop/a", Some("/a")),
            ("/shop", "/", "/shop", Some("/")),
            ("/shop/", "/", "/shop/", Some("/")),
            ("/shop", "/", "/shopping", None),
            ("/shop", "/base", "/shop/a", Some("/base/a")),
            ("/shop", "/base/", "/shop/a", Some("/base/a")),
            ("/shop", "/base/", "/shop", Some("/base/")),
            ("/", "/base", "/a", Some("/base/a")),
        ];
        for (prefix, to, path, expected) in cases {
            let plan = Rewrite { prefix: prefix.into(), to: to.into() };
            let got = rewrite(&plan, path.as_bytes()).map(|parts| parts.concat());
            assert_eq!(got.as_deref(), expected.map(str::as_bytes), "{prefix} {to} {path}");
        }
    }
}
