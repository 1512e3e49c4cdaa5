//! `Header` and `RequestHeader`.

use evenkeel_httpd::expr;
use evenkeel_httpd::headers::{Change, HeaderRule, Value, When, format};
use evenkeel_httpd::pattern::Pattern;

use crate::apache::Directive;

/// A line as a rule.
pub(super) fn rule(directive: &Directive, request: bool) -> Result<HeaderRule, String> {
    let mut args: Vec<&str> = directive.args.iter().map(|arg| &*arg.text).collect();
    let mut always = false;
    if !request && let Some(word @ ("always" | "onsuccess")) = args.first().copied() {
        always = word == "always";
        args.remove(0);
    }
    let mut when = When::Always;
    // What may follow: `env=…`, `expr=…` (a value may begin so as well), `early`.
    if let [op, _, .., last] = args[..] {
        let values = match &*op.to_ascii_lowercase() {
            "unset" | "echo" => 0,
            "edit" | "edit*" => 2,
            _ => 1,
        };
        if args.len() > 2 + values {
            match condition(last)? {
                Some(found) => when = found,
                None if last == "early" => {}
                None => return Err(format!("`{last}` is not understood at the end of the line")),
            }
            args.pop();
        }
    }
    let [op, name, values @ ..] = &args[..] else {
        return Err(format!("{} takes an action and a name", directive.name));
    };
    if request && op.eq_ignore_ascii_case("echo") {
        return Err("Header echo only valid on Header directives".to_owned());
    }
    let change = change(&op.to_ascii_lowercase(), name, values)?;
    let name = name.trim_end_matches(':');
    if !matches!(change, Change::Echo(_)) && !is_name(name) {
        return Err(format!("`{name}` is no name of a header"));
    }
    Ok(HeaderRule { always, change, name: name.to_owned(), when })
}

/// Whether a header may have that name (RFC 9110 section 5.6.2).
pub(super) fn is_name(name: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.bytes().all(token)
}

pub(super) fn condition(word: &str) -> Result<Option<When>, String> {
    if let Some(name) = word.strip_prefix("env=") {
        if name.is_empty() {
            let text = "missing environment variable name: the clause has the form env=envar";
            return Err(text.to_owned());
        }
        return Ok(Some(match name.strip_prefix('!') {
            Some(name) => When::Env(name.to_owned(), false),
            None => When::Env(name.to_owned(), true),
        }));
    }
    match word.strip_prefix("expr=") {
        Some(text) => Ok(Some(When::Expr(expr::expression(text)?))),
        None => Ok(None),
    }
}

fn change(op: &str, name: &str, values: &[&str]) -> Result<Change, String> {
    let value = |at: usize| -> Result<Value, String> {
        let text = values.get(at).ok_or_else(|| format!("{op} needs a value"))?;
        match text.strip_prefix("expr=") {
            Some(text) => Ok(Value::Expr(expr::text(text)?)),
            None => Ok(Value::Format(format(text)?)),
        }
    };
    Ok(match op {
        "set" => Change::Set(value(0)?),
        "add" => Change::Add(value(0)?),
        "append" => Change::Append(value(0)?),
        "merge" => Change::Merge(value(0)?),
        "setifempty" => Change::SetIfEmpty(value(0)?),
        "unset" => Change::Unset,
        "edit" | "edit*" => {
            let pattern = values.first().ok_or("edit needs a pattern and a value")?;
            Change::Edit(Pattern::new(pattern, false)?, value(1)?, op == "edit*")
        }
        "echo" => Change::Echo(Pattern::new(name, true)?),
        "note" if values.is_empty() => return Err("Header note takes a name for it".to_owned()),
        "note" => Change::Note(values.first().copied().unwrap_or_default().to_owned()),
        _ => return Err(format!("unknown action `{op}`")),
    })
}
