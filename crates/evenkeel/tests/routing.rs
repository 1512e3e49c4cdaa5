//! Routes by what a request says, and requests divided between pools, through the front door.

use std::collections::HashMap;

use evenkeel_testkit::*;

fn start(config: &str) -> Server {
    Program::at(env!("CARGO_BIN_EXE_evenkeel")).start(config)
}

fn pools(origins: &[&Origin]) -> String {
    let pool = |origin: &&Origin| {
        format!("[[pool]]\nname = \"{}\"\nmembers = [\"{}\"]\n", origin.name(), origin.member())
    };
    origins.iter().map(pool).collect()
}

fn body(answer: &Response) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

#[test]
fn headers_cookies_queries_and_clients_choose_the_route() {
    let [rest, beta, canary, paid, near] =
        ["rest", "beta", "canary", "paid", "near"].map(Origin::named);
    let server = start(&format!(
        "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:0\"\npool = \"rest\"\n\
         [[route]]\nheader = {{ x-beta = \"1\", X-Old = false }}\npool = \"beta\"\n\
         [[route]]\ncookie = {{ canary = [\"yes\", \"~^on\"] }}\npool = \"canary\"\n\
         [[route]]\nquery = {{ plan = \"a b\", \"x y\" = true }}\npool = \"paid\"\n\
         [[route]]\npath = \"/near\"\nclient = [\"192.0.2.0/24\", \"127.0.0.9/32\"]\npool = \"near\"\n{}",
        pools(&[&rest, &beta, &canary, &paid, &near])
    ));
    let mut client = Client::connect(server.addr("web"));
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let cases: [Case<'_>; 14] = [
        ("/", &[], "rest"),
        ("/", &[("X-Beta", "1")], "beta"),
        ("/", &[("x-beta", "0"), ("X-BETA", "1")], "beta"),
        ("/", &[("X-Beta", "1"), ("X-Old", "")], "rest"),
        ("/", &[("X-Beta", "11")], "rest"),
        ("/", &[("Cookie", "a=b; canary=yes")], "canary"),
        ("/", &[("Cookie", "a=b"), ("Cookie", "canary=once")], "canary"),
        ("/", &[("Cookie", "canary=no; canary=yes")], "rest"),
        ("/", &[("Cookie", "Canary=yes")], "rest"),
        ("/?plan=a%20b&x%20y=", &[], "paid"),
        ("/?x+y&plan=a+b", &[], "paid"),
        ("/?plan=a+b", &[], "rest"),
        ("/?plan=ab&x+y", &[], "rest"),
        ("/near", &[], "rest"),
    ];
    for (target, fields, wanted) in cases {
        let answer = client.request("GET", target, fields, b"").expect("an answer");
        assert_eq!(body(&answer), wanted, "{target} {fields:?}");
    }
    let from = "127.0.0.9".parse().expect("an address");
    let mut client = Client::connect_from(from, server.addr("web"));
    assert_eq!(body(&client.get("/near").expect("an answer")), "near");
}

#[test]
fn a_split_divides_clients_by_weight_and_keeps_them() {
    let [a, b] = ["a", "b"].map(Origin::named);
    let server = start(&format!(
        "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:0\"\n\
         [[route]]\nname = \"shop\"\npath = \"/shop/*\"\n\
         split = [{{ pool = \"a\", weight = 3 }}, {{ pool = \"b\", weight = 1 }}]\n\
         [[route]]\npath = \"/dice\"\nsticky = false\n\
         split = [{{ pool = \"a\" }}, {{ pool = \"b\" }}]\n\
         [[route]]\nname = \"old=way\"\npath = \"/old\"\n\
         split = [{{ pool = \"a\", weight = 0 }}, {{ pool = \"b\" }}]\n{}",
        pools(&[&a, &b])
    ));
    let mut client = Client::connect(server.addr("web"));
    let mut count: HashMap<String, u32> = HashMap::new();
    for _ in 0..1000 {
        let answer = client.get("/shop/x").expect("an answer");
        let cookie = answer.head.field("set-cookie").expect("a cookie").to_owned();
        let pool = body(&answer);
        assert_eq!(cookie, format!("split-shop={pool}; Path=/; HttpOnly; SameSite=Lax"));
        *count.entry(pool).or_default() += 1;
    }
    // 750 on average; six standard deviations are 82.
    assert!((668..=832).contains(&count["a"]), "{count:?}");
    for pool in ["a", "b"] {
        for _ in 0..20 {
            let cookie = format!("x=y; split-shop={pool}");
            let answer = client.request("GET", "/shop/x", &[("Cookie", &cookie)], b"").unwrap();
            assert_eq!(body(&answer), pool);
            assert_eq!(answer.head.field("set-cookie"), None);
        }
    }
    // Who names nobody is given a pool anew.
    let answer = client.request("GET", "/shop/x", &[("Cookie", "split-shop=c")], b"").unwrap();
    assert!(answer.head.field("set-cookie").is_some());
    let thrown: Vec<String> = (0..60)
        .map(|_| client.get("/dice").expect("an answer"))
        .inspect(|answer| assert_eq!(answer.head.field("set-cookie"), None))
        .map(|answer| body(&answer))
        .collect();
    assert!(thrown.iter().any(|pool| pool == "a") && thrown.iter().any(|pool| pool == "b"));
    // A weight of 0 keeps its clients and gets no others.
    let cookie = [("Cookie", "split-old%3Dway=a")];
    assert_eq!(body(&client.request("GET", "/old", &cookie, b"").unwrap()), "a");
    for _ in 0..20 {
        assert_eq!(body(&client.get("/old").expect("an answer")), "b");
    }
}

#[test]
fn explain_and_the_api_know_conditions_and_splits() {
    let [a, b] = ["a", "b"].map(Origin::named);
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("evenkeel.toml");
    let text = format!(
        "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:8080\"\n\
         [[route]]\nname = \"ab\"\nheader = {{ x-ab = true }}\n\
         split = [{{ pool = \"a\", weight = 9 }}, {{ pool = \"b\" }}]\n{}",
        pools(&[&a, &b])
    );
    std::fs::write(&file, text).expect("written");
    let explain = |arguments: &[&str]| {
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_evenkeel"))
            .args(["explain", "-c"])
            .arg(&file)
            .args(["GET", "http://x:8080/"])
            .args(arguments)
            .output()
            .expect("it runs");
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    assert!(explain(&[]).contains("none: 404 no-route"), "{}", explain(&[]));
    let told = explain(&["-H", "X-Ab: 1", "-H", "Cookie: split-ab=b"]);
    assert!(told.contains("route     ab") && told.contains("header x-ab"), "{told}");
    assert!(told.contains("split     a 9, b 1 (the client's own, by its cookie)"), "{told}");
    assert!(told.contains("pool      b"), "{told}");
    let plain = std::fs::read_to_string(&file).expect("a file");
    let sticky = plain
        + "\n[[pool]]\nname = \"s\"\naffinity = { cookie = \"STAY\" }\n\
                 [[pool.member]]\naddress = \"10.0.0.1:80\"\ntag = \"one\"\n\
                 [[pool.member]]\naddress = \"10.0.0.2:80\"\ntag = \"two\"\n\
                 [[route]]\nheader = { x-sticky = true }\npool = \"s\"\n";
    std::fs::write(&file, sticky).expect("written");
    let told = explain(&["-H", "X-Sticky: 1", "-H", "Cookie: STAY=two"]);
    assert!(told.contains("member    two 10.0.0.2:80 (by affinity)"), "{told}");
}
