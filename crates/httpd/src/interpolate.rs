//! `${NAME}` in targets, where `ProxyPassInterpolateEnv` and the word `interpolate` ask for it.

use std::borrow::Cow;

use crate::env::Env;
use crate::path;
use crate::site::{EncodedSlashes, Mapping};

/// The text with variables in the places of their names; nothing for those that are not set.
/// `escaped`: values are escaped, because nobody does it later.
pub(crate) fn interpolated<'t>(text: &'t str, env: &Env, escaped: bool) -> Cow<'t, [u8]> {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some(start) = rest.find("${") {
        let Some(end) = rest[start..].find('}').map(|end| start + end) else { break };
        out.extend_from_slice(&rest.as_bytes()[..start]);
        let value = env.get(&rest[start + 2..end]).unwrap_or_default();
        match escaped {
            true => out.extend_from_slice(&path::encoded(value, EncodedSlashes::Off)),
            false => out.extend_from_slice(value),
        }
        rest = &rest[end + 1..];
    }
    if out.is_empty() && rest.len() == text.len() {
        return Cow::Borrowed(text.as_bytes());
    }
    out.extend_from_slice(rest.as_bytes());
    Cow::Owned(out)
}

impl Mapping {
    /// The mapping for a request with that environment.
    pub(crate) fn filled(&self, env: &Env, on: bool) -> Cow<'_, Mapping> {
        if !(on && self.interpolate) {
            return Cow::Borrowed(self);
        }
        let text = |text: &str| String::from_utf8_lossy(&interpolated(text, env, false)).into();
        Cow::Owned(Mapping { from: text(&self.from), to: text(&self.to), interpolate: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_way_to_values() {
        let mut env = Env::default();
        env.set("A", "x y");
        for (text, expected) in [
            ("/${A}/${B}/z", "/x y//z"),
            ("/plain", "/plain"),
            ("/${A", "/${A"),
            ("${A}${A}", "x yx y"),
            ("$A}", "$A}"),
        ] {
            assert_eq!(&*interpolated(text, &env, false), expected.as_bytes(), "{text}");
        }
        assert_eq!(&*interpolated("/${A}", &env, true), b"/x%20y");
    }
}
