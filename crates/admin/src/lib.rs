//! The admin API, the metrics page and the dashboard. **Law: talks to the controller's handle
//! only.** What can be seen and changed is the [`Controller`] trait; this crate turns it into
//! HTTP and decides who may.
//!
//! Who may: with a token, everything but `/healthz`, `/readyz` and the dashboard's static files
//! needs it. Without one, everyone who reaches the address may read, and only a client on this
//! machine may change, unless it looks like a browser that a foreign page sent, or like a proxy.
//!
//! Bounds: 256 connections, 32 KiB of head, 10 s for a head and between requests, 64 KiB of body,
//! 60 s for an answer, 30 s for a client that does not read.
#![forbid(unsafe_code)]

mod access;
mod api;
mod controller;
mod dashboard;
mod input;
mod problem;
mod serve;
mod stall;
mod stream;
pub mod views;

pub use controller::{Answer, Controller, MemberPatch, Readiness, Refusal};
pub use serve::{CONNECTIONS_MAX, Listening, serve};
