use super::*;
use crate::view::{Expression, Flag, Sticky};

/// Everything that others may choose, hostile.
const EVIL: &str = "\"'><script>alert(1)</script>&amp;%41\u{1}é";

fn view(text: &str) -> View {
    let text = || text.to_owned();
    let check = HealthView { uri: text(), expr: text(), ..HealthView::default() };
    let member = MemberView {
        url: "http://a:1/x\"'<&".to_owned(),
        socket: Some(text()),
        scheme: text(),
        host: text(),
        route: text(),
        redirect: text(),
        factor: 100,
        flags: [Flag::Drain, Flag::Error].into_iter().collect(),
        error_time: Some(0),
        hc: Some(check),
        ..MemberView::default()
    };
    let balancer = BalancerView {
        name: "one".to_owned(),
        hash: text(),
        nonce: text(),
        sticky: Some(Sticky { cookie: text(), parameter: format!("{}p", text()) }),
        method: text(),
        host: text(),
        path: text(),
        growth_max: 2,
        growth_used: 1,
        members: vec![member.clone(), MemberView { url: "http://b:2".to_owned(), ..member }],
        ..BalancerView::default()
    };
    View {
        server: text(),
        version: text(),
        built: text(),
        methods: vec![text()],
        expressions: Some(vec![Expression { name: text(), text: text() }]),
        balancers: vec![BalancerView { name: text(), ..balancer.clone() }, balancer],
        ..View::default()
    }
}

fn asked<'a>(query: &'a str, path: &'a str) -> Asked<'a> {
    Asked {
        method: "GET",
        path,
        origin: path,
        query: Some(query),
        referer: Some("http://lb/"),
        server: "lb",
        ..Asked::default()
    }
}

/// Every tag and every attribute of a page, without values: its skeleton.
fn skeleton(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('<') {
        let mut tag = String::new();
        let mut quote = None;
        let mut end = after.len();
        for (at, c) in after.char_indices() {
            match (quote, c) {
                (None, '>') => {
                    end = at;
                    break;
                }
                (None, '"' | '\'') => quote = Some(c),
                (Some(open), c) if open == c => quote = None,
                (Some(_), _) => {}
                (None, c) => tag.push(c),
            }
        }
        found.push(tag);
        rest = &after[end..];
    }
    found
}

#[test]
fn hostile_texts_change_nothing_about_a_page_but_its_texts() {
    let queries = ["", "b=one", "b=one&w=http://b:2", "xml=1"];
    for query in queries {
        let plain = page(&view("plain"), &asked(query, "/p")).body;
        let evil = page(&view(EVIL), &asked(query, EVIL)).body;
        assert_eq!(skeleton(&plain), skeleton(&evil), "{query}");
        assert!(!evil.contains("<script"), "{query}");
        assert!(evil.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)));
    }
    assert!(refusal(&Asked { method: EVIL, ..Asked::default() }, 405).body.contains("&lt;script"));
}

/// The elements of an XML text in order; panics where it is not well-formed.
fn elements(text: &str) -> Vec<String> {
    let (declaration, mut rest) = text.split_once("?>").expect("a declaration");
    assert!(declaration.starts_with("<?xml "));
    let (mut open, mut seen) = (Vec::new(), Vec::new());
    while let Some((before, after)) = rest.split_once('<') {
        assert!(!before.contains('>'), "{before}");
        for reference in before.split('&').skip(1) {
            let (name, _) = reference.split_once(';').expect("a reference ends");
            let is_number = name.strip_prefix('#').is_some_and(|n| n.parse::<u32>().is_ok());
            assert!(is_number || ["amp", "lt", "gt", "quot"].contains(&name), "{name}");
        }
        let (tag, after) = after.split_once('>').expect("a tag ends");
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop().as_deref(), Some(name)),
            None => {
                let name = tag.split(' ').next().unwrap_or_default().to_owned();
                seen.push(name.clone());
                open.push(name);
            }
        }
        assert!(!open.is_empty() || after.is_empty(), "one root");
        rest = after;
    }
    assert_eq!(open, Vec::<String>::new());
    seen
}

#[test]
fn the_xml_is_well_formed_whatever_it_says() {
    let mut full = view(EVIL);
    full.balancers[1].members[0].scheme = "ajp".to_owned();
    full.balancers[1].members[0].ping_ms = Some(5);
    for view in [view(EVIL), view(""), full, View::default()] {
        let page = page(&view, &asked("xml", "/"));
        assert_eq!(page.content_type, "text/xml");
        let seen = elements(&page.body);
        assert_eq!(seen[..2], ["httpd:manager", "httpd:balancers"]);
        let workers = seen.iter().filter(|name| *name == "httpd:worker").count();
        assert_eq!(workers, view.balancers.len() * 2);
    }
    let body = page(&view("t"), &asked("xml", "/")).body;
    assert!(body.contains("<httpd:error_time>Thu, 01 Jan 1970 00:00:00 GMT</httpd:error_time>"));
    assert!(body.contains("<httpd:status>Drn Err </httpd:status>"));
}

#[test]
fn a_link_leads_back_to_what_it_was_made_for() {
    let mut view = view("plain");
    for (name, url) in [("a.b-c", "http://h:1/a&b=c"), ("100%41", "http://h:1/%41%2525+x;y'z")] {
        view.balancers[1].name = name.to_owned();
        view.balancers[1].members[1].url = url.to_owned();
        let body = page(&view, &asked("", "/p")).body;
        let links = body.split("<a href=\"/p?").skip(1);
        let links: Vec<&str> = links.filter_map(|rest| rest.split_once('"')).map(|l| l.0).collect();
        let query = links.last().expect("a link").replace("&amp;", "&");
        let parsed = crate::parse(&view, &asked(&query, "/p"));
        assert_eq!((parsed.balancer, parsed.member), (Some(1), Some(1)), "{query}");
    }
}

#[test]
fn a_form_is_shown_for_what_was_named_and_only_to_its_own_pages() {
    let view = view("plain");
    let form = |asked: &Asked<'_>| {
        let body = page(&view, asked).body;
        ["Edit balancer settings", "Edit worker settings", "b_nwrkr"]
            .map(|text| body.contains(text))
    };
    assert_eq!(form(&asked("", "/")), [false, false, false]);
    assert_eq!(form(&asked("b=one", "/")), [true, false, true]);
    assert_eq!(form(&asked("b=one&w=http://b:2", "/")), [false, true, false]);
    let foreign = Asked { referer: Some("http://evil/"), ..asked("b=one", "/") };
    assert_eq!(form(&foreign), [false, false, false]);
    assert_eq!(form(&Asked { referer: None, ..foreign }), [false, false, false]);
    let post = Asked { method: "POST", body: b"b=one", ..asked("w=http://b:2", "/") };
    assert_eq!(form(&post), [true, false, true], "a form's own query does not count");
}
