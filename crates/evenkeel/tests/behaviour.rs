//! HTTP behaviour through the front door: headers, framing, routing, limits, retries.

use std::time::Duration;

use evenkeel_testkit::*;

fn start(config: &str) -> Server {
    Program::at(env!("CARGO_BIN_EXE_evenkeel")).start(config)
}

/// A listener `web` before one pool `app`; `listener` and `pool` are further keys of theirs.
fn config(listener: &str, members: &[String], pool: &str) -> String {
    let listed: Vec<String> = members.iter().map(|member| format!("\"{member}\"")).collect();
    format!(
        "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:0\"\npool = \"app\"\n{listener}\n\
         [[pool]]\nname = \"app\"\nmembers = [{}]\n{pool}\n",
        listed.join(", ")
    )
}

fn one(origin: &Origin) -> (Server, Client) {
    let server = start(&config("", &[origin.member()], ""));
    let client = Client::connect(server.addr("web"));
    (server, client)
}

#[test]
fn forwarding_headers_are_ours_unless_the_peer_is_trusted() {
    let origin = Origin::named("a");
    let sent = [
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "for=6.6.6.6"),
        ("X-Request-Id", "mine"),
        ("Via", "1.1 other"),
    ];
    let (_server, mut client) = one(&origin);
    client.request("GET", "/x?y=1", &sent, b"").unwrap();
    let got = origin.last().head;
    assert_eq!(got.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(got.field("x-forwarded-proto"), Some("http"));
    assert_eq!(got.field("x-forwarded-host"), Some("test"));
    assert_eq!(got.field("host"), Some("test"));
    assert_eq!(got.field("forwarded"), None);
    assert_eq!(got.field("x-request-id").map(str::len), Some(32));
    assert_eq!(got.field_all("via"), ["1.1 other", "1.1 evenkeel"]);
    assert_eq!(got.target(), "/x?y=1");

    let server =
        start(&config("forwarded = { trusted = [\"127.0.0.0/8\"] }", &[origin.member()], ""));
    Client::connect(server.addr("web")).request("GET", "/", &sent, b"").unwrap();
    let got = origin.last().head;
    assert_eq!(got.field("x-forwarded-for"), Some("6.6.6.6, 127.0.0.1"));
    assert_eq!(got.field("x-forwarded-proto"), Some("https"));
    assert_eq!(got.field("x-request-id"), Some("mine"));

    let listener = "forwarded = { style = \"forwarded\", via = false, request_id = false }";
    let server = start(&config(listener, &[origin.member()], ""));
    Client::connect(server.addr("web")).get("/").unwrap();
    let got = origin.last().head;
    assert_eq!(got.field("forwarded"), Some("for=127.0.0.1;host=\"test\";proto=http"));
    assert!(got.field("x-forwarded-for").is_none() && got.field("via").is_none());
    assert!(got.field("x-request-id").is_none());
}

#[test]
fn hop_by_hop_fields_end_here_both_ways() {
    let origin = Origin::start(
        "a",
        Answer::with_fields(
            200,
            &[
                ("Connection", "x-inner"),
                ("X-Inner", "1"),
                ("Keep-Alive", "timeout=5"),
                ("X-Outer", "2"),
            ],
            "ok",
        ),
    );
    let (_server, mut client) = one(&origin);
    let sent = [
        ("Connection", "x-private, keep-alive"),
        ("X-Private", "1"),
        ("TE", "gzip"),
        ("X-Public", "2"),
    ];
    let answer = client.request("GET", "/", &sent, b"").unwrap();
    let got = origin.last().head;
    assert!(
        got.field("x-private").is_none()
            && got.field("te").is_none()
            && got.field("connection").is_none()
    );
    assert_eq!(got.field("x-public"), Some("2"));
    assert!(answer.field("x-inner").is_none() && answer.field("keep-alive").is_none());
    assert_eq!(answer.field("x-outer"), Some("2"));
    assert!(answer.field("date").is_some());
}

#[test]
fn targets_in_absolute_form_name_the_host() {
    let origin = Origin::named("a");
    let (_server, mut client) = one(&origin);
    client.send("GET http://real.example/x?y HTTP/1.1\r\nHost: other\r\n\r\n").unwrap();
    assert_eq!(client.answer().unwrap().status, 200);
    let got = origin.last().head;
    assert_eq!((got.target(), got.field("host")), ("/x?y", Some("real.example")));
    client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(client.answer_to("OPTIONS").unwrap().status, 200);
    assert_eq!(origin.last().head.target(), "*");
}

