//! httpd's pages: what the balancer-manager and server-status show of a server's balancers, and what
//! forms order.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_balance::Micros;
use evenkeel_httpd::Handler;
use evenkeel_httpd::site::{BalancerNames, MemberNames};
use evenkeel_httpd_pages::{
    ALLOW, Asked, BalancerView, Flag, Flags, MemberUrl, MemberView, Order, Sticky, View, page,
    parse, refusal, status_page,
};
use evenkeel_net::clock;
use evenkeel_plan::{Affinity, Member, MemberRules, MemberState, Plan, Policy, Pool, Weight};
use evenkeel_proxy::core::{PageAnswer, PageAsked};
use evenkeel_proxy::snapshot::PoolRt;
use evenkeel_tls::Spoilt;

use crate::controller::Controller;

/// The words that let a form change a balancer: of each server and balancer.
#[derive(Default)]
pub(crate) struct Nonces(HashMap<(usize, String), String>);

impl Nonces {
    fn of(&mut self, site: usize, balancer: &str, ordered: Option<&String>) -> String {
        if let Some(ordered) = ordered {
            let locked = ordered.eq_ignore_ascii_case("none");
            return if locked { String::new() } else { ordered.clone() };
        }
        self.0.entry((site, balancer.to_owned())).or_insert_with(uuid).clone()
    }
}

