//! What may be said of a server, a location and a condition.

use std::sync::Arc;

use evenkeel_httpd::expr::{self, Expr};
use evenkeel_httpd::pattern::Pattern;
use evenkeel_httpd::site::{Document, Handler, Mapping, Matched, PassPath, Place, Redirect};

use super::access::{Admission, methods, require};
use super::server::{fate, on, set_env_if};
use super::tls::Ssl;
use super::{Making, headers};
use crate::apache::meaning::Told;
use crate::apache::{Directive, Node, Section};

impl Making {
    /// What stands in a `<Location>` (`matched`) or `<Proxy>`.
    pub(super) fn place(
        &mut self,
        nodes: &[Node],
        matched: Option<&Matched>,
        scope: usize,
        told: &mut Told,
    ) -> Place {
        let mut place = Place::default();
        let mut admission = Admission::default();
        self.place_nodes(nodes, (matched, scope), (&mut place, &mut admission), told);
        admission.settle(&mut place);
        place
    }

    fn place_nodes(
        &mut self,
        nodes: &[Node],
        (matched, scope): (Option<&Matched>, usize),
        (place, admission): (&mut Place, &mut Admission),
        told: &mut Told,
    ) {
        let mut chain = Vec::new();
        for node in nodes {
            let directive = match node {
                Node::Directive(directive) => directive,
                Node::Section(section) => {
                    match &*section.canonical {
                        "If" | "ElseIf" | "Else" => {
                            self.condition(section, &mut chain, place, told);
                            continue;
                        }
                        "Limit" | "LimitExcept" => {
                            // All that stands in it counts, but for access.
                            admission.methods = Some(methods(section, told));
                            let into = (&mut *place, &mut *admission);
                            self.place_nodes(&section.nodes, (matched, scope), into, told);
                            admission.methods = None;
                        }
                        _ => {
                            if let Some(rule) = self.access_section(section, told) {
                                admission.add(rule, &section.at, told);
                            }
                        }
                    }
                    continue;
                }
            };
            if let Some(rule) = require(directive, told) {
                if let Some(rule) = rule {
                    admission.add(rule, &directive.at, told);
                }
                fate(directive, true, told);
                continue;
            }
            let known = match &*directive.canonical {
                "ProxyPass" | "ProxyPassMatch" if matched.is_some() => {
                    place.pass = self.pass(directive, matched, scope, told);
                    true
                }
                // Read with the balancer.
                name if name.starts_with("SSLProxy") && matched.is_none() => {
                    Ssl::default().take(directive)
                }
                "ProxyPassReverse" => reverse(directive, matched, place, told),
                // Read with the balancer.
                "BalancerMember" | "ProxySet" if matched.is_none() => true,
                "SetEnvIf" | "SetEnvIfNoCase" | "SetEnvIfExpr" | "BrowserMatch"
                | "BrowserMatchNoCase" => {
                    place.set_env_if.extend(set_env_if(directive, told).flatten());
                    true
                }
                _ => {
                    admission.line(directive, place, told)
                        || self.place_line(directive, place, told)
                }
            };
            if !matches!(&*directive.canonical, "BalancerMember" | "ProxySet") || !known {
                fate(directive, known, told);
            }
        }
    }

    /// `<If>`, `<ElseIf>`, `<Else>`: `chain` holds the expressions so far.
    pub(super) fn condition(
        &mut self,
        section: &Section,
        chain: &mut Vec<()>,
        place: &mut Place,
        told: &mut Told,
    ) {
        let expr = match &*section.canonical {
            "Else" => Expr::Is(true),
            _ => {
                let text = section.raw_args.trim();
                let text = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
                match expr::expression(text) {
                    Ok(expr) => expr,
                    Err(why) => {
                        told.error(&section.at, format!("<{}>: {why}", section.name), None);
                        return;
                    }
                }
            }
        };
        let inner = Arc::new(self.place(&section.nodes, None, 0, told));
        match (section.canonical == "If", place.conditions.last_mut()) {
            (false, Some(last)) if !chain.is_empty() => last.push((expr, inner)),
            (false, _) => {
                told.error(&section.at, format!("<{}> without <If>", section.name), None);
            }
            (true, _) => place.conditions.push(vec![(expr, inner)]),
        }
        chain.push(());
    }

