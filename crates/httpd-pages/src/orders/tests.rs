use super::*;
use crate::view::{Expression, Flags};

fn view() -> View {
    let member =
        |url: &str| MemberView { url: url.to_owned(), factor: 100, ..MemberView::default() };
    let balancer = |name: &str, nonce: &str| BalancerView {
        name: name.to_owned(),
        nonce: nonce.to_owned(),
        method: "byrequests".to_owned(),
        growth_max: 3,
        growth_used: 2,
        members: vec![member("http://a:1"), member("http://b:2")],
        ..BalancerView::default()
    };
    View {
        methods: vec!["byrequests".to_owned(), "bytraffic".to_owned()],
        expressions: Some(vec![Expression { name: "up".to_owned(), text: "1".to_owned() }]),
        check_methods: HealthMethod::ALL.to_vec(),
        balancers: vec![balancer("one", "secret"), balancer("two", "other"), balancer("shut", "")],
        ..View::default()
    }
}

const REFERER: Option<&str> = Some("http://lb.test/pages");

fn post<'a>(body: &'a str, referer: Option<&'a str>) -> Asked<'a> {
    let body = body.as_bytes();
    Asked { method: "POST", referer, server: "lb.test", body, ..Asked::default() }
}

/// What a form with everything in place orders.
#[track_caller]
fn orders(view: &View, form: &str) -> Vec<Order> {
    let body = format!("nonce=secret&b=one&w=http://b:2&{form}");
    let parsed = parse(view, &post(&body, REFERER));
    assert_eq!((parsed.status, parsed.balancer, parsed.member), (200, Some(0), Some(1)), "{form}");
    parsed.orders
}

fn sticky_of(cookie: &str, parameter: &str) -> Order {
    let sticky = Sticky { cookie: cookie.to_owned(), parameter: parameter.to_owned() };
    Order::SetSticky(Some(sticky))
}

/// Each field with a value that is good.
fn good() -> Vec<(&'static str, Order)> {
    use Order::{SetHealth, SetRedirect, SetRoute, SetSet, SetSticky};
    vec![
        ("w_lf=1", Order::SetFactor(100)),
        ("w_lf=1.15", Order::SetFactor(115)),
        ("w_lf=1.999", Order::SetFactor(199)),
        ("w_lf=100.00", Order::SetFactor(10_000)),
        ("w_lf=%202e1x", Order::SetFactor(2_000)),
        ("w_ls=0", SetSet(0)),
        ("w_ls=99", SetSet(99)),
        ("w_ls=7x", SetSet(7)),
        ("w_wr=r%252f1", SetRoute("r/1".to_owned())),
        ("w_wr=", SetRoute(String::new())),
        ("w_rr=%3Cb%3E", SetRedirect("<b>".to_owned())),
        ("w_rr", SetRedirect(String::new())),
        ("w_status_I=1", Order::SetFlag(Flag::IgnoreErrors, true)),
        ("w_status_N=1", Order::SetFlag(Flag::Drain, true)),
        ("w_status_D=0", Order::SetFlag(Flag::Disabled, false)),
        ("w_status_D=2", Order::SetFlag(Flag::Disabled, true)),
        ("w_status_H=1", Order::SetFlag(Flag::Standby, true)),
        ("w_status_R=x", Order::SetFlag(Flag::Spare, false)),
        ("w_status_S=1", Order::SetFlag(Flag::Stopped, true)),
        ("w_status_C=0", Order::SetFlag(Flag::HealthFailed, false)),
        ("w_hm=head11", SetHealth(HealthOrder::Method(HealthMethod::Head11))),
        ("w_hi=100", SetHealth(HealthOrder::Interval(100))),
        ("w_hi=2mi", SetHealth(HealthOrder::Interval(120_000))),
        ("w_hp=1", SetHealth(HealthOrder::Passes(1))),
        ("w_hf=9", SetHealth(HealthOrder::Fails(9))),
        ("w_hu=/up", SetHealth(HealthOrder::Uri("/up".to_owned()))),
        ("b_lbm=bytraffic", Order::SetMethod("bytraffic".to_owned())),
        ("b_tmo=0", Order::SetTimeout(0)),
        ("b_tmo=7200", Order::SetTimeout(7200)),
        ("b_max=0", Order::SetAttempts(0)),
        ("b_max=99", Order::SetAttempts(99)),
        ("b_sforce=1", Order::SetNoFailover(true)),
        ("b_sforce=0", Order::SetNoFailover(false)),
        ("b_ss=ID", sticky_of("ID", "ID")),
        ("b_ss=ID%7Cid", sticky_of("ID", "id")),
        ("b_ss=-", SetSticky(None)),
        (
            "b_wyes=1&b_nwrkr=http://C:80/x",
            Order::AddMember(MemberUrl::parse("http://c/x").expect("a URL")),
        ),
    ]
}

