//! From the tree to what was said about listeners, sites and balancers.

use std::time::Duration;

use evenkeel_plan::HostMatch;

use super::compile::worker_name;
use super::sites::{Balancer, balancer_name, is_balancer, words};
use super::sites::{Gathered, Listen, Location, Matched, MemberLine, Pass, Settings, Site};
use super::{Fate, Told};
use crate::apache::{Arg, Directive, Node, Section, Tree};

/// Gathers all that is said.
pub(super) fn gather(tree: &Tree, told: &mut Told) -> Gathered {
    let mut gathered = Gathered::default();
    let mut main = Site::default();
    site(&tree.nodes, &mut main, &mut gathered, told);
    gathered.main = main;
    for (name, at) in std::mem::take(&mut gathered.worded) {
        let own = |balancer: &&Balancer| balancer.name == name && balancer.in_host;
        if !gathered.balancers.iter().any(|balancer| own(&balancer)) {
            told.carried(&at, "what a virtual host says of a balancer of the main server");
        }
    }
    gathered
}

fn site(nodes: &[Node], here: &mut Site, all: &mut Gathered, told: &mut Told) {
    for node in nodes {
        match node {
            Node::Directive(directive) => {
                let known = server_directive(directive, here, all, told)
                    || setting(directive, &mut here.own, "", told);
                match known {
                    true => told.fate(directive, Fate::Honoured),
                    false => told.unused(directive),
                }
            }
            Node::Section(section) => self::section(section, here, all, told),
        }
    }
}

fn section(section: &Section, here: &mut Site, all: &mut Gathered, told: &mut Told) {
    let first = section.args.first().map_or("", |arg| &arg.text);
    match &*section.canonical {
        "VirtualHost" => {
            let addresses: Vec<String> = section.args.iter().map(|arg| arg.text.clone()).collect();
            let of_a_port = |address: &String| {
                let port = address.rsplit_once(':').map_or("", |(_, port)| port);
                port.parse::<u16>().is_ok()
            };
            if !addresses.iter().all(of_a_port) {
                told.carried(&section.at, "a virtual host of every port");
            }
            let mut host = Site { addresses, ..Site::default() };
            site(&section.nodes, &mut host, all, told);
            all.hosts.push(host);
        }
        "Proxy" if is_balancer(first) => {
            proxy(section, first, all, told);
            all.balancer(first).in_host |= !here.addresses.is_empty();
        }
        // Says nothing beyond who may come.
        "Proxy" => {
            told.carried(&section.at, &format!("<Proxy {first}>"));
            granted(&section.nodes, told);
        }
        "Location" if first != "~" => {
            location(section, Matched::Prefix(first.to_owned()), here, all, told);
        }
        "Location" => {
            let pattern = section.args.get(1).map_or(String::new(), |arg| arg.text.clone());
            location(section, Matched::Pattern(pattern), here, all, told);
        }
        "LocationMatch" => {
            location(section, Matched::Pattern(first.to_owned()), here, all, told);
        }
        // Files are not served here.
        "Directory" | "DirectoryMatch" | "Files" | "FilesMatch" => {}
        "RequireAll" | "RequireAny" => granted(&section.nodes, told),
        _ => {
            told.not_yet(&section.at, &format!("<{}>", section.name));
            told.unused_nodes(&section.nodes);
        }
    }
}

/// `Require all granted` and the like.
fn granted(nodes: &[Node], told: &mut Told) {
    for node in nodes {
        match node {
            Node::Directive(directive) => match is_granted(directive) {
                true => told.fate(directive, Fate::Honoured),
                false => told.unused(directive),
            },
            Node::Section(section) => granted(&section.nodes, told),
        }
    }
}

fn is_granted(directive: &Directive) -> bool {
    let words: Vec<String> =
        directive.args.iter().map(|arg| arg.text.to_ascii_lowercase()).collect();
    directive.canonical == "Require" && words == ["all", "granted"]
}

