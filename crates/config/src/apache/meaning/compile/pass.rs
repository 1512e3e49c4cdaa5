//! `ProxyPass` and where it leads.

use evenkeel_httpd::pattern::Pattern;
use evenkeel_httpd::site::{Matched, Pass, PassPath, Target};

use super::server::split_balancer;
use super::{Making, TargetOf};
use crate::apache::meaning::Told;
use crate::apache::meaning::sites::{MemberLine, Word, is_balancer, words};
use crate::apache::{Arg, Directive, Place as At};

impl Making {
    /// `ProxyPass [path] url [words]` and `ProxyPassMatch`; in a location the path is its own.
    pub(super) fn pass(
        &mut self,
        directive: &Directive,
        within: Option<&Matched>,
        scope: usize,
        told: &mut Told,
    ) -> Option<Pass> {
        let at = &directive.at;
        let (path, args) = path_of(directive, within, told)?;
        let Some((url, rest)) = args.split_first() else {
            let text = format!("{} needs a path when not defined in a location", directive.name);
            told.error(at, text, None);
            return None;
        };
        self.names_path(&url.text, &path, directive, scope);
        let (mut words, flags) = words(rest, at);
        let mapping =
            words.iter().position(|word| word.key == "mapping").map(|at| words.remove(at));
        let has = |name: &str| flags.iter().any(|flag| flag.eq_ignore_ascii_case(name));
        let mapping = mapping.map(|word| word.value.to_ascii_lowercase()).unwrap_or_default();
        known_flags(&flags, at, told);
        let to = match &*url.text {
            "!" => None,
            url => Some(self.target(url, words, scope, at, told)?),
        };
        let filled = to.as_ref().is_some_and(|to| to.path.contains('$'));
        let path = match path {
            PassPath::Found(pattern, _) => PassPath::Found(pattern, filled),
            start => start,
        };
        let raw = has("nocanon");
        Some(Pass {
            path,
            to,
            raw,
            encoded: mapping == "encoded",
            servlet: mapping == "servlet",
            interpolate: has("interpolate"),
        })
    }

    /// The path of a rule is shown with its balancer.
    fn names_path(&mut self, url: &str, path: &PassPath, line: &Directive, scope: usize) {
        if is_balancer(url) {
            self.balancer(url, scope).path = match path {
                PassPath::Start(path) => Some(path.clone()),
                PassPath::Found(..) => line.args.first().map(|arg| arg.text.clone()),
            };
        }
    }

    /// A URL as a target. Words on a rule to a balancer are the balancer's.
    pub(super) fn target(
        &mut self,
        url: &str,
        words: Vec<Word>,
        scope: usize,
        at: &At,
        told: &mut Told,
    ) -> Option<Target> {
        let (of, url, path) = if is_balancer(url) {
            let (name, path) = split_balancer(url);
            if name.contains('$') {
                told.not_yet(at, "a balancer that depends on the request");
                return None;
            }
            let scoped = self.balancer(url, scope);
            scoped.defined |= !words.is_empty();
            scoped.balancer.words.extend(words);
            let whole = format!("balancer://{name}{path}");
            (TargetOf::Balancer(scope, name), whole, path.to_owned())
        } else {
            let plain = url.split_once('|').map_or(url, |(_, rest)| rest);
            let after = plain.find("://").map(|at| at + 3);
            let Some(after) = after else {
                told.error(at, format!("`{url}` is no URL"), Some("write http://host:port".into()));
                return None;
            };
            let ends = |text: &str| text.find(['/', '$']).into_iter().chain(text.find("%{")).min();
            let slash = ends(&plain[after..]).map_or(plain.len(), |slash| after + slash);
            let path = &plain[slash..];
            // `http://b$1` is fine when the group begins with a slash; `http://$1` and
            // `http://b$1.example/` name hosts.
            let more = path.strip_prefix('$').and_then(|rest| rest.chars().nth(1));
            if slash == after || more.is_some_and(|next| next != '/') {
                told.not_yet(at, "a host that depends on the request");
                return None;
            }
            let words = for_one_request(words, path, at);
            let line =
                MemberLine { url: url[..url.len() - path.len()].to_owned(), words, at: at.clone() };
            (
                TargetOf::Worker(self.worker(line, url, scope, told)),
                plain.to_owned(),
                path.to_owned(),
            )
        };
        self.targets.push(of);
        // Positions of route and pool are filled in when all are known.
        let route = self.targets.len() - 1;
        Some(Target { route, balancer: 0, url, path })
    }

    /// The worker of a URL: one that is known already and whose URL this one begins with, or a new
    /// one.
    fn worker(&mut self, line: MemberLine, url: &str, scope: usize, told: &mut Told) -> usize {
        let name = worker_name(url);
        let known = self.workers.iter().enumerate();
        let fitting = known.filter(|(_, (_, known, of))| *of == scope && begins(&name, known));
        if let Some((at, _)) = fitting.max_by_key(|(_, (_, known, _))| known.len()) {
            for word in &line.words {
                let text = format!("{}={} is ignored: {url} is in use above", word.key, word.value);
                told.warning(&word.at, text, Some("say it where it comes first".to_owned()));
            }
            return at;
        }
        self.workers.push((line, name, scope));
        self.workers.len() - 1
    }
}

