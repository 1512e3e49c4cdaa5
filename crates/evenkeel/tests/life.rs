//! The life of the process, as an operator sees it: reload, drain, logs, health, orders, errors.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use evenkeel_testkit::*;

const BINARY: &str = env!("CARGO_BIN_EXE_evenkeel");

fn start(config: &str) -> Server {
    Program::at(BINARY).start(config)
}

fn config(members: &[String], top: &str, pool: &str) -> String {
    let listed: Vec<String> = members.iter().map(|member| format!("\"{member}\"")).collect();
    format!(
        "{top}\n[admin]\nbind = \"127.0.0.1:0\"\n[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:0\"\npool = \"app\"\n\
         [[pool]]\nname = \"app\"\nmembers = [{}]\n{pool}\n",
        listed.join(", ")
    )
}

fn metrics(server: &Server) -> String {
    Client::connect(server.addr("admin")).get("/metrics").unwrap().text()
}

fn get(server: &Server) -> Response {
    Client::connect(server.addr("web")).get("/").unwrap()
}

fn command(server: &Server, words: &[&str]) -> Finished {
    let admin = server.addr("admin").to_string();
    let mut all: Vec<&str> = words.to_vec();
    all.extend(["--admin", &admin]);
    server.command(&all)
}

#[test]
fn a_bad_reload_changes_nothing_and_says_why() {
    let origin = Origin::named("a");
    let server = start(&config(&[origin.member()], "", ""));
    assert_eq!(get(&server).status, 200);
    server.reload_with(&config(&[origin.member()], "", "polcy = 1"));
    // The last line of the rendered error.
    server.wait_for_log("did you mean `policy`?", 1);
    assert!(server.stderr().contains("evenkeel.toml:"), "{}", server.stderr());
    assert_eq!(get(&server).status, 200);
    let text = metrics(&server);
    assert!(text.contains("evenkeel_config_reloads_total{result=\"failed\"} 1"), "{text}");
    let asked = command(&server, &["reload"]);
    assert_eq!(asked.code, Some(1));
    assert!(asked.stderr.contains("did you mean `policy`"), "{}", asked.stderr);
}

#[test]
fn counters_and_orders_survive_a_reload_and_members_come_and_go() {
    let (a, b, c) = (Origin::named("a"), Origin::named("b"), Origin::named("c"));
    let server = start(&config(&[a.member(), b.member()], "", ""));
    (0..4).for_each(|_| drop(get(&server)));
    let ordered = command(&server, &["member", "app", &a.member(), "drain"]);
    assert_eq!(ordered.code, Some(0), "{}", ordered.stderr);
    server.reload_with(&config(&[a.member(), b.member(), c.member()], "", ""));
    server.wait_for_log("generation 2", 1);
    let texts: Vec<String> = (0..6).map(|_| get(&server).text()).collect();
    assert!(texts.iter().all(|text| text != "a"), "{texts:?}");
    assert!(texts.iter().any(|text| text == "c"), "{texts:?}");
    let status = command(&server, &["status"]);
    assert!(
        status.stdout.contains("drain") && status.stdout.contains(&c.member()),
        "{}",
        status.stdout
    );
    let line = format!("member=\"{}\",code=\"200\"}} 2", tag_of(&server, &a));
    assert!(metrics(&server).contains(&line), "{line} not in {}", metrics(&server));
}

fn tag_of(server: &Server, origin: &Origin) -> String {
    let fields = [("Host", "127.0.0.1")];
    let mut admin = Client::connect(server.addr("admin"));
    let pools = admin.request("GET", "/api/v1/pools", &fields, b"").unwrap().text();
    let before = pools.split(&format!("\",\"address\":\"{}\"", origin.member())).next().unwrap();
    before.rsplit('"').next().unwrap().to_owned()
}

