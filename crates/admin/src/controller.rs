use std::pin::Pin;
use std::sync::Arc;

use evenkeel_observe::events::Stamped;
use evenkeel_plan::{Member, MemberState, Weight};
use tokio::sync::watch;

use crate::views::{
    DiagnosticView, ListenerView, MemberView, OrderView, PoolView, ReloadReport, RouteView,
    StatusView,
};

/// A value that comes later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What can be seen and ordered from outside. The control side answers each call within a second
/// or so; a reload may take longer.
pub trait Controller: Send + Sync + 'static {
    /// The process as a whole. `changes_allowed` is filled in by this crate.
    fn status(&self) -> Answer<'_, StatusView>;
    /// All pools with their members, in the order of the configuration.
    fn pools(&self) -> Answer<'_, Vec<PoolView>>;
    /// One pool.
    fn pool<'a>(&'a self, pool: &'a str) -> Answer<'a, Option<PoolView>>;
    /// All listeners.
    fn listeners(&self) -> Answer<'_, Vec<ListenerView>>;
    /// All routes, in the order in which they match.
    fn routes(&self) -> Answer<'_, Vec<RouteView>>;
    /// The certificates that are ordered, by authority, the first thousand.
    fn orders(&self) -> Answer<'_, Vec<OrderView>>;
    /// Changes a member's state or weight. `member` is a tag or an address.
    fn patch_member<'a>(
        &'a self,
        pool: &'a str,
        member: &'a str,
        patch: MemberPatch,
    ) -> Answer<'a, Result<MemberView, Refusal>>;
    /// Adds a member to a pool.
    fn add_member<'a>(
        &'a self,
        pool: &'a str,
        member: Member,
    ) -> Answer<'a, Result<MemberView, Refusal>>;
    /// Takes a member out of a pool; what is under way finishes.
    fn remove_member<'a>(
        &'a self,
        pool: &'a str,
        member: &'a str,
    ) -> Answer<'a, Result<(), Refusal>>;
    /// Reads the configuration again. Errors change nothing.
    fn reload(&self) -> Answer<'_, Result<ReloadReport, Vec<DiagnosticView>>>;
    /// Stops accepting and ends the process when what is under way is finished.
    fn drain(&self) -> Answer<'_, ()>;
    /// The remembered events after that number, oldest first.
    fn events(&self, since: u64) -> Answer<'_, Vec<Arc<Stamped>>>;
    /// The number of the newest event, to wait for the next.
    fn newest_event(&self) -> watch::Receiver<u64>;
    /// All metrics in the Prometheus text format.
    fn metrics(&self) -> Answer<'_, String>;
    /// Whether traffic should be sent here.
    fn ready(&self) -> Answer<'_, Readiness>;
}

/// A change of a member. What is `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberPatch {
    /// The ordered state.
    pub state: Option<MemberState>,
    /// The share.
    pub weight: Option<Weight>,
}

/// Whether traffic should be sent to this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// All listeners accept.
    Ready,
    /// Not now; why, in a few words (`starting`, `draining`).
    NotReady(String),
}

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No pool of that name.
    UnknownPool,
    /// No such member in the pool.
    UnknownMember,
    /// A value that cannot be; which, and why.
    Invalid {
        /// The field's name.
        field: &'static str,
        /// One sentence.
        detail: String,
    },
    /// It contradicts what is there, as a tag that another member has; one sentence.
    Conflict(String),
    /// Not now, as while draining; one sentence.
    Unavailable(String),
}
