//! `BalancerPersist`: what was ordered of balancers through their page, and what was counted,
//! outlives the process in a file of ours. Only where the directive asks for it; as with httpd, what
//! was saved counts before what the configuration says.
//!
//! A line is a word and a value. `balancer SCOPE URL` and `member URL` say whom the lines below them
//! are about; the other words are the fields of the page's forms.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use evenkeel_httpd_pages::{BalancerView, Flag, HealthOrder, MemberUrl, MemberView, Order, Sticky};
use evenkeel_plan::{Plan, Weight};

use crate::controller::Controller;
use crate::pages::{Orders, change};

/// The first line, which other versions of the file would not have.
const HEAD: &str = "evenkeel-balancers 1";
/// Bytes of the file that are read: a thousand members take a third of that.
const FILE_MAX: usize = 1 << 20;

/// The flags that are kept, by their letters.
const LETTERS: [(char, Flag); 7] = [
    ('I', Flag::IgnoreErrors),
    ('N', Flag::Drain),
    ('D', Flag::Disabled),
    ('H', Flag::Standby),
    ('R', Flag::Spare),
    ('S', Flag::Stopped),
    ('C', Flag::HealthFailed),
];

/// What the file says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Saved(Vec<Balancer>);

#[derive(Debug, Default, PartialEq)]
struct Balancer {
    scope: usize,
    url: String,
    nonce: String,
    orders: Vec<Order>,
    members: Vec<Member>,
}

#[derive(Debug, Default, PartialEq)]
struct Member {
    url: String,
    factor: Option<u32>,
    failed: bool,
    orders: Vec<Order>,
    /// Requests, bytes sent, bytes received.
    counted: [u64; 3],
}

impl Controller {
    /// Writes the file, if the configuration asks for one. What cannot be written is logged: it is
    /// no reason to stop.
    pub(crate) fn save(&mut self) {
        let sites = self.plan.sites.clone();
        let Some(path) = sites.as_ref().and_then(|sites| sites.persist.as_ref()) else { return };
        let text = self.saved_text();
        if let Err(error) = replace(path, &text) {
            tracing::warn!("BalancerPersist: {} cannot be written: {error}", path.display());
        }
    }

    fn saved_text(&mut self) -> String {
        let Some(sites) = self.plan.sites.clone() else { return String::new() };
        let mut text = format!("{HEAD}\n");
        for (site, _) in sites.sites.iter().enumerate() {
            let (view, pools) = self.view(site, "");
            for (balancer, pool) in view.balancers.iter().zip(pools) {
                let names = sites.balancers.get(pool);
                if names.is_some_and(|names| names.persist && names.scope == site) {
                    // Writing to a string cannot fail.
                    let _ = write_balancer(&mut text, site, balancer);
                }
            }
        }
        text
    }

    /// Reads the file of a plan and lays what it says over the plan. To be told to
    /// [`Controller::count_on`] when the plan is in use.
    pub(crate) fn restore(plan: &mut Plan) -> Saved {
        let path = plan.sites.as_ref().and_then(|sites| sites.persist.clone());
        let Some(path) = path else { return Saved::default() };
        let saved = match fs::read(&path) {
            Ok(bytes) => read(&String::from_utf8_lossy(&bytes[..bytes.len().min(FILE_MAX)])),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Saved::default(),
            Err(error) => {
                tracing::warn!("BalancerPersist: {} cannot be read: {error}", path.display());
                Saved::default()
            }
        };
        saved.lay_over(plan);
        saved
    }

    /// Gives nonces and counters back.
    pub(crate) fn count_on(&mut self, saved: &Saved) {
        let snapshot = self.shared.snapshot();
        let Some(sites) = self.plan.sites.clone() else { return };
        for balancer in &saved.0 {
            let Some(at) = balancer.place(&sites) else { continue };
            self.nonces.keep(balancer.scope, &balancer.url, &balancer.nonce);
            let Some(pool) = snapshot.pools.get(at) else { continue };
            if pool.plan.rules.as_ref().is_some_and(|rules| rules.shares.is_some()) {
                // They are counted where they are at home.
                continue;
            }
            for member in &balancer.members {
                let names = sites.balancers.get(at).map_or(&[][..], |names| &names.members);
                let Some(at) = names.iter().position(|names| names.url == member.url) else {
                    continue;
                };
                if let Some(live) = pool.balance.members().get(at) {
                    live.count_on(member.counted);
                }
                if member.failed {
                    let now = evenkeel_net::clock::now();
                    pool.balance.set_up(at, false, evenkeel_balance::Micros(now.0));
                }
            }
        }
    }
}

