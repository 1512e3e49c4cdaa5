//! Cases as they are written in `cases/*.txt`:
//!
//! ```text
//! === a name            "full" in it: every header is compared, not only the usual ones;
//!                       "calm": a pause before each request; "bytes": about the bytes of heads
//!                       and the ends of connections, which native terms do not copy
//! configuration         {a}, {b}, {c}: addresses of members; {folder}; {port}
//! ---
//! GET /path Field: value | Field: value
//! ```
//!
//! Steps: a request (`METHOD TARGET fields`), each on a connection of its own; `+` before it: on
//! the connection of the one before; ` <<` and a text at its end: with that body. `kill a`,
//! `start a`; `answer a STATUS Field: value | …`, `mute a`, `cut a`, `slow a MS`, `say a BYTES`
//! (sent as they are, with `\r\n`), `well a`; `wait MS`; `raw BYTES`.

/// A configuration and what is done with it.
pub(crate) struct Script {
    pub(crate) name: String,
    pub(crate) config: String,
    pub(crate) steps: Vec<String>,
    pub(crate) full: bool,
    /// About bytes, not decisions.
    pub(crate) bytes: bool,
    /// httpd's count of requests under way lags behind: it gets time between requests.
    pub(crate) calm: bool,
}

const FILES: &[&str] = &[
    include_str!("cases/policies.txt"),
    include_str!("cases/mapping.txt"),
    include_str!("cases/headers.txt"),
    include_str!("cases/sessions.txt"),
    include_str!("cases/failures.txt"),
    include_str!("cases/sites.txt"),
    include_str!("cases/rewriting.txt"),
];

/// All cases.
pub(crate) fn scripts() -> Vec<Script> {
    FILES.iter().flat_map(|text| text.split("=== ").skip(1).map(script)).collect()
}

fn script(text: &str) -> Script {
    let (name, rest) = text.split_once('\n').expect("a case has lines");
    let (config, steps) = rest.split_once("---\n").expect("a case has steps after ---");
    let steps = steps.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    Script {
        name: name.to_owned(),
        config: config.to_owned(),
        steps,
        bytes: name.split(' ').any(|word| word == "bytes" || word == "full"),
        full: name.split(' ').any(|word| word == "full"),
        calm: name.split(' ').any(|word| word == "calm"),
    }
}