#[test]
fn each_field_is_one_order() {
    for (form, change) in good() {
        assert_eq!(orders(&view(), form), [change], "{form}");
    }
}

#[test]
fn without_nonce_referer_or_post_nothing_is_ordered() {
    let view = view();
    for (form, _) in good() {
        let named = format!("b=one&w=http://b:2&{form}");
        let signed = format!("nonce=secret&{named}");
        let shut = format!("nonce=&b=shut&w=http://b:2&{form}");
        let refused = [
            post(&named, REFERER),
            post(&signed, None),
            post(&signed, Some("http://evil/")),
            post(&signed, Some("")),
            post(&shut, REFERER),
            Asked { method: "GET", query: Some(&signed), ..post("", REFERER) },
            Asked { method: "GET", ..post(&signed, REFERER) },
            Asked { query: Some(&signed), ..post("", REFERER) },
            Asked { method: "HEAD", query: Some(&signed), ..post("", REFERER) },
        ];
        for asked in refused {
            let parsed = parse(&view, &asked);
            assert_eq!((parsed.status, parsed.orders), (200, vec![]), "{asked:?}");
        }
        for nonce in ["", "secre", "secret1", "Secret", "other", "None", "secret%00"] {
            let wrong = format!("nonce={nonce}&{named}");
            assert_eq!(parse(&view, &post(&wrong, REFERER)).orders, [], "{wrong}");
        }
        let asked = Asked { method: "PUT", ..post(&signed, REFERER) };
        assert_eq!(parse(&view, &asked).status, 405);
        assert_eq!(parse(&view, &asked).orders, []);
    }
}

#[test]
fn what_is_out_of_range_is_ignored_field_by_field() {
    let bad = [
        "w_lf=0.99",
        "w_lf=100.01",
        "w_lf=",
        "w_lf=abc",
        "w_lf=-5",
        "w_lf=nan",
        "w_lf=inf",
        "w_lf=1e300",
        "w_lf=0x10",
        "w_ls=-1",
        "w_ls=100",
        "w_ls=4294967297",
        "w_ls=99999999999999999999999999",
        "w_wr=a%0d%0ab",
        "w_rr=%1b",
        "w_status_E=1",
        "w_status_X=1",
        "w_hi=99",
        "w_hi=",
        "w_hi=5x",
        "w_hi=-70s",
        "w_hi=9999999999999999999h",
        "w_hp=0",
        "w_hf=-1",
        "w_hp=4294967297",
        "w_hm=nope",
        "w_hu=%00",
        "b_lbm=nope",
        "b_lbm=byrequests",
        "b_tmo=-1",
        "b_tmo=7201",
        "b_max=-1",
        "b_max=100",
        "b_ss=",
        "b_ss=%20",
        "b_ss=|b",
        "b_ss=a%0a",
        "b_wyes=1",
        "b_nwrkr=http://c",
        "b_wyes=11&b_nwrkr=http://c",
        "b_wyes=&b_nwrkr=http://c",
    ];
    for form in bad {
        assert_eq!(orders(&view(), form), [], "{form}");
        let both = format!("{form}&b_sforce=1");
        assert_eq!(orders(&view(), &both), [Order::SetNoFailover(true)], "{both}");
    }
    let long = |count: usize| "x".repeat(count);
    assert_eq!(orders(&view(), &format!("w_wr={}", long(63))), [Order::SetRoute(long(63))]);
    assert_eq!(orders(&view(), &format!("w_wr={}", long(64))), [Order::SetRoute(String::new())]);
    assert_eq!(orders(&view(), &format!("b_ss={}", long(62))), [sticky_of(&long(62), &long(62))]);
    assert_eq!(orders(&view(), &format!("b_ss={}", long(63))), []);
}