impl Saved {
    fn lay_over(&self, plan: &mut Plan) {
        for balancer in &self.0 {
            let Some(sites) = plan.sites.clone() else { return };
            let Some(pool) = balancer.place(&sites) else { continue };
            let asked = |member| Orders { site: balancer.scope, pool, member };
            for order in &balancer.orders {
                change(plan, asked(None), order.clone());
            }
            for member in &balancer.members {
                let known = |plan: &Plan| {
                    let names = &plan.sites.as_ref()?.balancers.get(pool)?.members;
                    names.iter().position(|names| names.url == member.url)
                };
                if known(plan).is_none()
                    && let Some(url) = MemberUrl::parse(&member.url)
                {
                    change(plan, asked(None), Order::AddMember(url));
                }
                let Some(at) = known(plan) else { continue };
                for order in &member.orders {
                    change(plan, asked(Some(at)), order.clone());
                }
                let place = plan.pools.get_mut(pool).and_then(|pool| pool.members.get_mut(at));
                let weight = member.factor.and_then(Weight::from_hundredths);
                if let (Some(place), Some(weight)) = (place, weight) {
                    place.weight = weight;
                }
            }
        }
    }
}

impl Balancer {
    fn place(&self, sites: &Arc<evenkeel_httpd::Sites>) -> Option<usize> {
        sites
            .balancers
            .iter()
            .position(|names| names.persist && names.scope == self.scope && names.url == self.url)
    }
}

/// Writes a file so that there is always a whole one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, text)?;
    fs::rename(beside, path)
}

fn write_balancer(out: &mut String, site: usize, balancer: &BalancerView) -> std::fmt::Result {
    writeln!(out, "balancer {site} balancer://{}", balancer.name)?;
    line(out, "nonce", &balancer.nonce)?;
    line(out, "b_lbm", &balancer.method)?;
    line(out, "b_tmo", &balancer.timeout_s.to_string())?;
    if let Some(attempts) = balancer.max_attempts {
        line(out, "b_max", &attempts.to_string())?;
    }
    line(out, "b_sforce", if balancer.no_failover { "1" } else { "0" })?;
    let sticky = balancer.sticky.as_ref();
    let sticky = sticky.map(|sticky| format!("{}|{}", sticky.cookie, sticky.parameter));
    line(out, "b_ss", &sticky.unwrap_or_else(|| "-".to_owned()))?;
    balancer.members.iter().try_for_each(|member| write_member(out, member))
}

fn write_member(out: &mut String, member: &MemberView) -> std::fmt::Result {
    line(out, "member", &member.shown_name())?;
    line(out, "w_lf", &member.factor.to_string())?;
    line(out, "w_ls", &member.set.to_string())?;
    line(out, "w_wr", &member.route)?;
    line(out, "w_rr", &member.redirect)?;
    let letters = LETTERS.iter().filter(|(_, flag)| member.flags.has(*flag));
    line(out, "letters", &letters.map(|(letter, _)| *letter).collect::<String>())?;
    if let Some(check) = &member.hc {
        line(out, "w_hm", check.method.name())?;
        line(out, "w_hi", &check.interval_ms.to_string())?;
        line(out, "w_hp", &check.passes.to_string())?;
        line(out, "w_hf", &check.fails.to_string())?;
        line(out, "w_hu", &check.uri)?;
        line(out, "w_he", &check.expr)?;
    }
    let counted = [member.elected, member.to, member.from].map(|count| count.to_string());
    line(out, "counted", &counted.join(" "))
}

/// A line; none for what would not be one.
fn line(out: &mut String, word: &str, value: &str) -> std::fmt::Result {
    match value.contains(char::is_control) {
        true => Ok(()),
        false => writeln!(out, "{word} {value}"),
    }
}

/// Reads the file; what is not understood is passed over.
fn read(text: &str) -> Saved {
    let mut lines = text.lines();
    let mut saved = Saved::default();
    if lines.next() != Some(HEAD) {
        return saved;
    }
    for line in lines {
        let (word, value) = line.split_once(' ').unwrap_or((line, ""));
        match (word, saved.0.last_mut()) {
            ("balancer", _) => {
                let (scope, url) = value.split_once(' ').unwrap_or_default();
                // A scope that is none matches no server.
                let scope = scope.parse().unwrap_or(usize::MAX);
                saved.0.push(Balancer { scope, url: url.to_owned(), ..Balancer::default() });
            }
            ("member", Some(balancer)) => {
                balancer.members.push(Member { url: value.to_owned(), ..Member::default() });
            }
            (_, Some(balancer)) => match balancer.members.last_mut() {
                Some(member) => member.take(word, value),
                None => balancer.take(word, value),
            },
            (_, None) => {}
        }
    }
    saved
}

