//! What Apache httpd does with a request and its answer.
//!
//! Law: rules and a request in, a decision out; no sockets, no clock, no randomness. What a rule
//! means is what httpd 2.4.71 was seen to do.
//!
//! [`Sites`] is a compiled configuration. A [`Passage`] takes one request through it: which server
//! it is for, what rewriting and `ProxyPass` make of its path, which location's rules count, who
//! may come, what its fields become ([`Passage::write_request`]); and on the way back what becomes
//! of the answer ([`Passage::answer`]) or what is answered here ([`Passage::own`]). Which member of
//! a balancer serves it is not decided here.
#![forbid(unsafe_code)]

pub mod access;
pub mod answer;
mod cookie;
mod date;
mod document;
pub mod env;
pub mod expr;
pub mod headers;
mod interpolate;
pub mod log;
pub mod network;
mod page;
pub mod passage;
pub mod path;
pub mod pattern;
mod range;
pub mod remote;
pub mod rewrite;
pub mod scene;
mod select;
mod servlet;
pub mod site;
pub mod toward;

pub use answer::{Chosen, Own};
pub use headers::{Fields, Times};
pub use passage::{Asked, HeadSize, Passage, Toward, Verdict};
pub use range::Part;
pub use scene::TlsFacts;
pub use site::{BadFields, Handler, Sites};
