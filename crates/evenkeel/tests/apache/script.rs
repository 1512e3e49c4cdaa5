//! Cases as they are written in `cases/*.txt`:
//!
//! ```text
//! === a name            with words in it that say how it is compared
//! configuration         {a}, {b}, {c}: addresses of members; {folder}; {port}; lines between
//!                       "%%% NAME" and "%%%" go to a file of that name in the folder
//! ---
//! GET /path Field: value | Field: value
//! ```
//!
//! Words in names: "full": every header is compared, not only the usual ones; "heads": what members
//! get is, with its version; "bodies": what the client gets is; "bytes": about the bytes of heads
//! and the ends of connections, which native terms do not copy; "calm": a pause before each request
//! (there always is one before what balancer-manager shows).
//!
//! Steps:
//! - a request (`METHOD TARGET fields`), each on a connection of its own; `+` before it: on the
//!   connection of the one before; `from IP ` or `to IP `: between those addresses; `~ `: with the
//!   seconds that it took; `& `: its answer is left for a later `join`, or `leave` closes its
//!   connection; ` <<` and a text at its end: with that body (`<<*N`: of N bytes);
//! - `raw BYTES`;
//! - `kill a`, `start a`, `answer a STATUS Field: value | …`, `mute a`, `cut a`, `slow a MS`,
//!   `big a BYTES`, `say a BYTES` (sent as they are, with `\r\n`), `well a`;
//! - `got a`: all that the member got in the step before; `wire ` and a request: interim answers,
//!   lengths and trailers that the client gets;
//! - `wait MS`; `probed a`: the next thing that the member gets;
//! - of balancer-manager, `page PATH` and `xml PATH`: what it shows; `rows PATH`: its rows of
//!   balancers and members alone; `order PATH FORM`: a change, with the page's own nonce;
//! - `log FILE`: the lines of a file in the folder;
//! - `lines PATH PREFIX`: the lines of a text that begin so.

/// A configuration and what is done with it.
pub(crate) struct Script {
    pub(crate) name: String,
    pub(crate) config: String,
    pub(crate) steps: Vec<String>,
    pub(crate) full: bool,
    /// About bytes, not decisions.
    pub(crate) bytes: bool,
    /// Members' requests are compared whole.
    pub(crate) heads: bool,
    /// What the client gets is compared too.
    pub(crate) bodies: bool,
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
    include_str!("cases/grammar.txt"),
    include_str!("cases/containers.txt"),
    include_str!("cases/directives.txt"),
    include_str!("cases/environment.txt"),
    include_str!("cases/documents.txt"),
    include_str!("cases/access.txt"),
    include_str!("cases/hosts.txt"),
    include_str!("cases/logs.txt"),
    include_str!("cases/turns.txt"),
    include_str!("cases/stickiness.txt"),
    include_str!("cases/trouble.txt"),
    include_str!("cases/checks.txt"),
    include_str!("cases/manager.txt"),
    include_str!("cases/messages.txt"),
    include_str!("cases/paths.txt"),
    include_str!("cases/refused.txt"),
];

/// Names of cases in which we differ, a line each.
const DIFFER: &str = include_str!("cases/differ.txt");

/// Cases in which we decide as httpd does.
pub(crate) fn scripts() -> Vec<Script> {
    read(FILES).into_iter().filter(|script| !is_known_to_differ(script)).collect()
}

/// Cases in which we do not.
pub(crate) fn differing() -> Vec<Script> {
    read(FILES).into_iter().filter(is_known_to_differ).collect()
}

fn is_known_to_differ(script: &Script) -> bool {
    DIFFER.lines().any(|name| name == script.name)
}

fn read(files: &[&str]) -> Vec<Script> {
    let texts = files.iter().map(|text| text.strip_prefix("=== ").unwrap_or(text));
    texts
        .flat_map(|text| text.split("\n=== ").filter(|case| !case.trim().is_empty()).map(script))
        .collect()
}

fn script(text: &str) -> Script {
    let (name, rest) = text.split_once('\n').expect("a case has lines");
    let (config, steps) = rest.split_once("---\n").expect("a case has steps after ---");
    let steps = steps.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    Script {
        name: name.to_owned(),
        config: config.to_owned(),
        steps,
        bytes: name.split(' ').any(|word| ["bytes", "full", "heads"].contains(&word)),
        full: name.split(' ').any(|word| word == "full"),
        heads: name.split(' ').any(|word| word == "heads"),
        bodies: name.split(' ').any(|word| word == "bodies"),
        calm: name.split(' ').any(|word| word == "calm"),
    }
}
