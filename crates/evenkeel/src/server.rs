//! A server from plan to end: start, say what is ready, obey signals, drain.

use std::process::ExitCode;
use std::sync::Arc;

use evenkeel_admin::Listening;
use evenkeel_control::{
    AdminSocket, Command, Controller, Ended, Handle, Refused, Source, Start, notify,
};
use evenkeel_net::{handover, limits};
use evenkeel_plan::Plan;
use tokio::runtime::LocalRuntime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::api::Api;
use crate::output::{complain, say};

/// Exit code for what went wrong at run time.
pub(crate) const RUNTIME: u8 = 1;
/// Exit code for a configuration with errors.
pub(crate) const CONFIGURATION: u8 = 2;

/// Serves until a signal or an order ends it. `ready` is called once it serves.
pub(crate) fn serve(
    source: Source,
    plan: Plan,
    key_log: bool,
    ready: impl FnOnce(&Handle),
) -> ExitCode {
    // Before any other descriptor is opened: inherited ones are known by their numbers.
    let env = |name: &str| std::env::var(name).ok();
    let inherited = match handover::inherited(&env) {
        Ok(inherited) => inherited,
        Err(error) => {
            complain(format!("error: the inherited sockets cannot be used: {error}"));
            return ExitCode::from(RUNTIME);
        }
    };
    let ready_pipe = handover::ready_pipe(&env);
    warn_about_descriptors(&plan);
    if key_log {
        warn_about_key_log();
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format!("error: no event loop: {error}"));
            return ExitCode::from(RUNTIME);
        }
    };
    let start = Start { source, plan, inherited, seed: seed(), key_log };
    runtime.block_on(async {
        let (controller, handle) = match Controller::start(start).await {
            Ok(started) => started,
            Err(refused) => return refusal(&refused),
        };
        for bound in handle.shared().bound() {
            say(format_args!("listening {} {} {}", bound.protocol, bound.listener, bound.address));
        }
        tokio::task::spawn_local(admin(handle.clone()));
        if let Err(error) = obey_signals(&handle) {
            complain(format!("error: no signal handlers: {error}"));
            return ExitCode::from(RUNTIME);
        }
        ready(&handle);
        notify::tell("READY=1");
        if let Some(pipe) = ready_pipe {
            // Should the process before this one be gone, nobody waits any more.
            let _ = std::io::Write::write(&mut std::fs::File::from(pipe), b"1");
        }
        let ended = controller.run().await;
        tracing::info!(
            "{}",
            if ended == Ended::Drained { "ended, nothing was cut" } else { "ended" }
        );
        ExitCode::SUCCESS
    })
}

fn runtime() -> std::io::Result<LocalRuntime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build_local(tokio::runtime::LocalOptions::default())
}

fn refusal(refused: &Refused) -> ExitCode {
    complain(match refused {
        Refused::Configuration(text) => text.clone(),
        other => format!("error: {other}"),
    });
    ExitCode::from(if matches!(refused, Refused::Configuration(_)) {
        CONFIGURATION
    } else {
        RUNTIME
    })
}

/// Fewer descriptors than this are worth a word, when the listeners allow more connections.
const DESCRIPTORS_FEW: u64 = 10_000;

/// The kernel's random numbers; without them, the time and the process.
fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// Each exchange needs a descriptor on either side.
fn warn_about_descriptors(plan: &Plan) {
    let may = limits::raise_descriptors();
    let clients: u64 = plan.listeners.iter().map(|l| u64::from(l.limits.connections)).sum();
    let wanted = clients.saturating_mul(2).saturating_add(256);
    if may < wanted.min(DESCRIPTORS_FEW) {
        tracing::warn!(
            "this process may open {may} descriptors, but the listeners allow {clients} connections, \
             which need up to {wanted}; raise it with `ulimit -n` or systemd's LimitNOFILE=, or lower \
             limits.connections"
        );
    }
}

/// Whoever has these secrets reads the traffic.
fn warn_about_key_log() {
    match std::env::var("SSLKEYLOGFILE") {
        Ok(path) => tracing::warn!(
            "the secrets of all TLS sessions are written to {path}: whoever reads it reads the traffic"
        ),
        Err(_) => tracing::warn!("--tls-key-log without SSLKEYLOGFILE=FILE does nothing"),
    }
}

fn obey_signals(handle: &Handle) -> std::io::Result<()> {
    let orders: [(SignalKind, fn() -> Command); 6] = [
        (SignalKind::hangup(), || Command::Reload(tokio::sync::oneshot::channel().0)),
        (SignalKind::terminate(), || Command::Drain),
        (SignalKind::quit(), || Command::Drain),
        (SignalKind::interrupt(), || Command::Stop),
        (SignalKind::user_defined1(), || Command::ReopenLogs),
        (SignalKind::user_defined2(), || Command::Upgrade),
    ];
    for (kind, order) in orders {
        let mut arrivals = signal(kind)?;
        let handle = handle.clone();
        tokio::task::spawn_local(async move {
            while arrivals.recv().await.is_some() {
                handle.tell(order()).await;
            }
        });
    }
    Ok(())
}

/// Serves the admin API on its socket, and on another when that changes.
async fn admin(handle: Handle) {
    let mut sockets = handle.shared().admin();
    loop {
        let socket = sockets.borrow_and_update().clone();
        match socket.as_deref().map(listening) {
            None => {
                if sockets.changed().await.is_err() {
                    return;
                }
            }
            Some(Err(error)) => {
                tracing::error!("the admin API does not serve: {error}");
                return;
            }
            Some(Ok(listening)) => {
                let token = socket.and_then(|socket| socket.token.clone());
                let api = Arc::new(Api::new(handle.clone()));
                evenkeel_admin::serve(vec![listening], api, token, changed(&mut sockets)).await;
            }
        }
    }
}

async fn changed(sockets: &mut watch::Receiver<Option<Arc<AdminSocket>>>) {
    if sockets.changed().await.is_err() {
        // The controller is gone, and soon so is this process.
        std::future::pending::<()>().await;
    }
}

fn listening(socket: &AdminSocket) -> std::io::Result<Listening> {
    use evenkeel_net::Listener;
    Ok(match Listener::new(socket.socket.try_clone()?)? {
        Listener::Tcp(listener) => Listening::Tcp(listener),
        Listener::Unix(listener) => Listening::Unix(listener),
        #[allow(unreachable_patterns, reason = "the simulated listener exists in test builds only")]
        _ => return Err(std::io::ErrorKind::Unsupported.into()),
    })
}
