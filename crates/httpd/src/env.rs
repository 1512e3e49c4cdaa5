//! The environment of a request: `SetEnvIf`, `RewriteRule [E=…]`, `BALANCER_…`.

/// Variables, in the order in which they were first set.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Env(Vec<(String, Vec<u8>)>);

impl Env {
    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    /// Whether it is set.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All variables.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value.into(),
            None => self.0.push((name.to_owned(), value.into())),
        }
    }

    /// Takes a variable away.
    pub fn unset(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }
}
