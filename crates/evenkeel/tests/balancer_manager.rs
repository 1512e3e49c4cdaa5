//! The balancer-manager and server-status, as scripts use them.

use std::net::{SocketAddr, TcpStream};
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
        std::fs::write(&file, text).expect("a file can be written");
        let child = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
            .args(["run", "--apache"])
            .arg(&file)
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