/// A random UUID. Without randomness nothing can be changed.
fn uuid() -> String {
    let mut bytes = [0; 16];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    if read.is_err() {
        return String::new();
    }
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

impl Controller {
    /// Answers for a page, and carries out what its form orders.
    pub(crate) async fn page(&mut self, asked: PageAsked) {
        let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        let (method, path) = (text(&asked.method), text(&asked.path));
        let (query, referer) =
            (asked.query.as_deref().map(text), asked.referer.as_deref().map(text));
        let origin = text(&asked.origin);
        let request = Asked {
            method: &method,
            path: &path,
            origin: &origin,
            query: query.as_deref(),
            referer: referer.as_deref(),
            server: &asked.server,
            body: &asked.body,
        };
        let (view, pools) = self.view(asked.site);
        let answer = match asked.handler {
            Handler::Status => {
                let auto = query.as_deref().is_some_and(|query| query.starts_with("auto"));
                shown(200, status_page(&view, auto))
            }
            _ => {
                let parsed = parse(&view, &request);
                let mut status = parsed.status;
                if status == 200
                    && let Some(pool) = parsed.balancer.and_then(|at| pools.get(at).copied())
                {
                    for order in parsed.orders {
                        if !self.order(pool, parsed.member, order).await {
                            status = 400;
                        }
                    }
                }
                match status {
                    200 => shown(200, page(&self.view(asked.site).0, &request)),
                    status => shown(status, refusal(&request, status)),
                }
            }
        };
        // Whoever asked may have gone.
        drop(asked.reply.send(answer));
    }

    /// What a server sees, and the pools of its balancers in the same order.
    fn view(&mut self, site: usize) -> (View, Vec<usize>) {
        let snapshot = self.shared.snapshot();
        let mut pools = Vec::new();
        let mut balancers = Vec::new();
        let Some(sites) = self.plan.sites.clone() else { return (View::default(), pools) };
        for (at, names) in sites.balancers.iter().enumerate() {
            let sees = names.scope == 0 || names.scope == site;
            let Some(pool) = snapshot.pools.get(at).filter(|_| sees && !names.url.is_empty())
            else {
                continue;
            };
            let ordered = pool.plan.rules.as_ref().and_then(|rules| rules.nonce.as_ref());
            let nonce = self.nonces.of(site, &names.url, ordered);
            balancers.push(balancer(names, pool, nonce));
            pools.push(at);
        }
        let name = sites.sites.get(site).map(|site| site.name.clone()).unwrap_or_default();
        let version = format!("Evenkeel/{}", env!("CARGO_PKG_VERSION"));
        let methods = ["byrequests", "bytraffic", "bybusyness", "heartbeat"];
        let view = View {
            server: name.split(':').next().unwrap_or_default().to_owned(),
            version,
            built: String::new(),
            inherit: true,
            pass_inherit: true,
            methods: methods.map(str::to_owned).to_vec(),
            balancers,
            ..View::default()
        };
        (view, pools)
    }

    /// Carries out one order; false when it cannot be.
    async fn order(&mut self, at: usize, member: Option<usize>, order: Order) -> bool {
        let snapshot = self.shared.snapshot();
        let Some(pool) = snapshot.pools.get(at) else { return false };
        let now = Micros(clock::now().0);
        match (member, &order) {
            (Some(member), Order::SetFactor(hundredths)) => {
                if let Some(weight) = Weight::from_hundredths(*hundredths) {
                    pool.balance.set_weight(member, weight, now);
                }
                return true;
            }
            (Some(member), Order::SetFlag(flag @ (Flag::Disabled | Flag::Drain), on)) => {
                let there = pool.balance.members().get(member).map(|member| member.state());
                let state = match (flag, on) {
                    (Flag::Disabled, true) => MemberState::Disabled,
                    (Flag::Drain, true) if there != Some(MemberState::Disabled) => {
                        MemberState::Drain
                    }
                    (Flag::Disabled, false) if there == Some(MemberState::Disabled) => {
                        MemberState::Ready
                    }
                    (Flag::Drain, false) if there == Some(MemberState::Drain) => MemberState::Ready,
                    _ => return true,
                };
                pool.balance.set_state(member, state, now);
                return true;
            }
            _ => {}
        }
        let mut plan = (*self.plan).clone();
        change(&mut plan, at, member, order) && self.apply(plan, Spoilt::Keep).await.is_ok()
    }
}

fn shown(status: u16, page: evenkeel_httpd_pages::Page) -> PageAnswer {
    PageAnswer {
        status,
        content_type: page.content_type,
        body: page.body,
        allow: (status == 405).then_some(ALLOW),
    }
}

/// Changes the plan; false when that cannot be.
fn change(plan: &mut Plan, at: usize, member: Option<usize>, order: Order) -> bool {
    let mut sites = plan.sites.take().map(Arc::unwrap_or_clone).unwrap_or_default();
    let done = match (plan.pools.get_mut(at), sites.balancers.get_mut(at)) {
        (Some(pool), Some(names)) => change_pool(pool, names, member, order),
        _ => false,
    };
    plan.sites = Some(Arc::new(sites));
    done
}

fn change_pool(
    pool: &mut Pool,
    names: &mut BalancerNames,
    member: Option<usize>,
    order: Order,
) -> bool {
    let mut rules = pool.rules.take().unwrap_or_default();
    let done = match order {
        Order::SetMethod(method) => match method.as_str() {
            "byrequests" => set(&mut pool.policy, Policy::ByRequests),
            "bytraffic" => set(&mut pool.policy, Policy::ByTraffic),
            "bybusyness" => set(&mut pool.policy, Policy::ByBusyness),
            _ => set(&mut pool.policy, Policy::Heartbeat),
        },
        Order::SetTimeout(seconds) => set(&mut rules.wait, Duration::from_secs(seconds.into())),
        Order::SetAttempts(attempts) => {
            set(&mut pool.retry.attempts, u8::try_from(attempts).unwrap_or(99))
        }
        Order::SetNoFailover(on) => {
            if let Some(Affinity::Application { failover, .. }) = &mut pool.affinity {
                *failover = !on;
            }
            true
        }
        Order::SetSticky(sticky) => {
            names.sticky = sticky.is_some();
            pool.affinity = sticky.map(|sticky| Affinity::Application {
                cookie: sticky.cookie,
                parameter: sticky.parameter,
                separator: Some(b'.'),
                set_cookie: None,
                failover: true,
            });
            true
        }
        Order::AddMember(url) => add(pool, names, &mut rules, &url),
        order => match member {
            Some(at) => change_member(pool, names, &mut rules, at, order),
            None => true,
        },
    };
    pool.rules = Some(rules);
    done
}

fn set<T>(place: &mut T, value: T) -> bool {
    *place = value;
    true
}

fn change_member(
    pool: &mut Pool,
    names: &mut BalancerNames,
    rules: &mut evenkeel_plan::PoolRules,
    at: usize,
    order: Order,
) -> bool {
    let (Some(member), Some(own), Some(name)) =
        (pool.members.get_mut(at), rules.members.get_mut(at), names.members.get_mut(at))
    else {
        return false;
    };
    match order {
        Order::SetSet(set) => member.tier = u8::try_from(set).unwrap_or(99),
        Order::SetRoute(route) => {
            name.route.clone_from(&route);
            own.route = route;
        }
        Order::SetRedirect(redirect) => own.redirect = redirect,
        Order::SetFlag(Flag::IgnoreErrors, on) => own.ignore_errors = on,
        Order::SetFlag(Flag::Standby, on) => member.backup = on,
        Order::SetFlag(Flag::Spare, on) => member.spare = on,
        Order::SetFlag(Flag::Stopped, on) => {
            own.stopped = on;
            member.state = if on { MemberState::Disabled } else { MemberState::Ready };
        }
        // The remaining flags cannot be ordered here.
        _ => {}
    }
    true
}

/// A new member, disabled; there must be room, and it must speak HTTP.
fn add(
    pool: &mut Pool,
    names: &mut BalancerNames,
    rules: &mut evenkeel_plan::PoolRules,
    url: &MemberUrl,
) -> bool {
    let room = pool.members.len() < rules.configured + rules.growth;
    let address = match &url.socket {
        Some(socket) => format!("unix:{socket}").parse(),
        None => format!("{}:{}", bracketed(&url.host), url.port).parse(),
    };
    let (true, "http", Ok(address)) = (room, url.scheme.as_str(), address) else { return false };
    let mut member = Member::new(address);
    member.state = MemberState::Disabled;
    member.path = url.path.trim_end_matches('/').to_owned();
    if pool.members.iter().any(|other| other.tag == member.tag) {
        return false;
    }
    pool.members.push(member);
    rules.members.push(MemberRules { retry: Duration::from_secs(60), ..MemberRules::default() });
    let short = match url.port {
        80 => bracketed(&url.host),
        port => format!("{}:{port}", bracketed(&url.host)),
    };
    let (url, path) = (url.name.clone(), url.path.clone());
    names.members.push(MemberNames { url, host: short, path, ..MemberNames::default() });
    true
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

fn balancer(names: &BalancerNames, pool: &PoolRt, nonce: String) -> BalancerView {
    let rules = pool.plan.rules.as_deref().cloned().unwrap_or_default();
    let (sticky, no_failover) = match &pool.plan.affinity {
        Some(Affinity::Application { cookie, parameter, failover, .. }) => {
            let (cookie, parameter) = (cookie.clone(), parameter.clone());
            (Some(Sticky { cookie, parameter }), !failover)
        }
        _ => (None, false),
    };
    let name = names.url.trim_start_matches("balancer://").to_owned();
    let now = Micros(clock::now().0);
    let members = names.members.iter().enumerate();
    BalancerView {
        hash: format!("p{:08x}_{name}", pool.id),
        name,
        nonce,
        sticky,
        no_failover,
        scolon: rules.semicolon_ends,
        timeout_s: u32::try_from(rules.wait.as_secs()).unwrap_or(u32::MAX),
        max_attempts: Some(u32::from(pool.plan.retry.attempts)),
        method: pool.plan.policy.name().replace('-', ""),
        active: true,
        growth_max: rules.configured + rules.growth,
        growth_used: names.members.len(),
        members: members.filter_map(|(at, name)| member(at, name, pool, now)).collect(),
        ..BalancerView::default()
    }
}

fn member(at: usize, names: &MemberNames, pool: &PoolRt, now: Micros) -> Option<MemberView> {
    let live = pool.balance.members().get(at)?;
    let plan = pool.plan.members.get(at)?;
    let rules = pool.plan.rules.as_ref().and_then(|rules| rules.member(at));
    let url = MemberUrl::parse(&names.url)?;
    let flags: Flags = [
        (Flag::Initialized, true),
        (Flag::IgnoreErrors, rules.is_some_and(|rules| rules.ignore_errors)),
        (Flag::Drain, live.state() == MemberState::Drain),
        (Flag::Disabled, live.state() == MemberState::Disabled),
        (Flag::Stopped, rules.is_some_and(|rules| rules.stopped)),
        (Flag::Error, live.is_ejected(now)),
        (Flag::Standby, plan.backup),
        (Flag::Spare, plan.spare),
        (Flag::HealthFailed, !live.is_healthy()),
    ]
    .into_iter()
    .filter_map(|(flag, on)| on.then_some(flag))
    .collect();
    Some(MemberView {
        url: url.name,
        socket: url.socket,
        scheme: url.scheme,
        host: url.host,
        port: url.port,
        route: names.route.clone(),
        redirect: rules.map(|rules| rules.redirect.clone()).unwrap_or_default(),
        factor: live.weight().hundredths(),
        set: plan.tier.into(),
        flags,
        usable: live.state() != MemberState::Disabled && live.is_healthy() && !live.is_ejected(now),
        elected: live.requests(),
        busy: live.active().into(),
        load: live.credit(),
        to: live.bytes_out(),
        from: live.bytes_in(),
        retry_s: rules.map(|rules| rules.retry.as_secs()),
        ..MemberView::default()
    })
}