#[test]
fn listeners_come_and_go_with_a_reload() {
    let origin = Origin::named("a");
    let one = config(&[origin.member()], "", "");
    let two =
        format!("{one}[[listener]]\nname = \"extra\"\nbind = \"127.0.0.1:0\"\npool = \"app\"\n");
    let server = start(&one);
    server.reload_with(&two);
    server.wait_for_log("listening http extra ", 1);
    let log = server.stderr();
    let address = log.split("listening http extra ").nth(1).unwrap().lines().next().unwrap().trim();
    let address = address.parse().unwrap();
    assert_eq!(Client::connect(address).get("/").unwrap().status, 200);
    server.reload_with(&one);
    server.wait_for_log("listener extra closed", 1);
    assert!(wait_until(LONG, || Client::try_connect(address).is_err()));
    assert_eq!(get(&server).status, 200);
}

#[test]
fn a_drain_finishes_what_is_under_way_and_exits_with_zero() {
    let origin = Origin::start("a", Answer::text("late").delayed(Duration::from_millis(600)));
    let mut server = start(&config(&[origin.member()], "", ""));
    let mut client = Client::connect(server.addr("web"));
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(wait_until(LONG, || origin.requests() == 1));
    server.signal(Signal::TERM);
    let answer = client.answer().unwrap();
    assert_eq!((answer.text().as_str(), answer.keeps_alive()), ("late", false));
    assert_eq!(server.wait(LONG), Some(0), "{}", server.stderr());
    assert!(server.stderr().contains("ended, nothing was cut"));
}

#[test]
fn a_drain_cuts_what_takes_too_long_and_an_interrupt_ends_at_once() {
    let origin = Origin::start("a", Answer::never());
    let top = "[server]\ndrain_timeout = \"300ms\"";
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = start(&config(&[origin.member()], top, ""));
        let before = origin.requests();
        let mut client = Client::connect(server.addr("web"));
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert!(wait_until(LONG, || origin.requests() > before));
        server.signal(signal);
        assert_eq!(server.wait(Duration::from_secs(5)), Some(0), "{}", server.stderr());
    }
}

#[test]
fn an_upgrade_to_something_broken_keeps_the_old_process() {
    let origin = Origin::named("a");
    let server = start(&config(&[origin.member()], "", ""));
    std::fs::write(server.config_file(), "nonsense = 1\n").unwrap();
    server.signal(Signal::USR2);
    server.wait_for_log("the new process ended before it served", 1);
    assert_eq!(get(&server).status, 200);
}

