//! The same balancers in httpd and in a view: the pages must be the same to the byte, and forms must
//! be understood alike. Without httpd on this machine there is nothing to compare with, and a line
//! says so.

mod httpd;
mod model;

use evenkeel_httpd_pages::*;
use evenkeel_testkit::*;

use httpd::Httpd;
use model::{apply, view};

/// Texts line by line, so that a difference can be seen. The XML names the nonce since httpd 2.4.68:
/// an older one is compared without.
#[track_caller]
fn same(ours: &str, theirs: &[u8], what: &str) {
    let theirs = String::from_utf8_lossy(theirs);
    let known = |line: &&str| !line.contains("<httpd:nonce>") || theirs.contains(line);
    let ours =
        ours.split_inclusive('\n').filter(|line| known(&line.trim_end())).collect::<String>();
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