/// What a rule matches, and what follows it on its line.
fn path_of<'a>(
    directive: &'a Directive,
    within: Option<&Matched>,
    told: &mut Told,
) -> Option<(PassPath, &'a [Arg])> {
    let args = &directive.args[..];
    let is_match = directive.canonical == "ProxyPassMatch";
    let text = match within {
        None => return path_of_server(directive, is_match, told),
        Some(Matched::Start(text) | Matched::Shell(text)) => text,
        Some(Matched::Found(pattern)) => pattern.text(),
    };
    // httpd takes what could be a pattern of a shell for a regular expression, and all else, be it
    // one, for the beginning of a path.
    if is_match || text.contains(['*', '?', '[']) {
        return Some((PassPath::Found(pattern(text, directive, told)?, false), args));
    }
    if matches!(within, Some(Matched::Found(_))) {
        let text = format!("{} compares the pattern itself with the path", directive.name);
        told.warning(&directive.at, text, Some("use ProxyPassMatch".to_owned()));
    }
    Some((PassPath::Start(text.to_owned()), args))
}

fn path_of_server<'a>(
    directive: &'a Directive,
    is_match: bool,
    told: &mut Told,
) -> Option<(PassPath, &'a [Arg])> {
    let (first, args) = directive.args.split_first()?;
    let (text, args, is_match) = match &*first.text {
        "~" => {
            let (second, args) = args.split_first()?;
            (&second.text, args, true)
        }
        _ => (&first.text, args, is_match),
    };
    match is_match {
        true => Some((PassPath::Found(pattern(text, directive, told)?, false), args)),
        false => Some((PassPath::Start(text.clone()), args)),
    }
}

fn pattern(text: &str, directive: &Directive, told: &mut Told) -> Option<Pattern> {
    let pattern = Pattern::new(text, false);
    let pattern = pattern.map_err(|why| {
        told.error(&directive.at, format!("{} {text}: {why}", directive.name), None)
    });
    pattern.ok()
}

/// Connections to a URL that depends on the request are not kept, unless the words say so.
fn for_one_request(mut words: Vec<Word>, path: &str, at: &At) -> Vec<Word> {
    let said = words.iter().any(|word| ["enablereuse", "disablereuse"].contains(&&*word.key));
    if path.contains('$') && !said {
        let (key, value) = ("disablereuse".to_owned(), "On".to_owned());
        words.push(Word { key, value, at: at.clone() });
    }
    words
}

fn known_flags(flags: &[String], at: &At, told: &mut Told) {
    for flag in flags {
        let known = ["nocanon", "interpolate", "noquery"];
        if !known.iter().any(|known| flag.eq_ignore_ascii_case(known)) {
            let help = format!("`{flag}` must be in the form key=value");
            told.error(at, format!("ProxyPass|ProxyPassMatch: {help}"), None);
        }
    }
}

/// Whether the worker of that name serves a URL.
pub(super) fn begins(url: &str, worker: &str) -> bool {
    let authority = |url: &str| {
        let after = url.find("://").map_or(0, |at| at + 3);
        url[after..].find('/').map_or(url.len(), |slash| after + slash)
    };
    url.starts_with(worker) && worker.len() >= authority(url)
}

/// A URL as workers are told apart: scheme and host in lower case, without the scheme's own port.
pub(in crate::apache::meaning) fn worker_name(url: &str) -> String {
    let (socket, url) = url.split_once('|').map_or(("", url), |(socket, url)| (socket, url));
    let after = url.find("://").map_or(0, |at| at + 3);
    let end = url[after..].find('/').map_or(url.len(), |slash| after + slash);
    let front = url[..end].to_ascii_lowercase();
    let usual = match &front[..after] {
        "http://" | "ws://" | "h2c://" => ":80",
        "https://" | "wss://" | "h2://" => ":443",
        "ajp://" => ":8009",
        "fcgi://" => ":8000",
        _ => "",
    };
    let front = front.strip_suffix(usual).unwrap_or(&front);
    let bar = if socket.is_empty() { "" } else { "|" };
    format!("{socket}{bar}{front}{}", &url[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_told_apart_by_where_they_lead() {
        for (url, name) in [
            ("HTTP://Host:80/Path", "http://host/Path"),
            ("http://host:8080", "http://host:8080"),
            ("https://host:443", "https://host"),
            ("unix:/run/x|http://Name/", "unix:/run/x|http://name/"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(worker_name(url), name);
        }
        assert!(begins("http://a/x", "http://a/"));
        assert!(begins("http://a", "http://a"));
        assert!(!begins("http://a:8080", "http://a"));
        assert!(!begins("http://a/x", "http://a/y"));
    }
}
