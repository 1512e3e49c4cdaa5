//! Files in, plan and diagnostics out. **Law: pure; never panics, never touches the network.**
//!
//! Every error is found in one go, with file, line, excerpt and the nearest right word. What a key
//! is called, what it takes, its default and its one-line description stand in one row
//! (`native/*`), from which reading, the JSON Schema and the reference are made.
#![forbid(unsafe_code)]

pub mod apache;
mod diagnostic;
mod load;
mod native;

pub use apache::{Fate, Honoured};
pub use diagnostic::{Diagnostic, Severity, Sources, render};
pub use load::{ApacheOptions, Loaded, convert_apache, load, load_apache, load_str};
pub use native::print::print;
pub use native::reference::{reference_markdown, schema};
