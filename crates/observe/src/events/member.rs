use std::fmt::{self, Write as _};

use super::{Field, Level, seconds, text};

/// What changed about a member.
#[derive(Clone, Debug, PartialEq)]
pub enum MemberChange {
    /// Health measures it as up again.
    Up {
        /// What the probe or traffic showed.
        reason: String,
    },
    /// Health measures it as down.
    Down {
        /// What the probe or traffic showed.
        reason: String,
    },
    /// The breaker took it out.
    Ejected {
        /// What traffic showed.
        reason: String,
        /// For how long, in milliseconds.
        millis: u64,
    },
    /// After an ejection it gets requests again.
    Returned,
    /// An operator changed its state.
    State {
        /// `ready`, `drain` or `disabled`.
        state: String,
    },
    /// An operator changed its weight.
    Weight {
        /// The new share.
        weight: f64,
    },
    /// It joined at run time.
    Added {
        /// Its address.
        address: String,
    },
    /// It left at run time.
    Removed,
}

impl MemberChange {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            MemberChange::Up { .. } => "member-up",
            MemberChange::Down { .. } => "member-down",
            MemberChange::Ejected { .. } => "member-ejected",
            MemberChange::Returned => "member-returned",
            MemberChange::State { .. } => "member-state",
            MemberChange::Weight { .. } => "member-weight",
            MemberChange::Added { .. } => "member-added",
            MemberChange::Removed => "member-removed",
        }
    }

    pub(super) fn level(&self) -> Level {
        match self {
            MemberChange::Down { .. } | MemberChange::Ejected { .. } => Level::Warn,
            _ => Level::Info,
        }
    }

    pub(super) fn fields(&self) -> Vec<(&'static str, Field<'_>)> {
        match self {
            MemberChange::Up { reason } | MemberChange::Down { reason } => {
                vec![("reason", text(reason))]
            }
            MemberChange::Ejected { reason, millis } => {
                vec![("reason", text(reason)), ("millis", Field::Whole(*millis))]
            }
            MemberChange::Returned | MemberChange::Removed => Vec::new(),
            MemberChange::State { state } => vec![("state", text(state))],
            MemberChange::Weight { weight } => vec![("weight", Field::Real(*weight))],
            MemberChange::Added { address } => vec![("address", text(address))],
        }
    }

    pub(super) fn tell(&self, f: &mut String) -> fmt::Result {
        match self {
            MemberChange::Up { reason } => write!(f, "is up: {reason}"),
            MemberChange::Down { reason } => write!(f, "is down: {reason}"),
            MemberChange::Ejected { reason, millis } => {
                write!(f, "ejected for {}: {reason}", seconds(*millis))
            }
            MemberChange::Returned => write!(f, "returns after ejection"),
            MemberChange::State { state } => write!(f, "set to {state}"),
            MemberChange::Weight { weight } => write!(f, "set to weight {weight}"),
            MemberChange::Added { address } => write!(f, "added at {address}"),
            MemberChange::Removed => write!(f, "removed"),
        }
    }
}
