//! The server status page: what has been done so far, and the balancers (`ProxyStatus On`).

use std::fmt::{self, Write};

use crate::page::{DOCTYPE, HTML, Page, columns, session};
use crate::text::{
    Escaped, duration, factor, kilobytes_in_words, long_date, number, size, size_in_words,
};
use crate::view::{BalancerView, MemberView, Totals, View};

/// The status page, as HTML or, with `auto` (the query `?auto`), as lines of `Name: value`. The
/// table of httpd's processes and threads has no counterpart here and is left out.
pub fn status_page(view: &View, auto: bool) -> Page {
    let mut body = String::with_capacity(2048);
    // Writing to a string cannot fail.
    let _ = if auto { lines(&mut body, view) } else { html(&mut body, view) };
    let content_type = if auto { "text/plain; charset=ISO-8859-1" } else { HTML };
    Page { content_type, body }
}

fn lines(out: &mut String, view: &View) -> fmt::Result {
    writeln!(out, "{}", Line(&view.server))?;
    writeln!(out, "ServerVersion: {}", Line(&view.version))?;
    writeln!(out, "Server Built: {}", Line(&view.built))?;
    if let Some(totals) = &view.totals {
        total_lines(out, totals)?;
    }
    for (at, balancer) in view.balancers.iter().enumerate() {
        writeln!(out, "ProxyBalancer[{at}]Name: balancer://{}", Line(&balancer.name))?;
        for (number, member) in balancer.members.iter().enumerate() {
            let start = format!("ProxyBalancer[{at}]Worker[{number}]");
            writeln!(out, "{start}Name: {}", Line(&member.url))?;
            writeln!(out, "{start}Status: {}", member.status())?;
            writeln!(out, "{start}Elected: {}", member.elected)?;
            writeln!(out, "{start}Busy: {}", member.busy)?;
            writeln!(out, "{start}Sent: {}K", member.to >> 10)?;
            writeln!(out, "{start}Rcvd: {}K", member.from >> 10)?;
        }
    }
    Ok(())
}

/// A text that stays on its line.
struct Line<'a>(&'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| if (' '..='~').contains(&c) { c } else { '?' };
        self.0.chars().try_for_each(|c| out.write_char(plain(c)))
    }
}

fn total_lines(out: &mut String, totals: &Totals) -> fmt::Result {
    let uptime = totals.now.saturating_sub(totals.started);
    let Rates { per_second, bytes_per_second, bytes_each, millis_each } = Rates::of(totals);
    writeln!(out, "CurrentTime: {}", long_date(totals.now))?;
    writeln!(out, "RestartTime: {}", long_date(totals.started))?;
    writeln!(out, "ParentServerConfigGeneration: {}", totals.generation)?;
    writeln!(out, "ServerUptimeSeconds: {uptime}")?;
    writeln!(out, "ServerUptime:{}", duration(uptime))?;
    if let Some([one, five, fifteen]) = totals.load {
        writeln!(out, "Load1: {one:.2}\nLoad5: {five:.2}\nLoad15: {fifteen:.2}")?;
    }
    writeln!(out, "Total Accesses: {}", totals.accesses)?;
    writeln!(out, "Total kBytes: {}", totals.bytes >> 10)?;
    writeln!(out, "Total Duration: {}", totals.duration_ms)?;
    writeln!(out, "Uptime: {uptime}")?;
    if uptime > 0 {
        writeln!(out, "ReqPerSec: {}", number(per_second, 6))?;
        writeln!(out, "BytesPerSec: {}", number(bytes_per_second, 6))?;
    }
    if totals.accesses > 0 {
        writeln!(out, "BytesPerReq: {}", number(bytes_each, 6))?;
        writeln!(out, "DurationPerReq: {}", number(millis_each, 6))?;
    }
    writeln!(out, "BusyWorkers: {}", totals.busy)?;
    writeln!(out, "GracefulWorkers: 0\nIdleWorkers: {}", totals.idle)?;
    writeln!(out, "ConnsTotal: {}", totals.connections)
}

/// What the totals come to over time and for each request. httpd counts in whole kilobytes.
struct Rates {
    per_second: f64,
    bytes_per_second: f64,
    bytes_each: f64,
    millis_each: f64,
}

impl Rates {
    fn of(totals: &Totals) -> Rates {
        let uptime = totals.now.saturating_sub(totals.started) as f64;
        let (accesses, bytes) = (totals.accesses as f64, (totals.bytes & !1023) as f64);
        Rates {
            per_second: accesses / uptime,
            bytes_per_second: bytes / uptime,
            bytes_each: bytes / accesses,
            millis_each: totals.duration_ms as f64 / accesses,
        }
    }
}