#[test]
fn a_member_that_cannot_be_added_refuses_the_whole_form() {
    let mut view = view();
    let table = [
        "",
        "nonsense",
        "/x",
        "http:///x",
        "http://a:1",
        "http://a:1/sub",
        "http://c%00",
        "http://u@c",
    ];
    let status = |view: &View, url: &str| {
        let form = format!("nonce=secret&b=one&b_tmo=5&b_wyes=1&b_nwrkr={url}");
        let parsed = parse(view, &post(&form, REFERER));
        assert!(parsed.status == 200 || parsed.orders.is_empty());
        parsed.status
    };
    for url in table {
        assert_eq!(status(&view, url), 400, "{url}");
    }
    assert_eq!(status(&view, "http://c"), 200);
    view.balancers[0].growth_used = 3;
    assert_eq!(status(&view, "http://c"), 400, "no place left");
}

#[test]
fn a_form_chooses_by_what_its_link_said() {
    let table: &[(&str, Option<usize>, Option<usize>)] = &[
        ("", None, None),
        ("b=ONE", Some(0), None),
        ("b=two/x", Some(1), None),
        ("b=three", None, None),
        ("w=http://a:1", None, None),
        ("b=two&w=http://A:1/zz", Some(1), Some(0)),
        ("b=two&w=http://a:12", Some(1), None),
        ("b=one&b=two&w=x", Some(1), None),
    ];
    for (query, balancer, member) in table {
        let asked = Asked { method: "GET", query: Some(query), ..post("", REFERER) };
        let parsed = parse(&view(), &asked);
        assert_eq!((parsed.balancer, parsed.member), (*balancer, *member), "{query}");
    }
}

#[test]
fn a_condition_needs_an_answer_to_look_at() {
    let set = |name: &str| Order::SetHealth(HealthOrder::Expression(name.to_owned()));
    let method = |method| Order::SetHealth(HealthOrder::Method(method));
    let mut view = view();
    assert_eq!(orders(&view, "w_he=up"), [], "there is no check");
    assert_eq!(orders(&view, "w_he=up&w_hm=GET"), [method(HealthMethod::Get), set("up")]);
    assert_eq!(orders(&view, "w_he=up&w_hm=CPING"), [method(HealthMethod::Cping)]);
    let check =
        HealthView { method: HealthMethod::Get, expr: "up".to_owned(), ..HealthView::default() };
    view.balancers[0].members[1].hc = Some(check);
    assert_eq!(orders(&view, "w_he=nope"), [set("")]);
    assert_eq!(orders(&view, "w_hm=TCP"), [method(HealthMethod::Tcp), set("")]);
    let query = Some("nonce=secret&b=one&w=http://b:2");
    let mut no_check = view.clone();
    let stale = HealthView { expr: "up".to_owned(), ..HealthView::default() };
    no_check.balancers[0].members[1].hc = Some(stale);
    let look = Asked { method: "GET", query, ..post("", REFERER) };
    assert_eq!(parse(&no_check, &look).orders, [], "to look clears nothing");
    assert_eq!(orders(&no_check, ""), [set("")]);
    view.check_methods.retain(|method| *method != HealthMethod::Tcp);
    assert_eq!(orders(&view, "w_hm=TCP"), []);
    view.expressions = None;
    assert_eq!(orders(&view, "w_he=nope&w_hi=100&w_hu=/"), [], "no health checks at all");
}

#[test]
fn a_text_that_comes_back_as_it_was_shown_changes_nothing() {
    let mut view = view();
    let member = &mut view.balancers[0].members[1];
    member.route = "a%41".to_owned();
    member.hc = Some(HealthView { uri: "/a%20b".to_owned(), ..HealthView::default() });
    member.flags = Flags::EMPTY.with(Flag::Drain);
    assert_eq!(orders(&view, "w_wr=a%2541&w_hu=/a%2520b"), []);
    let uri = Order::SetHealth(HealthOrder::Uri("/c d".to_owned()));
    assert_eq!(orders(&view, "w_hu=/c%2520d"), [uri]);
}
