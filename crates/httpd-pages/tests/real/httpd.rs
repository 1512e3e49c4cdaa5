//! The real httpd, and how it is asked.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use evenkeel_httpd_pages::Asked;
use evenkeel_testkit::*;
use tempfile::TempDir;

const APACHE: &str = "/usr/sbin/apache2";
const MODULES: &str = "/usr/lib/apache2/modules";

const CONFIG: &str = r#"
ServerRoot "{folder}"
DefaultRuntimeDir "{folder}"
PidFile "{folder}/httpd.pid"
ErrorLog "{folder}/error.log"
Listen 127.0.0.1:{port}
ServerName lb.test
ThreadsPerChild 25
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule status_module {modules}/mod_status.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
LoadModule proxy_ajp_module {modules}/mod_proxy_ajp.so
LoadModule slotmem_shm_module {modules}/mod_slotmem_shm.so
LoadModule proxy_balancer_module {modules}/mod_proxy_balancer.so
LoadModule lbmethod_byrequests_module {modules}/mod_lbmethod_byrequests.so
LoadModule lbmethod_bytraffic_module {modules}/mod_lbmethod_bytraffic.so
{health}
ProxyStatus On
<Proxy balancer://one>
    BalancerMember http://127.0.0.1:9 route=a loadfactor=1.5 lbset=1 {check}
    BalancerMember http://127.0.0.1:8/base status=+H redirect=x
    ProxySet stickysession=JS|js nofailover=On scolonpathdelim=On timeout=3 growth=2 nonce=abc
</Proxy>
<Proxy balancer://two>
    BalancerMember http://localhost:7 timeout=5 keepalive=On retry=7 ttl=9 acquire=40 \
        receivebuffersize=2048 iobuffersize=4096 disablereuse=On connectiontimeout=300ms
    ProxySet lbmethod=bytraffic nonce=None
</Proxy>
<Proxy balancer://three>
    BalancerMember ajp://127.0.0.1 flushpackets=auto flushwait=20 min=1 smax=2 max=3
    BalancerMember "unix:/run/a.sock|http://app/b" status=DN
    ProxySet stickysession=ID nonce=0123
</Proxy>
ProxyPass /one balancer://one/
ProxyPass /two balancer://two/
ProxyPass /three balancer://three/
<Location /pages>
    SetHandler balancer-manager
</Location>
<Location /status>
    SetHandler server-status
</Location>
"#;

const HEALTH: &str = r#"
LoadModule watchdog_module {modules}/mod_watchdog.so
LoadModule proxy_hcheck_module {modules}/mod_proxy_hcheck.so
ProxyHCExpr ok2 {%{REQUEST_STATUS} =~ /^2/}
ProxyHCExpr plain {hc('body') !~ /<down>/}
"#;

const CHECK: &str = "hcmethod=GET hcuri=/up?a&b hcexpr=ok2 hcinterval=1000 hcpasses=2 hcfails=3";

pub(crate) struct Httpd {
    address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Httpd {
    /// `None` when it is not installed.
    pub(crate) fn start(health: bool) -> Option<Httpd> {
        if !Path::new(APACHE).exists() || !Path::new(MODULES).exists() {
            let _ = writeln!(io::stderr(), "httpd is not installed: nothing to compare with");
            return None;
        }
        let folder = TempDir::new().expect("a temporary folder can be made");
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = free.local_addr().expect("it has an address");
        drop(free);
        let watchdog = Path::new(MODULES).join("mod_watchdog.so").exists();
        let health_lines = HEALTH.lines().filter(|line| watchdog || !line.contains("watchdog"));
        let health_lines: Vec<&str> = health_lines.collect();
        let filled = CONFIG
            .replace(
                "{health}",
                if health { health_lines.join("\n") } else { String::new() }.as_str(),
            )
            .replace("{check}", if health { CHECK } else { "" })
            .replace("{port}", &address.port().to_string())
            .replace("{modules}", MODULES)
            .replace("{folder}", &folder.path().display().to_string());
        let file = folder.path().join("httpd.conf");
        fs::write(&file, filled).expect("a file can be written");
        let mut child = Command::new(APACHE)
            .arg("-X")
            .arg("-f")
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .expect("httpd can be started");
        let up = || TcpStream::connect(address).is_ok();
        let ready = wait_until(LONG, || up() || !matches!(child.try_wait(), Ok(None)));
        let lives = matches!(child.try_wait(), Ok(None));
        assert!(
            ready && lives && up(),
            "{:?}",
            fs::read_to_string(folder.path().join("error.log"))
        );
        Some(Httpd { address, child, _folder: folder })
    }

    pub(crate) fn ask(&self, method: &str, target: &str, body: &str) -> Response {
        let mut client = Client::connect(self.address);
        let host = self.address.to_string();
        let length = body.len().to_string();
        let fields = [
            ("Host", &*host),
            ("Referer", "http://127.0.0.1/"),
            ("Content-Length", &*length),
            ("Connection", "close"),
        ];
        client.request(method, target, &fields, body.as_bytes()).expect("httpd answers")
    }

    /// The same in our words.
    pub(crate) fn asked<'a>(
        method: &'a str,
        query: Option<&'a str>,
        body: &'a str,
        origin: &'a str,
    ) -> Asked<'a> {
        Asked {
            method,
            path: "/pages",
            origin,
            query,
            referer: Some("http://127.0.0.1/"),
            server: "127.0.0.1",
            body: body.as_bytes(),
        }
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Httpd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