fn server_directive(
    directive: &Directive,
    here: &mut Site,
    all: &mut Gathered,
    told: &mut Told,
) -> bool {
    let args: Vec<&str> = directive.args.iter().map(|arg| &*arg.text).collect();
    match (&*directive.canonical, &args[..]) {
        ("LoadModule" | "ServerRoot", _) => {}
        ("Listen", [address, ..]) => match listen(address) {
            Some(listen) => all.listens.push(listen),
            None => told.error(&directive.at, format!("Listen {address}: no such port"), None),
        },
        ("ServerName" | "ServerAlias", names) => {
            let plain = |name: &&str| !name.trim_start_matches("*.").contains(['*', '?', '[']);
            if !names.iter().all(plain) {
                told.carried(&directive.at, "such a pattern of names");
            }
            here.names.extend(names.iter().map(|name| host(name)));
        }
        ("ProxyPass" | "ProxyPassMatch", _) => return pass(directive, None, here, all, told),
        ("BalancerMember", [balancer, ..]) if is_balancer(balancer) => {
            let balancer = (*balancer).to_owned();
            member(directive, &directive.args[1..], &balancer, all);
            all.balancer(&balancer).in_host |= !here.addresses.is_empty();
        }
        ("ProxySet", [url, ..]) if is_balancer(url) => {
            let (words, _) = words(&directive.args[1..], &directive.at);
            all.balancer(url).words.extend(words);
        }
        ("ProxyHCTemplate", [name, ..]) => {
            let (words, _) = words(&directive.args[1..], &directive.at);
            all.checks.templates.push(((*name).to_owned(), words));
        }
        ("ProxyRequests", [word]) if word.eq_ignore_ascii_case("off") => {}
        ("RewriteEngine" | "SSLEngine" | "SSLProxyEngine", [word])
            if word.eq_ignore_ascii_case("off") => {}
        ("Require", _) => return is_granted(directive),
        _ => return false,
    }
    true
}

fn listen(text: &str) -> Option<Listen> {
    let (address, port) = match text.rsplit_once(':') {
        Some((address, port)) => (Some(address.to_owned()), port),
        None => (None, text),
    };
    let address = address.filter(|address| !matches!(&**address, "*" | "0.0.0.0"));
    Some(Listen { address, port: port.parse().ok().filter(|port| *port > 0)? })
}

/// `[scheme://]host[:port]`.
fn host(text: &str) -> HostMatch {
    let name = text.split_once("://").map_or(text, |(_, rest)| rest);
    let name = match name.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => name,
    };
    let name = name.to_ascii_lowercase();
    match name.strip_prefix("*.") {
        Some(parent) => HostMatch::Wildcard(parent.to_owned()),
        None => HostMatch::Exact(name),
    }
}

fn proxy(section: &Section, url: &str, all: &mut Gathered, told: &mut Told) {
    let (tag_words, _) = words(section.args.get(1..).unwrap_or_default(), &section.at);
    all.balancer(url).words.extend(tag_words);
    for node in &section.nodes {
        let directive = match node {
            Node::Directive(directive) => directive,
            Node::Section(section) => {
                granted(&section.nodes, told);
                continue;
            }
        };
        match &*directive.canonical {
            "BalancerMember" => member(directive, &directive.args, url, all),
            "ProxySet" => {
                let (words, _) = words(&directive.args, &directive.at);
                all.balancer(url).words.extend(words);
            }
            _ if is_granted(directive) => {}
            _ => {
                told.unused(directive);
                continue;
            }
        }
        told.fate(directive, Fate::Honoured);
    }
}

fn member(directive: &Directive, args: &[Arg], balancer: &str, all: &mut Gathered) {
    let Some(url) = args.first() else { return };
    let (words, _) = words(&args[1..], &directive.at);
    let line = MemberLine { url: url.text.clone(), words, at: directive.at.clone() };
    all.balancer(balancer).members.push(line);
}

fn location(
    section: &Section,
    path: Matched,
    here: &mut Site,
    all: &mut Gathered,
    told: &mut Told,
) {
    let mut location =
        Location { path: path.clone(), pass: None, own: Settings::default(), said: false };
    let front = match &path {
        Matched::Prefix(path) => path.clone(),
        Matched::Pattern(_) => String::new(),
    };
    let mut inner = Site::default();
    for node in &section.nodes {
        let Node::Directive(directive) = node else {
            told.not_yet(&section.at, "a section within a location");
            continue;
        };
        location.said |= !directive.canonical.starts_with("ProxyPass");
        let known = match &*directive.canonical {
            "ProxyPass" if matches!(path, Matched::Pattern(_)) => {
                told.carried(&directive.at, "ProxyPass in a location by pattern");
                true
            }
            "ProxyPass" | "ProxyPassMatch" => pass(directive, Some(&path), &mut inner, all, told),
            "Require" => is_granted(directive),
            // A page of Apache's own: the location answers 404 here.
            "SetHandler" => false,
            _ => setting(directive, &mut location.own, &front, told),
        };
        match known {
            true => told.fate(directive, Fate::Honoured),
            false => told.unused(directive),
        }
    }
    location.pass = inner.passes.pop();
    here.locations.push(location);
}

