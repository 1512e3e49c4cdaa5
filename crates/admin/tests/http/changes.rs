use crate::client::Server;
use crate::fake::Fake;

const MEMBER: &str = "/api/v1/pools/api/members/a";
const MEMBERS: &str = "/api/v1/pools/api/members";

#[tokio::test]
async fn a_patch_changes_what_it_names() {
    let server = Server::start(None).await;
    let reply = server.ask("PATCH", MEMBER, r#"{"state":"drain"}"#).await;
    assert_eq!((reply.status, &reply.json()["state"]), (200, &"drain".into()));
    for body in [r#"{"weight":2.5}"#, r#"{"weight":0.01,"state":"ready"}"#] {
        assert_eq!(server.ask("PATCH", MEMBER, body).await.status, 200);
    }
    let expected = [
        r#"patch api a Some("drain") None"#,
        r#"patch api a None Some("2.5")"#,
        r#"patch api a Some("ready") Some("0.01")"#,
    ];
    assert_eq!(server.fake.orders(), expected);
}

#[tokio::test]
async fn a_wrong_patch_names_its_field_and_changes_nothing() {
    let server = Server::start(None).await;
    for (body, status, field, help) in [
        (r#"{"wieght":2}"#, 400, "wieght", "did you mean \"weight\"?"),
        (r#"{"colour":2}"#, 400, "colour", "known fields: state, weight"),
        (r#"{"state":"enable"}"#, 422, "state", "did you mean \"ready\"?"),
        (r#"{"state":"disbled"}"#, 422, "state", "did you mean \"disabled\"?"),
        (r#"{"state":7}"#, 400, "state", ""),
        (r#"{"weight":"2"}"#, 400, "weight", ""),
        (r#"{"weight":0}"#, 422, "weight", ""),
        (r#"{"weight":1000.1}"#, 422, "weight", ""),
        (r#"{"weight":-1e300}"#, 422, "weight", ""),
        (r#"{"weight":null}"#, 400, "weight", ""),
        ("{}", 400, "", ""),
        ("[]", 400, "", ""),
        ("{", 400, "", ""),
    ] {
        let reply = server.ask("PATCH", MEMBER, body).await;
        let problem = reply.problem();
        assert_eq!(reply.status, status, "{body}: {problem}");
        assert_eq!(problem["field"].as_str().unwrap_or_default(), field, "{body}");
        assert_eq!(problem["help"].as_str().unwrap_or_default(), help, "{body}");
    }
    assert!(server.fake.orders().is_empty());
}

#[tokio::test]
async fn a_form_is_not_json() {
    let server = Server::start(None).await;
    for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"] {
        let line = format!("Content-Type: {kind}\r\n");
        let reply = server.ask_with("PATCH", MEMBER, &line, r#"{"weight":2}"#).await;
        assert_eq!(reply.status, 415);
        assert!(reply.problem()["detail"].as_str().unwrap().contains("application/json"));
    }
    let line = "Content-Type: Application/JSON; charset=utf-8\r\n";
    assert_eq!(server.ask_with("PATCH", MEMBER, line, r#"{"weight":2}"#).await.status, 200);
}

#[tokio::test]
async fn a_member_is_added_with_its_settings() {
    let server = Server::start(None).await;
    let body = r#"{"address":"[::1]:81","tag":"c/1","weight":3,"tier":1,"backup":true,"spare":false,
        "state":"disabled","max_requests":500,"slow_start_ms":20000}"#;
    let reply = server.ask("POST", MEMBERS, body).await;
    assert_eq!((reply.status, &reply.json()["address"]), (201, &"[::1]:81".into()));
    assert_eq!(reply.header("location"), Some("/api/v1/pools/api/members/c%2F1"));
    let order = server.fake.orders().remove(0);
    for part in [
        "\"c/1\"",
        "Weight(300)",
        "tier: 1",
        "backup: true",
        "Disabled",
        "Some(500)",
        "slow_start: 20s",
    ] {
        assert!(order.contains(part), "{part} in {order}");
    }
    assert_eq!(server.ask("POST", MEMBERS, r#"{"address":"10.0.0.1:80"}"#).await.status, 201);
}

#[tokio::test]
async fn a_wrong_member_is_not_added() {
    let server = Server::start(None).await;
    for (body, status, field) in [
        ("{}", 400, "address"),
        (r#"{"address":"10.0.0.1"}"#, 422, "address"),
        (r#"{"address":"a:1","tag":"a b"}"#, 422, "tag"),
        (r#"{"address":"a:1","tier":100}"#, 400, "tier"),
        (r#"{"address":"a:1","max_requests":0}"#, 400, "max_requests"),
        (r#"{"address":"a:1","max_requests":4294967296}"#, 400, "max_requests"),
        (r#"{"address":"a:1","backup":1}"#, 400, "backup"),
        (r#"{"address":"a:1","slow_start_ms":3600001}"#, 400, "slow_start_ms"),
        (r#"{"address":"a:1","route":"x"}"#, 400, "route"),
        (r#"{"address":"a:1","tag":"a"}"#, 409, ""),
    ] {
        let reply = server.ask("POST", MEMBERS, body).await;
        assert_eq!(reply.status, status, "{body}: {reply:?}");
        assert_eq!(reply.problem()["field"].as_str().unwrap_or_default(), field, "{body}");
    }
    assert!(server.fake.orders().is_empty());
}

#[tokio::test]
async fn members_are_removed_and_unknown_ones_are_problems() {
    let server = Server::start(None).await;
    let gone = server.ask("DELETE", MEMBER, "").await;
    assert_eq!((gone.status, gone.body.as_str()), (204, ""));
    for path in ["/api/v1/pools/api/members/z", "/api/v1/pools/zzz/members/a"] {
        for (method, body) in [("DELETE", ""), ("PATCH", r#"{"weight":1}"#)] {
            let reply = server.ask(method, path, body).await;
            assert_eq!(reply.status, 404, "{method} {path}");
            reply.problem();
        }
    }
    assert_eq!(server.fake.orders(), ["remove api a"]);
}

#[tokio::test]
async fn reload_and_drain_are_ordered() {
    let server = Server::start(None).await;
    assert_eq!(server.ask("POST", "/api/v1/reload", "").await.json()["generation"], 2);
    let drain = server.ask("POST", "/api/v1/drain", "{}").await;
    assert_eq!((drain.status, &drain.json()["state"]), (202, &"draining".into()));
    assert_eq!(server.ask("POST", "/api/v1/drain", r#"{"x":1}"#).await.status, 400);
    assert_eq!(server.fake.orders(), ["reload", "drain"]);
}

#[tokio::test]
async fn a_refused_configuration_comes_with_its_diagnostics() {
    let server = Server::with(Fake { broken_config: true, ..Fake::new() }, None).await;
    let reply = server.ask("POST", "/api/v1/reload", "").await;
    let problem = reply.problem();
    assert_eq!((reply.status, &problem["diagnostics"][0]["line"]), (422, &7.into()));
    assert_eq!(problem["detail"], "no pool is named \"apo\"");
}
