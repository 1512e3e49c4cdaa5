//! The controller as the admin API sees it: the same facts in the API's words.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_admin::views::{
    DiagnosticView, ListenerView, MemberView, OrderView, PoolView, ProbeView, ReloadReport,
    ReloadView, RouteView, StatusView,
};
use evenkeel_admin::{Answer, Controller, MemberPatch, Readiness, Refusal};
use evenkeel_balance as balance;
use evenkeel_control::{Command, Handle, Refused, Shared};
use evenkeel_net::clock;
use evenkeel_observe::events::Stamped;
use evenkeel_observe::metrics::{self, Extra, Merged, table};
use evenkeel_plan::{Affinity, Check, HostMatch, Member, MemberState, Name, PathMatch};
use evenkeel_proxy::snapshot::{ActionRt, PoolRt};
use tokio::sync::watch;

/// Ordered certificates that are shown.
const ORDERS_MAX: usize = 1000;

/// The controller behind the admin API.
pub(crate) struct Api {
    handle: Handle,
}

impl Api {
    pub(crate) fn new(handle: Handle) -> Api {
        Api { handle }
    }

    fn shared(&self) -> &Arc<Shared> {
        self.handle.shared()
    }

    async fn member_view(&self, pool: &str, member: &str) -> Result<MemberView, Refusal> {
        let snapshot = self.shared().snapshot();
        let pool = snapshot.pool(pool).ok_or(Refusal::UnknownPool)?;
        let at = pool.plan.member_index(member).ok_or(Refusal::UnknownMember)?;
        Ok(view_member(pool, at, now()))
    }

    fn status_now(&self, merged: &Merged, sessions: usize) -> StatusView {
        let shared = self.shared();
        let snapshot = shared.snapshot();
        let members = || snapshot.pools.iter().flat_map(|pool| pool.balance.members());
        let uptime = shared.uptime();
        let state = match (shared.is_draining(), shared.is_ready()) {
            (true, _) => "draining",
            (false, true) => "serving",
            (false, false) => "starting",
        };
        StatusView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            state: state.to_owned(),
            generation: snapshot.generation,
            started_unix_ms: millis(clock::wall().saturating_sub(uptime)),
            uptime_seconds: uptime.as_secs_f64(),
            cores: u32::try_from(shared.cores()).unwrap_or(u32::MAX),
            io: "epoll".to_owned(),
            config: None,
            last_reload: shared.last_reload().map(|last| ReloadView {
                ok: last.ok,
                unix_ms: last.unix_millis,
                summary: last.summary,
            }),
            connections: sessions as u64,
            requests: merged.requests(),
            listeners: snapshot.listeners.len() as u64,
            routes: snapshot.plan.routes.len() as u64,
            pools: snapshot.pools.len() as u64,
            members: members().count() as u64,
            members_usable: members().filter(|member| member.is_usable(now())).count() as u64,
            changes_allowed: false,
        }
    }

    fn listener_views(&self, merged: &Merged) -> Vec<ListenerView> {
        let snapshot = self.shared().snapshot();
        let bound = self.shared().bound();
        let view = |listener: &evenkeel_proxy::snapshot::ListenerRt| {
            let name = listener.plan.name.to_string();
            let (accepted, connections) = merged.connections(listener.id);
            let (bytes_in, bytes_out) = merged.bytes(listener.id);
            ListenerView {
                addresses: bound
                    .iter()
                    .filter(|b| b.listener == name)
                    .map(|b| b.address.clone())
                    .collect(),
                protocol: listener.plan.protocol.name().to_owned(),
                pool: listener.plan.pool.as_ref().map(ToString::to_string),
                connections,
                connections_max: u64::from(listener.plan.limits.connections),
                accepted,
                bytes_in,
                bytes_out,
                name,
            }
        };
        snapshot.listeners.iter().map(view).collect()
    }

    /// What the cores do not know.
    fn extra(&self) -> Extra {
        let shared = self.shared();
        let snapshot = shared.snapshot();
        let mut extra = Extra::new();
        for pool in &snapshot.pools {
            members_extra(&mut extra, pool);
        }
        for ((pool, member, result), count) in shared.probes() {
            extra.set(&table::HEALTH_CHECKS, &[&pool, &member, result], count);
        }
        let (ok, failed) = shared.reloads();
        extra.set(&table::CONFIG_RELOADS, &["ok"], ok);
        extra.set(&table::CONFIG_RELOADS, &["failed"], failed);
        extra.set(&table::CONFIG_GENERATION, &[], snapshot.generation);
        extra.set(&table::CONFIG_RELOAD_TIME, &[], shared.changed());
        let now = clock::wall().as_secs_f64();
        for expiry in shared.expiries() {
            let left = (expiry.until as f64 - now).floor();
            extra.set(&table::CERTIFICATE_EXPIRY, &[expiry.listener.as_str(), &expiry.file], left);
        }
        for ((authority, result), count) in shared.ordered_total() {
            extra.set(&table::ACME_ORDERS, &[&authority, result], count);
        }
        let log = shared.log_counters();
        extra.set(&table::ACCESS_LOG_LINES, &[], log.lines);
        extra.set(&table::ACCESS_LOG_DROPPED, &[], log.dropped);
        extra.set(&table::ACCESS_LOG_ERRORS, &[], log.errors);
        extra.set(&table::DRAINING, &[], shared.is_draining());
        extra.set(&table::CORES, &[], shared.cores() as u64);
        extra.set(&table::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1);
        metrics::process::add(&mut extra, shared.uptime());
        extra
    }
}

