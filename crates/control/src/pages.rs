//! httpd's pages: what the balancer-manager and server-status show of a server's balancers, and what
//! forms order.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_balance::Micros;
use evenkeel_httpd::Handler;
use evenkeel_httpd::site::{BalancerNames, CheckExpr, MemberNames};
use evenkeel_httpd_pages::{
    ALLOW, Asked, BalancerView, Expression, Flag, Flags, HealthMethod, HealthOrder, HealthView,
    MemberUrl, MemberView, Order, Sticky, View, page, parse, refusal, status_page,
};
use evenkeel_net::clock;
use evenkeel_plan::{
    Affinity, CheckMethod, Member, MemberCheck, MemberRules, MemberState, Plan, Policy, Pool,
    Weight,
};
use evenkeel_proxy::core::{PageAnswer, PageAsked};
use evenkeel_proxy::snapshot::PoolRt;
use evenkeel_tls::Spoilt;

use crate::controller::Controller;

/// What httpd gives a member as `max` by default: its threads.
const THREADS: u32 = 25;

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

    /// Takes one over from the process before.
    pub(crate) fn keep(&mut self, site: usize, balancer: &str, nonce: &str) {
        if !nonce.is_empty() {
            self.0.insert((site, balancer.to_owned()), nonce.to_owned());
        }
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
        let (view, pools) = self.view(asked.site, &asked.server);
        let answer = match asked.handler {
            Handler::Status => {
                let auto = query.as_deref().is_some_and(|query| query.starts_with("auto"));
                shown(200, status_page(&view, auto))
            }
            // As httpd does for whatever it serves.
            _ if method == "OPTIONS" => PageAnswer {
                status: 200,
                content_type: "text/plain",
                body: String::new(),
                allow: Some("GET,HEAD,POST,OPTIONS"),
            },
            _ => {
                let parsed = parse(&view, &request);
                let mut status = parsed.status;
                if status == 200
                    && let Some(pool) = parsed.balancer.and_then(|at| pools.get(at).copied())
                {
                    let asked = Orders { site: asked.site, pool, member: parsed.member };
                    if !self.order(asked, parsed.orders).await {
                        status = 400;
                    }
                }
                match status {
                    200 => shown(200, page(&self.view(asked.site, &asked.server).0, &request)),
                    status => shown(status, refusal(&request, status)),
                }
            }
        };
        // Whoever asked may have gone.
        drop(asked.reply.send(answer));
    }

    /// What a server sees, and the pools of its balancers in the same order.
    pub(crate) fn view(&mut self, site: usize, server: &str) -> (View, Vec<usize>) {
        let snapshot = self.shared.snapshot();
        let mut pools = Vec::new();
        let mut balancers = Vec::new();
        let Some(sites) = self.plan.sites.clone() else { return (View::default(), pools) };
        for (at, names) in sites.balancers.iter().enumerate() {
            // One that a virtual host has its own words for hides the main server's.
            let own = |other: &BalancerNames| other.scope == site && other.url == names.url;
            let hidden = names.scope != site && sites.balancers.iter().any(own);
            let sees = (names.scope == 0 || names.scope == site) && !hidden;
            let Some(pool) = snapshot.pools.get(at).filter(|_| sees && !names.url.is_empty())
            else {
                continue;
            };
            let ordered = pool.plan.rules.as_ref().and_then(|rules| rules.nonce.as_ref());
            let nonce = self.nonces.of(site, &names.url, ordered);
            balancers.push(balancer(names, pool, nonce));
            pools.push(at);
        }
        let exprs = sites.sites.get(site).and_then(|site| site.check_exprs.as_ref());
        let expressions = exprs.map(|exprs| {
            let shown = |e: &CheckExpr| Expression { name: e.name.clone(), text: e.text.clone() };
            exprs.iter().map(shown).collect()
        });
        let pings = |method: &HealthMethod| sites.pings || *method != HealthMethod::Cping;
        let version = format!("Evenkeel/{}", env!("CARGO_PKG_VERSION"));
        let methods = ["byrequests", "bytraffic", "bybusyness", "heartbeat"];
        let view = View {
            server: server.to_owned(),
            version,
            built: String::new(),
            persist: sites.sites.get(site).is_some_and(|site| site.persist),
            inherit: true,
            pass_inherit: true,
            methods: methods.map(str::to_owned).to_vec(),
            expressions,
            check_methods: HealthMethod::ALL.into_iter().filter(pings).collect(),
            balancers,
            ..View::default()
        };
        (view, pools)
    }

    /// Carries out what a form orders; false when that cannot be.
    async fn order(&mut self, asked: Orders, orders: Vec<Order>) -> bool {
        let snapshot = self.shared.snapshot();
        let Some(pool) = snapshot.pools.get(asked.pool) else { return false };
        let now = Micros(clock::now().0);
        let mut plan = (*self.plan).clone();
        let mut changed = false;
        for order in orders {
            match (asked.member, order) {
                (Some(member), Order::SetFactor(hundredths)) => {
                    if let Some(weight) = Weight::from_hundredths(hundredths) {
                        pool.balance.set_weight(member, weight, now);
                    }
                }
                (Some(member), Order::SetFlag(Flag::HealthFailed, on)) => {
                    pool.balance.set_up(member, !on, now);
                }
                (_, order) => {
                    changed = true;
                    if !change(&mut plan, asked, order) {
                        return false;
                    }
                }
            }
        }
        let done = !changed || self.apply(plan, Spoilt::Keep).await.is_ok();
        if let Some(changed) = self.shared.snapshot().pools.get(asked.pool)
            && changed.plan.policy != pool.plan.policy
        {
            changed.balance.begin_anew(changed.plan.policy);
        }
        self.save();
        done
    }
}

