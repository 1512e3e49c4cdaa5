//! What configurations that come from Apache rely on, in our own format, through the front door.

use evenkeel_testkit::*;

fn start(config: &str) -> Server {
    Program::at(env!("CARGO_BIN_EXE_evenkeel")).start(config)
}

/// A listener before a pool of two members with Apache's default policy.
fn two(a: &Origin, b: &Origin, pool: &str, member_b: &str) -> Server {
    start(&format!(
        "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:0\"\npool = \"app\"\n\
         forwarded = {{ style = \"apache\", via = false, request_id = false }}\n\
         [[pool]]\nname = \"app\"\npolicy = \"by-requests\"\n{pool}\n\
         [[pool.member]]\naddress = \"{}\"\ntag = \"a\"\n\
         [[pool.member]]\naddress = \"{}\"\ntag = \"b\"\n{member_b}\n",
        a.member(),
        b.member()
    ))
}

fn cookie(client: &mut Client, value: &str) -> Response {
    client.request("GET", "/", &[("Cookie", value)], b"").unwrap()
}

#[test]
fn members_get_their_own_host_and_path_and_apaches_headers() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let server = two(&a, &b, "host = \"member\"", "path = \"/base\"");
    let mut client = Client::connect(server.addr("web"));
    let sent = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Server", "front")];
    client.request("GET", "/x?y", &sent, b"").unwrap();
    client.request("GET", "/x?y", &sent, b"").unwrap();
    let (first, second) = (a.last().head, b.last().head);
    assert_eq!((first.target(), second.target()), ("/x?y", "/base/x?y"));
    assert_eq!(first.field("host"), Some(&*a.member()));
    assert_eq!(first.field_all("x-forwarded-for"), ["6.6.6.6, 127.0.0.1"]);
    assert_eq!(first.field_all("x-forwarded-host"), ["test"]);
    assert_eq!(first.field_all("x-forwarded-server"), ["front, test"]);
    assert_eq!(first.field("x-forwarded-proto"), None);
    assert_eq!(first.field("x-request-id"), None);
}

#[test]
fn a_session_is_announced_once_and_kept() {
    let (mut a, b) = (Origin::named("a"), Origin::named("b"));
    let affinity = "affinity = { application = \"ROUTEID|ROUTEID\", \
                    set_cookie = \"ROUTEID=.{tag}; path=/\" }\n\
                    health = { passive = { errors = 1, eject = \"60s\", only_connect = true } }";
    let server = two(&a, &b, affinity, "");
    let mut client = Client::connect(server.addr("web"));
    let first = client.get("/").unwrap();
    assert_eq!(first.cookie("ROUTEID").as_deref(), Some("ROUTEID=.a"));
    let kept = cookie(&mut client, "ROUTEID=.a");
    assert!(kept.text().starts_with('a') && kept.cookie("ROUTEID").is_none());
    a.kill();
    let moved = cookie(&mut client, "ROUTEID=.a");
    assert_eq!((moved.status, moved.text().starts_with('b')), (200, true));
    assert_eq!(moved.cookie("ROUTEID").as_deref(), Some("ROUTEID=.b"));
}

#[test]
fn a_session_without_failover_gets_503_and_others_are_served() {
    let (mut a, b) = (Origin::named("a"), Origin::named("b"));
    let affinity = "affinity = { application = \"JSESSIONID|JSESSIONID\", failover = false }";
    let server = two(&a, &b, affinity, "");
    a.kill();
    let mut client = Client::connect(server.addr("web"));
    assert_eq!(cookie(&mut client, "JSESSIONID=x.a").status, 503);
    let mut client = Client::connect(server.addr("web"));
    assert_eq!(client.get("/;JSESSIONID=x.b").unwrap().status, 200);
}

#[test]
fn a_disabled_members_sessions_are_redirected() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let affinity = "affinity = { application = \"S|S\" }";
    let server = two(&a, &b, affinity, "state = \"disabled\"\nredirect = \"a\"");
    let mut client = Client::connect(server.addr("web"));
    for _ in 0..3 {
        assert!(cookie(&mut client, "S=x.b").text().starts_with('a'));
    }
}

#[test]
fn answers_point_to_us() {
    let origin = Origin::named("a");
    let place = format!("http://{}/base/next?x=1", origin.member());
    origin.set(Answer::with_fields(302, &[("Location", &place), ("Refresh", &place)], ""));
    let server = start(&format!(
        "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:0\"\n\
         [[route]]\npath = \"/app/*\"\npool = \"app\"\nrewrite = {{ prefix = \"/app\", to = \"/base\" }}\n\
         reverse = [{{ from = \"http://{0}/base\", to = \"/app\" }}]\n\
         [[pool]]\nname = \"app\"\nmembers = [\"{0}\"]\n",
        origin.member()
    ));
    let answer = Client::connect(server.addr("web")).get("/app/x").unwrap();
    assert_eq!(answer.head.field("location"), Some("http://test/app/next?x=1"));
    assert_eq!(answer.head.field("refresh"), Some(&*place));
    assert_eq!(origin.last().head.target(), "/base/x");
}

#[test]
fn a_late_member_is_a_bad_gateway_as_with_apache() {
    let origin = Origin::start("a", Answer::never());
    let server = two(&origin, &origin, "timeouts = { response = \"200ms\" }", "");
    assert_eq!(Client::connect(server.addr("web")).get("/").unwrap().status, 502);
}

#[test]
fn traps_of_httpd_are_kept_or_avoided_by_one_switch() {
    let late = Origin::start("late", Answer::never());
    let folder = tempfile::TempDir::new().expect("a folder");
    let address = quiet_address();
    let file = folder.path().join("site.conf");
    let write = |timeout: &str| {
        let text = format!(
            "Listen {address}\nProxyTimeout {timeout}\n<Proxy balancer://c>\n\
             BalancerMember http://{}\n</Proxy>\nProxyPass / balancer://c/\n",
            late.member()
        );
        std::fs::write(&file, text).expect("written");
    };
    let program = || std::process::Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    for (switch, status) in [(None, 502), (Some("--strict"), 504)] {
        write("1");
        let mut child = program()
            .args(["run", "--apache"])
            .arg(&file)
            .args(switch)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("it starts");
        assert!(wait_until(LONG, || std::net::TcpStream::connect(address).is_ok()));
        let got = Client::connect(address).get("/x").expect("an answer").status;
        let _ = child.kill();
        let _ = child.wait();
        assert_eq!(got, status, "{switch:?}");
        write("500ms");
        let out = program().args(["check", "--apache"]).arg(&file).args(switch).output();
        let out = out.expect("it runs");
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(told.contains("ProxyTimeout 500ms is read as 500 seconds"), "{told}");
        assert_eq!(out.status.success(), switch.is_none(), "{told}");
    }
}