impl Controller for Api {
    fn status(&self) -> Answer<'_, StatusView> {
        Box::pin(async {
            let reports = self.shared().reports().await;
            let sessions = reports.iter().map(|report| report.sessions).sum();
            let merged = metrics::merge(reports.into_iter().map(|report| report.metrics));
            self.status_now(&merged, sessions)
        })
    }

    fn pools(&self) -> Answer<'_, Vec<PoolView>> {
        Box::pin(async {
            self.shared().snapshot().pools.iter().map(|pool| view_pool(pool)).collect()
        })
    }

    fn pool<'a>(&'a self, pool: &'a str) -> Answer<'a, Option<PoolView>> {
        Box::pin(async move { self.shared().snapshot().pool(pool).map(|pool| view_pool(pool)) })
    }

    fn listeners(&self) -> Answer<'_, Vec<ListenerView>> {
        Box::pin(async { self.listener_views(&self.shared().metrics().await) })
    }

    fn routes(&self) -> Answer<'_, Vec<RouteView>> {
        Box::pin(async {
            let snapshot = self.shared().snapshot();
            let plans = &snapshot.plan.routes;
            plans
                .iter()
                .zip(&snapshot.routes)
                .map(|(plan, route)| view_route(plan, &route.action))
                .collect()
        })
    }

    fn orders(&self) -> Answer<'_, Vec<OrderView>> {
        Box::pin(async {
            let all = self.shared().orders();
            let each = all.into_iter().flat_map(|(authority, orders)| {
                orders.into_iter().map(move |order| view_order(authority.clone(), order))
            });
            each.take(ORDERS_MAX).collect()
        })
    }

    fn patch_member<'a>(
        &'a self,
        pool: &'a str,
        member: &'a str,
        patch: MemberPatch,
    ) -> Answer<'a, Result<MemberView, Refusal>> {
        Box::pin(async move {
            let patch = evenkeel_control::MemberPatch { state: patch.state, weight: patch.weight };
            let (pool_name, member_name) = names(pool, member)?;
            self.handle.patch(pool_name, member_name, patch).await.map_err(refusal)?;
            self.member_view(pool, member).await
        })
    }

    fn add_member<'a>(
        &'a self,
        pool: &'a str,
        member: Member,
    ) -> Answer<'a, Result<MemberView, Refusal>> {
        Box::pin(async move {
            let tag = member.tag.clone();
            let (pool_name, _) = names(pool, &tag)?;
            self.handle.add(pool_name, member).await.map_err(refusal)?;
            self.member_view(pool, &tag).await
        })
    }

    fn remove_member<'a>(
        &'a self,
        pool: &'a str,
        member: &'a str,
    ) -> Answer<'a, Result<(), Refusal>> {
        Box::pin(async move {
            // Looked up first, so that the answer tells pool and member apart.
            self.member_view(pool, member).await?;
            let (pool_name, member_name) = names(pool, member)?;
            self.handle.remove(pool_name, member_name).await.map_err(refusal)
        })
    }

    fn reload(&self) -> Answer<'_, Result<ReloadReport, Vec<DiagnosticView>>> {
        Box::pin(async {
            match self.handle.reload().await {
                Ok(summary) => {
                    let generation = self.shared().snapshot().generation;
                    Ok(ReloadReport { generation, summary, warnings: Vec::new() })
                }
                Err(refused) => {
                    let rendered = refused.to_string();
                    let message = rendered.lines().next().unwrap_or_default().to_owned();
                    let severity = "error".to_owned();
                    Err(vec![DiagnosticView {
                        severity,
                        message,
                        rendered,
                        ..DiagnosticView::default()
                    }])
                }
            }
        })
    }

    fn drain(&self) -> Answer<'_, ()> {
        Box::pin(self.handle.tell(Command::Drain))
    }

    fn events(&self, since: u64) -> Answer<'_, Vec<Arc<Stamped>>> {
        Box::pin(async move { self.shared().events_since(since) })
    }

    fn newest_event(&self) -> watch::Receiver<u64> {
        self.shared().newest_event()
    }

    fn metrics(&self) -> Answer<'_, String> {
        Box::pin(async {
            let merged = self.shared().metrics().await;
            let extra = self.extra();
            metrics::encode(&merged, &self.shared().names(), &extra)
        })
    }

    fn ready(&self) -> Answer<'_, Readiness> {
        Box::pin(async {
            match (self.shared().is_draining(), self.shared().is_ready()) {
                (true, _) => Readiness::NotReady("draining".to_owned()),
                (false, true) => Readiness::Ready,
                (false, false) => Readiness::NotReady("starting".to_owned()),
            }
        })
    }
}