/// What a form is about.
#[derive(Clone, Copy)]
pub(crate) struct Orders {
    /// The server that was asked.
    pub(crate) site: usize,
    /// The balancer's place among pools.
    pub(crate) pool: usize,
    /// The member's place in it.
    pub(crate) member: Option<usize>,
}

fn shown(status: u16, page: evenkeel_httpd_pages::Page) -> PageAnswer {
    PageAnswer {
        status,
        content_type: page.content_type,
        body: page.body,
        allow: (status == 405).then_some(ALLOW),
    }
}

/// Changes the plan; false when that cannot be. What is ordered of a member counts in all pools
/// that share it.
pub(crate) fn change(plan: &mut Plan, asked: Orders, order: Order) -> bool {
    let mut sites = plan.sites.take().map(Arc::unwrap_or_clone).unwrap_or_default();
    let exprs = sites.sites.get(asked.site).and_then(|site| site.check_exprs.clone());
    let exprs = exprs.unwrap_or_default();
    let kin = match asked.member.is_some() || matches!(order, Order::AddMember(_)) {
        true => kin(plan, asked.pool),
        false => vec![asked.pool],
    };
    let mut done = true;
    for at in kin {
        done &= match (plan.pools.get_mut(at), sites.balancers.get_mut(at)) {
            (Some(pool), Some(names)) => {
                change_pool(pool, names, asked.member, order.clone(), &exprs)
            }
            _ => false,
        };
    }
    plan.sites = Some(Arc::new(sites));
    done
}

/// The pools that have their members in common with one, itself among them.
fn kin(plan: &Plan, at: usize) -> Vec<usize> {
    let owner = |pool: &Pool| {
        let shares = pool.rules.as_ref().and_then(|rules| rules.shares.clone());
        shares.unwrap_or_else(|| pool.name.clone())
    };
    let Some(own) = plan.pools.get(at).map(owner) else { return Vec::new() };
    (0..plan.pools.len()).filter(|at| owner(&plan.pools[*at]) == own).collect()
}

fn change_pool(
    pool: &mut Pool,
    names: &mut BalancerNames,
    member: Option<usize>,
    order: Order,
    exprs: &[CheckExpr],
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
            rules.attempts_count = true;
            set(&mut pool.retry.attempts, u8::try_from(attempts).unwrap_or(99))
        }
        Order::SetNoFailover(on) => {
            rules.no_failover = on;
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
                separator: rules.separator,
                set_cookie: None,
                failover: !rules.no_failover,
            });
            true
        }
        Order::AddMember(url) => add(pool, names, &mut rules, &url),
        order => match member {
            Some(at) => change_member(pool, names, &mut rules, at, order, exprs),
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
    exprs: &[CheckExpr],
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
        Order::SetFlag(Flag::Disabled, on) => own.disabled = on,
        Order::SetFlag(Flag::Drain, on) => own.drain = on,
        Order::SetFlag(Flag::Stopped, on) => own.stopped = on,
        Order::SetHealth(order) => {
            change_check(&mut own.check, order, exprs);
            own.check.settle(&name.path, &name.host);
        }
        // The remaining flags cannot be ordered here.
        _ => {}
    }
    member.state = own.state();
    true
}

