//! The pages of httpd, from a view to bytes and from a form to orders. **Law: no sockets, no
//! clock.** Whoever asks brings a [`View`] of the pools as httpd would see them, and gets bytes; a
//! form becomes [`Order`]s that somebody else carries out.
//!
//! The balancer page goes in two steps, because it shows what a change has led to:
//!
//! 1. [`parse`] what was [`Asked`] into orders; a status that is not 200 ends it with [`refusal`].
//! 2. Carry out the orders, take a new view, and show its [`page`].
//!
//! [`status_page`] is the part of the server status page that is about balancing. Scripts read
//! these pages, so they are httpd 2.4.71's to the byte, and forms are understood as it does. Where
//! ours differ on purpose:
//!
//! * Everything that is not our own text is escaped, also where httpd forgets to.
//! * A load factor is cut to hundredths exactly; httpd takes 1.15 for 1.14, and less with each save.
//! * A text field that comes back as its form showed it changes nothing; httpd decodes it once more.
//! * A form that is refused changes nothing; httpd keeps what came before the refused field.
//! * Values with control characters, a session name of blanks, and a new member's URL with a user,
//!   a query or a fragment are refused.
//!
//! Words are httpd's here: balancer, worker, route and load factor are pool, member, tag and weight
//! everywhere else.
#![forbid(unsafe_code)]

mod asked;
mod edit;
mod orders;
mod page;
mod status;
mod text;
mod url;
mod view;
mod xml;

pub use asked::{Asked, BODY_READ, QUERY_READ};
pub use orders::{HealthOrder, Order, Parsed, parse};
pub use page::{ALLOW, Page, page, refusal};
pub use status::status_page;
pub use url::MemberUrl;
pub use view::{
    BalancerView, Expression, Flag, Flags, Flush, HealthMethod, HealthView, MemberView, Sticky,
    Totals, View,
};
