use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The name of a listener, route, pool or member tag: 1 to 128 printable ASCII characters without
/// blanks, quotes, or any of `{}`, so that it can stand unescaped in a log line, a metric label
/// and a URL segment. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// The longest name, in bytes.
    pub const LENGTH_MAX: usize = 128;

    /// A name, or what is wrong with it.
    pub fn new(text: &str) -> Result<Name, &'static str> {
        if text.is_empty() {
            return Err("a name must not be empty");
        }
        if text.len() > Self::LENGTH_MAX {
            return Err("a name has at most 128 characters");
        }
        let plain =
            |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'\\' | b'{' | b'}');
        if !text.bytes().all(plain) {
            return Err("a name is made of printable ASCII without blanks, quotes and braces");
        }
        Ok(Name(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}
