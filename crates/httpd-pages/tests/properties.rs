//! Whatever is asked, the pages answer and keep to their bounds.

use evenkeel_httpd_pages::*;
use proptest::prelude::*;

fn view(text: &str) -> View {
    let member = MemberView { url: "http://a:1".to_owned(), factor: 100, ..MemberView::default() };
    let balancer = BalancerView {
        name: "one".to_owned(),
        nonce: "n".to_owned(),
        method: text.to_owned(),
        growth_max: 2,
        growth_used: 1,
        members: vec![MemberView { route: text.to_owned(), ..member }],
        ..BalancerView::default()
    };
    View {
        methods: vec![text.to_owned(), "other".to_owned()],
        expressions: Some(vec![Expression { name: text.to_owned(), text: text.to_owned() }]),
        check_methods: HealthMethod::ALL.to_vec(),
        balancers: vec![balancer],
        ..View::default()
    }
}

/// A field of a form with any value.
fn field() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "w_lf",
        "w_ls",
        "w_wr",
        "w_rr",
        "w_status_D",
        "w_hm",
        "w_he",
        "w_hi",
        "w_hp",
        "w_hf",
        "w_hu",
        "b_lbm",
        "b_tmo",
        "b_max",
        "b_sforce",
        "b_ss",
        "b_nwrkr",
        "b_wyes",
        "xml",
        "w",
    ]);
    let values = prop_oneof!["\\PC{0,70}", "[-+0-9.eEa-z%|:/ ]{0,24}", "-?[0-9]{1,24}"];
    (names, values).prop_map(|(name, value)| format!("&{name}={value}"))
}

fn within_bounds(order: &Order) -> bool {
    let text = |text: &str, most: usize| text.len() <= most && !text.contains(char::is_control);
    match order {
        Order::SetFactor(factor) => (100..=10_000).contains(factor),
        Order::SetSet(set) => *set <= 99,
        Order::SetRoute(route) | Order::SetRedirect(route) => text(route, 63),
        Order::SetHealth(HealthOrder::Expression(name)) => text(name, 15),
        Order::SetHealth(HealthOrder::Uri(uri)) => text(uri, 63),
        Order::SetHealth(HealthOrder::Interval(time)) => *time >= 100,
        Order::SetHealth(HealthOrder::Passes(count) | HealthOrder::Fails(count)) => *count >= 1,
        Order::SetTimeout(seconds) => *seconds <= 7200,
        Order::SetAttempts(attempts) => *attempts <= 99,
        Order::SetSticky(Some(sticky)) => text(&sticky.cookie, 62) && !sticky.cookie.is_empty(),
        Order::AddMember(url) => text(&url.name, 383) && !url.host.is_empty(),
        _ => true,
    }
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer(
        body in prop::collection::vec(any::<u8>(), 0..1500),
        query in "\\PC{0,200}",
        referer in "(http:)?//(lb|\\[::1\\]|\\PC{0,9})\\PC{0,20}",
        text in "\\PC{0,40}",
    ) {
        let view = view(&text);
        for method in ["GET", "POST", "HEAD", "\u{e9}"] {
            let asked = Asked {
                method,
                path: &query,
                origin: &referer,
                query: Some(&query),
                referer: Some(&referer),
                server: "lb",
                body: &body,
            };
            let parsed = parse(&view, &asked);
            prop_assert!([200, 405].contains(&parsed.status));
            prop_assert!(parsed.orders.is_empty(), "nobody guessed the nonce");
            prop_assert!(page(&view, &asked).body.is_ascii());
            prop_assert!(refusal(&asked, 405).body.is_ascii());
        }
        prop_assert!(status_page(&view, true).body.is_ascii());
        prop_assert!(status_page(&view, false).body.is_ascii());
    }

    #[test]
    fn orders_keep_to_their_bounds(fields in prop::collection::vec(field(), 1..6)) {
        let body = format!("b=one&nonce=n&w=http://a:1{}", fields.concat());
        let asked = Asked {
            method: "POST",
            referer: Some("http://lb/"),
            server: "lb",
            body: body.as_bytes(),
            ..Asked::default()
        };
        let parsed = parse(&view("up"), &asked);
        prop_assert!([200, 400].contains(&parsed.status));
        prop_assert!(parsed.status == 200 || parsed.orders.is_empty());
        for order in &parsed.orders {
            prop_assert!(within_bounds(order), "{order:?}");
        }
    }
}
