//! What a balancer is set up with, beside two members: each setup is a process of its own.

use std::fmt::Write;

/// A setup. The text of each goes into the places of the configurations in `benches/peers`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Setup {
    /// Two members and nothing else.
    Base,
    /// An access log, to a file where that can be had.
    Log,
    /// Affinity by cookie; clients bring the cookie of one member.
    Sticky,
    /// The member is chosen by a consistent hash of the client's address.
    Source,
    /// So many routes, each with a host of its own; clients ask for the last.
    Routes(usize),
    /// So many members (of the same two addresses).
    Members(usize),
}

impl Setup {
    pub(super) fn name(self) -> String {
        match self {
            Setup::Base => "base".to_owned(),
            Setup::Log => "log".to_owned(),
            Setup::Sticky => "sticky".to_owned(),
            Setup::Source => "source".to_owned(),
            Setup::Routes(count) => format!("routes-{count}"),
            Setup::Members(count) => format!("members-{count}"),
        }
    }

    /// The host that clients ask for.
    pub(super) fn host(self) -> String {
        match self {
            Setup::Routes(count) => format!("h{}.bench.example", count - 1),
            _ => "bench.example".to_owned(),
        }
    }

    /// Further header lines of clients.
    pub(super) fn headers(self) -> &'static str {
        match self {
            Setup::Sticky => "Cookie: SRV=b\r\n",
            _ => "",
        }
    }

    /// What goes into the places of that peer's configuration. `{{folder}}` and the like may stand
    /// in the texts.
    pub(super) fn texts(self, peer: &str) -> Vec<(&'static str, String)> {
        match peer {
            "evenkeel" => self.evenkeel(),
            "haproxy" => self.haproxy(),
            "nginx" => self.nginx(),
            _ => Vec::new(),
        }
    }

    /// A table of hosts for peers that read one from a file.
    pub(super) fn hosts(self) -> Option<String> {
        let Setup::Routes(count) = self else { return None };
        Some((0..count).map(|n| format!("h{n}.bench.example app\n")).collect())
    }

    fn evenkeel(self) -> Vec<(&'static str, String)> {
        let mut routes = String::new();
        if let Setup::Routes(count) = self {
            for n in 0..count {
                // Writing to a string cannot fail.
                let _ = write!(
                    routes,
                    "[[route]]\nhost = \"h{n}.bench.example\"\npath = \"/b/*\"\npool = \"app\"\n"
                );
            }
        }
        let log = "[log]\naccess = { path = \"{{folder}}/access.log\", format = \"combined\" }\n";
        let affinity = "affinity = { cookie = \"SRV\" }\n";
        let member = |n: usize, tag: &str| {
            let origin = ["{{origin_a}}", "{{origin_b}}"][n % 2];
            format!("[[pool.member]]\naddress = \"{origin}\"\ntag = \"{tag}\"\n")
        };
        let policy = if self == Setup::Source { "source-hash" } else { "round-robin" };
        vec![
            ("{{log}}", on(self == Setup::Log, log)),
            ("{{policy}}", policy.to_owned()),
            ("{{routes}}", routes),
            ("{{affinity}}", on(self == Setup::Sticky, affinity)),
            ("{{members}}", self.members(member)),
        ]
    }

    fn haproxy(self) -> Vec<(&'static str, String)> {
        let routes = "use_backend %[req.hdr(host),lower,map({{folder}}/hosts,app)]\n";
        let log = "log stdout format raw local0\n    option httplog\n";
        let affinity = "cookie SRV insert indirect nocache\n";
        let cookie = |tag: &str| match self {
            Setup::Sticky => format!(" cookie {tag}"),
            _ => String::new(),
        };
        let member = |n: usize, tag: &str| {
            let origin = ["{{origin_a}}", "{{origin_b}}"][n % 2];
            format!("    server {tag} {origin}{}\n", cookie(tag))
        };
        let balance = match self {
            Setup::Source => "balance source\n    hash-type consistent",
            _ => "balance roundrobin",
        };
        vec![
            ("{{log}}", on(self == Setup::Log, log)),
            ("{{balance}}", balance.to_owned()),
            ("{{routes}}", on(matches!(self, Setup::Routes(_)), routes)),
            ("{{affinity}}", on(self == Setup::Sticky, affinity)),
            ("{{members}}", self.members(member)),
        ]
    }

    fn nginx(self) -> Vec<(&'static str, String)> {
        let log = "access_log {{folder}}/access.log combined buffer=64k flush=1s;";
        let log = if self == Setup::Log { log } else { "access_log off;" };
        let routes = match self {
            Setup::Routes(_) => {
                "map_hash_bucket_size 128;\n    map_hash_max_size 65536;\n    \
                 map $http_host $pool {\n        default app;\n        include {{folder}}/hosts;\n    }\n"
            }
            Setup::Sticky => {
                "upstream app_a {\n        server {{origin_a}};\n        keepalive 1024;\n    }\n    \
                 upstream app_b {\n        server {{origin_b}};\n        keepalive 1024;\n    }\n    \
                 map $cookie_SRV $pool {\n        default app;\n        a app_a;\n        b app_b;\n    }\n"
            }
            _ => "",
        };
        let pool = if routes.is_empty() { "app" } else { "$pool" };
        let member = |n: usize, _: &str| {
            let origin = ["{{origin_a}}", "{{origin_b}}"][n % 2];
            format!("        server {origin};\n")
        };
        vec![
            ("{{log}}", log.to_owned()),
            ("{{routes}}", routes.to_owned()),
            ("{{pool}}", pool.to_owned()),
            ("{{hash}}", on(self == Setup::Source, "        hash $remote_addr consistent;\n")),
            ("{{members}}", self.members(member)),
        ]
    }

    fn members(self, member: impl Fn(usize, &str) -> String) -> String {
        match self {
            Setup::Members(count) => (0..count).map(|n| member(n, &format!("m{n}"))).collect(),
            _ => [member(0, "a"), member(1, "b")].concat(),
        }
    }
}

fn on(wanted: bool, text: &str) -> String {
    if wanted { text.to_owned() } else { String::new() }
}
