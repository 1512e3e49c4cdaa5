//! The balancer-manager and server-status, as scripts use them.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use evenkeel_testkit::*;
use tempfile::TempDir;

struct Running {
    address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Running {
    fn start(config: &str) -> Running {
        let address = quiet_address();
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("httpd.conf");
        let text = format!("Listen {address}\nServerName front.example\n{config}");
        let text = text.replace("{folder}", &folder.path().display().to_string());
        std::fs::write(&file, text).expect("a file can be written");
        Running::of(address, &file, folder)
    }

    fn of(address: SocketAddr, file: &Path, folder: TempDir) -> Running {
        let child = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
            .args(["run", "--apache"])
            .arg(file)
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        assert!(wait_until(LONG, || TcpStream::connect(address).is_ok()), "it listens");
        Running { address, child, _folder: folder }
    }

    fn get(&self, target: &str, fields: &[(&str, &str)]) -> Response {
        Client::connect(self.address).request("GET", target, fields, b"").expect("an answer")
    }

    fn post(&self, form: &str, referer: &str) -> Response {
        let fields = [
            ("Host", "front.example"),
            ("Referer", referer),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        let mut client = Client::connect(self.address);
        client.request("POST", "/balancer-manager", &fields, form.as_bytes()).expect("an answer")
    }

    fn nonce(&self) -> String {
        let page = self.get("/balancer-manager", &[("Host", "front.example")]);
        assert_eq!(page.status, 200);
        let text = page.text();
        let (_, rest) = text.split_once("nonce=").expect("a nonce in the page");
        rest.split(['"', '\'', '&']).next().unwrap_or_default().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const OURS: &str = "http://front.example/balancer-manager";

fn manager(a: &Origin, b: &Origin) -> Running {
    Running::start(&format!(
        "<Proxy balancer://c>\nBalancerMember http://{} route=a\nBalancerMember http://{} route=b\n\
         ProxySet growth=2\n</Proxy>\n\
         <Location /balancer-manager>\nSetHandler balancer-manager\nRequire local\n</Location>\n\
         <Location /server-status>\nSetHandler server-status\n</Location>\n\
         ProxyPass /balancer-manager !\nProxyPass /server-status !\n\
         ProxyPass / balancer://c/ stickysession=S\n",
        a.member(),
        b.member()
    ))
}

#[test]
fn forms_change_what_is_decided_next() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let running = manager(&a, &b);
    let nonce = running.nonce();
    let of = |member: &Origin, change: &str| {
        format!("b=c&w=http://{}&nonce={nonce}&{change}", member.member())
    };
    let served = || running.get("/x", &[]).text();
    // Disabled: no requests, also of sessions.
    assert_eq!(running.post(&of(&a, "w_status_D=1"), OURS).status, 200);
    assert!(running.get("/balancer-manager", &[("Host", "front.example")]).text().contains("Dis"));
    assert_eq!([served(), served(), served()], ["b", "b", "b"]);
    assert_eq!(running.get("/x", &[("Cookie", "S=1.a")]).text(), "b");
    assert_eq!(running.post(&of(&a, "w_status_D=0"), OURS).status, 200);
    assert_eq!(running.get("/x", &[("Cookie", "S=1.a")]).text(), "a");
    // Drained: only its sessions.
    running.post(&of(&b, "w_status_N=1"), OURS);
    assert_eq!([served(), served()], ["a", "a"]);
    assert_eq!(running.get("/x", &[("Cookie", "S=1.b")]).text(), "b");
    running.post(&of(&b, "w_status_N=0"), OURS);
    // A route is given away; the session follows.
    running.post(&of(&a, "w_wr=z"), OURS);
    assert_eq!(running.get("/x", &[("Cookie", "S=1.z")]).text(), "a");
    // A factor.
    running.post(&of(&b, "w_lf=3"), OURS);
    let taken: Vec<String> = (0..8).map(|_| served()).collect();
    assert_eq!(taken.iter().filter(|name| *name == "b").count(), 6, "{taken:?}");
}

#[test]
fn strangers_change_nothing() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let running = manager(&a, &b);
    let nonce = running.nonce();
    let form = |nonce: &str| format!("b=c&w=http://{}&nonce={nonce}&w_status_D=1", a.member());
    for (form, referer) in
        [(form(&nonce), "http://elsewhere.example/"), (form("wrong"), OURS), (form(""), OURS)]
    {
        assert_eq!(running.post(&form, referer).status, 200);
    }
    let query = format!("/balancer-manager?{}", form(&nonce));
    running.get(&query, &[("Host", "front.example"), ("Referer", OURS)]);
    let served: Vec<String> = (0..2).map(|_| running.get("/x", &[]).text()).collect();
    assert!(served.contains(&"a".to_owned()), "{served:?}");
    let mut client = Client::connect(running.address);
    assert_eq!(client.request("PUT", "/balancer-manager", &[], b"").expect("answer").status, 405);
}

#[test]
fn members_are_added_within_the_growth() {
    let (a, b, c) = (Origin::named("a"), Origin::named("b"), Origin::named("c"));
    let running = manager(&a, &b);
    let nonce = running.nonce();
    let add = format!("b=c&nonce={nonce}&b_nwrkr=http%3A%2F%2F{}&b_wyes=1", c.member());
    assert_eq!(running.post(&add, OURS).status, 200);
    assert_eq!(running.post(&add, OURS).status, 400, "it is there already");
    let enable = format!("b=c&w=http://{}&nonce={nonce}&w_status_D=0", c.member());
    assert_eq!(running.post(&enable, OURS).status, 200);
    let served: Vec<String> = (0..6).map(|_| running.get("/x", &[]).text()).collect();
    assert!(served.contains(&"c".to_owned()), "{served:?}");
}

#[test]
fn machines_read_xml_and_lines() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let running = manager(&a, &b);
    running.get("/x", &[]);
    let fields = [("Host", "front.example"), ("Referer", OURS)];
    let xml = running.get("/balancer-manager?xml=1", &fields);
    assert_eq!(xml.head.field("content-type"), Some("text/xml"));
    assert!(xml.text().contains("<httpd:name>balancer://c</httpd:name>"), "{}", xml.text());
    assert!(xml.text().contains("<httpd:elected>1</httpd:elected>"), "{}", xml.text());
    let lines = running.get("/server-status?auto", &[]).text();
    assert!(lines.contains("ProxyBalancer[0]Name: balancer://c"), "{lines}");
    assert!(lines.contains("ProxyBalancer[0]Worker[1]Status:"), "{lines}");
}

/// Ends a server as an operator would, and starts another with the same configuration.
fn restarted(mut running: Running) -> Running {
    let folder = running._folder.path().to_owned();
    let address = running.address;
    let kept = TempDir::new().expect("a folder");
    let pid = running.child.id().to_string();
    let ended = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
    assert!(ended.success());
    assert!(running.child.wait().expect("it ends").success());
    let text = std::fs::read_to_string(folder.join("httpd.conf")).expect("the configuration");
    let file = kept.path().join("httpd.conf");
    let text = text.replace(&folder.display().to_string(), &kept.path().display().to_string());
    let state = folder.join("evenkeel-balancers.state");
    assert_eq!(state.exists(), text.contains("BalancerPersist On"));
    if state.exists() {
        std::fs::copy(state, kept.path().join("evenkeel-balancers.state")).expect("a copy");
    }
    std::fs::write(&file, text).expect("a file can be written");
    drop(running);
    Running::of(address, &file, kept)
}

#[test]
fn what_was_ordered_outlives_a_restart_only_where_the_configuration_asks_for_it() {
    for persists in [true, false] {
        let (a, b, c) = (Origin::named("a"), Origin::named("b"), Origin::named("c"));
        let running = Running::start(&format!(
            "ServerRoot {{folder}}\nDefaultRuntimeDir {{folder}}\n{}\n\
             <Proxy balancer://c>\nBalancerMember http://{}\nBalancerMember http://{}\n\
             ProxySet growth=2\n</Proxy>\n\
             <Location /balancer-manager>\nSetHandler balancer-manager\nRequire local\n</Location>\n\
             ProxyPass /balancer-manager !\nProxyPass / balancer://c/\n",
            if persists { "BalancerPersist On" } else { "" },
            a.member(),
            b.member()
        ));
        let nonce = running.nonce();
        let order = |form: String| {
            assert_eq!(running.post(&format!("b=c&{form}&nonce={nonce}"), OURS).status, 200);
        };
        order(format!("w=http://{}&w_status_D=1&w_lf=2.5", a.member()));
        order(format!("b_nwrkr=http://{}&b_wyes=1&b_tmo=3", c.member()));
        order(format!("w=http://{}&w_status_D=0", c.member()));
        for _ in 0..4 {
            assert_eq!(running.get("/", &[]).status, 200);
        }
        let running = restarted(running);
        let page = running.get("/balancer-manager", &[("Host", "front.example")]).text();
        assert_eq!(running.nonce() == nonce, persists);
        assert_eq!(page.contains("<td>2.50</td><td>0</td><td>Init Dis </td>"), persists, "{page}");
        assert_eq!(page.contains("4 [3 Used]"), persists, "{page}");
        assert_eq!(page.contains("<td>3</td><td>1</td>\n<td>byrequests</td>"), persists, "{page}");
        assert_eq!(page.contains("<td>Init Ok </td><td>2</td>"), persists, "{page}");
        for _ in 0..2 {
            running.get("/", &[]);
        }
        assert_eq!(a.requests() == 0 && c.requests() > 0, persists);
    }
}
