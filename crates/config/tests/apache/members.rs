//! What members and balancers come to.

use evenkeel_config::Severity;
use evenkeel_config::apache::plan;
use evenkeel_plan::{CheckMethod, MemberState, Plan, Pool, PoolRules, Untold};

use super::read_text;

/// The plan of a text, and what was told of it.
fn meant(text: &str) -> (Plan, Vec<String>) {
    let (plan, told, _) = plan(&read_text(&format!("Listen 80\n{text}")), false);
    let errors = told.into_iter().filter(|told| told.severity == Severity::Error);
    (plan.expect("a plan"), errors.map(|told| told.message).collect())
}

fn rules(pool: &Pool) -> &PoolRules {
    pool.rules.as_deref().expect("an Apache configuration rules")
}

fn balancer(text: &str) -> Plan {
    let (plan, errors) = meant(&format!("<Proxy balancer://c>\n{text}\n</Proxy>"));
    assert_eq!(errors, Vec::<String>::new());
    plan
}

#[test]
fn a_url_that_begins_like_another_is_the_same_member_only_within_host_and_port() {
    let names = |text: &str| {
        let plan = balancer(text);
        let sites = plan.sites.expect("rules");
        sites.balancers[0].members.iter().map(|names| names.url.clone()).collect::<Vec<_>>()
    };
    let two = ["http://h", "http://h:8080"];
    assert_eq!(names("BalancerMember http://h\nBalancerMember http://h:8080"), two);
    assert_eq!(names("BalancerMember http://h:80\nBalancerMember http://h/x"), ["http://h"]);
    assert_eq!(
        names("BalancerMember http://h/x\nBalancerMember http://h"),
        ["http://h/x", "http://h"]
    );
}

#[test]
fn letters_come_together() {
    let plan =
        balancer("BalancerMember http://a status=+D-I+N\nBalancerMember http://b status=CHN");
    let (pool, members) = (&plan.pools[0], &rules(&plan.pools[0]).members);
    assert!(members[0].disabled && members[0].drain && !members[0].failed);
    assert_eq!(pool.members[0].state, MemberState::Disabled);
    assert!(members[1].failed && pool.members[1].backup);
    assert_eq!(pool.members[1].state, MemberState::Drain);
}

#[test]
fn words_of_connections_and_checks_are_kept_as_they_were_written() {
    let plan = balancer(
        "BalancerMember http://a/x max=3 smax=2 acquire=250 ping=2 retry=5 responsefieldsize=99 \
         hcmethod=head11 hcuri=y hcinterval=2\nBalancerMember http://b hcinterval=7",
    );
    let members = &rules(&plan.pools[0]).members;
    assert_eq!((members[0].places, members[0].shown.smax), (Some(3), Some(2)));
    assert_eq!(members[0].patience.map(|time| time.as_millis()), Some(250));
    assert_eq!((members[0].line_max, members[0].shown.retry), (99, Some(5)));
    assert_eq!(members[0].check.method, CheckMethod::Http { method: "HEAD", modern: true });
    assert_eq!(members[0].check.method.name(), "HEAD11");
    let evenkeel_plan::Check::Http(check) = members[0].check.check.as_ref().expect("a check")
    else {
        panic!("a check by HTTP")
    };
    assert_eq!((&*check.path, check.host.as_deref()), ("/x/y", Some("a")));
    // What is said of a check is shown though there is none.
    assert_eq!(members[1].check.check, None);
    assert_eq!(members[1].check.interval.as_secs(), 7);
}

#[test]
fn https_needs_its_engine_wherever_that_is_switched_on() {
    let untold = |text: &str| {
        let (plan, _) = meant(text);
        rules(&plan.pools[0]).members[0].untold
    };
    let member = "<Proxy balancer://c>\nBalancerMember https://h\n</Proxy>\n";
    assert_eq!(untold(member), Untold::Off);
    assert_eq!(untold(&format!("SSLProxyEngine On\n{member}")), Untold::No);
    let host = "<VirtualHost *:80>\nSSLProxyEngine On\n</VirtualHost>\n";
    assert_eq!(untold(&format!("{member}{host}")), Untold::No);
    let other = "<Proxy balancer://d>\nSSLProxyEngine On\n</Proxy>\n";
    assert_eq!(untold(&format!("{member}{other}")), Untold::Off);
    let own = member.replace("BalancerMember", "SSLProxyEngine On\nBalancerMember");
    assert_eq!(untold(&own), Untold::No);
    assert_eq!(untold(&format!("LoadModule proxy_module x.so\n{member}")), Untold::Missing);
}

#[test]
fn a_host_with_words_of_its_own_shares_the_members_of_the_main_server() {
    let (plan, errors) = meant(
        "ProxyHCTemplate t hcmethod=GET\n<VirtualHost *:80>\nServerName two\n\
         ProxyPass / balancer://c/ stickysession=T\n</VirtualHost>\n<Proxy balancer://c>\n\
         BalancerMember http://a hctemplate=t\n</Proxy>\n",
    );
    assert_eq!(errors, Vec::<String>::new());
    let [main, twin] = &plan.pools[..] else { panic!("{:?}", plan.pools) };
    assert_eq!(rules(twin).shares.as_ref(), Some(&main.name));
    assert_eq!(rules(main).shares, None);
    assert_eq!(main.members, twin.members);
    assert!(main.affinity.is_none() && twin.affinity.is_some());
    assert!(main.check_of(0).is_some() && twin.check_of(0).is_none());
}

#[test]
fn the_file_of_balancers_is_asked_for_by_the_server_that_has_them() {
    let balancer = "<Proxy balancer://c>\nBalancerMember http://a\n</Proxy>\n";
    let sites = |text: &str| meant(text).0.sites.expect("rules");
    assert_eq!(sites(balancer).persist, None);
    let asked = sites(&format!("ServerRoot /r\nBalancerPersist On\n{balancer}"));
    let path = asked.persist.as_ref().expect("a file");
    assert_eq!(path.display().to_string(), "/r/logs/evenkeel-balancers.state");
    assert!(asked.balancers[0].persist);
    let host = sites(&format!(
        "DefaultRuntimeDir /run/x\n{balancer}<VirtualHost *:80>\nBalancerPersist On\n</VirtualHost>"
    ));
    let path = host.persist.as_ref().expect("a file");
    assert_eq!(path.display().to_string(), "/run/x/evenkeel-balancers.state");
    assert!(!host.balancers[0].persist, "it is not the host's");
}

#[test]
fn words_of_templates_are_looked_at_where_they_stand() {
    let (_, errors) = meant("ProxyHCTemplate t retry=3\n");
    assert_eq!(errors.len(), 1, "{errors:?}");
    let (_, errors) = meant(
        "LoadModule proxy_module x.so\n<Proxy balancer://c>\nBalancerMember http://a \
         hcmethod=CPING\n</Proxy>",
    );
    assert_eq!(errors.len(), 1, "{errors:?}");
}
