//! What an exchange needs to work in: heads, the texts that are sent, timers. Taken from the
//! core's stock when a request comes and given back when the client falls quiet, so that a
//! request allocates nothing and an idle session holds nothing.

use evenkeel_net::{Buffer, Deadline};
use evenkeel_wire::http1::{RequestHead, ResponseHead};

/// The most bytes a kept text buffer may hold on to.
const KEPT_MAX: usize = 32 * 1024;

/// Space for one exchange at a time.
#[derive(Default)]
pub(crate) struct Scratch {
    /// The request's head; its spans point into the session's buffer.
    pub(crate) head: RequestHead,
    /// The answer's head; its spans point into the upstream connection's buffer.
    pub(crate) answer: ResponseHead,
    /// What is sent to the member: the head, then small pieces of the body.
    pub(crate) up: Vec<u8>,
    /// What is sent to the client: the head, then small pieces of the body.
    pub(crate) down: Vec<u8>,
    /// What `http/asked` derives from the request.
    pub(crate) asked: super::asked::Asked,
    /// The request goes on before its client's handshake is over (RFC 8470).
    pub(crate) early: bool,
    /// A header line for the client, beside those of affinity.
    pub(crate) announced: Option<String>,
    /// The way of the request through httpd's rules, where those decide.
    pub(crate) passage: Option<Box<evenkeel_httpd::Passage>>,
    /// A request body that did not fit into the session's buffer beside the head.
    pub(crate) body: Buffer,
    /// For a client that sends: its head, then its body.
    pub(crate) client_read_wait: Deadline,
    /// For a client that should read its answer.
    pub(crate) client_wait: Deadline,
    /// For the member's answer.
    pub(crate) member_wait: Deadline,
    /// The whole exchange has no more time than its caller gives it.
    pub(crate) hurried: bool,
    /// For the whole exchange.
    pub(crate) whole: Deadline,
}

impl Scratch {
    /// Forgets everything; keeps allocations of ordinary size.
    pub(crate) fn reset(&mut self) {
        self.head.reset();
        self.answer.reset();
        for text in [&mut self.up, &mut self.down] {
            text.clear();
            text.shrink_to(KEPT_MAX);
        }
        self.asked.reset();
        self.passage = None;
        self.announced = None;
        self.body.clear();
        let waits = [
            &mut self.client_read_wait,
            &mut self.client_wait,
            &mut self.member_wait,
            &mut self.whole,
        ];
        for deadline in waits {
            deadline.clear();
        }
    }
}
