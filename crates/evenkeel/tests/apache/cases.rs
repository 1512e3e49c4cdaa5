//! Configurations and requests. `{a}`, `{b}` and `{c}` are the members' addresses.

use evenkeel_testkit::Origin;

/// A configuration and what is done with it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    config: &'static str,
    /// `METHOD TARGET [Field: value | Field: value]`, `kill a`, `start a`, `answer a 500`, `wait MS`.
    pub(crate) steps: &'static [&'static str],
}

const HEAD: &str = "\
ServerRoot {folder}
PidFile {folder}/pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/error.log
ServerName front.example
Listen 127.0.0.1:{port}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
LoadModule slotmem_shm_module /usr/lib/apache2/modules/mod_slotmem_shm.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
LoadModule proxy_balancer_module /usr/lib/apache2/modules/mod_proxy_balancer.so
LoadModule lbmethod_byrequests_module /usr/lib/apache2/modules/mod_lbmethod_byrequests.so
LoadModule lbmethod_bytraffic_module /usr/lib/apache2/modules/mod_lbmethod_bytraffic.so
LoadModule lbmethod_bybusyness_module /usr/lib/apache2/modules/mod_lbmethod_bybusyness.so
";

impl Case {
    pub(crate) fn config(&self, origins: &[Origin; 3]) -> String {
        let text = format!("{HEAD}{}", self.config);
        ["{a}", "{b}", "{c}"]
            .iter()
            .zip(origins)
            .fold(text, |text, (place, origin)| text.replace(place, &origin.member()))
    }
}

const SIX: &[&str] = &["GET /", "GET /", "GET /", "GET /", "GET /", "GET /"];
const TWELVE: &[&str] = &[
    "GET /", "GET /", "GET /", "GET /", "GET /", "GET /", "GET /", "GET /", "GET /", "GET /",
    "GET /", "GET /",
];

macro_rules! case {
    ($name:literal, $config:expr, $steps:expr) => {
        Case { name: $name, config: $config, steps: $steps }
    };
}