#[test]
fn systemd_may_pass_the_socket_and_is_told() {
    let origin = Origin::named("a");
    let folder = std::env::temp_dir().join(format!("evenkeel-life-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let notify = folder.join("notify");
    let told = UnixDatagram::bind(&notify).unwrap();
    told.set_read_timeout(Some(LONG)).unwrap();
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let file = folder.join("evenkeel.toml");
    let text = config(&[origin.member()], "", "").replacen(
        "name = \"web\"\nbind = \"127.0.0.1:0\"",
        &format!("name = \"web\"\nbind = \"{address}\""),
        1,
    );
    std::fs::write(&file, text).unwrap();
    // bash, for dash knows descriptors of one digit only. It gives the socket its number and keeps its process for the server.
    let script = format!(
        "exec 3<&{}; LISTEN_FDS=1 LISTEN_PID=$$ exec {BINARY} run -c {}",
        socket.as_raw_fd(),
        file.display()
    );
    evenkeel_net::handover::set_inheritable(&socket, true).unwrap();
    let mut child = Command::new("bash")
        .args(["-c", &script])
        .env("NOTIFY_SOCKET", &notify)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut word = [0; 64];
    let length = told.recv(&mut word).unwrap();
    assert_eq!(&word[..length], b"READY=1");
    drop(socket);
    assert_eq!(Client::connect(address).get("/").unwrap().text(), "a");
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn access_logs_have_their_fields_and_are_reopened() {
    let origin = Origin::named("a");
    for (format, expected) in [
        ("json", "\"status\":200"),
        ("combined", "\"GET /x HTTP/1.1\" 200 "),
        ("{method} {status} {pool}", "GET 200 app"),
    ] {
        let top = format!("[log]\naccess = {{ path = \"access.log\", format = \"{format}\" }}");
        let server = start(&config(&[origin.member()], &top, ""));
        let log = server.folder().join("access.log");
        let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default();
        Client::connect(server.addr("web")).get("/x").unwrap();
        assert!(wait_until(LONG, || read(&log).contains(expected)), "{format}: {}", read(&log));
        let old = server.folder().join("access.log.1");
        std::fs::rename(&log, &old).unwrap();
        server.signal(Signal::USR1);
        assert!(wait_until(LONG, || log.exists()));
        Client::connect(server.addr("web")).get("/x").unwrap();
        assert!(wait_until(LONG, || read(&log).contains(expected)));
    }
}

#[test]
fn a_full_disk_stops_no_traffic_and_is_counted() {
    let origin = Origin::named("a");
    let server = start(&config(&[origin.member()], "[log]\naccess = \"/dev/full\"", ""));
    assert!((0..20).all(|_| get(&server).status == 200));
    let lost = || {
        let text = metrics(&server);
        let line =
            text.lines().find_map(|line| line.strip_prefix("evenkeel_access_log_dropped_total "));
        line.and_then(|count| count.parse::<u64>().ok()).unwrap_or(0)
    };
    assert!(wait_until(LONG, || lost() >= 20), "{}", lost());
    assert!(server.stderr().contains("No space left"), "{}", server.stderr());
}

#[test]
fn checks_take_members_down_and_back_with_one_line_each() {
    let mut a = Origin::named("a");
    let b = Origin::named("b");
    let health = "health = { check = \"http\", path = \"/healthz\", interval = \"100ms\", fall = 2, rise = 2 }";
    let server = start(&config(&[a.member(), b.member()], "", health));
    let tag = tag_of(&server, &a);
    a.kill();
    server.wait_for_log(&format!("app/{tag} is down"), 1);
    assert!((0..10).all(|_| get(&server).text() == "b"));
    assert!(
        metrics(&server)
            .contains(&format!("evenkeel_member_up{{pool=\"app\",member=\"{tag}\"}} 0"))
    );
    a.restart();
    server.wait_for_log(&format!("app/{tag} is up"), 1);
    assert!(wait_until(LONG, || get(&server).text() == "a"));
    assert!(metrics(&server).contains(&format!(
        "evenkeel_health_checks_total{{pool=\"app\",member=\"{tag}\",result=\"pass\"}}"
    )));
    a.set(Answer::status(500, "ill"));
    server.wait_for_log(&format!("app/{tag} is down"), 2);
    assert_eq!(server.stderr().matches("is down").count(), 2);
}

#[test]
fn sessions_of_the_application_bind_by_cookie_path_and_query() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let members = format!(
        "affinity = {{ application = \"JSESSIONID\" }}\n[[pool.member]]\naddress = \"{}\"\ntag = \"ta\"\n\
         [[pool.member]]\naddress = \"{}\"\ntag = \"tb\"",
        a.member(),
        b.member()
    );
    let server = start(&config(&[], "", &members));
    let ask = |target: &str, cookie: &str| {
        let fields = [("Cookie", cookie)];
        Client::connect(server.addr("web")).request("GET", target, &fields, b"").unwrap().text()
    };
    for _ in 0..3 {
        assert_eq!(ask("/", "x=1; JSESSIONID=abc.tb"), "b");
        assert_eq!(ask("/p;jsessionid=abc.ta/q", "JSESSIONID=abc.tb"), "a");
        assert_eq!(ask("/p?jsessionid=abc.tb", ""), "b");
    }
    command(&server, &["member", "app", "tb", "drain"]);
    assert_eq!(ask("/", "JSESSIONID=abc.tb"), "b", "a draining member keeps its own");
    assert!((0..4).all(|_| ask("/", "") == "a"));
    command(&server, &["member", "app", "tb", "disable"]);
    assert_eq!(ask("/", "JSESSIONID=abc.tb"), "a");
}

#[test]
fn orders_go_through_the_admin_api() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let server = start(&config(&[a.member()], "", ""));
    let mut admin = Client::connect(server.addr("admin"));
    assert_eq!(admin.get("/healthz").unwrap().status, 200);
    assert_eq!(admin.get("/readyz").unwrap().status, 200);
    let json = [("Content-Type", "application/json"), ("Host", "127.0.0.1")];
    let body = format!("{{\"address\":\"{}\",\"tag\":\"new\"}}", b.member());
    let added = admin.request("POST", "/api/v1/pools/app/members", &json, body.as_bytes()).unwrap();
    assert_eq!(added.status, 201, "{}", added.text());
    assert!(wait_until(LONG, || get(&server).text() == "b"));
    let patched = admin
        .request(
            "PATCH",
            "/api/v1/pools/app/members/new",
            &json,
            b"{\"weight\":0.5,\"state\":\"drain\"}",
        )
        .unwrap();
    assert!(patched.text().contains("\"state\":\"drain\""), "{}", patched.text());
    let bad =
        admin.request("PATCH", "/api/v1/pools/app/members/new", &json, b"{\"weight\":-1}").unwrap();
    assert!(bad.status >= 400 && bad.field("content-type") == Some("application/problem+json"));
    let gone = admin.request("DELETE", "/api/v1/pools/app/members/new", &json, b"").unwrap();
    assert!((200..300).contains(&gone.status), "{}", gone.text());
    assert!((0..4).all(|_| get(&server).text() == "a"));
    let nobody = command(&server, &["member", "ap", "x", "drain"]);
    assert_eq!(nobody.code, Some(1));
}

#[test]
fn commands_say_what_is_wrong_and_what_to_do() {
    let program = Program::at(BINARY);
    let broken =
        "[[listener]]\nbind = \"127.0.0.1:80800\"\n[[pool]]\nname = \"a\"\npolicy = \"maglew\"\n";
    let checked = program.check(broken);
    assert_eq!(checked.code, Some(2));
    for part in ["evenkeel.toml:2:8", "evenkeel.toml:5:10", "did you mean \"maglev\"?"] {
        assert!(checked.stderr.contains(part), "{part}: {}", checked.stderr);
    }
    let missing = program.run(&["run", "-c", "nowhere.toml"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("nowhere.toml cannot be read"), "{}", missing.stderr);
    let origin = Origin::named("a");
    let taken = config(&[origin.member()], "", "").replace(
        "name = \"web\"\nbind = \"127.0.0.1:0\"",
        &format!("name = \"web\"\nbind = \"{}\"", origin.member()),
    );
    let folder = std::env::temp_dir().join(format!("evenkeel-taken-{}.toml", std::process::id()));
    std::fs::write(&folder, taken).unwrap();
    let refused = program.run(&["run", "-c", folder.to_str().unwrap()]);
    std::fs::remove_file(&folder).unwrap();
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("another program listens there"), "{}", refused.stderr);
    let silent = program.run(&["status", "--admin", "127.0.0.1:1"]);
    assert_eq!(silent.code, Some(1));
    assert!(silent.stderr.contains("no server answers at 127.0.0.1:1"), "{}", silent.stderr);
    for words in [&["schema"][..], &["completions", "bash"], &["man"]] {
        let printed = program.run(words);
        assert!(printed.code == Some(0) && printed.stdout.len() > 1000, "{words:?}");
    }
}

#[test]
fn explain_tells_what_would_happen() {
    let folder = std::env::temp_dir().join(format!("evenkeel-explain-{}.toml", std::process::id()));
    let text = "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:8080\"\n[[pool]]\nname = \"api\"\nmembers = [\"10.0.0.1:80\"]\n\
                [[route]]\nname = \"to-api\"\nhost = \"*.example\"\npath = \"/api/*\"\npool = \"api\"\n";
    std::fs::write(&folder, text).unwrap();
    let ask = |url: &str| {
        let words = ["explain", "-c", folder.to_str().unwrap(), "GET", url];
        Program::at(BINARY).run(&words).stdout
    };
    let served = ask("http://www.example/api/x");
    assert!(served.contains("to-api") && served.contains("10.0.0.1:80"), "{served}");
    assert!(ask("http://www.example/other").contains("404 no-route"));
    assert!(ask("http://www.example/../x").contains("path-escape"));
    std::fs::remove_file(&folder).unwrap();
}

#[test]
fn explain_knows_the_rules_of_httpd() {
    let file = std::env::temp_dir().join(format!("evenkeel-explain-{}.conf", std::process::id()));
    let text = "Listen 8080\n<VirtualHost *:8080>\nServerName one.example\nProxyPass /app balancer://c/in\n\
                <Proxy balancer://c>\nBalancerMember http://10.0.0.1 route=a\n\
                BalancerMember http://10.0.0.2 route=b\nProxySet stickysession=S\n</Proxy>\n\
                <Location /app/closed>\nRequire ip 10.0.0.0/8\n</Location>\n\
                SetEnvIf X-Kind (.+) KIND=$1\nRedirect /old http://else.example/\n</VirtualHost>\n";
    std::fs::write(&file, text).unwrap();
    let ask = |path: &str, header: &str| {
        let url = format!("http://one.example:8080{path}");
        let words = ["explain", "-c", file.to_str().unwrap(), "GET", &url, "-H", header];
        Program::at(BINARY).run(&words).stdout
    };
    let served = ask("/app/x", "Cookie: S=1.b");
    for part in [
        "server    one.example (virtual host 1)",
        "to balancer://c/in/x",
        "10.0.0.2:80 (by affinity)",
    ] {
        assert!(served.contains(part), "{served}");
    }
    assert!(ask("/app/x", "X-Kind: k").contains("variable  KIND=k"));
    assert!(ask("/app/closed", "X-A: 1").contains("answer    403"));
    assert!(
        ask("/old/x", "X-A: 1").contains("302 from the balancer itself, to http://else.example//x")
    );
    assert!(ask("/none", "X-A: 1").contains("answer    404"));
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn the_demo_shows_three_members_taking_turns() {
    let mut child = Command::new(BINARY)
        .args(["demo", "--port", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = child.stdout.take().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(out));
    let found =
        lines.find_map(|line| Some(line.ok()?.strip_prefix("listening http web ")?.to_owned()));
    let address = found.expect("the demo says where it listens").parse().unwrap();
    let names: Vec<String> = (0..9)
        .map(|_| {
            Client::connect(address).get("/").unwrap().text().split(' ').next().unwrap().to_owned()
        })
        .collect();
    assert_eq!(names[..3], names[3..6]);
    assert_eq!(names[..3], names[6..]);
    assert!(names[0] != names[1] && names[1] != names[2] && names[0] != names[2], "{names:?}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn too_few_descriptors_are_told_and_survived() {
    let origin = Origin::named("a");
    let file = std::env::temp_dir().join(format!("evenkeel-few-{}.toml", std::process::id()));
    std::fs::write(&file, config(&[origin.member()], "[server]\ncores = 1", "")).unwrap();
    let script = format!("ulimit -n 48; exec {BINARY} run -c {}", file.display());
    let mut child = Command::new("bash")
        .args(["-c", &script])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let found =
        lines.find_map(|line| Some(line.ok()?.strip_prefix("listening http web ")?.to_owned()));
    let address = found.expect("it serves all the same").parse().unwrap();
    let crowd: Vec<Client> = (0..80).map(|_| Client::connect(address)).collect();
    let errors = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let mut told = errors.map_while(Result::ok);
    assert!(told.any(|line| line.contains("this process may open 48 descriptors")));
    assert!(told.any(|line| line.contains("no descriptors left")));
    drop(crowd);
    assert!(wait_until(LONG, || Client::connect(address)
        .get("/")
        .is_ok_and(|answer| answer.status == 200)));
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_file(&file).unwrap();
}
