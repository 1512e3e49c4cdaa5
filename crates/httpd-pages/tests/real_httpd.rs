//! The same balancers in httpd and in a view: the pages must be the same to the byte, and forms must
//! be understood alike. Without httpd on this machine there is nothing to compare with, and a line
//! says so.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use evenkeel_httpd_pages::*;
use evenkeel_testkit::*;
use tempfile::TempDir;

const APACHE: &str = "/usr/sbin/apache2";
const MODULES: &str = "/usr/lib/apache2/modules";

const CONFIG: &str = r#"
ServerRoot "{folder}"
DefaultRuntimeDir "{folder}"
PidFile "{folder}/httpd.pid"
ErrorLog "{folder}/error.log"
Listen 127.0.0.1:{port}
ServerName lb.test
ThreadsPerChild 25
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule status_module {modules}/mod_status.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
LoadModule proxy_ajp_module {modules}/mod_proxy_ajp.so
LoadModule slotmem_shm_module {modules}/mod_slotmem_shm.so
LoadModule proxy_balancer_module {modules}/mod_proxy_balancer.so
LoadModule lbmethod_byrequests_module {modules}/mod_lbmethod_byrequests.so
LoadModule lbmethod_bytraffic_module {modules}/mod_lbmethod_bytraffic.so
{health}
ProxyStatus On
<Proxy balancer://one>
    BalancerMember http://127.0.0.1:9 route=a loadfactor=1.5 lbset=1 {check}
    BalancerMember http://127.0.0.1:8/base status=+H redirect=x
    ProxySet stickysession=JS|js nofailover=On scolonpathdelim=On timeout=3 growth=2 nonce=abc
</Proxy>
<Proxy balancer://two>
    BalancerMember http://localhost:7 timeout=5 keepalive=On retry=7 ttl=9 acquire=40 \
        receivebuffersize=2048 iobuffersize=4096 disablereuse=On connectiontimeout=300ms
    ProxySet lbmethod=bytraffic nonce=None
</Proxy>
<Proxy balancer://three>
    BalancerMember ajp://127.0.0.1 flushpackets=auto flushwait=20 min=1 smax=2 max=3
    BalancerMember "unix:/run/a.sock|http://app/b" status=DN
    ProxySet stickysession=ID nonce=0123
</Proxy>
ProxyPass /one balancer://one/
ProxyPass /two balancer://two/
ProxyPass /three balancer://three/
<Location /pages>
    SetHandler balancer-manager
</Location>
<Location /status>
    SetHandler server-status
</Location>
"#;

const HEALTH: &str = r#"
LoadModule watchdog_module {modules}/mod_watchdog.so
LoadModule proxy_hcheck_module {modules}/mod_proxy_hcheck.so
ProxyHCExpr ok2 {%{REQUEST_STATUS} =~ /^2/}
ProxyHCExpr plain {hc('body') !~ /<down>/}
"#;

const CHECK: &str = "hcmethod=GET hcuri=/up?a&b hcexpr=ok2 hcinterval=1000 hcpasses=2 hcfails=3";

struct Httpd {
    address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Httpd {
    /// `None` when it is not installed.
    fn start(health: bool) -> Option<Httpd> {
        if !Path::new(APACHE).exists() || !Path::new(MODULES).exists() {
            let _ = writeln!(io::stderr(), "httpd is not installed: nothing to compare with");
            return None;
        }
        let folder = TempDir::new().expect("a temporary folder can be made");
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = free.local_addr().expect("it has an address");
        drop(free);
        let watchdog = Path::new(MODULES).join("mod_watchdog.so").exists();
        let health_lines = HEALTH.lines().filter(|line| watchdog || !line.contains("watchdog"));
        let health_lines: Vec<&str> = health_lines.collect();
        let filled = CONFIG
            .replace(
                "{health}",
                if health { health_lines.join("\n") } else { String::new() }.as_str(),
            )
            .replace("{check}", if health { CHECK } else { "" })
            .replace("{port}", &address.port().to_string())
            .replace("{modules}", MODULES)
            .replace("{folder}", &folder.path().display().to_string());
        let file = folder.path().join("httpd.conf");
        fs::write(&file, filled).expect("a file can be written");
        let mut child = Command::new(APACHE)
            .arg("-X")
            .arg("-f")
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .expect("httpd can be started");
        let up = || TcpStream::connect(address).is_ok();
        let ready = wait_until(LONG, || up() || !matches!(child.try_wait(), Ok(None)));
        assert!(ready && up(), "{:?}", fs::read_to_string(folder.path().join("error.log")));
        Some(Httpd { address, child, _folder: folder })
    }

    fn ask(&self, method: &str, target: &str, body: &str) -> Response {
        let mut client = Client::connect(self.address);
        let host = self.address.to_string();
        let length = body.len().to_string();
        let fields = [
            ("Host", &*host),
            ("Referer", "http://127.0.0.1/"),
            ("Content-Length", &*length),
            ("Connection", "close"),
        ];
        client.request(method, target, &fields, body.as_bytes()).expect("httpd answers")
    }

    /// The same in our words.
    fn asked<'a>(
        method: &'a str,
        query: Option<&'a str>,
        body: &'a str,
        origin: &'a str,
    ) -> Asked<'a> {
        Asked {
            method,
            path: "/pages",
            origin,
            query,
            referer: Some("http://127.0.0.1/"),
            server: "127.0.0.1",
            body: body.as_bytes(),
        }
    }

    fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Httpd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the configuration means, with what only httpd knows taken from its page. The methods come
