use std::fmt::{self, Write as _};

use super::{Field, Level};

/// What happened to a file that TLS goes by.
#[derive(Clone, Debug, PartialEq)]
pub enum TlsChange {
    /// A certificate was replaced and is shown from now on.
    Replaced {
        /// Its file.
        file: String,
        /// Names that it is for, the first few.
        names: String,
        /// Its last day, as `2026-01-31`.
        until: String,
    },
    /// Another file was replaced and counts from now on.
    Taken {
        /// The file.
        file: String,
        /// What is in it.
        what: String,
    },
    /// What changed cannot be used; what was good stays in use.
    Refused {
        /// The file.
        file: String,
        /// Why, and what to do.
        reason: String,
    },
    /// An authority gave out a certificate that was ordered.
    Issued {
        /// The authority.
        authority: String,
        /// Names that it is for, the first few.
        names: String,
        /// Its last day, as `2026-01-31`.
        until: String,
    },
    /// A certificate that is ordered did not come.
    OrderFailed {
        /// The authority.
        authority: String,
        /// Names that it is for, the first few.
        names: String,
        /// Why, and what to do where that is known.
        reason: String,
        /// Seconds until it is tried again.
        again: u64,
    },
    /// A file is used that is not good.
    Warning {
        /// The file, why, and what to do.
        reason: String,
    },
}

impl TlsChange {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            TlsChange::Replaced { .. } => "certificate-replaced",
            TlsChange::Taken { .. } => "tls-file-replaced",
            TlsChange::Refused { .. } => "tls-file-refused",
            TlsChange::Issued { .. } => "certificate-issued",
            TlsChange::OrderFailed { .. } => "certificate-order-failed",
            TlsChange::Warning { .. } => "tls-file-warning",
        }
    }

    pub(super) fn level(&self) -> Level {
        match self {
            TlsChange::Replaced { .. } | TlsChange::Taken { .. } | TlsChange::Issued { .. } => {
                Level::Info
            }
            TlsChange::Refused { .. }
            | TlsChange::OrderFailed { .. }
            | TlsChange::Warning { .. } => Level::Warn,
        }
    }

    pub(super) fn fields(&self) -> Vec<(&'static str, Field<'_>)> {
        let text = super::text;
        match self {
            TlsChange::Replaced { file, names, until } => {
                vec![("file", text(file)), ("names", text(names)), ("until", text(until))]
            }
            TlsChange::Taken { file, what } => vec![("file", text(file)), ("what", text(what))],
            TlsChange::Refused { file, reason } => {
                vec![("file", text(file)), ("reason", text(reason))]
            }
            TlsChange::Issued { authority, names, until } => {
                vec![("authority", text(authority)), ("names", text(names)), ("until", text(until))]
            }
            TlsChange::OrderFailed { authority, names, reason, again } => vec![
                ("authority", text(authority)),
                ("names", text(names)),
                ("reason", text(reason)),
                ("again", Field::Whole(*again)),
            ],
            TlsChange::Warning { reason } => vec![("reason", text(reason))],
        }
    }

    pub(super) fn tell(&self, f: &mut String) -> fmt::Result {
        match self {
            TlsChange::Replaced { file, names, until } => {
                write!(f, "certificate {file} replaced: {names}, until {until}")
            }
            TlsChange::Taken { file, what } => write!(f, "{what} replaced: {file}"),
            // The reason names the file that is wrong, which may be another one of several.
            TlsChange::Refused { reason, .. } => {
                write!(f, "changed file refused, the one before stays in use: {reason}")
            }
            TlsChange::Issued { authority, names, until } => {
                write!(f, "authority {authority} gave a certificate for {names}, until {until}")
            }
            TlsChange::OrderFailed { authority, names, reason, again } => {
                write!(f, "no certificate for {names} from authority {authority}: {reason}; ")?;
                write!(f, "tried again in {again} s")
            }
            TlsChange::Warning { reason } => f.write_str(reason),
        }
    }
}