#[test]
fn answers_without_body_keep_their_framing() {
    let origin = Origin::scripted("a", |head| match head.target() {
        "/204" => Answer::raw("HTTP/1.1 204 No Content\r\n\r\n"),
        "/304" => {
            Answer::raw("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: \"a\"\r\n\r\n")
        }
        _ => Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"),
    });
    let (_server, mut client) = one(&origin);
    for (method, target, status, length) in [
        ("GET", "/204", 204, None),
        ("GET", "/304", 304, Some("9")),
        ("HEAD", "/", 200, Some("1234")),
        ("GET", "/204", 204, None),
    ] {
        let answer = client.request(method, target, &[], b"").unwrap();
        assert_eq!(
            (answer.status, answer.field("content-length")),
            (status, length),
            "{method} {target}"
        );
    }
}

#[test]
fn old_clients_and_old_members_are_served() {
    let origin = Origin::start("a", Answer::chunked(&["he", "llo"], &[]));
    let server = start(&config("", &[origin.member()], ""));
    let mut client = Client::connect(server.addr("web"));
    client.send("GET / HTTP/1.0\r\n\r\n").unwrap();
    let all = String::from_utf8(client.read_to_close().unwrap()).unwrap();
    assert!(all.ends_with("\r\n\r\nhello") && !all.contains("chunked"), "{all}");
    origin.set(Answer::text("length"));
    let mut client = Client::connect(server.addr("web"));
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap();
        let answer = client.answer().unwrap();
        assert_eq!(
            (answer.text().as_str(), answer.field("connection")),
            ("length", Some("keep-alive"))
        );
    }
    for answer in ["HTTP/1.0 200 OK\r\n\r\nold", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nold"]
    {
        origin.set(Answer::raw(answer).then_close());
        let answer = Client::connect(server.addr("web")).get("/").unwrap();
        assert_eq!(
            (answer.text().as_str(), answer.field("transfer-encoding")),
            ("old", Some("chunked"))
        );
    }
}

