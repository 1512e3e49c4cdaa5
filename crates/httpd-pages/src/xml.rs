//! The balancer page as XML.

use std::fmt::{self, Display, Write};

use crate::text::{Escaped, date, factor, on_off};
use crate::view::{BalancerView, Flush, MemberView, View};

/// The whole document.
pub(crate) fn document(view: &View) -> String {
    let mut out = String::with_capacity(4096);
    // Writing to a string cannot fail.
    let _ = write(&mut out, view);
    out
}

fn write(out: &mut String, view: &View) -> fmt::Result {
    out.write_str(
        "<?xml version='1.0' encoding='UTF-8' ?>\n\
         <httpd:manager xmlns:httpd='http://httpd.apache.org'>\n  <httpd:balancers>\n",
    )?;
    for balancer in &view.balancers {
        of_balancer(out, balancer)?;
    }
    out.write_str("  </httpd:balancers>\n</httpd:manager>")
}

fn of_balancer(out: &mut String, balancer: &BalancerView) -> fmt::Result {
    const DEPTH: usize = 3;
    out.write_str("    <httpd:balancer>\n")?;
    element(out, DEPTH, "name", format!("balancer://{}", Escaped(&balancer.name)))?;
    element(out, DEPTH, "nonce", Escaped(&balancer.nonce))?;
    if let Some(sticky) = &balancer.sticky {
        element(out, DEPTH, "stickysession", Escaped(&sticky.cookie))?;
        element(out, DEPTH, "nofailover", on_off(balancer.no_failover))?;
    }
    // httpd forgets the end of this line.
    write!(out, "      <httpd:timeout>{}</httpd:timeout>", balancer.timeout_s)?;
    optional(out, DEPTH, "maxattempts", balancer.max_attempts)?;
    element(out, DEPTH, "lbmethod", Escaped(&balancer.method))?;
    if balancer.sticky.is_some() {
        element(out, DEPTH, "scolonpathdelim", on_off(balancer.scolon))?;
    }
    out.write_str("      <httpd:workers>\n")?;
    for member in &balancer.members {
        out.write_str("        <httpd:worker>\n")?;
        settings(out, member)?;
        counters(out, member)?;
        rest(out, member)?;
        out.write_str("        </httpd:worker>\n")?;
    }
    out.write_str("      </httpd:workers>\n    </httpd:balancer>\n")
}

/// The depth of a member's elements.
const DEPTH: usize = 5;

fn settings(out: &mut String, member: &MemberView) -> fmt::Result {
    element(out, DEPTH, "name", Escaped(&member.shown_name()))?;
    element(out, DEPTH, "scheme", Escaped(&member.scheme))?;
    element(out, DEPTH, "hostname", Escaped(&member.host))?;
    element(out, DEPTH, "loadfactor", factor(member.factor))?;
    element(out, DEPTH, "port", member.port)?;
    element(out, DEPTH, "min", member.min)?;
    element(out, DEPTH, "smax", member.smax)?;
    element(out, DEPTH, "max", member.max)?;
    element(out, DEPTH, "ttl", member.ttl_s)?;
    optional(out, DEPTH, "timeout", member.timeout_s)?;
    optional(out, DEPTH, "acquire", member.acquire_ms)?;
    optional(out, DEPTH, "recv_buffer_size", member.receive_buffer)?;
    optional(out, DEPTH, "io_buffer_size", member.io_buffer)?;
    optional(out, DEPTH, "keepalive", member.keepalive.map(on_off))
}

fn counters(out: &mut String, member: &MemberView) -> fmt::Result {
    element(out, DEPTH, "status", member.status())?;
    optional(out, DEPTH, "error_time", member.error_time.map(date))?;
    element(out, DEPTH, "retries", member.retries)?;
    element(out, DEPTH, "lbstatus", member.load)?;
    element(out, DEPTH, "loadfactor", factor(member.factor))?;
    element(out, DEPTH, "transferred", member.to)?;
    element(out, DEPTH, "read", member.from)?;
    element(out, DEPTH, "elected", member.elected)?;
    element(out, DEPTH, "route", Escaped(&member.route))?;
    element(out, DEPTH, "redirect", Escaped(&member.redirect))?;
    element(out, DEPTH, "busy", member.busy)?;
    element(out, DEPTH, "lbset", member.set)
}

fn rest(out: &mut String, member: &MemberView) -> fmt::Result {
    if member.scheme.eq_ignore_ascii_case("ajp") {
        let (flush, wait) = match member.flush {
            Flush::Off => ("Off", None),
            Flush::On => ("On", None),
            // httpd shows microseconds.
            Flush::Auto(wait_ms) => ("Auto", Some(u64::from(wait_ms) * 1000)),
        };
        element(out, DEPTH, "flushpackets", flush)?;
        optional(out, DEPTH, "flushwait", wait)?;
        optional(out, DEPTH, "ping", member.ping_ms)?;
    }
    // httpd sets this one further out.
    optional(out, 3, "disablereuse", member.disable_reuse.map(on_off))?;
    optional(out, DEPTH, "connectiontimeout", member.connect_timeout_ms)?;
    optional(out, DEPTH, "retry", member.retry_s)
}

fn element(out: &mut String, depth: usize, name: &str, value: impl Display) -> fmt::Result {
    writeln!(out, "{:1$}<httpd:{name}>{value}</httpd:{name}>", "", depth * 2)
}

fn optional(
    out: &mut String,
    depth: usize,
    name: &str,
    value: Option<impl Display>,
) -> fmt::Result {
    value.map_or(Ok(()), |value| element(out, depth, name, value))
}
