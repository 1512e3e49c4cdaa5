//! Test tools: scripted clients and members, and the binary under test. **Law: no async, and
//! nothing waits for ever.** Threads and blocking sockets only, so that the tools share no code
//! and no bug with what they test; every wait has a deadline, and every port is chosen by the
//! kernel (bind to port 0).
//!
//! These are tools for tests: where a product would return an error, most of them panic with a
//! sentence that says what was expected.
//!
//! ```no_run
//! use evenkeel_testkit::{Answer, Client, Origin, Server};
//!
//! let origin = Origin::start("a", Answer::text("hello"));
//! let server = Server::start(&format!(
//!     "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:0\"\npool = \"app\"\n\
//!      [[pool]]\nname = \"app\"\nmembers = [\"{}\"]\n",
//!     origin.member()
//! ));
//! let answer = Client::connect(server.addr("web")).get("/").unwrap();
//! assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
//! ```
#![forbid(unsafe_code)]

mod answer;
mod client;
mod http2;
mod load;
mod message;
mod namespace;
mod origin;
mod origin_process;
mod port;
mod process;
mod server;
mod socket;
mod tunnel;
mod wait;
mod wire;

pub use answer::Answer;
pub use client::{Client, ClientError};
pub use http2::{Frame, Http2};
pub use load::{Load, Outcome, Report, Running};
pub use message::{Head, Response};
pub use namespace::Namespace;
pub use origin::{Origin, Received};
pub use origin_process::OriginProcess;
pub use port::quiet_address;
pub use process::{Finished, cpu_of, fd_count, raise_fd_limit, rss_of};
pub use rustix::process::Signal;
pub use server::{Program, Server};
pub use socket::{connect_from, reset};
pub use tunnel::Tunnel;
pub use wait::{LONG, wait_for, wait_until};
