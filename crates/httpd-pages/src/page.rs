//! The balancer page: what it lists, and which form follows.

use std::fmt::{self, Write};

use crate::asked::{Asked, Field};
use crate::orders::Chosen;
use crate::text::{Escaped, factor, on_off, parameter, size, uri};
use crate::view::{BalancerView, HealthView, MemberView, View};
use crate::{edit, xml};

/// An answer's body and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The Content-Type field.
    pub content_type: &'static str,
    /// The body; ASCII only.
    pub body: String,
}

/// The methods of the balancer page: the Allow field of a 405.
pub const ALLOW: &str = "GET, HEAD, POST";

pub(crate) const HTML: &str = "text/html; charset=ISO-8859-1";
pub(crate) const DOCTYPE: &str = "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \
                                  \"http://www.w3.org/TR/html4/strict.dtd\">\n";

/// The balancer page, in HTML or, when asked for, XML. What was asked chooses the form; nothing is
/// changed. For `HEAD` leave out the body.
pub fn page(view: &View, asked: &Asked<'_>) -> Page {
    let parameters = asked.parameters();
    if parameters.value(Field::Xml).is_some() {
        return Page { content_type: "text/xml", body: xml::document(view) };
    }
    let mut body = String::with_capacity(4096);
    // Writing to a string cannot fail.
    let _ = html(&mut body, view, asked, Chosen::of(view, &parameters));
    Page { content_type: HTML, body }
}

/// The page for a status that [`parse`](crate::parse) gave: 405, or 400 for any other.
pub fn refusal(asked: &Asked<'_>, status: u16) -> Page {
    let (heading, title, text) = match status {
        405 => (
            "405 Method Not Allowed",
            "Method Not Allowed",
            format!("The requested method {} is not allowed for this URL.", Escaped(asked.method)),
        ),
        _ => (
            "400 Bad Request",
            "Bad Request",
            "Your browser sent a request that this server could not understand.<br />\n".to_owned(),
        ),
    };
    let body = format!(
        "{DOCTYPE}<html><head>\n<title>{heading}</title>\n</head><body>\n<h1>{title}</h1>\n\
         <p>{text}</p>\n</body></html>\n"
    );
    Page { content_type: "text/html; charset=iso-8859-1", body }
}

fn html(out: &mut String, view: &View, asked: &Asked<'_>, chosen: Chosen<'_>) -> fmt::Result {
    heading(out, view)?;
    for balancer in &view.balancers {
        of_balancer(out, view, asked, balancer)?;
    }
    out.write_str("<hr />\n")?;
    expressions(out, view)?;
    match (chosen.balancer, chosen.member) {
        (Some((_, balancer)), Some((_, member))) => {
            edit::member(out, view, asked, balancer, member)?;
        }
        (Some((_, balancer)), None) => edit::balancer(out, view, asked, balancer)?,
        (None, _) => {}
    }
    out.write_str("</body></html>\n")
}

fn heading(out: &mut String, view: &View) -> fmt::Result {
    let not = |yes: bool| if yes { "" } else { "NOT " };
    write!(out, "{DOCTYPE}<html><head><title>Balancer Manager</title>\n<style type='text/css'>\n")?;
    out.write_str("table {\n")?;
    border(out, "", "solid", "white")?;
    for (element, background) in [("th", "lightgray"), ("td", "white")] {
        writeln!(out, "{element} {{")?;
        border(out, " padding: 2px;\n", "dotted", background)?;
    }
    writeln!(out, "</style>\n</head>")?;
    writeln!(out, "<body><h1>Load Balancer Manager for {}</h1>\n", Escaped(&view.server))?;
    writeln!(out, "<dl><dt>Server Version: {}</dt>", Escaped(&view.version))?;
    writeln!(out, "<dt>Server Built: {}</dt>", Escaped(&view.built))?;
    write!(out, "<dt>Balancer changes will {}be persisted on restart.</dt>", not(view.persist))?;
    write!(out, "<dt>Balancers are {}inherited from main server.</dt>", not(view.inherit))?;
    let inherit = not(view.pass_inherit);
    writeln!(out, "<dt>ProxyPass settings are {inherit}inherited from main server.</dt></dl>")
}

/// The rules of the style sheet that its three elements have nearly in common.
fn border(out: &mut String, padding: &str, style: &str, background: &str) -> fmt::Result {
    let spacing = if padding.is_empty() { " border-spacing: 3px;\n" } else { padding };
    let collapse = if padding.is_empty() { " border-collapse: collapse;\n" } else { "" };
    write!(
        out,
        " border-width: 1px;\n{spacing} border-style: {style};\n border-color: gray;\n{collapse} \
         background-color: {background};\n text-align: center;\n}}\n"
    )
}

