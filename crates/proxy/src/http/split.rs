//! Which of several pools a request goes to: the one its client went to before, else one by chance
//! and weight.

use std::sync::Arc;

use evenkeel_plan::Name;
use evenkeel_wire::cookie;
use evenkeel_wire::http1::{Known, RequestHead};

use crate::snapshot::PoolRt;

/// The pools of a route that divides its requests.
pub struct SplitRt {
    /// Pools with weights; not empty, and the sum is above 0.
    pub parts: Vec<(Arc<PoolRt>, u16)>,
    /// The cookie that keeps clients with their pool.
    pub cookie: Option<String>,
    /// What the cookie says for each part.
    values: Vec<String>,
}

impl SplitRt {
    /// The split of the route of that name.
    pub(crate) fn new(parts: Vec<(Arc<PoolRt>, u16)>, route: &Name, sticky: bool) -> SplitRt {
        let values = parts.iter().map(|(pool, _)| escaped(&pool.plan.name)).collect();
        let cookie = sticky.then(|| format!("split-{}", escaped(route)));
        SplitRt { parts, cookie, values }
    }

    /// The pool for a request, and the line that tells the client of it.
    pub(crate) fn choose(
        &self,
        buf: &[u8],
        head: &RequestHead,
        random: u64,
        secured: bool,
    ) -> (&Arc<PoolRt>, Option<String>) {
        let Some(name) = &self.cookie else { return (self.by_weight(random), None) };
        let lines = head.fields.iter().filter(|field| field.known == Known::Cookie);
        let mut lines = lines.map(|field| field.value.of(buf));
        let named = lines.find_map(|line| cookie::find(line, name.as_bytes()));
        let at = named.and_then(|named| self.values.iter().position(|v| v.as_bytes() == named));
        match at.and_then(|at| self.parts.get(at)) {
            Some((pool, _)) => (pool, None),
            None => {
                let pool = self.by_weight(random);
                let value = escaped(&pool.plan.name);
                let only = if secured { "; Secure" } else { "" };
                let line =
                    format!("Set-Cookie: {name}={value}; Path=/; HttpOnly; SameSite=Lax{only}\r\n");
                (pool, Some(line))
            }
        }
    }

    /// The pool at a random place on the line of all weights.
    pub fn by_weight(&self, random: u64) -> &Arc<PoolRt> {
        let total: u64 = self.parts.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let mut at = random % total.max(1);
        for (pool, weight) in &self.parts {
            match at.checked_sub(u64::from(*weight)) {
                None => return pool,
                Some(rest) => at = rest,
            }
        }
        // Only weights that are all 0 come here, which the configuration refuses.
        &self.parts[0].0
    }
}

/// Names hold bytes that cookies must not (RFC 6265 section 4.1.1).
fn escaped(name: &Name) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
