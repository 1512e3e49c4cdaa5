//! Priorities (RFC 9218): which answer's bytes go first when not all can.

/// What a client says about a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Priority {
    /// 0 is first, 7 last.
    pub(crate) urgency: u8,
    /// Answers of the same urgency are sent in turns; otherwise one after the other.
    pub(crate) incremental: bool,
}

impl Priority {
    /// Of requests that say nothing: in turns, because most clients that say nothing use their
    /// answers as they come. RFC 9218 section 10 leaves that to servers.
    pub(crate) const UNSAID: Priority = Priority { urgency: 3, incremental: true };

    /// Reads the value of the field, or of a PRIORITY_UPDATE frame. What is not understood is as if
    /// not there (RFC 9218 section 4).
    pub(crate) fn read(value: &[u8]) -> Priority {
        let mut priority = Priority { urgency: 3, incremental: false };
        for part in value.split(|byte| *byte == b',') {
            let member = part.split(|byte| *byte == b';').next().unwrap_or_default();
            match member.trim_ascii() {
                [b'u', b'=', digit @ b'0'..=b'7'] => priority.urgency = digit - b'0',
                b"i" | b"i=?1" => priority.incremental = true,
                b"i=?0" => priority.incremental = false,
                _ => {}
            }
        }
        priority
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_leniently() {
        for (text, urgency, incremental) in [
            ("", 3, false),
            ("u=0", 0, false),
            ("u=7, i", 7, true),
            ("i, u=5", 5, true),
            ("u=2;x=y ,i=?1;z", 2, true),
            ("i, i=?0", 3, false),
            ("u=8", 3, false),
            ("u=-1, u=4", 4, false),
            ("u=abc, q, =, ;", 3, false),
        ] {
            let read = Priority::read(text.as_bytes());
            assert_eq!(read, Priority { urgency, incremental }, "{text}");
        }
    }
}
