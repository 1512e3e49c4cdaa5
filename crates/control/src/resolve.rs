//! Names of members, resolved again over time. What was once known stays in use when a name does
//! not resolve.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_net::{Target, clock};
use evenkeel_observe::events::Event;
use evenkeel_plan::Address;
use evenkeel_proxy::snapshot::Snapshot;
use evenkeel_proxy::targets::Targets;
use hickory_resolver::TokioResolver;
use tokio::task::JoinHandle;

use crate::shared::Shared;

/// At start and reload, names get this long before traffic begins without them.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The shortest and longest time until a name is resolved again, whatever its time to live.
const AGAIN_MIN: Duration = Duration::from_secs(1);
const AGAIN_MAX: Duration = Duration::from_secs(60);
/// After a failure.
const AGAIN_FAILED: Duration = Duration::from_secs(2);
/// Names of `/etc/hosts` and of resolvers that tell no time to live.
const AGAIN_UNTOLD: Duration = Duration::from_secs(10);

pub(crate) struct Resolving {
    shared: Arc<Shared>,
    resolver: Option<TokioResolver>,
    tasks: HashMap<u64, JoinHandle<()>>,
}

/// One member with a name.
#[derive(Clone)]
struct Named {
    pool: String,
    host: String,
    port: u16,
    targets: Arc<Targets>,
}

impl Resolving {
    pub(crate) fn new(shared: Arc<Shared>) -> Resolving {
        let built = TokioResolver::builder_tokio().and_then(|builder| builder.build());
        if let Err(error) = &built {
            tracing::warn!("no DNS resolver ({error}); names go through the system's own");
        }
        Resolving { shared, resolver: built.ok(), tasks: HashMap::new() }
    }

    /// Resolves names that have no address yet, so that traffic does not begin without them.
    pub(crate) async fn prepare(&self, snapshot: &Snapshot) {
        let missing: Vec<Named> = named(snapshot).filter(|n| n.targets.list().is_empty()).collect();
        let lookups: Vec<_> = missing
            .into_iter()
            .map(|name| {
                let (resolver, shared) = (self.resolver.clone(), self.shared.clone());
                tokio::task::spawn_local(async move {
                    once(resolver.as_ref(), &shared, &name).await;
                })
            })
            .collect();
        let all = async {
            for lookup in lookups {
                // A look-up that failed is tried again by its task.
                let _ = lookup.await;
            }
        };
        let _ = clock::within(FIRST_WAIT, all).await;
    }

    /// Looks after exactly the names of the snapshot.
    pub(crate) fn sync(&mut self, snapshot: &Snapshot) {
        let wanted: HashMap<u64, Named> =
            named(snapshot).map(|name| (name.targets.key(), name)).collect();
        self.tasks.retain(|key, task| {
            let stays = wanted.contains_key(key);
            if !stays {
                task.abort();
            }
            stays
        });
        for (key, name) in wanted {
            let (resolver, shared) = (self.resolver.clone(), self.shared.clone());
            self.tasks.entry(key).or_insert_with(|| {
                tokio::task::spawn_local(async move {
                    loop {
                        let wait = once(resolver.as_ref(), &shared, &name).await;
                        clock::sleep(wait).await;
                    }
                })
            });
        }
    }
}

fn named(snapshot: &Snapshot) -> impl Iterator<Item = Named> {
    snapshot.pools.iter().flat_map(|pool| {
        pool.plan.members.iter().zip(&pool.members).filter_map(|(plan, member)| {
            match &plan.address {
                Address::Name(host, port) => Some(Named {
                    pool: pool.plan.name.to_string(),
                    host: host.as_str().to_owned(),
                    port: *port,
                    targets: member.targets.clone(),
                }),
                _ => None,
            }
        })
    })
}

/// Resolves a name, and says when to do so again.
async fn once(resolver: Option<&TokioResolver>, shared: &Shared, name: &Named) -> Duration {
    match addresses(resolver, &name.host).await {
        Ok((mut found, wait)) if !found.is_empty() => {
            // The order changes from answer to answer; that is no news.
            found.sort_unstable();
            found.dedup();
            let list: Vec<Target> =
                found.iter().map(|ip| Target::Tcp(SocketAddr::new(*ip, name.port))).collect();
            if *name.targets.list() != list {
                name.targets.set(list);
                let (pool, host) = (name.pool.clone(), name.host.clone());
                shared.tell(Event::Resolved { pool, name: host, addresses: found });
            }
            wait.clamp(AGAIN_MIN, AGAIN_MAX)
        }
        other => {
            let reason = other.err().unwrap_or_else(|| "the name has no address".to_owned());
            // A name that never resolved, or whose addresses are still in use: told once each time
            // it is tried would be noise, so only while there is none.
            if name.targets.list().is_empty() {
                let (pool, host) = (name.pool.clone(), name.host.clone());
                shared.tell(Event::ResolveFailed { pool, name: host, reason });
            }
            AGAIN_FAILED
        }
    }
}

async fn addresses(
    resolver: Option<&TokioResolver>,
    host: &str,
) -> Result<(Vec<IpAddr>, Duration), String> {
    if let Some(resolver) = resolver {
        let found = resolver.lookup_ip(host).await.map_err(|error| error.to_string())?;
        let until = found.valid_until();
        let wait = until.saturating_duration_since(std::time::Instant::now());
        return Ok((found.iter().collect(), wait));
    }
    let found = tokio::net::lookup_host((host, 0)).await.map_err(|error| error.to_string())?;
    Ok((found.map(|socket| socket.ip()).collect(), AGAIN_UNTOLD))
}
