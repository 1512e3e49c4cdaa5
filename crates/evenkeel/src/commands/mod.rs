//! One file per command, or per family of commands.

pub(crate) mod check;
pub(crate) mod demo;
pub(crate) mod explain;
pub(crate) mod member;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod texts;
