//! What must hold for any configuration of httpd whatever. The fuzz target and the property tests
//! call these; they panic when something does not hold.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each includer uses some of it")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use evenkeel_config::apache::{Memory, Node, Options, Place, Read, native, plan, read};
use evenkeel_config::{Severity, render};
use evenkeel_httpd::answer::Chosen;
use evenkeel_httpd::log::{Ended, Kept};
use evenkeel_httpd::{Asked, HeadSize, Passage, Sites, Times, TlsFacts, Verdict};

/// Reading never panics, and every place it tells of is one.
pub fn reading(bytes: &[u8], other: &[u8]) {
    let memory = Memory::new([("/e/c", bytes), ("/e/d/other", other)]);
    let mut options = Options::new(&memory, Path::new("/e"));
    options.env = &|name| (name == "E").then(|| "${E} é".to_owned());
    for lenient in [false, true] {
        options.lenient = lenient;
        let read = read(Path::new("/e/c"), &options);
        for diagnostic in &read.diagnostics {
            let text = read.sources.text(diagnostic.file);
            assert!(text.get(diagnostic.span.clone()).is_some(), "{diagnostic:?}");
        }
        render(&read.diagnostics, &read.sources, false);
        nodes(&read.tree.nodes, &read);
        meaning(&read);
    }
}

/// What it means is found without panic; without errors it serves.
fn meaning(read: &Read) {
    let (plan, told, _) = plan(read, false);
    let (_, others) = native(read);
    for diagnostic in told.iter().chain(&others) {
        if let Some(text) = (!read.files.is_empty()).then(|| read.sources.text(diagnostic.file)) {
            assert!(text.get(diagnostic.span.clone()).is_some(), "{diagnostic:?}");
        }
    }
    let mut all = read.diagnostics.iter().chain(&told);
    let is_good = all.all(|diagnostic| diagnostic.severity != Severity::Error);
    if let Some(sites) = plan.and_then(|plan| plan.sites).filter(|_| is_good) {
        serving(&sites);
    }
}

/// Requests go through, and nothing that is written can be read as more lines than it is.
fn serving(sites: &Arc<Sites>) {
    let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
    let requests: [(&[u8], &[u8]); 4] =
        [(b"GET", b"/x/y"), (b"POST", b"/%41//b/../c;d=e"), (b"TRACE", b"/"), (b"OPTIONS", b"*")];
    let fields: [(&[u8], &[u8]); 4] = [
        (b"Cookie", b"a=1.b; S=\"x\""),
        (b"X-Forwarded-For", b"10.0.0.1, 8.8.8.8"),
        (b"Max-Forwards", b"3"),
        (b"X-A", b"one \x80 two"),
    ];
    for (method, path) in requests {
        let asked = Asked {
            method,
            path,
            query: Some(b"k=v&n=10"),
            protocol: "HTTP/1.1",
            host: b"shop.example:80",
            https: false,
            tls: &TlsFacts::default(),
            peer: address("127.0.0.1:999"),
            local: address("127.0.0.1:80"),
            times: Times::default(),
            size: HeadSize { line: 20, fields: 4, field: 30 },
        };
        let mut passage = Passage::new(sites, &asked, fields.iter().copied(), std::iter::empty());
        let mut out = Vec::new();
        if let Verdict::Proxy(_) = &passage.verdict {
            passage.chose(&Chosen::default());
            passage.write_request(0, false, &mut out);
            lines(&out);
            let answer = vec![
                (b"Location".to_vec(), b"http://10.0.0.1/x".to_vec()),
                (b"Set-Cookie".to_vec(), b"a=b; Path=/x; Domain=y".to_vec()),
            ];
            written(&passage.answer(302, answer));
        }
        written(&passage.own(503, None).fields);
        ended(sites, &passage);
        passage.turn_to_document(503);
        passage.give_up_document();
    }
}

/// Lines of logs are lines.
fn ended(sites: &Sites, passage: &Passage) {
    let ended = Ended {
        passage: Some(passage),
        method: b"GET",
        target: b"/\n",
        protocol: "HTTP/1.1",
        host: b"\r\n",
        field: &|_| Some(b"\n".to_vec()),
        peer: SocketAddr::from(([127, 0, 0, 1], 1)),
        local: SocketAddr::from(([127, 0, 0, 1], 80)),
        status: 200,
        began: u64::MAX,
        took: u64::MAX,
        body: 1,
        bytes_in: 1,
        bytes_out: 1,
        served: 0,
        kept: Kept::Open,
    };
    sites.log(&ended, &mut |file, _| assert!(file < sites.logs.len()));
}

fn written(fields: &[(Vec<u8>, Vec<u8>)]) {
    for (name, value) in fields {
        let bad = |text: &[u8]| text.iter().any(|b| matches!(b, b'\r' | b'\n' | 0));
        assert!(!name.is_empty() && !bad(name) && !bad(value), "{name:?} {value:?}");
        assert!(!name.contains(&b':') && !name.contains(&b' '), "{name:?}");
    }
}

fn lines(head: &[u8]) {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    assert_eq!(first.split(' ').count(), 3, "{first:?}");
    for line in lines.by_ref().filter(|line| !line.is_empty()) {
        assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
        let (name, _) = line.split_once(": ").expect("a field has a name");
        assert!(!name.is_empty() && !name.contains([' ', ':']), "{line:?}");
    }
}

fn nodes(list: &[Node], read: &Read) {
    for node in list {
        let (at, args) = match node {
            Node::Directive(directive) => (&directive.at, &directive.args),
            Node::Section(section) => {
                nodes(&section.nodes, read);
                (&section.at, &section.args)
            }
        };
        place(at, read);
        for arg in args {
            assert!(read.sources.text(at.file).get(arg.span.clone()).is_some(), "{arg:?}");
        }
    }
}

fn place(at: &Place, read: &Read) {
    let text = read.sources.text(at.file);
    assert!(text.get(at.span.clone()).is_some(), "{at:?}");
    assert!(at.line >= 1 && at.line <= text.lines().count());
    if let Some(used) = &at.used_at {
        place(used, read);
    }
}