fn html(out: &mut String, view: &View) -> fmt::Result {
    let server = Escaped(&view.server);
    write!(out, "{DOCTYPE}<html><head>\n<title>Apache Status</title>\n</head><body>\n")?;
    writeln!(out, "<h1>Apache Server Status for {server}</h1>\n")?;
    writeln!(out, "<dl><dt>Server Version: {}</dt>", Escaped(&view.version))?;
    writeln!(out, "<dt>Server Built: {}\n</dt></dl><hr /><dl>", Escaped(&view.built))?;
    if let Some(totals) = &view.totals {
        total_terms(out, totals)?;
    }
    out.write_str("</dl>\n")?;
    for balancer in &view.balancers {
        of_balancer(out, balancer)?;
    }
    if !view.balancers.is_empty() {
        legend(out)?;
    }
    out.write_str("</body></html>\n")
}

fn total_terms(out: &mut String, totals: &Totals) -> fmt::Result {
    let uptime = totals.now.saturating_sub(totals.started);
    let Rates { per_second, bytes_per_second, bytes_each, millis_each } = Rates::of(totals);
    writeln!(out, "<dt>Current Time: {}</dt>", long_date(totals.now))?;
    writeln!(out, "<dt>Restart Time: {}</dt>", long_date(totals.started))?;
    writeln!(out, "<dt>Parent Server Config. Generation: {}</dt>", totals.generation)?;
    writeln!(out, "<dt>Server uptime: {}</dt>", duration(uptime))?;
    if let Some([one, five, fifteen]) = totals.load {
        writeln!(out, "<dt>Server load: {one:.2} {five:.2} {fifteen:.2}</dt>")?;
    }
    let (accesses, traffic) = (totals.accesses, kilobytes_in_words(totals.bytes >> 10));
    let time = totals.duration_ms;
    writeln!(
        out,
        "<dt>Total accesses: {accesses} - Total Traffic: {traffic} - Total Duration: {time}</dt>"
    )?;
    let mut rates = Vec::new();
    if uptime > 0 {
        rates.push(format!("{} requests/sec", number(per_second, 3)));
        rates.push(format!("{}/second", size_in_words(bytes_per_second)));
    }
    if accesses > 0 {
        rates.push(format!("{}/request", size_in_words(bytes_each)));
        rates.push(format!("{} ms/request", number(millis_each, 6)));
    }
    writeln!(out, "<dt>{}</dt>", rates.join(" - "))?;
    writeln!(
        out,
        "<dt>{} requests currently being processed, 0 workers gracefully restarting, {} idle \
         workers</dt>",
        totals.busy, totals.idle
    )
}

fn of_balancer(out: &mut String, balancer: &BalancerView) -> fmt::Result {
    let name = Escaped(&balancer.name);
    write!(out, "<hr />\n<h1>Proxy LoadBalancer Status for balancer://{name}</h1>\n\n")?;
    out.write_str("\n\n<table border=\"0\">")?;
    columns(out, &["SSes", "Timeout", "Method"])?;
    let session = session(balancer, " | ").map(|text| Escaped(&text).to_string());
    let session = session.unwrap_or_else(|| " - ".to_owned());
    let (timeout, method) = (balancer.timeout_s, Escaped(&balancer.method));
    writeln!(out, "<tr><td>{session}</td><td>{timeout}</td><td>{method}</td>\n</table>")?;
    out.write_str("\n\n<table border=\"0\">")?;
    columns(
        out,
        &["Sch", "Host", "Stat", "Route", "Redir", "F", "Set", "Acc", "Busy", "Wr", "Rd"],
    )?;
    balancer.members.iter().try_for_each(|member| of_member(out, member))?;
    out.write_str("</table>\n")
}

fn of_member(out: &mut String, member: &MemberView) -> fmt::Result {
    let (scheme, host) = (Escaped(&member.scheme), Escaped(&member.host));
    write!(out, "<tr>\n<td>{scheme}</td><td>{host}</td><td>{}</td>", member.status())?;
    write!(out, "<td>{}</td><td>{}</td>", Escaped(&member.route), Escaped(&member.redirect))?;
    write!(out, "<td>{}</td><td>{}</td>", factor(member.factor), member.set)?;
    write!(out, "<td>{}</td><td>{}</td>", member.elected, member.busy)?;
    writeln!(out, "<td>{}</td><td>{}</td>\n</tr>", size(member.to), size(member.from))
}

fn legend(out: &mut String) -> fmt::Result {
    let rows = [
        ("SSes", "Sticky session name"),
        ("Timeout", "Balancer Timeout"),
        ("Sch", "Connection scheme"),
        ("Host", "Backend Hostname"),
        ("Stat", "Worker status"),
        ("Route", "Session Route"),
        ("Redir", "Session Route Redirection"),
        ("F", "Load Balancer Factor"),
        ("Acc", "Number of uses"),
        ("Wr", "Number of bytes transferred"),
        ("Rd", "Number of bytes read"),
    ];
    out.write_str("<hr /><table>\n")?;
    rows.iter()
        .try_for_each(|(name, words)| writeln!(out, "<tr><th>{name}</th><td>{words}</td></tr>"))?;
    out.write_str("</table>")
}

#[cfg(test)]
mod tests;