pub(crate) const CASES: &[Case] = &[
    case!(
        "the first snippet of the study",
        "ProxyPass \"/example\" \"balancer://mycluster\"\n\
         <Proxy \"balancer://mycluster\">\n BalancerMember http://{a}\n BalancerMember http://{b}\n</Proxy>\n",
        &["GET /example/x", "GET /example/y?z=1", "GET /example", "GET /examples", "GET /other"]
    ),
    case!(
        "by requests, three equal members",
        "ProxyPass / balancer://c/\n<Proxy balancer://c>\nBalancerMember http://{a}\n\
         BalancerMember http://{b}\nBalancerMember http://{c}\nProxySet lbmethod=byrequests\n</Proxy>\n",
        SIX
    ),
    case!(
        "by requests, one to four",
        "ProxyPass / balancer://c/\n<Proxy balancer://c>\nBalancerMember http://{a} loadfactor=1\n\
         BalancerMember http://{b} loadfactor=4\n</Proxy>\n",
        TWELVE
    ),
    case!(
        "by requests, one to two to three",
        "ProxyPass / balancer://c/\n<Proxy balancer://c>\nBalancerMember http://{a}\n\
         BalancerMember http://{b} loadfactor=2\nBalancerMember http://{c} loadfactor=3\n</Proxy>\n",
        TWELVE
    ),
    case!(
        "by requests, one and a half to one",
        "ProxyPass / balancer://c/\n<Proxy balancer://c>\nBalancerMember http://{a} loadfactor=1.5\n\
         BalancerMember http://{b}\n</Proxy>\n",
        TWELVE
    ),
    case!(
        "by busyness, idle",
        "ProxyPass / balancer://c/\n<Proxy balancer://c>\nBalancerMember http://{a}\n\
         BalancerMember http://{b} loadfactor=4\nProxySet lbmethod=bybusyness\n</Proxy>\n",
        TWELVE
    ),
    case!(
        "by traffic, equal answers",
        "ProxyPass / balancer://c/\n<Proxy balancer://c>\nBalancerMember http://{a}\n\
         BalancerMember http://{b}\nBalancerMember http://{c}\nProxySet lbmethod=bytraffic\n</Proxy>\n",
        SIX
    ),
    case!(
        "sessions by cookie and URL",
        "ProxyPass \"/example\" \"balancer://mycluster\" stickysession=JSESSIONID\n\
         <Proxy balancer://mycluster>\nBalancerMember http://{a} route=a\n\
         BalancerMember http://{b} route=b\n</Proxy>\n",
        &[
            "GET /example/x Cookie: JSESSIONID=x.b",
            "GET /example/x Cookie: JSESSIONID=x.b",
            "GET /example/x Cookie: JSESSIONID=x.a",
            "GET /example/x;JSESSIONID=x.b",
            "GET /example/x;JSESSIONID=x.a Cookie: JSESSIONID=x.b",
            "GET /example/x?JSESSIONID=x.b&c=d",
            "GET /example/x;JSESSIONID=x.b;v=1",
            "GET /example/x?XJSESSIONID=x.b",
            "GET /example/x Cookie: jsessionid=x.b",
            "GET /example/x Cookie: JSESSIONID=x",
            "GET /example/x Cookie: JSESSIONID=x.nobody",
            "GET /example/x Cookie: a=1; JSESSIONID=x.b; c=2",
            "GET /example/x",
        ]
    ),
    case!(
        "cookie and parameter of different names",
        "ProxyPass / balancer://c/ stickysession=SID|jsid\n<Proxy balancer://c>\n\
         BalancerMember http://{a} route=a\nBalancerMember http://{b} route=b\n</Proxy>\n",
        &[
            "GET /x Cookie: SID=q.b",
            "GET /x;jsid=q.b",
            "GET /x;SID=q.b",
            "GET /x Cookie: jsid=q.b",
            "GET /x?jsid=q.a Cookie: SID=q.b",
        ]
    ),
    case!(
        "another separator",
        "ProxyPass / balancer://c/ stickysession=S stickysessionsep=!\n<Proxy balancer://c>\n\
         BalancerMember http://{a} route=a\nBalancerMember http://{b} route=b\n</Proxy>\n",
        &[
            "GET / Cookie: S=x!b",
            "GET / Cookie: S=x.b",
            "GET / Cookie: S=x!b!a",
            "GET / Cookie: S=!a"
        ]
    ),
    case!(
        "no separator",
        "ProxyPass / balancer://c/ stickysession=S stickysessionsep=Off\n<Proxy balancer://c>\n\
         BalancerMember http://{a} route=a\nBalancerMember http://{b} route=b\n</Proxy>\n",
        &["GET / Cookie: S=b", "GET / Cookie: S=b", "GET / Cookie: S=x.b", "GET / Cookie: S=a"]
    ),
    case!(
        "the cookie recipe",
        "Header add Set-Cookie \"ROUTEID=.%{BALANCER_WORKER_ROUTE}e; path=/\" env=BALANCER_ROUTE_CHANGED\n\
         ProxyPass / balancer://c/ stickysession=ROUTEID\n<Proxy balancer://c>\n\
         BalancerMember http://{a} route=a\nBalancerMember http://{b} route=b\n</Proxy>\n",
        &[
            "GET /",
            "GET / Cookie: ROUTEID=.a",
            "GET / Cookie: ROUTEID=.b",
            "GET / Cookie: ROUTEID=.nobody",
            "kill a",
            "GET / Cookie: ROUTEID=.a",
            "GET / Cookie: ROUTEID=.b",
        ]
    ),
    case!(
        "no failover",
        "ProxyPass / balancer://c/ stickysession=S nofailover=On\n<Proxy balancer://c>\n\
         BalancerMember http://{a} route=a\nBalancerMember http://{b} route=b\n</Proxy>\n",
        &[
            "kill a",
            "GET / Cookie: S=x.a",
            "GET / Cookie: S=x.a",
            "GET / Cookie: S=x.b",
            "GET / Cookie: S=x.nobody",
            "GET /",
        ]
    ),
    case!(
        "a dead member and its return",
        "ProxyPass / balancer://c/\n<Proxy balancer://c>\nBalancerMember http://{a} retry=1\n\
         BalancerMember http://{b} retry=1\nBalancerMember http://{c} retry=1\n</Proxy>\n",
        &[
            "GET /",
            "GET /",
            "GET /",
            "GET /",
            "kill b",
            "GET /",
            "GET /",
            "GET /",
            "GET /",
            "start b",
            "wait 2200",
            "GET /",
            "GET /",
            "GET /",
            "GET /",
        ]
    ),
    case!(
        "all dead, then one is back",
        "ProxyPass / balancer://c/\n<Proxy balancer://c>\nBalancerMember http://{a}\n\
         BalancerMember http://{b}\n</Proxy>\n",
        &["kill a", "kill b", "GET /", "GET /", "start b", "GET /", "GET /"]
    ),
    case!(
        "sets, standbys and spares",
        "ProxyPass / balancer://c/\n<Proxy balancer://c>\nBalancerMember http://{a}\n\
         BalancerMember http://{b} status=+H\nBalancerMember http://{c} lbset=1\n</Proxy>\n",
        &["GET /", "GET /", "kill a", "GET /", "GET /", "kill b", "GET /", "GET /"]
    ),
    case!(
        "a spare",
        "ProxyPass / balancer://c/\n<Proxy balancer://c>\nBalancerMember http://{a}\n\
         BalancerMember http://{b}\nBalancerMember http://{c} status=+R\n</Proxy>\n",
        &["GET /", "GET /", "GET /", "kill b", "GET /", "GET /", "GET /", "GET /"]
    ),
    case!(
        "disabled and draining members",
        "ProxyPass / balancer://c/ stickysession=S\n<Proxy balancer://c>\n\
         BalancerMember http://{a} route=a status=+D\nBalancerMember http://{b} route=b status=+N\n\
         BalancerMember http://{c} route=c\n</Proxy>\n",
        &["GET /", "GET /", "GET / Cookie: S=x.a", "GET / Cookie: S=x.b", "GET / Cookie: S=x.c"]
    ),
    case!(
        "a redirect",
        "ProxyPass / balancer://c/ stickysession=S\n<Proxy balancer://c>\n\
         BalancerMember http://{a} route=a redirect=c status=+D\nBalancerMember http://{b} route=b\n\
         BalancerMember http://{c} route=c\n</Proxy>\n",
        &["GET / Cookie: S=x.a", "GET / Cookie: S=x.a", "GET / Cookie: S=x.b"]
    ),
    case!(
        "statuses that count as failures",
        "ProxyPass / balancer://c/ failonstatus=500,503\n<Proxy balancer://c>\n\
         BalancerMember http://{a}\nBalancerMember http://{b}\n</Proxy>\n",
        &["answer a 503", "GET /", "GET /", "GET /", "GET /", "answer a 200"]
    ),
    case!(
        "a status that does not",
        "ProxyPass / balancer://c/\n<Proxy balancer://c>\n\
         BalancerMember http://{a}\nBalancerMember http://{b}\n</Proxy>\n",
        &["answer a 503", "GET /", "GET /", "GET /", "GET /"]
    ),
    case!(
        "attempts",
        "ProxyPass / balancer://c/ maxattempts=1\n<Proxy balancer://c>\nBalancerMember http://{a}\n\
         BalancerMember http://{b}\nBalancerMember http://{c}\n</Proxy>\n",
        &["kill a", "kill b", "GET /", "GET /", "GET /"]
    ),
    case!("nobody is defined", "ProxyPass / balancer://nobody/\n", &["GET /"]),
    case!(
        "a plain worker, dead and back",
        "ProxyPass /app/ http://{a}/\n",
        &["GET /app/x?y", "GET /app", "kill a", "GET /app/x", "start a", "GET /app/x"]
    ),
    case!(
        "prefixes end at slashes",
        "ProxyPass /app http://{a}\nProxyPass /b/ http://{b}/base/\n",
        &["GET /app", "GET /app/x", "GET /appx", "GET /b/x", "GET /b", "GET /c"]
    ),
    case!(
        "the first rule wins",
        "ProxyPass /a/no !\nProxyPass /a http://{a}\nProxyPass /a/late http://{b}\n",
        &["GET /a/no", "GET /a/nono", "GET /a/late", "GET /a"]
    ),
    case!(
        "members with paths",
        "ProxyPass /x/ balancer://c/sub/\n<Proxy balancer://c>\nBalancerMember http://{a}/base\n\
         BalancerMember http://{b}\n</Proxy>\n",
        &["GET /x/y", "GET /x/y"]
    ),
    case!(
        "virtual hosts",
        "<VirtualHost *:{port}>\nServerName one.example\nProxyPass / http://{a}/\n</VirtualHost>\n\
         <VirtualHost *:{port}>\nServerName two.example\nServerAlias *.two.example\n\
         ProxyPass /only/ http://{b}/\n</VirtualHost>\n",
        &[
            "GET /x Host: one.example",
            "GET /only/x Host: two.example",
            "GET /x Host: two.example",
            "GET /only/x Host: www.two.example",
            "GET /only/x Host: unknown.example",
        ]
    ),
    case!(
        "the client's host",
        "ProxyPreserveHost On\nProxyPass / http://{a}/\n",
        &["GET / Host: www.example", "GET / X-Forwarded-For: 6.6.6.6"]
    ),
    case!(
        "no forwarding headers",
        "ProxyAddHeaders Off\nProxyPass / http://{a}/\n",
        &["GET /", "GET / X-Forwarded-For: 6.6.6.6"]
    ),
    case!(
        "a location",
        "<Location /app/>\nProxyPass http://{a}/base/\nProxyPassReverse http://{a}/base/\n</Location>\n",
        &["GET /app/x", "GET /other"]
    ),
    case!(
        "header changes",
        "ProxyPass / http://{a}/\nHeader set X-Note hello\nHeader add X-Note again\n",
        &["GET /"]
    ),
    case!(
        "a pattern",
        "ProxyPassMatch ^/img/.*\\.gif$ http://{a}\nProxyPass / http://{b}/\n",
        &["GET /img/x.gif", "GET /img/x.png", "GET /y/img/x.gif"]
    ),
];