/// out of a hash table of httpd's in an order that changes from start to start.
fn view(httpd: &Httpd, health: bool) -> View {
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

/// What httpd makes of the changes.
fn apply(view: &mut View, parsed: &Parsed) {
    let Some(balancer) = parsed.balancer.and_then(|at| view.balancers.get_mut(at)) else {
        return;
    };
    for change in parsed.changes.clone() {
        match change {
            Change::SetMethod(method) => balancer.method = method,
            Change::SetTimeout(seconds) => balancer.timeout_s = seconds,
            Change::SetAttempts(attempts) => balancer.max_attempts = Some(attempts),
            Change::SetNoFailover(on) => balancer.no_failover = on,
            Change::SetSticky(sticky) => balancer.sticky = sticky,
            Change::AddMember(url) => {
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
                if matches!(of_member, Change::SetFactor(_)) {
                    for member in &mut balancer.members {
                        member.load = member.factor.into();
                    }
                }
            }
        }
    }
}

fn apply_to_member(member: &mut MemberView, change: Change) {
    match change {
        Change::SetFactor(factor) => member.factor = factor,
        Change::SetSet(set) => member.set = set,
        Change::SetRoute(route) => member.route = route,
        Change::SetRedirect(route) => member.redirect = route,
        Change::SetFlag(flag, true) => member.flags = member.flags.with(flag),
        Change::SetFlag(flag, false) => member.flags = member.flags.without(flag),
        Change::SetHealth(change) => {
            let check = member.hc.get_or_insert_default();
            match change {
                HealthChange::Method(method) => check.method = method,
                HealthChange::Expression(name) => check.expr = name,
                HealthChange::Interval(interval_ms) => check.interval_ms = interval_ms,
                HealthChange::Passes(passes) => check.passes = passes,
                HealthChange::Fails(fails) => check.fails = fails,
                HealthChange::Uri(uri) => check.uri = uri,
            }
        }
        _ => {}
    }
    let unusable = [Flag::Disabled, Flag::Stopped, Flag::Error, Flag::HealthFailed];
    member.usable = !unusable.iter().any(|flag| member.flags.has(*flag));
}

/// Texts line by line, so that a difference can be seen.
#[track_caller]
fn same(ours: &str, theirs: &[u8], what: &str) {
    let theirs = String::from_utf8_lossy(theirs);
    for (ours, theirs) in ours.lines().zip(theirs.lines()) {
        assert_eq!(ours, theirs, "{what}");
    }
    assert_eq!(ours, theirs, "{what}");
}

/// A link of the page, its form or the XML.
const LOOKS: &[&str] = &[
    "",
    "b=one",
    "b=ONE/x",
    "b=two&nonce=",
    "b=three&nonce=0123",
    "b=none",
    "b=one&w=http://127.0.0.1:9&nonce=abc",
    "b=one&w=http://127.0.0.1:9/zz",
    "b=one&w=HTTP://127.0.0.1:8/base",
    "b=one&w=http://127.0.0.1:99",
    "b=one&w=",
    "b=three&w=http://app/b",
    "b=three&w=ajp://127.0.0.1",
    "w=http://127.0.0.1:9",
    "%62=one&b=two",
    "b=one&w_lf=3&nonce=abc&b_tmo=9",
    "xml=1",
    "b=one&xml",
];

fn looks_alike(health: bool) {
    let Some(httpd) = Httpd::start(health) else { return };
    let view = view(&httpd, health);
    let origin = httpd.origin();
    for query in LOOKS {
        let theirs = httpd.ask("GET", &format!("/pages?{query}"), "");
        let ours = page(&view, &Httpd::asked("GET", Some(query), "", &origin));
        same(&ours.body, &theirs.body, query);
        assert_eq!(theirs.field("content-type"), Some(ours.content_type), "{query}");
    }
}

#[test]
fn the_balancer_page_is_the_same_to_the_byte() {
    looks_alike(true);
}

#[test]
fn without_health_checks_their_columns_and_fields_are_left_out() {
    looks_alike(false);
}

#[test]
fn the_balancers_of_the_status_page_are_the_same_to_the_byte() {
    let Some(httpd) = Httpd::start(true) else { return };
    let view = view(&httpd, true);
    let part = |text: &str, from: &str| {
        text.find(from).map(|at| text[at..].trim_end().to_owned()).expect("the part is there")
    };
    // Some lines come after the first second.
    let is_whole = || httpd.ask("GET", "/status?auto", "").text().contains("ReqPerSec");
    assert!(wait_until(LONG, is_whole));
    let theirs = httpd.ask("GET", "/status?auto", "");
    let ours = status_page(&view, true);
    assert_eq!(theirs.field("content-type"), Some(ours.content_type));
    let theirs = String::from_utf8_lossy(&theirs.body).into_owned();
    let start = "ProxyBalancer[0]";
    same(&part(&ours.body, start), part(&theirs, start).as_bytes(), "auto");
    let names: Vec<&str> =
        theirs.lines().filter_map(|line| line.split_once(':')).map(|l| l.0).collect();
    let totals = Totals { accesses: 1, now: 1, load: Some([0.0; 3]), ..Totals::default() };
    let with_totals = status_page(&View { totals: Some(totals), ..view.clone() }, true).body;
    for (name, _) in with_totals.lines().filter_map(|line| line.split_once(':')) {
        assert!(names.contains(&name), "httpd has no {name}");
    }
    let theirs = httpd.ask("GET", "/status", "");
    let ours = status_page(&view, false);
    assert_eq!(theirs.field("content-type"), Some(ours.content_type));
    let start = "<hr />\n<h1>Proxy LoadBalancer Status for balancer://one";
    let theirs = String::from_utf8_lossy(&theirs.body).into_owned();
    same(&part(&ours.body, start), part(&theirs, start).as_bytes(), "html");
}

/// Forms, one after another, each on what the last one left. `N` is nonce and balancer one, `M` its
/// first member too.
const FORMS: &[&str] = &[
    "Mw_lf=2.5",
    "Mw_lf=0.99",
    "Mw_lf=100",
    "Mw_lf=100.01",
    "Mw_lf=1.999",
    "Mw_lf=abc",
    "Mw_lf=1e1",
    "Mw_lf= 3",
    "Mw_lf=4e",
    "Mw_lf=%2B5.",
    "Mw_lf=8&w_lf",
    "MW_LF=7",
    "Mw_ls=5",
    "Mw_ls=99",
    "Mw_ls=100",
    "Mw_ls=-1",
    "Mw_ls=7abc",
    "Mw_ls=%2B3",
    "Mw_ls=x",
    "Mw_wr=r1&w_rr=r2",
    "Mw_wr=&w_rr=",
    "Mw_wr=123456789012345678901234567890123456789012345678901234567890123",
    "Mw_wr=1234567890123456789012345678901234567890123456789012345678901234",
    "Mw_wr=a%2562+c&w_rr=a\"b'c",
    "Mw_wr=%3Cb%3E%26&w_rr=%zz%25zz",
    "Mw_wr=%25%34%31",
    "Mw_status_I=1&w_status_N=1&w_status_D=1&w_status_H=1&w_status_R=1&w_status_S=1&w_status_C=1",
    "Mw_status_I=0&w_status_N=x&w_status_D=&w_status_H=0&w_status_R=0&w_status_S=0",
    "Mw_status_C=0&w_status_E=1&w_status_D=-3",
    "Mw_status_D=0",
    "Mw_hi=70s",
    "Mw_hi=2mi",
    "Mw_hi=1h",
    "Mw_hi=99",
    "Mw_hi=5x",
    "Mw_hi=-70s",
    "Mw_hp=4&w_hf=5",
    "Mw_hp=0&w_hf=-1",
    "Mw_hu=%2Fx%253Cy",
    "Mw_hu=",
    "Mw_he=plain",
    "Mw_he=nope",
    "Mw_he=ok2",
    "Mw_hm=cping",
    "Mw_hm=tcp",
    "Mw_hm=head11&w_he=plain",
    "Mw_hm=NONE&w_he=plain",
    "Nb_lbm=bytraffic",
    "Nb_lbm=nope",
    "Nb_tmo=7200&b_max=99&b_sforce=0",
    "Nb_tmo=7201&b_max=100&b_sforce=2",
    "Nb_tmo=-1&b_max=-1&b_sforce=x",
    "Nb_tmo=x&b_max=x",
    "Nb_ss=a",
    "Nb_ss=a%7Cb",
    "Nb_ss=a|",
    "Nb_ss=",
    "Nb_ss=x%7Cy%7Cz",
    "Nb_ss=12345678901234567890123456789012345678901234567890123456789012",
    "Nb_ss=123456789012345678901234567890123456789012345678901234567890123",
    "Nb_ss=-",
    "Nb_ss=a b",
    "nonce=abd&b=one&b_tmo=1",
    "nonce=&b=one&b_tmo=1",
    "b=one&b_tmo=1",
    "nonce=&b=two&b_tmo=1",
    "nonce=abc&b=two&b_tmo=1",
    "nonce=0123&b=three&b_tmo=1",
    "nonce=0123&b=three&w=http://app/b&w_lf=2&w_status_D=0",
    "nonce=0123&b=three&b_wyes=1&b_nwrkr=http://127.0.0.1:5",
    "Nb_nwrkr=http://127.0.0.1:5",
    "Nb_wyes=1",
    "Nb_wyes=11&b_nwrkr=http://127.0.0.1:5",
    "Nb_wyes=1&b_nwrkr=http://127.0.0.1:9",
    "Nb_wyes=1&b_nwrkr=http://127.0.0.1:9/sub",
    "Nb_wyes=1&b_nwrkr=nonsense",
    "Nb_wyes=1&b_nwrkr=http:///x",
    "Nb_wyes=1&b_nwrkr=",
    "Nb_wyes=1&b_nwrkr=HTTP://LOCALHOST:80/Q",
    "Nb_wyes=1&b_nwrkr=http%253A//127.0.0.1:5",
    "Nb_wyes=1&b_nwrkr=http://127.0.0.1:6",
    "Nw=http://localhost/Q&w_status_D=0",
    "Nxml=1&b_tmo=8",
];

#[test]
fn forms_are_understood_alike() {
    let Some(httpd) = Httpd::start(true) else { return };
    let mut view = view(&httpd, true);
    let origin = httpd.origin();
    for form in FORMS {
        let form = form.replacen('M', "Nw=http://127.0.0.1:9&", usize::from(form.starts_with('M')));
        let form = form.replacen('N', "nonce=abc&b=one&", usize::from(form.starts_with('N')));
        let theirs = httpd.ask("POST", "/pages", &form);
        let asked = Httpd::asked("POST", None, &form, &origin);
        let parsed = parse(&view, &asked);
        assert_eq!(parsed.status, theirs.status, "{form}");
        apply(&mut view, &parsed);
        let ours = match parsed.status {
            200 => page(&view, &asked),
            status => refusal(&asked, status),
        };
        same(&ours.body, &theirs.body, &form);
        assert_eq!(theirs.field("content-type"), Some(ours.content_type), "{form}");
    }
}

#[test]
fn other_methods_are_refused_alike() {
    let Some(httpd) = Httpd::start(false) else { return };
    let theirs = httpd.ask("PUT", "/pages", "");
    let asked = Httpd::asked("PUT", None, "", "");
    let ours = refusal(&asked, parse(&View::default(), &asked).status);
    assert_eq!(theirs.status, 405);
    same(&ours.body, &theirs.body, "PUT");
}
