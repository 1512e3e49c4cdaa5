//! What httpd's configuration comes to, and what orders make of it.

use evenkeel_httpd_pages::*;

use crate::httpd::Httpd;

/// What the configuration means, with what only httpd knows taken from its page. The methods come
/// out of a hash table of httpd's in an order that changes from start to start.
pub(crate) fn view(httpd: &Httpd, health: bool) -> View {
    let answer = httpd.ask("GET", "/pages?b=one", "");
    let page = &*String::from_utf8_lossy(&answer.body);
    let between = |text: &str, start: &str, end: &str| {
        let (_, rest) = text.split_once(start).expect("the page has it");
        rest.split_once(end).expect("the page has it").0.to_owned()
    };
    let id = between(page, "balancer://one</a> [", "_one]");
    let expression =
        |name: &str, text: &str| Expression { name: name.to_owned(), text: text.to_owned() };
    let known = || {
        vec![
            expression("ok2", "%{REQUEST_STATUS} =~ /^2/"),
            expression("plain", "hc('body') !~ /<down>/"),
        ]
    };
    let mut view = View {
        server: "127.0.0.1".to_owned(),
        version: between(page, "Server Version: ", "</dt>"),
        built: between(page, "Server Built: ", "</dt>"),
        inherit: true,
        pass_inherit: true,
        methods: between(page, "id='b_lbm'>", "</select>")
            .lines()
            .filter_map(|line| line.rsplit_once('>').map(|(_, name)| name.to_owned()))
            .collect(),
        expressions: health.then(known),
        check_methods: HealthMethod::ALL.to_vec(),
        balancers: vec![one(health), two(), three()],
        ..View::default()
    };
    for balancer in &mut view.balancers {
        balancer.hash = format!("{id}_{}", balancer.name);
        balancer.path = format!("/{}", balancer.name);
        balancer.active = true;
    }
    view
}

fn one(health: bool) -> BalancerView {
    let check = HealthView {
        method: HealthMethod::Get,
        interval_ms: 1_000_000,
        passes: 2,
        fails: 3,
        uri: "/up?a&b".to_owned(),
        expr: "ok2".to_owned(),
        ..HealthView::default()
    };
    BalancerView {
        name: "one".to_owned(),
        nonce: "abc".to_owned(),
        sticky: Some(Sticky { cookie: "JS".to_owned(), parameter: "js".to_owned() }),
        no_failover: true,
        scolon: true,
        timeout_s: 3,
        max_attempts: Some(1),
        method: "byrequests".to_owned(),
        growth_max: 4,
        growth_used: 2,
        members: vec![
            MemberView {
                route: "a".to_owned(),
                factor: 150,
                set: 1,
                hc: health.then_some(check),
                ..member("http://127.0.0.1:9")
            },
            MemberView {
                redirect: "x".to_owned(),
                flags: [Flag::Initialized, Flag::Standby].into_iter().collect(),
                ..member("http://127.0.0.1:8/base")
            },
        ],
        ..BalancerView::default()
    }
}

fn two() -> BalancerView {
    BalancerView {
        name: "two".to_owned(),
        method: "bytraffic".to_owned(),
        growth_max: 1,
        growth_used: 1,
        members: vec![MemberView {
            ttl_s: 9,
            timeout_s: Some(5),
            acquire_ms: Some(40),
            receive_buffer: Some(2048),
            io_buffer: Some(4096),
            keepalive: Some(true),
            disable_reuse: Some(true),
            connect_timeout_ms: Some(300),
            retry_s: Some(7),
            ..member("http://localhost:7")
        }],
        ..BalancerView::default()
    }
}

fn three() -> BalancerView {
    BalancerView {
        name: "three".to_owned(),
        nonce: "0123".to_owned(),
        sticky: Some(Sticky { cookie: "ID".to_owned(), parameter: "ID".to_owned() }),
        max_attempts: Some(1),
        method: "byrequests".to_owned(),
        growth_max: 2,
        growth_used: 2,
        members: vec![
            MemberView {
                flush: Flush::Auto(20),
                min: 1,
                smax: 2,
                max: 3,
                ..member("ajp://127.0.0.1")
            },
            MemberView {
                flags: [Flag::Initialized, Flag::Drain, Flag::Disabled].into_iter().collect(),
                usable: false,
                ..member("unix:/run/a.sock|http://app/b")
            },
        ],
        ..BalancerView::default()
    }
}

/// A member with httpd's defaults.
fn member(url: &str) -> MemberView {
    let url = MemberUrl::parse(url).expect("a URL");
    MemberView {
        url: url.name,
        socket: url.socket,
        scheme: url.scheme,
        host: url.host,
        port: url.port,
        factor: 100,
        flags: Flags::EMPTY.with(Flag::Initialized),
        usable: true,
        smax: 25,
        max: 25,
        ..MemberView::default()
    }
}

/// What httpd makes of the orders.
pub(crate) fn apply(view: &mut View, parsed: &Parsed) {
    let Some(balancer) = parsed.balancer.and_then(|at| view.balancers.get_mut(at)) else {
        return;
    };
    for order in parsed.orders.clone() {
        match order {
            Order::SetMethod(method) => balancer.method = method,
            Order::SetTimeout(seconds) => balancer.timeout_s = seconds,
            Order::SetAttempts(attempts) => balancer.max_attempts = Some(attempts),
            Order::SetNoFailover(on) => balancer.no_failover = on,
            Order::SetSticky(sticky) => balancer.sticky = sticky,
            Order::AddMember(url) => {
                let mut added = member(&url.name);
                added.socket = url.socket;
                added.flags = added.flags.with(Flag::Disabled);
                added.usable = false;
                balancer.members.push(added);
                balancer.growth_used += 1;
            }
            of_member => {
                let at = parsed.member.expect("a member was named");
                apply_to_member(&mut balancer.members[at], of_member.clone());
                if matches!(of_member, Order::SetFactor(_)) {
                    for member in &mut balancer.members {
                        member.load = member.factor.into();
                    }
                }
            }
        }
    }
}

fn apply_to_member(member: &mut MemberView, order: Order) {
    match order {
        Order::SetFactor(factor) => member.factor = factor,
        Order::SetSet(set) => member.set = set,
        Order::SetRoute(route) => member.route = route,
        Order::SetRedirect(route) => member.redirect = route,
        Order::SetFlag(flag, true) => member.flags = member.flags.with(flag),
        Order::SetFlag(flag, false) => member.flags = member.flags.without(flag),
        Order::SetHealth(order) => {
            let check = member.hc.get_or_insert_default();
            match order {
                HealthOrder::Method(method) => check.method = method,
                HealthOrder::Expression(name) => check.expr = name,
                HealthOrder::Interval(interval_ms) => check.interval_ms = interval_ms,
                HealthOrder::Passes(passes) => check.passes = passes,
                HealthOrder::Fails(fails) => check.fails = fails,
                HealthOrder::Uri(uri) => check.uri = uri,
            }
        }
        _ => {}
    }
    let unusable = [Flag::Disabled, Flag::Stopped, Flag::Error, Flag::HealthFailed];
    member.usable = !unusable.iter().any(|flag| member.flags.has(*flag));
}