    /// A line that may stand anywhere; false when it is none.
    pub(super) fn place_line(
        &self,
        directive: &Directive,
        place: &mut Place,
        told: &mut Told,
    ) -> bool {
        let args: Vec<&str> = directive.args.iter().map(|arg| &*arg.text).collect();
        match (&*directive.canonical, &args[..]) {
            ("ProxyErrorOverride", [word, codes @ ..]) => match overridden(word, codes) {
                Ok(read) => place.error_override = Some(read),
                Err(why) => told.error(&directive.at, why, None),
            },
            // It is about what httpd serves itself; requests that are passed on are not limited.
            ("LimitRequestBody", [number]) => {
                if number.parse::<u64>().is_err() {
                    let text = format!("{} requires a non-negative integer", directive.name);
                    told.error(&directive.at, text, None);
                }
            }
            ("ProxyPassReverse", _) => return reverse(directive, None, place, told),
            ("ProxyPassReverseCookiePath", [inner, public, ..]) => {
                place.cookie_paths.push(mapping(inner, public, &args));
            }
            ("ProxyPassReverseCookieDomain", [inner, public, ..]) => {
                place.cookie_domains.push(mapping(inner, public, &args));
            }
            ("Header", _) => match headers::rule(directive, false) {
                Ok(rule) => place.headers.push(rule),
                Err(why) => told.error(&directive.at, why, None),
            },
            ("RequestHeader", _) => match headers::rule(directive, true) {
                Ok(rule) => place.request_headers.push(rule),
                Err(why) => told.error(&directive.at, why, None),
            },
            ("SetEnv", [name]) => place.set_env.push(((*name).to_owned(), Some(Vec::new()))),
            // The reader has looked values of `PassEnv` up.
            ("SetEnv" | "PassEnv", [name, value]) => {
                place.set_env.push(((*name).to_owned(), Some(value.as_bytes().to_vec())));
            }
            ("UnsetEnv", names) => {
                place.set_env.extend(names.iter().map(|name| ((*name).to_owned(), None)));
            }
            ("ErrorDocument", [code, rest @ ..]) => {
                return document(directive, code, rest, place, told);
            }
            ("SetHandler", [name]) => match &*name.to_ascii_lowercase() {
                "balancer-manager" => place.handler = Some(Handler::Manager),
                "server-status" => place.handler = Some(Handler::Status),
                "none" | "default-handler" => place.handler = Some(Handler::Default),
                _ => return false,
            },
            ("Redirect" | "RedirectMatch" | "RedirectPermanent" | "RedirectTemp", _) => {
                match redirect(directive) {
                    Ok(rule) => place.redirects.push(rule),
                    Err(why) => told.error(&directive.at, why, None),
                }
            }
            _ => return flag_line(&directive.canonical, &args, place),
        }
        true
    }
}

/// What is on or off; false when it is something else.
fn flag_line(name: &str, args: &[&str], place: &mut Place) -> bool {
    let flag = match name {
        "ProxyPreserveHost" => &mut place.preserve_host,
        "ProxyAddHeaders" => &mut place.add_headers,
        "Proxy100Continue" => &mut place.forwards_expectation,
        "ProxyPassInterpolateEnv" => &mut place.interpolates,
        "ProxyWebsocketFallbackToProxyHttp" => &mut place.websocket_fallback,
        "SSLOptions" => {
            for word in args {
                let (sign, name) = word.split_at(usize::from(word.starts_with(['+', '-'])));
                if name.eq_ignore_ascii_case("StdEnvVars") {
                    place.tls_variables = Some(sign != "-");
                }
            }
            return true;
        }
        _ => return false,
    };
    *flag = args.first().map(|word| on(word));
    true
}

fn reverse(
    directive: &Directive,
    matched: Option<&Matched>,
    place: &mut Place,
    told: &mut Told,
) -> bool {
    let args: Vec<&str> = directive.args.iter().map(|arg| &*arg.text).collect();
    let (path, url) = match (&args[..], matched) {
        ([url] | [url, "interpolate"], Some(Matched::Start(path) | Matched::Shell(path))) => {
            (path.as_str(), *url)
        }
        ([url] | [url, "interpolate"], Some(Matched::Found(pattern))) => (pattern.text(), *url),
        ([path, url, ..], None) => (*path, *url),
        (_, None) => {
            let text = "ProxyPassReverse needs a path when not defined in a location".to_owned();
            told.error(&directive.at, text, None);
            return true;
        }
        _ => {
            let text = "ProxyPassReverse can not have a path when defined in a location".to_owned();
            told.error(&directive.at, text, None);
            return true;
        }
    };
    place.reverses.push(mapping(url, path, &args));
    true
}

