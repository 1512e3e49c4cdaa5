//! From a form to orders.

use crate::asked::{Asked, Field, Kind, Parameters};
use crate::url::MemberUrl;
use crate::view::{BalancerView, Flag, HealthMethod, HealthView, MemberView, Sticky, View};

/// Longest route, redirect and path of a check, in bytes. A longer one clears the field.
const ROUTE_MAX: usize = 63;
/// Longest names of a session together, in bytes. Longer ones are ignored.
const STICKY_MAX: usize = 62;
/// Longest name of a condition, in bytes.
const EXPRESSION_MAX: usize = 15;
/// How much of a load factor is looked at, in bytes.
const NUMBER_MAX: usize = 32;

/// What a request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// 200: carry out the orders, then show the page. 400 and 405: there are no orders, answer
    /// with [`refusal`](crate::refusal).
    pub status: u16,
    /// Which balancer was named: its place in the view. All orders are about it or about `member`.
    pub balancer: Option<usize>,
    /// Which of the balancer's members was named: its place in the balancer.
    pub member: Option<usize>,
    /// What to do, one after another. At most one for each field, also if nothing would change.
    pub orders: Vec<Order>,
}

/// One thing that a form orders, about the balancer or the member that [`Parsed`] names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// The member's `loadfactor` in hundredths, 100 to 10,000. httpd also sets what the method has
    /// counted for each member of the balancer back to the member's factor.
    SetFactor(u32),
    /// The member's `lbset`, 0 to 99.
    SetSet(u32),
    /// The member's route, at most 63 bytes; empty for none.
    SetRoute(String),
    /// The member's redirection, at most 63 bytes; empty for none.
    SetRedirect(String),
    /// One of the flags that can be ordered: `IgnoreErrors`, `Drain`, `Disabled`, `Standby`,
    /// `Spare`, `Stopped`, `HealthFailed`. A member that becomes usable makes httpd begin its
    /// counting anew for the whole balancer.
    SetFlag(Flag, bool),
    /// The member's health check. Only if the view has `expressions`.
    SetHealth(HealthOrder),
    /// The balancer's method, one of the view's. A new one begins its counting anew.
    SetMethod(String),
    /// How long a request waits for a usable member, 0 to 7,200 seconds.
    SetTimeout(u32),
    /// Attempts after the first, 0 to 99.
    SetAttempts(u32),
    /// `nofailover`.
    SetNoFailover(bool),
    /// The session's names, together at most 62 bytes; `None` ends stickiness.
    SetSticky(Option<Sticky>),
    /// A new member of the balancer, disabled, with defaults for all else. The scheme may be one
    /// that cannot be served: then answer 400.
    AddMember(MemberUrl),
}

/// One thing that a form orders about a health check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthOrder {
    /// What is asked, one of the view's `check_methods`.
    Method(HealthMethod),
    /// The name of a condition that the view has, at most 15 bytes; empty for none.
    Expression(String),
    /// Time between checks in milliseconds, at least 100.
    Interval(u64),
    /// Successes that make it usable, at least 1.
    Passes(u32),
    /// Failures that make it unusable, at least 1.
    Fails(u32),
    /// The path that is asked for, at most 63 bytes; empty for none.
    Uri(String),
}

/// Reads a request. Orders come only from a `POST` with a Referer of this server and the nonce of
/// the balancer it names; without them, nothing is ordered and nothing is said. Values out of their
/// range are ignored one by one; a new member that cannot be is 400, another method 405.
pub fn parse(view: &View, asked: &Asked<'_>) -> Parsed {
    let mut parsed = Parsed { status: 200, balancer: None, member: None, orders: Vec::new() };
    let Some(kind) = asked.kind() else {
        parsed.status = 405;
        return parsed;
    };
    let parameters = asked.parameters();
    let chosen = Chosen::of(view, &parameters);
    parsed.balancer = chosen.balancer.map(|(at, _)| at);
    parsed.member = chosen.member.map(|(at, _)| at);
    let Some((_, balancer)) = chosen.balancer else {
        return parsed;
    };
    let nonce = parameters.text(Field::Nonce).unwrap_or_default();
    if kind == Kind::Read || nonce.is_empty() || !same_secret(nonce, &balancer.nonce) {
        return parsed;
    }
    let mut orders = Vec::new();
    if let Some((_, member)) = chosen.member {
        of_member(member, &parameters, &mut orders);
        of_health(view, member, &parameters, &mut orders);
    }
    of_balancer(view, balancer, &parameters, &mut orders);
    match new_member(balancer, &parameters) {
        Ok(added) => {
            orders.extend(added.map(Order::AddMember));
            parsed.orders = orders;
        }
        Err(()) => parsed.status = 400,
    }
    parsed
}

