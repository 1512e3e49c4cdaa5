//! Members that speak AJP or FastCGI. The exchange speaks HTTP/1 to all members; for these it is
//! connected to a task of this module, by a stream in memory, which speaks to the member.
//!
//! What such members are told about the client travels in a field that no client's can pass for:
//! those of the same name are taken out.

mod ajp;
mod fastcgi;
mod front;

use std::time::Duration;

use evenkeel_net::{Stream, pipe};
use evenkeel_plan::{MemberProtocol, MemberRules};

/// The field that carries what members are told about the client.
pub(crate) const FACTS: &[u8] = b"x-evenkeel-facts";
/// Bytes on their way between the exchange and the task, each way.
const WINDOW: usize = 64 * 1024;

/// What is needed to speak to a member.
#[derive(Clone, Default)]
struct Manner {
    secret: Option<String>,
    /// How long a member may take to show that it is there, before each request.
    ping: Option<Duration>,
    route: String,
}

/// The stream for the exchange, in place of the member's connection.
pub(crate) fn translated(
    stream: Stream,
    protocol: MemberProtocol,
    rules: Option<&MemberRules>,
) -> Stream {
    let manner = rules.map_or_else(Manner::default, |rules| Manner {
        secret: rules.secret.clone(),
        ping: rules.ping,
        route: rules.route.clone(),
    });
    let (near, far) = pipe::pair(WINDOW);
    let front = front::Front::new(Stream::Memory(far));
    match protocol {
        MemberProtocol::Http => return stream,
        MemberProtocol::Ajp => drop(tokio::task::spawn_local(ajp::serve(front, stream, manner))),
        MemberProtocol::FastCgi => drop(tokio::task::spawn_local(fastcgi::serve(front, stream))),
    }
    Stream::Memory(near)
}
