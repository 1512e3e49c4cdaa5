//! Our own format: TOML.

pub(crate) mod acme;
mod affinity;
mod health;
pub(crate) mod listener;
pub(crate) mod pool;
pub(crate) mod print;
pub(crate) mod reference;
pub(crate) mod route;
pub(crate) mod row;
mod tcp;
mod template;
pub(crate) mod tls;
pub(crate) mod top;
mod units;
pub(crate) mod value;