/// What the parameters name.
#[derive(Clone, Copy, Default)]
pub(crate) struct Chosen<'a> {
    pub(crate) balancer: Option<(usize, &'a BalancerView)>,
    pub(crate) member: Option<(usize, &'a MemberView)>,
}

impl<'a> Chosen<'a> {
    pub(crate) fn of(view: &'a View, parameters: &Parameters) -> Chosen<'a> {
        let Some(text) = parameters.text(Field::Balancer) else {
            return Chosen::default();
        };
        let name = text.split('/').next().unwrap_or_default();
        let mut balancers = view.balancers.iter().enumerate();
        let balancer = balancers.find(|(_, balancer)| balancer.name.eq_ignore_ascii_case(name));
        let member = balancer.and_then(|(_, balancer)| {
            let text = parameters.text(Field::Worker)?;
            let mut names = balancer.members.iter().map(|member| &*member.url);
            let exact = names.clone().position(|name| name == text);
            let at = exact.or_else(|| MemberUrl::parse(text)?.find(&mut names))?;
            Some((at, balancer.members.get(at)?))
        });
        Chosen { balancer, member }
    }
}

fn of_member(member: &MemberView, parameters: &Parameters, orders: &mut Vec<Order>) {
    let text = |field| parameters.text(field);
    let number = |field| text(field).map(leading_number);
    if let Some(factor) = text(Field::Factor).and_then(hundredths) {
        orders.push(Order::SetFactor(factor));
    }
    if let Some(route) = free_text(parameters, Field::Route, &member.route) {
        orders.push(Order::SetRoute(route));
    }
    if let Some(redirect) = free_text(parameters, Field::Redirect, &member.redirect) {
        orders.push(Order::SetRedirect(redirect));
    }
    for (field, flag) in FLAGS {
        if let Some(value) = number(field) {
            orders.push(Order::SetFlag(flag, value != 0));
        }
    }
    if let Some(set) = number(Field::Set).and_then(|set| within(set, 0, 99)) {
        orders.push(Order::SetSet(set));
    }
}

/// The flags that can be ordered, as httpd goes through them.
pub(crate) const FLAGS: [(Field, Flag); 7] = [
    (Field::IgnoreErrors, Flag::IgnoreErrors),
    (Field::Drain, Flag::Drain),
    (Field::Disabled, Flag::Disabled),
    (Field::Standby, Flag::Standby),
    (Field::Spare, Flag::Spare),
    (Field::Stopped, Flag::Stopped),
    (Field::HealthFailed, Flag::HealthFailed),
];

fn of_health(view: &View, member: &MemberView, parameters: &Parameters, orders: &mut Vec<Order>) {
    let Some(known) = &view.expressions else {
        return;
    };
    let without = HealthView::default();
    let health = member.hc.as_ref().unwrap_or(&without);
    let text = |field| parameters.text(field);
    let count = |field| text(field).map(leading_number).and_then(|n| within(n, 1, i32::MAX.into()));
    let mut push = |order| orders.push(Order::SetHealth(order));
    if let Some(interval) = text(Field::HealthInterval).and_then(milliseconds) {
        push(HealthOrder::Interval(interval));
    }
    if let Some(passes) = count(Field::HealthPasses) {
        push(HealthOrder::Passes(passes));
    }
    if let Some(fails) = count(Field::HealthFails) {
        push(HealthOrder::Fails(fails));
    }
    let named = text(Field::HealthMethod).and_then(|name| {
        let mut offered = view.check_methods.iter().copied();
        offered.find(|method| method.name().eq_ignore_ascii_case(name))
    });
    if let Some(method) = named {
        push(HealthOrder::Method(method));
    }
    if let Some(uri) = free_text(parameters, Field::HealthUri, &health.uri) {
        push(HealthOrder::Uri(uri));
    }
    let is_known = |name: &str| {
        name.len() <= EXPRESSION_MAX && known.iter().any(|expression| expression.name == name)
    };
    let asked = text(Field::HealthExpression)
        .map(|name| if is_known(name) { name } else { "" })
        .filter(|_| named.unwrap_or(health.method).has_answer());
    match asked {
        Some(name) => push(HealthOrder::Expression(name.to_owned())),
        None if !named.unwrap_or(health.method).has_answer() && !health.expr.is_empty() => {
            push(HealthOrder::Expression(String::new()));
        }
        None => {}
    }
}

fn of_balancer(
    view: &View,
    balancer: &BalancerView,
    parameters: &Parameters,
    orders: &mut Vec<Order>,
) {
    let text = |field| parameters.text(field);
    let number = |field| text(field).map(leading_number);
    if let Some(method) = text(Field::Method)
        && *method != balancer.method
        && view.methods.iter().any(|known| known == method)
    {
        orders.push(Order::SetMethod(method.to_owned()));
    }
    if let Some(seconds) = number(Field::Timeout).and_then(|n| within(n, 0, 7200)) {
        orders.push(Order::SetTimeout(seconds));
    }
    if let Some(attempts) = number(Field::Attempts).and_then(|n| within(n, 0, 99)) {
        orders.push(Order::SetAttempts(attempts));
    }
    if let Some(value) = number(Field::NoFailover) {
        orders.push(Order::SetNoFailover(value != 0));
    }
    if let Some(sticky) = text(Field::Sticky).and_then(sticky) {
        orders.push(Order::SetSticky(sticky));
    }
}

/// A new member is asked for only by its URL together with the tick that says one is sure.
fn new_member(balancer: &BalancerView, parameters: &Parameters) -> Result<Option<MemberUrl>, ()> {
    if parameters.text(Field::NewMemberSure) != Some("1") {
        return Ok(None);
    }
    let Some(value) = parameters.value(Field::NewMember) else {
        return Ok(None);
    };
    let url = MemberUrl::parse(&value.text).ok_or(())?;
    let twin = url.find(balancer.members.iter().map(|member| &*member.url));
    if balancer.free() == 0 || twin.is_some() {
        return Err(());
    }
    Ok(Some(url))
}

/// A field that takes any text: `None` if the form did not have it, or had it as it was shown.
fn free_text(parameters: &Parameters, field: Field, now: &str) -> Option<String> {
    let value = parameters.value(field)?;
    if value.shown == now && value.shown != value.text {
        return None;
    }
    let text = parameters.text(field)?;
    Some(if text.len() <= ROUTE_MAX { text.to_owned() } else { String::new() })
}

/// `name`, `cookie|parameter` or `-`. The outer `None` is for what is ignored.
fn sticky(text: &str) -> Option<Option<Sticky>> {
    if text == "-" {
        return Some(None);
    }
    let (cookie, parameter) = text.split_once('|').unwrap_or((text, text));
    let fits = text.len() <= STICKY_MAX && !cookie.trim().is_empty();
    let names = || Sticky { cookie: cookie.to_owned(), parameter: parameter.to_owned() };
    fits.then(|| Some(names()))
}

/// The number a text begins with, 0 if there is none. Never beyond what fits.
fn leading_number(text: &str) -> i64 {
    let text = text.trim_start();
    let (minus, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = digits
        .bytes()
        .take_while(u8::is_ascii_digit)
        .fold(0_i64, |value, byte| value.saturating_mul(10).saturating_add((byte - b'0').into()));
    if minus { -value } else { value }
}

fn within(value: i64, least: i64, most: i64) -> Option<u32> {
    (least..=most).contains(&value).then(|| u32::try_from(value).ok()).flatten()
}

/// A load factor in hundredths, cut: 1.999 is 199. What follows the number does not matter.
fn hundredths(text: &str) -> Option<u32> {
    let text = text.trim_start();
    let text = text.strip_prefix('+').unwrap_or(text);
    let is_number = |at: &usize| text.is_char_boundary(*at) && text[..*at].parse::<f64>().is_ok();
    let digits =
        text.bytes().take(NUMBER_MAX).take_while(|b| b.is_ascii_digit() || b".eE+-".contains(b));
    let digits = digits.count();
    let length = (1..=digits).rev().find(is_number)?;
    let value = text[..length].parse::<f64>().ok()?;
    // A decimal such as 1.1 lies a little beside itself in binary; no factor has ten decimals.
    let value = (value * 100.0 + 1e-6).floor();
    (100.0..=10_000.0).contains(&value).then_some(value as u32)
}

/// A duration, in milliseconds unless it says `s`, `mi` or `h`. `None` below 100 ms.
fn milliseconds(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let value = text[..digits].parse::<u64>().ok()?;
    let unit = text[digits..].to_ascii_lowercase();
    let factor = match unit.as_bytes() {
        [] | [b'm', b's', ..] => 1,
        [b's', ..] => 1_000,
        [b'm', b'i', ..] => 60_000,
        [b'h', ..] => 3_600_000,
        _ => return None,
    };
    value.checked_mul(factor).filter(|time| *time >= 100)
}

/// Compares in a time that does not tell where they differ.
fn same_secret(given: &str, secret: &str) -> bool {
    let differences = given.bytes().zip(secret.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    given.len() == secret.len() && differences == 0
}

#[cfg(test)]
mod tests;
