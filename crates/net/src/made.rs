//! A stream that another part of this thread makes up: whoever holds it sends and receives bytes,
//! and whoever made it takes them as they come and gives them when they are asked for. Nothing lies
//! between both.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use tokio::io::ReadBuf;

/// What such a stream does. Dropped, it sends no more and takes no more.
pub trait Made {
    /// Ready when there are bytes, the end, or an error.
    fn poll_read_ready(&self, cx: &Context<'_>) -> Poll<io::Result<()>>;

    /// Gives some bytes; none at the end.
    fn poll_read(&self, cx: &Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>>;

    /// Ready when there is room for some bytes. Who waits for that before it fetches them holds none
    /// meanwhile.
    fn poll_room(&self, cx: &Context<'_>) -> Poll<io::Result<()>>;

    /// Takes some of the bytes, at least one.
    fn poll_write(&self, cx: &Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    /// Ends what was begun with fields after it, where that can be said in the middle of a body; says
    /// whether it was.
    fn end_with(&self, lines: &[u8]) -> bool;

    /// No more will be written.
    fn finish(&self);

    /// Makes the coming drop a reset.
    fn reset_on_close(&self);
}
