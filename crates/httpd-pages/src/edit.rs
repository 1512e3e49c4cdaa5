//! The forms of the balancer page.

use std::fmt::{self, Display, Write};

use crate::asked::{Asked, Field};
use crate::orders::FLAGS;
use crate::page::{session, shown_name};
use crate::text::{Escaped, Quoted, factor, uri};
use crate::view::{BalancerView, Flag, HealthView, MemberView, View};

/// The form for a member.
pub(crate) fn member(
    out: &mut String,
    view: &View,
    asked: &Asked<'_>,
    balancer: &BalancerView,
    member: &MemberView,
) -> fmt::Result {
    writeln!(out, "<h3>Edit worker settings for {}</h3>", shown_name(member))?;
    form(out, asked)?;
    out.write_str("<table>")?;
    number(out, "Load factor:", Field::Factor, "text", factor(member.factor))?;
    number(out, "LB Set:", Field::Set, "text", member.set)?;
    text(out, "Route:", Field::Route, "text", &member.route)?;
    text(out, "Route Redirect:", Field::Redirect, "text", &member.redirect)?;
    flags(out, view, member)?;
    if view.expressions.is_some() {
        health(out, view, member.hc.as_ref().unwrap_or(&HealthView::default()))?;
    }
    out.write_str("<tr><td colspan='2'><input type=submit value='Submit'></td></tr>\n</table>\n")?;
    hidden(out, Field::Worker, &uri(&member.url))?;
    close(out, balancer)
}

/// The form for a balancer.
pub(crate) fn balancer(
    out: &mut String,
    view: &View,
    asked: &Asked<'_>,
    balancer: &BalancerView,
) -> fmt::Result {
    writeln!(out, "<h3>Edit balancer settings for balancer://{}</h3>", Escaped(&balancer.name))?;
    form(out, asked)?;
    out.write_str("<table>\n")?;
    if !view.methods.is_empty() {
        out.write_str("<tr><td>LBmethod:</td><td>\n<select name='b_lbm' id='b_lbm'>")?;
        for method in &view.methods {
            let selected = if *method == balancer.method { " selected " } else { "" };
            writeln!(out, "<option value='{0}'{selected}>{0}", Quoted(method))?;
        }
        out.write_str("</select>\n</td></tr>\n")?;
    }
    number(out, "Timeout:", Field::Timeout, "text", balancer.timeout_s)?;
    let attempts = balancer.max_attempts.unwrap_or(0);
    number(out, "Failover Attempts:", Field::Attempts, "text", attempts)?;
    out.write_str("<tr><td>Disable Failover:</td>")?;
    radio(out, Field::NoFailover, balancer.no_failover)?;
    let session = session(balancer, "|").unwrap_or_default();
    writeln!(
        out,
        "</tr>\n<tr><td>Sticky Session:</td><td><input name='b_ss' id='b_ss' size=64 type=text \
         value =\"{}\">&nbsp;&nbsp;&nbsp;&nbsp;(Use '-' to delete)</td></tr>",
        Escaped(&session)
    )?;
    if balancer.free() > 0 {
        out.write_str(
            "<tr><td>Add New Worker:</td><td><input name='b_nwrkr' id='b_nwrkr' size=32 \
             type=text>&nbsp;&nbsp;&nbsp;&nbsp;Are you sure? <input name='b_wyes' id='b_wyes' \
             type=checkbox value='1'></td></tr>",
        )?;
    }
    out.write_str("<tr><td colspan=2><input type=submit value='Submit'></td></tr>\n</table>\n")?;
    close(out, balancer)
}

fn form(out: &mut String, asked: &Asked<'_>) -> fmt::Result {
    let action = uri(&format!("{}{}", asked.origin, asked.path));
    let action = Escaped(&action);
    writeln!(
        out,
        "<form method='POST' enctype='application/x-www-form-urlencoded' action=\"{action}\">"
    )
}

/// What a form sends beside its fields, and its end.
fn close(out: &mut String, balancer: &BalancerView) -> fmt::Result {
    hidden(out, Field::Balancer, &balancer.name.replace('%', "%25"))?;
    let nonce = balancer.nonce.replace('%', "%25");
    writeln!(out, "<input type=hidden name='nonce' id='nonce' value='{}'>", Quoted(&nonce))?;
    out.write_str("</form>\n<hr />\n")
}

