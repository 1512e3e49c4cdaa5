use crate::client::Server;
use crate::fake::Fake;

#[tokio::test]
async fn pools_members_listeners_and_routes_are_shown() {
    let server = Server::start(None).await;
    assert_eq!(server.get("/api/v1/pools").await.json()[0]["name"], "api");
    let pool = server.get("/api/v1/pools/api").await.json();
    assert_eq!((&pool["policy"], &pool["members"][1]["tag"]), (&"round-robin".into(), &"b".into()));
    assert_eq!(server.get("/api/v1/listeners").await.json()[0]["name"], "web");
    assert_eq!(server.get("/api/v1/acme").await.json()[0]["authority"], "default");
    assert_eq!(server.get("/api/v1/routes").await.json()[0]["name"], "route-1");
    let status = server.get("/api/v1/status").await.json();
    assert_eq!((&status["version"], &status["changes_allowed"]), (&"1.2.3".into(), &true.into()));
}

#[tokio::test]
async fn a_member_is_found_by_tag_and_by_encoded_address() {
    let server = Server::start(None).await;
    for member in ["b", "unix:%2Frun%2Fb.sock"] {
        let reply = server.get(&format!("/api/v1/pools/api/members/{member}")).await;
        assert_eq!(reply.json()["tag"], "b");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_with_a_hint() {
    let server = Server::start(None).await;
    let pool = server.get("/api/v1/pools/apj").await;
    assert_eq!((pool.status, &pool.problem()["help"]), (404, &"did you mean \"api\"?".into()));
    let member = server.get("/api/v1/pools/api/members/10.0.0.12:8080").await;
    assert_eq!(member.status, 404);
    assert_eq!(member.problem()["help"], "did you mean \"10.0.0.11:8080\"?");
    for path in ["/api/v1/nothing", "/api/v1", "/api", "/x", "/api/v2/status", "/dashboard.html"] {
        let reply = server.get(path).await;
        assert_eq!(reply.status, 404, "{path}");
        reply.problem();
    }
    let reply = server.get("/api/v1/pools/%ff").await;
    assert_eq!(reply.status, 400);
    reply.problem();
}

#[tokio::test]
async fn a_wrong_method_is_a_problem_that_lists_the_right_ones() {
    let server = Server::start(None).await;
    for (method, path, right) in [
        ("PUT", "/api/v1/pools", "GET,HEAD"),
        ("GET", "/api/v1/reload", "POST"),
        ("OPTIONS", "/api/v1/pools/api/members/a", "GET,HEAD,DELETE,PATCH"),
        ("POST", "/metrics", "GET,HEAD"),
        ("DELETE", "/", "GET,HEAD"),
    ] {
        let reply = server.ask(method, path, "").await;
        assert_eq!(reply.status, 405, "{method} {path}");
        let mut allow: Vec<_> = reply.header("allow").expect("allow").split(',').collect();
        let mut right: Vec<_> = right.split(',').collect();
        allow.sort_unstable();
        right.sort_unstable();
        assert_eq!(allow, right);
        reply.problem();
    }
}

#[tokio::test]
async fn metrics_and_health_are_plain_text() {
    let server = Server::start(None).await;
    let metrics = server.get("/metrics").await;
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(metrics.body.contains("evenkeel_uptime_seconds 1\n"));
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(server.get("/readyz").await.body, "ready\n");

    let draining = Server::with(Fake { draining: true, ..Fake::new() }, None).await;
    assert_eq!(draining.get("/healthz").await.status, 200);
    let ready = draining.get("/readyz").await;
    assert_eq!((ready.status, ready.body.as_str()), (503, "draining\n"));
}

#[tokio::test]
async fn the_dashboard_needs_nothing_from_elsewhere() {
    let server = Server::start(Some("secret")).await;
    let page = server.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
    let mut all = page.body.clone();
    for (path, kind) in [("/dashboard.css", "text/css"), ("/dashboard.js", "text/javascript")] {
        let file = server.get(path).await;
        assert!(page.body.contains(path), "the page uses {path}");
        assert!(file.status == 200 && file.header("content-type").unwrap().starts_with(kind));
        all.push_str(&file.body);
    }
    let without_names = all.replace("http://www.w3.org/2000/svg", "");
    assert!(!without_names.contains("http://") && !without_names.contains("https://"));
    for refused_by_policy in ["style=", "onclick", "<style", "<script>", "innerHTML", "eval("] {
        assert!(!all.contains(refused_by_policy), "{refused_by_policy}");
    }
}

#[tokio::test]
async fn answers_tell_browsers_to_be_careful() {
    let server = Server::start(None).await;
    for path in ["/", "/api/v1/pools", "/metrics", "/nothing"] {
        let reply = server.get(path).await;
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(reply.header("cross-origin-resource-policy"), Some("same-origin"), "{path}");
        assert!(
            reply.header("content-security-policy").unwrap().contains("frame-ancestors 'none'")
        );
        assert!(reply.header("access-control-allow-origin").is_none());
    }
    assert_eq!(server.get("/api/v1/pools").await.header("cache-control"), Some("no-store"));
}