fn names(pool: &str, member: &str) -> Result<(Name, Name), Refusal> {
    let pool = Name::new(pool).map_err(|_| Refusal::UnknownPool)?;
    Ok((pool, Name::new(member).map_err(|_| Refusal::UnknownMember)?))
}

fn refusal(refused: Refused) -> Refusal {
    match refused {
        Refused::NotFound(text) if text.starts_with("no pool") => Refusal::UnknownPool,
        Refused::NotFound(_) => Refusal::UnknownMember,
        Refused::Invalid(detail) => Refusal::Conflict(detail),
        other => Refusal::Unavailable(other.to_string()),
    }
}

fn view_order(authority: String, order: evenkeel_control::OrderView) -> OrderView {
    OrderView {
        authority,
        domains: order.domains,
        file: order.file,
        until_unix: order.until,
        next_unix: order.next,
        failures: order.failures,
        reason: order.reason,
    }
}

fn now() -> balance::Micros {
    balance::Micros(clock::now().0)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn view_pool(pool: &PoolRt) -> PoolView {
    let plan = &pool.plan;
    let members: Vec<MemberView> =
        (0..plan.members.len()).map(|at| view_member(pool, at, now())).collect();
    PoolView {
        name: plan.name.to_string(),
        policy: plan.policy.name().to_owned(),
        affinity: plan.affinity.as_ref().map(|affinity| match affinity {
            Affinity::Cookie(cookie) => format!("cookie {}", cookie.name),
            Affinity::Application { cookie, parameter, .. } => {
                format!("application {cookie}|{parameter}")
            }
            Affinity::Client => "client".to_owned(),
        }),
        check: plan.health.check.as_ref().map(|check| match check {
            Check::Tcp(_) => format!("tcp every {:?}", plan.health.interval),
            Check::Udp(_) => format!("udp every {:?}", plan.health.interval),
            Check::Grpc(grpc) => {
                format!("grpc {} every {:?}", grpc.service, plan.health.interval)
            }
            Check::Http(http) => {
                format!("http {} {} every {:?}", http.method, http.path, plan.health.interval)
            }
        }),
        queue: pool.balance.queue_len() as u64,
        queue_max: u64::from(plan.limits.queue),
        usable: members.iter().filter(|member| member.usable).count() as u64,
        members,
    }
}

fn view_member(pool: &PoolRt, at: usize, now: balance::Micros) -> MemberView {
    let (plan, member) = (&pool.plan.members[at], &pool.balance.members()[at]);
    MemberView {
        tag: plan.tag.to_string(),
        address: plan.address.to_string(),
        weight: f64::from(member.weight().hundredths()) / 100.0,
        tier: plan.tier,
        backup: plan.backup,
        spare: plan.spare,
        state: member.state().name().to_owned(),
        health: member.health().name().to_owned(),
        since_seconds: member.since(now).as_secs_f64(),
        usable: member.is_usable(now),
        ejected: member.is_ejected(now),
        suspect: member.is_suspect(now),
        active: u64::from(member.active()),
        max_requests: plan.max_requests.map(u64::from),
        requests: member.requests(),
        failures: member.failures(),
        bytes_in: member.bytes_in(),
        bytes_out: member.bytes_out(),
        latency_ms: member.latency().map(|latency| latency.as_secs_f64() * 1000.0),
        last_probe: member.last_probe().map(|(probe, ended)| ProbeView {
            result: if probe.pass { "pass" } else { "fail" }.to_owned(),
            reason: probe.reason,
            ms: probe.took.as_secs_f64() * 1000.0,
            ago_seconds: Duration::from_micros(now.0.saturating_sub(ended.0)).as_secs_f64(),
        }),
        runtime: false,
    }
}

fn view_route(plan: &evenkeel_plan::Route, action: &ActionRt) -> RouteView {
    RouteView {
        name: plan.name.to_string(),
        listeners: plan.listeners.iter().map(ToString::to_string).collect(),
        hosts: plan
            .hosts
            .iter()
            .map(|host| match host {
                HostMatch::Exact(name) => name.clone(),
                HostMatch::Wildcard(parent) => format!("*.{parent}"),
            })
            .collect(),
        paths: plan
            .paths
            .iter()
            .map(|path| match path {
                PathMatch::Exact(path) => path.clone(),
                PathMatch::Prefix(prefix) => format!("{prefix}/*"),
                PathMatch::Regex(pattern) => format!("~{pattern}"),
            })
            .collect(),
        methods: plan.methods.clone(),
        action: match action {
            ActionRt::Pool(pool) => format!("pool {}", pool.plan.name),
            ActionRt::Split(split) => {
                let part =
                    |(pool, weight): &(Arc<PoolRt>, u16)| format!("{} {weight}", pool.plan.name);
                format!("pools {}", split.parts.iter().map(part).collect::<Vec<_>>().join(", "))
            }
            ActionRt::Redirect { status, .. } => format!("redirect {status}"),
            ActionRt::Respond(respond) => format!("respond {}", respond.status),
        },
        pool: match action {
            ActionRt::Pool(pool) => Some(pool.plan.name.to_string()),
            _ => None,
        },
    }
}

fn members_extra(extra: &mut Extra, pool: &PoolRt) {
    let now = now();
    extra.set(&table::QUEUE, &[&pool.plan.name], pool.balance.queue_len() as u64);
    for (plan, member) in pool.plan.members.iter().zip(pool.balance.members()) {
        let labels: [&str; 2] = [&pool.plan.name, &plan.tag];
        let up = match member.health() {
            balance::Health::Up => 1.0,
            balance::Health::Starting => 0.5,
            balance::Health::Down => 0.0,
        };
        extra.set(&table::MEMBER_UP, &labels, up);
        extra.set(&table::MEMBER_USABLE, &labels, member.is_usable(now));
        extra.set(&table::MEMBER_WEIGHT, &labels, f64::from(member.weight().hundredths()) / 100.0);
        extra.set(&table::MEMBER_ACTIVE, &labels, u64::from(member.active()));
        extra.set(&table::MEMBER_REQUESTS, &labels, member.requests());
        extra.set(&table::MEMBER_FAILURES, &labels, member.failures());
        extra.set(&table::MEMBER_EJECTIONS, &labels, member.ejections());
        for (state, name) in MemberState::ALL {
            extra.set(&table::MEMBER_STATE, &[labels[0], labels[1], name], member.state() == state);
        }
        let (ups, downs) = member.health_changes();
        extra.set(&table::HEALTH_CHANGES, &[labels[0], labels[1], "up"], ups);
        extra.set(&table::HEALTH_CHANGES, &[labels[0], labels[1], "down"], downs);
    }
}
