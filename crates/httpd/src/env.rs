//! The environment of a request: `SetEnvIf`, `RewriteRule [E=…]`, `BALANCER_…`.

/// Variables, in the order in which they were first set, and notes, which only logs and expressions
/// read.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Env {
    variables: Vec<(String, Vec<u8>)>,
    notes: Vec<(String, Vec<u8>)>,
}

impl Env {
    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    /// Whether it is set.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All variables.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        match self.variables.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value.into(),
            None => self.variables.push((name.to_owned(), value.into())),
        }
    }

    /// Takes a variable away.
    pub fn unset(&mut self, name: &str) {
        self.variables.retain(|(known, _)| known != name);
    }

    /// Takes a note.
    pub fn note(&mut self, name: &str, text: Vec<u8>) {
        self.notes.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.notes.push((name.to_owned(), text));
    }

    /// The note of that name.
    pub fn noted(&self, name: &str) -> Option<&[u8]> {
        let mut notes = self.notes.iter();
        notes.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, text)| &text[..])
    }
}