fn pass(
    directive: &Directive,
    within: Option<&Matched>,
    here: &mut Site,
    all: &mut Gathered,
    told: &mut Told,
) -> bool {
    let at = &directive.at;
    let (mut words, mut others) = words(&directive.args, at);
    // A pattern or URL may hold an equals sign.
    let positions = if within.is_some() { 1 } else { 2 };
    for (place, arg) in directive.args.iter().take(positions).enumerate() {
        if arg.text.contains('=') {
            words.retain(|word| word.at.span != arg.span);
            others.insert(place.min(others.len()), arg.text.clone());
        }
    }
    let mut others = others.into_iter();
    let path = match within {
        Some(path) => path.clone(),
        None => {
            let first = others.next().unwrap_or_default();
            match &*directive.canonical {
                "ProxyPassMatch" => Matched::Pattern(first),
                _ if first == "~" => Matched::Pattern(others.next().unwrap_or_default()),
                _ => Matched::Prefix(first),
            }
        }
    };
    let Some(to) = others.next() else {
        told.error(at, format!("{} needs a URL", directive.name), None);
        return true;
    };
    for word in others {
        if !word.eq_ignore_ascii_case("noquery") {
            told.not_yet(at, &format!("{} … {word}", directive.name));
        }
    }
    if to.contains('$') {
        told.not_yet(at, &format!("{} with `$` in its URL", directive.name));
        return true;
    }
    if is_balancer(&to) {
        if !words.is_empty() && !here.addresses.is_empty() {
            all.worded.push((balancer_name(&to), at.clone()));
        }
        all.balancer(&to).words.append(&mut words);
    }
    if to.contains("://") && !is_balancer(&to) {
        // The first line that names a worker says how it is used.
        let name = worker_name(&to);
        if all.workers.contains(&name) && !words.is_empty() {
            told.carried(at, "parameters of a worker that is in use above");
            words.clear();
        }
        all.workers.push(name);
    }
    let to = Some(to).filter(|to| to != "!");
    here.passes.push(Pass { path, to, words, at: at.clone() });
    true
}

/// What may be said of a server and of a location alike.
fn setting(directive: &Directive, own: &mut Settings, front: &str, told: &mut Told) -> bool {
    let args: Vec<&str> = directive.args.iter().map(|arg| &*arg.text).collect();
    let on = || args.first().is_some_and(|word| word.eq_ignore_ascii_case("on"));
    let seconds = || args.first()?.parse().ok().map(Duration::from_secs);
    match (&*directive.canonical, &args[..]) {
        ("ProxyPreserveHost", [_]) => own.preserve_host = Some(on()),
        ("ProxyAddHeaders", [_]) => own.add_headers = Some(on()),
        ("Timeout", [_]) => own.timeout = seconds(),
        ("ProxyTimeout", [_]) => own.proxy_timeout = seconds(),
        ("ProxyErrorOverride", [word]) if word.eq_ignore_ascii_case("off") => {}
        ("ProxyPassReverse", [path, _]) if !path.starts_with('/') => return false,
        ("ProxyPassReverse", [path, url]) if front.is_empty() => {
            own.reverses.push(((*path).to_owned(), (*url).to_owned()));
        }
        ("ProxyPassReverse", [url]) => own.reverses.push((front.to_owned(), (*url).to_owned())),
        ("Header", _) => return header(directive, own, false, told),
        ("RequestHeader", _) => return header(directive, own, true, told),
        _ => return false,
    }
    true
}

fn header(directive: &Directive, own: &mut Settings, request: bool, told: &mut Told) -> bool {
    let mut args: Vec<&str> = directive.args.iter().map(|arg| &*arg.text).collect();
    if args.first() == Some(&"always") {
        told.carried(&directive.at, "`always`, for errors that are made here,");
    }
    if args.first().is_some_and(|word| matches!(*word, "always" | "onsuccess")) {
        args.remove(0);
    }
    let edits = if request { &mut own.request_headers } else { &mut own.response_headers };
    let op = args.first().map(|op| op.to_ascii_lowercase()).unwrap_or_default();
    let name = args.get(1).map(|name| name.trim_end_matches(':').to_ascii_lowercase());
    let name = name.unwrap_or_default();
    if request && (name == "host" || name.starts_with("x-forwarded")) {
        told.carried(&directive.at, &format!("a change of {name}"));
    }
    let plain = |value: &str| !value.contains(['%', '{']);
    match (&*op, &args[..]) {
        ("set", [_, _, value]) if plain(value) => edits.set.push((name, (*value).to_owned())),
        ("add", [_, _, value]) if plain(value) => edits.add.push((name, (*value).to_owned())),
        ("unset", [_, _]) => edits.remove.push(name),
        ("add" | "set", [_, _, value, condition])
            if name == "set-cookie" && *condition == "env=BALANCER_ROUTE_CHANGED" =>
        {
            let line = value.replace("%{BALANCER_WORKER_ROUTE}e", "{tag}");
            let cookie = line.split_once('=').map(|(cookie, _)| cookie.to_owned());
            match cookie.filter(|_| plain(&line.replace("{tag}", ""))) {
                Some(cookie) => own.announced.push((cookie, line)),
                None => told.not_yet(&directive.at, "this form of the cookie recipe"),
            }
        }
        _ => {
            let what = format!("{} {}", directive.name, directive.raw_args);
            told.warning(&directive.at, format!("`{what}` has no effect yet"), None);
        }
    }
    true
}