impl Balancer {
    fn take(&mut self, word: &str, value: &str) {
        let methods = ["byrequests", "bytraffic", "bybusyness", "heartbeat"];
        let order = match word {
            "nonce" => {
                value.clone_into(&mut self.nonce);
                None
            }
            "b_lbm" if methods.contains(&value) => Some(Order::SetMethod(value.to_owned())),
            "b_tmo" => value.parse().ok().map(Order::SetTimeout),
            "b_max" => value.parse().ok().map(Order::SetAttempts),
            "b_sforce" => Some(Order::SetNoFailover(value == "1")),
            "b_ss" => {
                let names = value.split_once('|');
                Some(Order::SetSticky(names.map(|(cookie, parameter)| Sticky {
                    cookie: cookie.to_owned(),
                    parameter: parameter.to_owned(),
                })))
            }
            _ => None,
        };
        self.orders.extend(order);
    }
}

impl Member {
    fn take(&mut self, word: &str, value: &str) {
        let number = || value.parse::<u32>().ok();
        let methods = evenkeel_httpd_pages::HealthMethod::ALL;
        let health = match word {
            "w_hm" => {
                methods.into_iter().find(|method| method.name() == value).map(HealthOrder::Method)
            }
            "w_hi" => value.parse().ok().map(HealthOrder::Interval),
            "w_hp" => number().map(HealthOrder::Passes),
            "w_hf" => number().map(HealthOrder::Fails),
            "w_hu" => Some(HealthOrder::Uri(value.to_owned())),
            "w_he" => Some(HealthOrder::Expression(value.to_owned())),
            _ => None,
        };
        self.orders.extend(health.map(Order::SetHealth));
        match word {
            "w_lf" => self.factor = number(),
            "w_ls" => self.orders.extend(number().map(Order::SetSet)),
            "w_wr" => self.orders.push(Order::SetRoute(value.to_owned())),
            "w_rr" => self.orders.push(Order::SetRedirect(value.to_owned())),
            "letters" => {
                self.failed = value.contains('C');
                let flags = LETTERS.iter().filter(|(_, flag)| *flag != Flag::HealthFailed);
                let orders = flags.map(|(l, flag)| Order::SetFlag(*flag, value.contains(*l)));
                self.orders.extend(orders);
            }
            "counted" => {
                let counts = value.split(' ').map(|count| count.parse().unwrap_or(0));
                self.counted.iter_mut().zip(counts).for_each(|(place, count)| *place = count);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let member = MemberView {
            url: "http://a:81".to_owned(),
            factor: 250,
            set: 3,
            route: "one two".to_owned(),
            flags: [Flag::Disabled, Flag::HealthFailed].into_iter().collect(),
            elected: 1,
            to: 2,
            from: 3,
            ..MemberView::default()
        };
        let balancer = BalancerView {
            name: "c".to_owned(),
            nonce: "secret".to_owned(),
            method: "bytraffic".to_owned(),
            max_attempts: Some(4),
            members: vec![member],
            ..BalancerView::default()
        };
        let mut text = format!("{HEAD}\n");
        write_balancer(&mut text, 2, &balancer).expect("a string takes all");
        let Saved(read) = read(&text);
        let [balancer] = &read[..] else { panic!("{read:?}") };
        assert_eq!((balancer.scope, &*balancer.url), (2, "balancer://c"));
        assert_eq!(balancer.nonce, "secret");
        assert!(balancer.orders.contains(&Order::SetMethod("bytraffic".to_owned())));
        assert!(balancer.orders.contains(&Order::SetSticky(None)));
        let [member] = &balancer.members[..] else { panic!("{balancer:?}") };
        assert_eq!((member.factor, member.counted, member.failed), (Some(250), [1, 2, 3], true));
        assert!(member.orders.contains(&Order::SetFlag(Flag::Disabled, true)));
        assert!(member.orders.contains(&Order::SetFlag(Flag::Drain, false)));
        assert!(member.orders.contains(&Order::SetRoute("one two".to_owned())));
    }

    #[test]
    fn what_makes_no_sense_is_passed_over() {
        assert_eq!(read(""), Saved::default());
        assert_eq!(read("evenkeel-balancers 2\nbalancer 0 balancer://c"), Saved::default());
        let Saved(read) =
            read("evenkeel-balancers 1\nmember x\nbalancer\nb_tmo x\nb_lbm no\n\u{0}");
        assert_eq!(read.len(), 1);
        assert!(read[0].orders.is_empty());
    }
}
