//! Plans as a generator makes them: every part, every variant, within its bounds.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

pub mod orders;
pub mod parts;
pub mod plans;
pub mod pools;

/// No environment.
pub fn no_env(_: &str) -> Option<String> {
    None
}
