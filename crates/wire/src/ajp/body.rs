use super::refusal::BAD_ASK;
use super::{Body, Limits};
use crate::http1::Refusal;

/// Bytes of a body packet that are not body: magic, length, length of the data.
const OVERHEAD: usize = 6;

/// Appends one body packet with as much of `data` as it takes, and says how much that is. Without
/// data it is the packet that ends a body, in the form httpd sends (a length of 0 within a packet
/// of 2 bytes), which containers that always read six bytes get along with too.
pub fn write_body(out: &mut Vec<u8>, data: &[u8], limits: &Limits) -> usize {
    let taken = data.len().min(limits.packet() - OVERHEAD);
    // At most 65530, so both lengths fit.
    let length = taken as u16;
    out.reserve(OVERHEAD + taken);
    out.extend_from_slice(&[0x12, 0x34]);
    out.extend_from_slice(&(length + 2).to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&data[..taken]);
    taken
}

/// Says when which part of a request's body is due: the container asks, and only the first packet
/// of an announced length comes unasked.
#[derive(Clone, Debug)]
pub struct BodySender {
    limits: Limits,
    /// Bytes still to come; `None` when not known.
    left: Option<u64>,
    /// Bytes the container waits for; 0 when it does not.
    asked: usize,
}

/// Whose turn it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// The container's: nothing may be sent.
    Wait,
    /// The balancer's: a packet with 1 to this many bytes, or the end if the client's body has
    /// ended. More would be left over.
    Data(usize),
    /// The balancer's: there is no more body, and it has to say so by [`BodySender::end`].
    End,
}

impl BodySender {
    /// For a request that was written with that body.
    pub fn new(body: Body, limits: &Limits) -> BodySender {
        let left = match body {
            Body::None => Some(0),
            Body::Length(length) => Some(length),
            Body::Unknown => None,
        };
        let mut sender = BodySender { limits: *limits, left, asked: 0 };
        if left.is_some_and(|left| left > 0) {
            sender.asked = sender.most();
        }
        sender
    }

    /// The container wants this many bytes ([`Event::GetBody`](super::Event::GetBody)).
    ///
    /// # Errors
    /// When the last request of this kind is not answered yet.
    pub fn ask(&mut self, bytes: u16) -> Result<(), Refusal> {
        if self.asked > 0 || bytes == 0 {
            return Err(BAD_ASK);
        }
        self.asked = usize::from(bytes).min(self.most());
        Ok(())
    }

    /// Whose turn it is now.
    pub fn turn(&self) -> Turn {
        match self.left {
            _ if self.asked == 0 => Turn::Wait,
            Some(0) => Turn::End,
            Some(left) => Turn::Data(usize::try_from(left).unwrap_or(usize::MAX).min(self.asked)),
            None => Turn::Data(self.asked),
        }
    }

    /// Appends a packet with as much of `data` as is due, and says how much that is; 0, and no
    /// packet, when nothing is due or there is no data.
    pub fn write(&mut self, out: &mut Vec<u8>, data: &[u8]) -> usize {
        let Turn::Data(due) = self.turn() else { return 0 };
        if data.is_empty() {
            return 0;
        }
        let taken = write_body(out, &data[..data.len().min(due)], &self.limits);
        self.left = self.left.map(|left| left - taken as u64);
        self.asked = 0;
        taken
    }

    /// The body has ended: appends the packet that says so if the container waits for one. A body
    /// shorter than announced is then cut off; the connection must not be used again.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if self.asked > 0 {
            write_body(out, b"", &self.limits);
            self.asked = 0;
        }
        self.left = Some(0);
    }

    /// Bytes that were announced and are not sent yet; `None` when none were announced.
    pub fn left(&self) -> Option<u64> {
        self.left
    }

    fn most(&self) -> usize {
        self.limits.packet() - OVERHEAD
    }
}
