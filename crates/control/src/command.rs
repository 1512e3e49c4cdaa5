//! What can be asked of the controller, and the handle to ask with.

use std::sync::Arc;

use evenkeel_plan::{Member, MemberState, Name, Weight};
use tokio::sync::{mpsc, oneshot};

use crate::shared::Shared;

/// A change, or a question only the controller can answer. Each carries where the answer goes.
#[derive(Debug)]
pub enum Command {
    /// Read the configuration again and serve by it.
    Reload(Reply<String>),
    /// Change a member's state or weight until the configuration says otherwise.
    Patch(Name, Name, MemberPatch, Reply<()>),
    /// Add a member to a pool until the next reload.
    Add(Name, Box<Member>, Reply<()>),
    /// Take a member out of a pool until the next reload.
    Remove(Name, Name, Reply<()>),
    /// Stop accepting, finish what is under way, end.
    Drain,
    /// End at once.
    Stop,
    /// Start the binary anew, hand over the sockets, drain.
    Upgrade,
    /// Open log files again under their names.
    ReopenLogs,
}

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Refused>>;

/// Why a change was not made. Nothing has changed then.
#[derive(Clone, Debug, PartialEq)]
pub enum Refused {
    /// The configuration has errors; each rendered with its excerpt.
    Configuration(String),
    /// It could not be put into effect: an address is taken, a file cannot be written.
    Runtime(String),
    /// There is no such pool or member.
    NotFound(String),
    /// What was asked for makes no sense here.
    Invalid(String),
    /// The controller has ended.
    Gone,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::Configuration(text)
            | Refused::Runtime(text)
            | Refused::NotFound(text)
            | Refused::Invalid(text) => f.write_str(text),
            Refused::Gone => f.write_str("the server is shutting down"),
        }
    }
}

/// A change of one member; what is `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MemberPatch {
    /// The ordered state.
    pub state: Option<MemberState>,
    /// The weight.
    pub weight: Option<Weight>,
}

/// Asks the controller. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
}

impl Handle {
    pub(crate) fn new(commands: mpsc::Sender<Command>, shared: Arc<Shared>) -> Handle {
        Handle { commands, shared }
    }

    /// What everyone may look at.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Reads the configuration again; says what changed.
    pub async fn reload(&self) -> Result<String, Refused> {
        self.ask(Command::Reload).await
    }

    /// Changes a member; it is named by tag or address.
    pub async fn patch(&self, pool: Name, member: Name, patch: MemberPatch) -> Result<(), Refused> {
        self.ask(|reply| Command::Patch(pool, member, patch, reply)).await
    }

    /// Adds a member.
    pub async fn add(&self, pool: Name, member: Member) -> Result<(), Refused> {
        self.ask(|reply| Command::Add(pool, Box::new(member), reply)).await
    }

    /// Takes a member out.
    pub async fn remove(&self, pool: Name, member: Name) -> Result<(), Refused> {
        self.ask(|reply| Command::Remove(pool, member, reply)).await
    }

    /// Tells without waiting for an answer.
    pub async fn tell(&self, command: Command) {
        // A controller that has ended needs no telling.
        let _ = self.commands.send(command).await;
    }

    async fn ask<T>(&self, make: impl FnOnce(Reply<T>) -> Command) -> Result<T, Refused> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(make(reply)).await.map_err(|_| Refused::Gone)?;
        answer.await.unwrap_or(Err(Refused::Gone))
    }
}