#[test]
fn trailers_interim_answers_and_expectations_pass() {
    let origin = Origin::start("a", Answer::chunked(&["x"], &[("X-Sum", "7")]));
    let (_server, mut client) = one(&origin);
    assert_eq!(client.get("/").unwrap().trailers, [("X-Sum".to_owned(), "7".to_owned())]);
    origin.set(Answer::text("hinted").after_interim(103, &[("Link", "</a>")]));
    let answer = client.get("/").unwrap();
    assert_eq!((answer.interim.len(), answer.text().as_str()), (1, "hinted"));
    origin.set(Answer::echo().after_interim(100, &[]));
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        .unwrap();
    assert!(client.answer_head().unwrap().start_line.contains("100"));
    client.send("body").unwrap();
    assert_eq!(client.answer_to("POST").unwrap().text(), "body");
    origin.set(Answer::early(
        "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    ));
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        .unwrap();
    assert_eq!(client.answer_to("POST").unwrap().status, 413);
}

#[test]
fn large_bodies_stream_both_ways_in_little_memory() {
    const SIZE: u64 = 48 << 20;
    let origin = Origin::scripted("a", |head| match head.method() {
        "POST" => Answer::text("took it"),
        _ => Answer::big(SIZE),
    });
    let (server, mut client) = one(&origin);
    let before = rss_of(server.pid());
    assert_eq!(client.get("/").unwrap().body.len() as u64, SIZE);
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n")).unwrap();
    let piece = vec![b'y'; 1 << 20];
    (0..SIZE >> 20).for_each(|_| client.send(&piece).unwrap());
    assert_eq!(client.answer_to("POST").unwrap().text(), "took it");
    assert_eq!(origin.last().body_length, SIZE);
    let after = rss_of(server.pid());
    assert!(after < before + (16 << 20), "{before} → {after}");
}

#[test]
fn members_on_unix_sockets_ipv6_and_by_name_are_reached() {
    let folder = std::env::temp_dir().join(format!("evenkeel-behaviour-{}", std::process::id()));
    let unix = Origin::unix("unix", &folder, Answer::text("unix"));
    let named = Origin::named("named");
    let by_name = format!("localhost:{}", named.address().port());
    let server = start(&config("", &[unix.member(), by_name], ""));
    let mut client = Client::connect(server.addr("web"));
    let mut texts: Vec<String> = (0..4).map(|_| client.get("/").unwrap().text()).collect();
    texts.sort();
    assert_eq!(texts, ["named", "named", "unix", "unix"]);
}

const ROUTES: &str = r#"
[[listener]]
name = "web"
bind = "127.0.0.1:0"
[[listener]]
name = "side"
bind = "127.0.0.1:0"
[[pool]]
name = "a"
members = ["A"]
[[pool]]
name = "b"
members = ["B"]
[[route]]
listeners = ["side"]
respond = { status = 418, body = "side" }
[[route]]
path = "/admin/*"
respond = 403
[[route]]
host = "*.shop.example"
path = "/old/*"
redirect = { to = "https://{host}/new{path}{query}", status = 301 }
[[route]]
host = ["shop.example", "*.shop.example"]
method = ["GET", "HEAD"]
pool = "a"
rewrite = { prefix = "/shop", to = "/" }
request_headers = { set = { x-tier = "web", host = "inner.example" }, remove = ["x-internal"], add = { x-from = "{client}" } }
response_headers = { set = { x-by = "{member}" }, remove = ["x-secret"] }
[[route]]
path = "~^/v[0-9]+/"
pool = "b"
[[route]]
path = ["/exact", "/public/*"]
pool = "b"
"#;

#[test]
fn routes_filters_and_normal_paths() {
    let a = Origin::start("a", Answer::with_fields(200, &[("X-Secret", "1")], "a"));
    let b = Origin::named("b");
    let config = ROUTES.replace("\"A\"", &format!("\"{}\"", a.member()));
    let server = start(&config.replace("\"B\"", &format!("\"{}\"", b.member())));
    let web = server.addr("web");
    let ask = |method: &str, host: &str, target: &str| {
        let fields = [("Host", host), ("X-Internal", "1")];
        Client::connect(web).request(method, target, &fields, b"").unwrap()
    };
    let answer = ask("GET", "SHOP.example:80", "/shop/cart?x");
    assert_eq!((answer.text().as_str(), answer.field("x-secret")), ("a", None));
    assert_eq!(answer.field("x-by"), Some(a.member().as_str()));
    let got = a.last().head;
    assert_eq!((got.target(), got.field("host")), ("/cart?x", Some("inner.example")));
    assert_eq!((got.field("x-tier"), got.field("x-internal")), (Some("web"), None));
    assert_eq!(got.field("x-from"), Some("127.0.0.1"));
    let moved = ask("GET", "www.shop.example", "/old/x?y=1");
    assert_eq!(
        (moved.status, moved.field("location")),
        (301, Some("https://www.shop.example/new/old/x?y=1"))
    );
    for (method, host, target, status) in [
        ("POST", "shop.example", "/shop", 404),
        ("GET", "other", "/v12/x", 200),
        ("GET", "other", "/v/x", 404),
        ("GET", "other", "/exact", 200),
        ("GET", "other", "/exact/", 404),
        ("GET", "other", "/public/../admin", 403),
        ("GET", "other", "/public/%2e%2E/admin/x", 403),
        ("GET", "other", "/%61dmin", 403),
        ("GET", "other", "/../x", 400),
        ("TRACE", "other", "/exact", 405),
        ("CONNECT", "other", "/exact", 501),
    ] {
        assert_eq!(ask(method, host, target).status, status, "{method} {host} {target}");
    }
    ask("GET", "other", "/public/./a/../b%7e");
    assert_eq!(b.last().head.target(), "/public/b~");
    let nowhere = ask("GET", "other", "/nowhere");
    assert!(
        nowhere.text().contains("cause: no-route") && nowhere.text().contains("request: "),
        "{}",
        nowhere.text()
    );
    let side = Client::connect(server.addr("side")).get("/").unwrap();
    assert_eq!((side.status, side.text().as_str()), (418, "side"));
}

#[test]
fn limits_and_times_are_answered_as_documented() {
    let origin = Origin::named("a");
    let listener = "limits = { header_bytes = \"2KiB\", uri_bytes = \"512B\", headers = 10, body = \"8B\", \
                    requests_per_connection = 3 }\ntimeouts = { header = \"300ms\", idle = \"500ms\" }";
    let server =
        start(&config(listener, &[origin.member()], "timeouts = { response = \"300ms\" }"));
    let web = server.addr("web");
    let long = "x".repeat(3000);
    let many: Vec<(&str, &str)> = (0..20).map(|_| ("X", "y")).collect();
    let ask = |method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]| {
        Client::connect(web).request(method, target, fields, body).unwrap().status
    };
    assert_eq!(ask("GET", &format!("/{long}"), &[], b""), 414);
    assert_eq!(ask("GET", "/", &[("X", &long)], b""), 431);
    assert_eq!(ask("GET", "/", &many, b""), 431);
    assert_eq!(ask("POST", "/", &[], b"123456789"), 413);
    assert_eq!(
        ask("POST", "/", &[("Transfer-Encoding", "chunked")], b"9\r\n123456789\r\n0\r\n\r\n"),
        413
    );
    let mut slow = Client::connect(web);
    slow.send("GET / HT").unwrap();
    assert_eq!(slow.answer().unwrap().status, 408);
    let mut idle = Client::connect(web);
    assert!(idle.get("/").unwrap().keeps_alive());
    assert!(idle.read_to_close().unwrap().is_empty(), "an idle connection closes without a word");
    let mut third = Client::connect(web);
    let kept: Vec<bool> = (0..3).map(|_| third.get("/").unwrap().keeps_alive()).collect();
    assert_eq!(kept, [true, true, false]);
    origin.set(Answer::never());
    let late = Client::connect(web).get("/").unwrap();
    assert_eq!(late.status, 504);
    assert!(late.text().contains("cause: member-timeout"));
}

#[test]
fn full_members_make_requests_wait_and_a_full_queue_refuses() {
    let origin = Origin::start("a", Answer::text("ok").delayed(Duration::from_millis(300)));
    let pool = "limits = { queue = 1 }\n[[pool.member]]\naddress = \"M\"\nmax_requests = 1\n"
        .replace('M', &origin.member());
    // One core takes requests in the order in which they came.
    let server = start(&format!("[server]\ncores = 1\n{}", config("", &[], &pool)));
    let web = server.addr("web");
    let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(web)).collect();
    clients[0].send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(wait_until(LONG, || origin.requests() == 1));
    clients[1].send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    // The third is refused once the second waits.
    let refused = wait_for(LONG, || {
        let answer = Client::connect(web).get("/").ok()?;
        (answer.status == 503).then_some(answer)
    });
    let refused = refused.expect("a full queue refuses");
    assert!(refused.text().contains("queue-full") && refused.field("retry-after").is_some());
    assert_eq!(clients[0].answer().unwrap().status, 200);
    assert_eq!(clients[1].answer().unwrap().status, 200);
}