fn hidden(out: &mut String, field: Field, value: &str) -> fmt::Result {
    let name = field.name();
    writeln!(out, "<input type=hidden name='{name}' id='{name}' value=\"{}\">", Escaped(value))
}

fn number(
    out: &mut String,
    label: &str,
    field: Field,
    kind: &str,
    value: impl Display,
) -> fmt::Result {
    let name = field.name();
    writeln!(
        out,
        "<tr><td>{label}</td><td><input name='{name}' id='{name}' type={kind} value='{value}'>\
         </td></tr>"
    )
}

fn text(out: &mut String, label: &str, field: Field, kind: &str, value: &str) -> fmt::Result {
    let (name, value) = (field.name(), Escaped(value));
    writeln!(
        out,
        "<tr><td>{label}</td><td><input name='{name}' id='{name}' type={kind} value=\"{value}\">\
         </td></tr>"
    )
}

fn radio(out: &mut String, field: Field, on: bool) -> fmt::Result {
    let name = field.name();
    let checked = |yes: bool| if yes { " checked" } else { "" };
    write!(out, "<td><label for='{name}1'>On</label> ")?;
    write!(out, "<input name='{name}' id='{name}1' value='1' type=radio{}> <br/> ", checked(on))?;
    write!(out, "<label for='{name}0'>Off</label> ")?;
    writeln!(out, "<input name='{name}' id='{name}0' value='0' type=radio{}></td>", checked(!on))
}

fn flags(out: &mut String, view: &View, member: &MemberView) -> fmt::Result {
    let health = view.expressions.is_some();
    let shown = |flag: &Flag| health || *flag != Flag::HealthFailed;
    let heads = [
        (Flag::IgnoreErrors, "Ignore Errors"),
        (Flag::Drain, "Draining Mode"),
        (Flag::Disabled, "Disabled"),
        (Flag::Standby, "Hot Standby"),
        (Flag::Spare, "Hot Spare"),
        (Flag::HealthFailed, "HC Fail"),
        (Flag::Stopped, "Stopped"),
    ];
    out.write_str("<tr><td>Status:</td><td><table><tr>")?;
    for (_, head) in heads.iter().filter(|(flag, _)| shown(flag)) {
        write!(out, "<th>{head}</th>")?;
    }
    out.write_str("</tr>\n<tr>")?;
    for (flag, _) in heads.iter().filter(|(flag, _)| shown(flag)) {
        for (field, _) in FLAGS.iter().filter(|(_, known)| known == flag) {
            radio(out, *field, member.flags.has(*flag))?;
        }
    }
    out.write_str("</tr></table></td></tr>\n")
}

fn health(out: &mut String, view: &View, check: &HealthView) -> fmt::Result {
    let option = |out: &mut String, name: &str, selected: bool| {
        let selected = if selected { "selected" } else { "" };
        writeln!(out, "<option value='{0}' {selected} >{0}</option>", Quoted(name))
    };
    out.write_str(
        "<tr><td colspan='2'>\n<table align='center'><tr><th>Health Check param</th><th>Value</th>\
         </tr>\n<tr><td>Method</td><td><select name='w_hm'>\n",
    )?;
    for method in &view.check_methods {
        option(out, method.name(), *method == check.method)?;
    }
    out.write_str("</select>\n</td></tr>\n<tr><td>Expr</td><td><select name='w_he'>\n")?;
    for expression in view.expressions.iter().flatten() {
        option(out, &expression.name, expression.name == check.expr)?;
    }
    out.write_str("</select>\n</td></tr>\n")?;
    number(out, "Interval (ms)", Field::HealthInterval, "'text'", check.interval_ms)?;
    number(out, "Passes trigger", Field::HealthPasses, "'text'", check.passes)?;
    // The lonely bracket is httpd's.
    number(out, "Fails trigger)", Field::HealthFails, "'text'", check.fails)?;
    text(out, "HC uri", Field::HealthUri, "'text'", &check.uri)?;
    out.write_str("</table>\n</td></tr>\n")
}