fn change_check(check: &mut MemberCheck, order: HealthOrder, exprs: &[CheckExpr]) {
    match order {
        HealthOrder::Method(method) => {
            check.method = CheckMethod::named(method.name()).unwrap_or(check.method);
        }
        HealthOrder::Expression(name) => {
            let found = exprs.iter().find(|expr| expr.name == name);
            check.expr = found.map(|found| (name, found.expr.clone()));
        }
        HealthOrder::Interval(millis) => check.interval = Duration::from_millis(millis),
        HealthOrder::Passes(passes) => check.rise = passes,
        HealthOrder::Fails(fails) => check.fall = fails,
        HealthOrder::Uri(uri) => check.uri = uri,
    }
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
    let retry = Duration::from_secs(60);
    rules.members.push(MemberRules { retry, disabled: true, ..MemberRules::default() });
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
    let sticky = match &pool.plan.affinity {
        Some(Affinity::Application { cookie, parameter, .. }) => {
            Some(Sticky { cookie: cookie.clone(), parameter: parameter.clone() })
        }
        _ => None,
    };
    let name = names.url.trim_start_matches("balancer://").to_owned();
    let now = Micros(clock::now().0);
    let members = names.members.iter().enumerate();
    BalancerView {
        hash: format!("p{:08x}_{name}", pool.id),
        name,
        nonce,
        sticky,
        no_failover: rules.no_failover,
        scolon: rules.semicolon_ends,
        timeout_s: u32::try_from(rules.wait.as_secs()).unwrap_or(u32::MAX),
        max_attempts: rules.attempts_count.then(|| u32::from(pool.plan.retry.attempts)),
        method: pool.plan.policy.name().replace('-', ""),
        path: rules.path.clone(),
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
    let own = pool.plan.rules.as_ref().and_then(|rules| rules.member(at))?;
    let url = MemberUrl::parse(&names.url)?;
    // What the letters say, unless another way was found to order something else.
    let by_letters = live.state() == plan.state && plan.state == own.state();
    let is = |letter: bool, state| if by_letters { letter } else { live.state() == state };
    let flags: Flags = [
        (Flag::Initialized, true),
        (Flag::IgnoreErrors, own.ignore_errors),
        (Flag::Drain, is(own.drain, MemberState::Drain)),
        (Flag::Disabled, is(own.disabled, MemberState::Disabled)),
        (Flag::Stopped, own.stopped),
        (Flag::Error, live.in_error()),
        (Flag::Standby, plan.backup),
        (Flag::Spare, plan.spare),
        (Flag::HealthFailed, !live.is_healthy()),
    ]
    .into_iter()
    .filter_map(|(flag, on)| on.then_some(flag))
    .collect();
    let failed = live.failed_for(now);
    let shown = &own.shown;
    let max = own.places.unwrap_or(THREADS);
    Some(MemberView {
        url: url.name,
        socket: url.socket,
        scheme: url.scheme,
        host: url.host,
        port: url.port,
        route: names.route.clone(),
        redirect: own.redirect.clone(),
        factor: live.weight().hundredths(),
        set: plan.tier.into(),
        flags,
        usable: live.state() != MemberState::Disabled && live.is_healthy() && !live.in_error(),
        elected: live.requests(),
        busy: live.active().into(),
        load: live.credit(),
        to: live.bytes_out(),
        from: live.bytes_in(),
        retries: live.retries(),
        error_time: failed.map(|ago| clock::wall().saturating_sub(ago).as_secs()),
        hc: Some(check(&own.check, live.checks_counted())),
        min: shown.min.unwrap_or(0),
        smax: shown.smax.unwrap_or(max).min(max),
        max,
        ttl_s: shown.ttl.unwrap_or(0),
        timeout_s: shown.timeout,
        acquire_ms: own.patience.map(millis),
        receive_buffer: shown.receive_buffer,
        io_buffer: shown.io_buffer,
        keepalive: shown.keepalive,
        disable_reuse: shown.disable_reuse,
        connect_timeout_ms: shown.connect.map(millis),
        retry_s: shown.retry,
        ping_ms: own.ping.map(millis),
        ..MemberView::default()
    })
}

fn check(check: &MemberCheck, (passes_now, fails_now): (u32, u32)) -> HealthView {
    let name = check.method.name();
    let method = HealthMethod::ALL.into_iter().find(|method| method.name() == name);
    HealthView {
        method: method.unwrap_or_default(),
        interval_ms: millis(check.interval),
        passes: check.rise,
        passes_now,
        fails: check.fall,
        fails_now,
        uri: check.uri.clone(),
        expr: check.expr.as_ref().map(|(name, _)| name.clone()).unwrap_or_default(),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