#[test]
fn only_what_may_be_repeated_is_repeated() {
    // Nobody listens there, and no other test ever will, as on a freed port.
    let dead = "unix:/nonexistent/evenkeel.sock".to_owned();
    let bad = Origin::start("bad", Answer::close());
    let good = Origin::named("good");
    let passive = "health = { passive = false }\n";
    let server = start(&config("", &[bad.member(), good.member()], passive));
    let mut statuses: Vec<u16> = (0..4)
        .map(|_| {
            Client::connect(server.addr("web")).request("POST", "/", &[], b"x").unwrap().status
        })
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 502, 502], "a POST is not sent twice");
    let gets = (0..4).all(|_| Client::connect(server.addr("web")).get("/").unwrap().status == 200);
    assert!(gets, "a GET is");
    let server = start(&config("", &[dead, good.member()], passive));
    let posts = (0..4).all(|_| {
        Client::connect(server.addr("web")).request("POST", "/", &[], b"x").unwrap().status == 200
    });
    assert!(posts, "what was never sent may be sent elsewhere");
    let failing = Origin::start("failing", Answer::status(503, "no"));
    let on = format!(
        "{passive}retry = {{ on = [503, \"timeout\"] }}\ntimeouts = {{ response = \"300ms\" }}"
    );
    let silent = Origin::start("silent", Answer::never());
    let server = start(&config("", &[failing.member(), silent.member(), good.member()], &on));
    let mut client = Client::connect(server.addr("web"));
    assert!((0..3).all(|_| client.get("/").unwrap().text() == "good"));
}

#[test]
fn a_kept_connection_that_died_is_replaced() {
    let origin = Origin::named("a");
    let (_server, mut client) = one(&origin);
    for _ in 0..5 {
        assert_eq!(client.get("/").unwrap().status, 200);
        origin.cut();
    }
    assert_eq!(origin.connections(), 5);
}

#[test]
fn a_client_that_leaves_ends_the_members_work() {
    let origin = Origin::start("a", Answer::never());
    let (_server, mut client) = one(&origin);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(wait_until(LONG, || origin.requests() == 1));
    drop(client);
    assert!(wait_until(LONG, || origin.open_connections() == 0));
}

#[test]
fn a_tunnel_keeps_half_closed_directions() {
    let origin = Origin::start("a", Answer::upgrade());
    let server = start(&config("", &[origin.member()], ""));
    let mut tunnel = Tunnel::open(server.addr("web"), "/ws").unwrap();
    tunnel.echo(b"hello").unwrap();
    tunnel.client().send("last words").unwrap();
    tunnel.client().shutdown_write().unwrap();
    assert_eq!(tunnel.client().read_to_close().unwrap(), b"last words");
}