fn mapping(from: &str, to: &str, args: &[&str]) -> Mapping {
    let interpolate = args.last().is_some_and(|last| last.eq_ignore_ascii_case("interpolate"));
    Mapping { from: from.to_owned(), to: to.to_owned(), interpolate }
}

/// `ProxyErrorOverride Off|On [status ...]`.
fn overridden(word: &str, codes: &[&str]) -> Result<(bool, Vec<u16>), String> {
    let is_on = match &*word.to_ascii_lowercase() {
        "on" => true,
        "off" if codes.is_empty() => false,
        "off" => {
            return Err("ProxyErrorOverride: status codes must follow a value of 'on'".to_owned());
        }
        _ => return Err("ProxyErrorOverride must be Off or On".to_owned()),
    };
    let read = |code: &&str| match code.parse() {
        Ok(status @ 400..=599) => Ok(status),
        _ => {
            let text = "status codes to intercept must be valid HTTP Status Codes >=400 && <600";
            Err(format!("ProxyErrorOverride: {text}, not {code}"))
        }
    };
    Ok((is_on, codes.iter().map(read).collect::<Result<_, _>>()?))
}

fn document(
    directive: &Directive,
    code: &str,
    rest: &[&str],
    place: &mut Place,
    told: &mut Told,
) -> bool {
    let Some(code) = code.parse().ok().filter(|code| (100..600).contains(code)) else {
        let text = format!("Unsupported HTTP response code {code}");
        told.error(&directive.at, text, None);
        return true;
    };
    let quoted = directive.raw_args.contains('"');
    let text = rest.join(" ");
    let document = match &*text {
        "default" => Document::Default,
        text if text.starts_with("http://") || text.starts_with("https://") => {
            Document::Url(text.to_owned())
        }
        text if text.starts_with('/') => Document::Path(text.to_owned()),
        text => {
            // Without quotes a lone one may stand at the front.
            let text = if quoted { text } else { text.trim_start_matches('"') };
            match expr::text(text) {
                Ok(word) => Document::Text(word),
                Err(why) => {
                    told.error(&directive.at, format!("ErrorDocument: {why}"), None);
                    return true;
                }
            }
        }
    };
    place.documents.push((code, document));
    true
}

/// `Redirect [status] [path] url`.
pub(super) fn redirect(directive: &Directive) -> Result<Redirect, String> {
    let mut words: Vec<&str> = directive.args.iter().map(|arg| &*arg.text).collect();
    let named = |word: &str| match &*word.to_ascii_lowercase() {
        "permanent" => Some(301),
        "temp" => Some(302),
        "seeother" => Some(303),
        "gone" => Some(410),
        digits if digits.len() == 3 => digits.parse().ok().filter(|s| (300..600).contains(s)),
        _ => None,
    };
    let mut status = match &*directive.canonical {
        "RedirectPermanent" => 301,
        _ => 302,
    };
    if let Some(given) = words.first().and_then(|word| named(word)) {
        status = given;
        words.remove(0);
    }
    let (path, to) = match &words[..] {
        [_, _] if !(300..400).contains(&status) => {
            return Err("Redirect URL not valid for this status".to_owned());
        }
        [path, to]
            if directive.canonical != "RedirectMatch"
                && !to.contains("://")
                && !to.starts_with('/') =>
        {
            return Err(format!("Redirect {path} to non-URL {to}"));
        }
        [path, to] => (*path, *to),
        [path] if !(300..400).contains(&status) => (*path, ""),
        // In a location: everything in it.
        [to] => {
            let to = (*to).to_owned();
            return Ok(Redirect { path: all()?, status, to, is_everything: true });
        }
        _ => return Err("Redirect takes a status, a path and a URL".to_owned()),
    };
    let path = match &*directive.canonical {
        "RedirectMatch" => PassPath::Found(Pattern::new(path, false)?, true),
        _ => PassPath::Start(path.to_owned()),
    };
    Ok(Redirect { path, status, to: to.to_owned(), is_everything: false })
}

fn all() -> Result<PassPath, String> {
    Ok(PassPath::Found(Pattern::new("^", false)?, true))
}