fn of_balancer(
    out: &mut String,
    view: &View,
    asked: &Asked<'_>,
    balancer: &BalancerView,
) -> fmt::Result {
    let link = link(asked, balancer, None);
    let (name, hash) = (Escaped(&balancer.name), Escaped(&balancer.hash));
    writeln!(
        out,
        "<hr />\n<h3>LoadBalancer Status for <a href=\"{link}\">balancer://{name}</a> [{hash}]</h3>"
    )?;
    out.write_str("\n\n<table>")?;
    columns(
        out,
        &[
            "MaxMembers",
            "StickySession",
            "DisableFailover",
            "Timeout",
            "FailoverAttempts",
            "Method",
            "Path",
            "Active",
        ],
    )?;
    writeln!(out, "<tr><td>{} [{} Used]</td>", balancer.growth_max, balancer.growth_used)?;
    let session = session(balancer, "|").map(|text| Escaped(&text).to_string());
    let session = session.unwrap_or_else(|| " (None) ".to_owned());
    writeln!(out, "<td>{session}</td><td>{}</td>", on_off(balancer.no_failover))?;
    let attempts = balancer.max_attempts.unwrap_or(0);
    writeln!(out, "<td>{}</td><td>{attempts}</td>", balancer.timeout_s)?;
    writeln!(out, "<td>{}</td>", Escaped(&balancer.method))?;
    let arrow = if balancer.host.is_empty() { "" } else { " -> " };
    writeln!(out, "<td>{}{arrow}{}</td>", Escaped(&balancer.host), Escaped(&balancer.path))?;
    let active = if balancer.active { "Yes" } else { "No" };
    write!(out, "<td>{active}</td>\n</tr>\n</table>\n<br />\n\n<table>")?;
    let health = view.expressions.is_some();
    columns(out, if health { &MEMBER_COLUMNS } else { &MEMBER_COLUMNS[..11] })?;
    for member in &balancer.members {
        of_member(out, asked, balancer, member, health)?;
    }
    out.write_str("</table>\n")
}

/// The last six are those of health checks.
const MEMBER_COLUMNS: [&str; 17] = [
    "Worker URL",
    "Route",
    "RouteRedir",
    "Factor",
    "Set",
    "Status",
    "Elected",
    "Busy",
    "Load",
    "To",
    "From",
    "HC Method",
    "HC Interval",
    "Passes",
    "Fails",
    "HC uri",
    "HC Expr",
];

fn of_member(
    out: &mut String,
    asked: &Asked<'_>,
    balancer: &BalancerView,
    member: &MemberView,
    health: bool,
) -> fmt::Result {
    let link = link(asked, balancer, Some(member));
    write!(out, "<tr>\n<td><a href=\"{link}\">{}</a></td>", shown_name(member))?;
    write!(out, "<td>{}</td><td>{}</td>", Escaped(&member.route), Escaped(&member.redirect))?;
    write!(out, "<td>{}</td><td>{}</td>", factor(member.factor), member.set)?;
    write!(out, "<td>{}</td><td>{}</td>", member.status(), member.elected)?;
    write!(out, "<td>{}</td><td>{}</td>", member.busy, member.load)?;
    write!(out, "<td>{}</td><td>{}</td>", size(member.to), size(member.from))?;
    if health {
        let without = HealthView::default();
        let check = member.hc.as_ref().unwrap_or(&without);
        write!(out, "<td>{}</td><td>{}ms</td>", check.method.name(), check.interval_ms)?;
        write!(out, "<td>{} ({})</td>", check.passes, check.passes_now)?;
        write!(out, "<td>{} ({})</td>", check.fails, check.fails_now)?;
        write!(out, "<td>{}</td><td>{}</td>", Escaped(&check.uri), Escaped(&check.expr))?;
    }
    out.write_str("</tr>\n")
}

fn expressions(out: &mut String, view: &View) -> fmt::Result {
    let Some(known) = view.expressions.as_ref().filter(|known| !known.is_empty()) else {
        return Ok(());
    };
    out.write_str("\n\n<table><tr><th colspan='2'>Health check cond. expressions:</th></tr>\n")?;
    columns(out, &["Expr name", "Expression"])?;
    for expression in known {
        let (name, text) = (Escaped(&expression.name), Escaped(&expression.text));
        writeln!(out, "<tr><td>{name}</td><td>{text}</td></tr>")?;
    }
    out.write_str("</table><hr/>\n")
}

/// A row of column heads.
pub(crate) fn columns(out: &mut String, names: &[&str]) -> fmt::Result {
    out.write_str("<tr>")?;
    names.iter().try_for_each(|name| write!(out, "<th>{name}</th>"))?;
    out.write_str("</tr>\n")
}

/// The names of the session, one if both are the same.
pub(crate) fn session(balancer: &BalancerView, between: &str) -> Option<String> {
    let sticky = balancer.sticky.as_ref()?;
    Some(match sticky.cookie == sticky.parameter {
        true => sticky.cookie.clone(),
        false => format!("{}{between}{}", sticky.cookie, sticky.parameter),
    })
}

/// A member's URL, in italics if it is a socket.
pub(crate) fn shown_name(member: &MemberView) -> String {
    let name = member.shown_name();
    match member.socket {
        Some(_) => format!("<i>{}</i>", Escaped(&name)),
        None => Escaped(&name).to_string(),
    }
}

fn link(asked: &Asked<'_>, balancer: &BalancerView, member: Option<&MemberView>) -> String {
    let path = uri(asked.path);
    let worker = member.map(|member| format!("&w={}", parameter(&member.url)));
    let (name, nonce) = (parameter(&balancer.name), parameter(&balancer.nonce));
    let link = format!("{path}?b={name}{}&nonce={nonce}", worker.unwrap_or_default());
    Escaped(&link).to_string()
}

#[cfg(test)]
mod tests;
