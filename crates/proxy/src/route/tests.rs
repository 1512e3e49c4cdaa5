use super::*;
use evenkeel_plan::{Action, PathMatch};
use proptest::prelude::*;

fn route(hosts: &[&str], paths: &[&str], methods: &[&str]) -> Route {
    let host = |h: &&str| match h.strip_prefix("*.") {
        Some(parent) => HostMatch::Wildcard(parent.to_owned()),
        None => HostMatch::Exact((*h).to_owned()),
    };
    let path = |p: &&str| match (p.strip_prefix('~'), p.strip_suffix("/*")) {
        (Some(regex), _) => PathMatch::Regex(regex.to_owned()),
        (_, Some(prefix)) => PathMatch::Prefix(prefix.to_owned()),
        _ => PathMatch::Exact((*p).to_owned()),
    };
    Route {
        hosts: hosts.iter().map(host).collect(),
        paths: paths.iter().map(path).collect(),
        methods: methods.iter().map(|m| (*m).to_owned()).collect(),
        ..Route::new(Name::new("r").unwrap(), Action::Pool(Name::new("p").unwrap()))
    }
}

fn find(routes: &[Route], method: &str, host: &str, path: &str) -> Option<u32> {
    let router = Router::build(routes, &Name::new("web").unwrap()).unwrap();
    let [host, path, method] = [host, path, method].map(str::as_bytes);
    router.find(Wanted { host, path, method, facts: None })
}

#[test]
fn the_first_route_in_file_order_wins() {
    let routes = [
        route(&["shop.example"], &["/api/*"], &["GET"]),
        route(&["*.example"], &["~^/v[0-9]+/"], &[]),
        route(&[], &["/api/*"], &[]),
        route(&[], &["/exact"], &[]),
        route(&["a.shop.example"], &[], &[]),
        route(&[], &["/*"], &[]),
    ];
    let cases = [
        ("GET", "shop.example", "/api/x", Some(0)),
        ("GET", "shop.example", "/api", Some(0)),
        ("POST", "shop.example", "/api/x", Some(2)),
        ("GET", "shop.example", "/apix", Some(5)),
        ("GET", "x.example", "/v2/", Some(1)),
        ("GET", "example", "/v2/", Some(5)),
        ("GET", "deep.x.example", "/v2/", Some(1)),
        ("GET", "other", "/exact", Some(3)),
        ("GET", "other", "/exact/", Some(5)),
        ("GET", "a.shop.example", "/other", Some(4)),
        ("GET", "", "/", Some(5)),
    ];
    for (method, host, path, expected) in cases {
        assert_eq!(find(&routes, method, host, path), expected, "{method} {host} {path}");
    }
}

#[test]
fn a_prefix_matches_whole_segments_only() {
    let routes = [route(&[], &["/a/b/*"], &[])];
    for (path, hit) in
        [("/a/b", true), ("/a/b/", true), ("/a/b/c", true), ("/a/bc", false), ("/a", false)]
    {
        assert_eq!(find(&routes, "GET", "h", path).is_some(), hit, "{path}");
    }
}

#[test]
fn routes_of_other_listeners_do_not_apply() {
    let mut other = route(&[], &[], &[]);
    other.listeners = vec![Name::new("admin").unwrap()];
    assert_eq!(find(&[other], "GET", "h", "/"), None);
}

/// The rule as one would write it without tables.
fn naive(routes: &[Route], method: &str, host: &str, path: &str) -> Option<u32> {
    let takes = |r: &Route| {
        let host_ok = r.hosts.is_empty()
            || r.hosts.iter().any(|h| match h {
                HostMatch::Exact(name) => name == host,
                HostMatch::Wildcard(parent) => host
                    .strip_suffix(parent.as_str())
                    .is_some_and(|l| l.len() > 1 && l.ends_with('.')),
            });
        let path_ok = r.paths.is_empty()
            || r.paths.iter().any(|p| match p {
                PathMatch::Exact(exact) => exact == path,
                PathMatch::Prefix(prefix) => path
                    .strip_prefix(prefix.as_str())
                    .is_some_and(|r| r.is_empty() || r.starts_with('/')),
                PathMatch::Regex(_) => false,
            });
        host_ok && path_ok && (r.methods.is_empty() || r.methods.iter().any(|m| m == method))
    };
    routes.iter().position(takes).and_then(|n| u32::try_from(n).ok())
}

fn any_route() -> impl Strategy<Value = Route> {
    let hosts = prop::collection::vec(prop::sample::select(vec!["a", "b.a", "*.a", "*.b.a"]), 0..2);
    let paths = prop::collection::vec(
        prop::sample::select(vec!["/x", "/x/*", "/x/y/*", "/*", "/x/y"]),
        0..3,
    );
    let methods = prop::collection::vec(prop::sample::select(vec!["GET", "PUT"]), 0..2);
    (hosts, paths, methods).prop_map(|(h, p, m)| route(&h, &p, &m))
}

proptest! {
    #[test]
    fn tables_decide_as_the_naive_rule(
        routes in prop::collection::vec(any_route(), 0..12),
        host in prop::sample::select(vec!["a", "b.a", "c.a", "c.b.a", "z", ""]),
        path in prop::sample::select(vec!["/", "/x", "/x/", "/x/y", "/x/y/z", "/xy", "/w"]),
        method in prop::sample::select(vec!["GET", "PUT", "POST"]),
    ) {
        prop_assert_eq!(find(&routes, method, host, path), naive(&routes, method, host, path));
    }
}
