use std::collections::HashMap;
use std::sync::Arc;

/// Numbers for the names of listeners, routes, pools and member tags, so that a core counts by
/// number. A name keeps its number as long as the process lives; numbers are never used again.
#[derive(Clone, Debug)]
pub struct Names {
    by_text: HashMap<Arc<str>, u32>,
    by_id: Vec<Arc<str>>,
}

impl Names {
    /// The number of everything that found no room, and of the name `other`.
    pub const OTHER: u32 = 0;
    /// The number of what has no name: no route matched, no pool was asked. Its text is empty.
    pub const NONE: u32 = 1;
    /// Names that can be held, the two above included; later ones become [`Names::OTHER`].
    pub const MAX: usize = 65_536;

    /// Of these, the last that only listeners get: their numbers say which listener is meant, and
    /// must differ however many members have come and gone.
    pub const LISTENERS: usize = 4096;

    /// Only [`Names::OTHER`] and [`Names::NONE`].
    pub fn new() -> Names {
        let mut names = Names { by_text: HashMap::new(), by_id: Vec::new() };
        names.add("other");
        names.add("");
        names
    }

    /// The number of a name, a new one when it has none yet.
    pub fn intern(&mut self, text: &str) -> u32 {
        self.intern_within(text, Self::MAX - Self::LISTENERS)
    }

    /// The number of a listener's name, a new one when it has none yet.
    pub fn intern_listener(&mut self, text: &str) -> u32 {
        self.intern_within(text, Self::MAX)
    }

    fn intern_within(&mut self, text: &str, most: usize) -> u32 {
        match self.by_text.get(text) {
            Some(id) => *id,
            None if self.by_id.len() < most => self.add(text),
            None => Self::OTHER,
        }
    }

    /// The number of a name that was interned before.
    pub fn id(&self, text: &str) -> Option<u32> {
        self.by_text.get(text).copied()
    }

    /// The name of a number; `other` for numbers that were never given.
    pub fn text(&self, id: u32) -> &str {
        self.by_id.get(id as usize).map_or("other", |text| text)
    }

    fn add(&mut self, text: &str) -> u32 {
        // At most MAX names, so the index fits.
        let id = self.by_id.len() as u32;
        let text: Arc<str> = text.into();
        self.by_id.push(Arc::clone(&text));
        self.by_text.insert(text, id);
        id
    }
}

impl Default for Names {
    fn default() -> Names {
        Names::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_and_the_special_ones_are_fixed() {
        let mut names = Names::new();
        let api = names.intern("api");
        assert_eq!(names.intern("api"), api);
        assert_eq!(names.intern("other"), Names::OTHER);
        assert_eq!(names.intern(""), Names::NONE);
        assert_eq!(
            (names.text(api), names.text(Names::NONE), names.text(99)),
            ("api", "", "other")
        );
    }

    #[test]
    fn names_beyond_the_limit_are_other() {
        let mut names = Names::new();
        for i in 0..Names::MAX + 10 {
            names.intern(&format!("n{i}"));
        }
        assert_eq!(names.intern("late"), Names::OTHER);
        assert_ne!(names.intern("n5"), Names::OTHER);
        let (web, api) = (names.intern_listener("web"), names.intern_listener("api"));
        assert!(web != api && web != Names::OTHER && names.intern("web") == web);
    }
}
