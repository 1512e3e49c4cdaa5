//! `hcmethod` and its like: how members are checked.

use std::time::Duration;

use evenkeel_httpd::site::MemberNames;
use evenkeel_plan::{Check, HttpCheck, MemberCheck, TcpCheck};

use super::Told;
use super::pools::{Checks, number, time};
use super::sites::Word;
use crate::apache::Place;

#[derive(Default)]
pub(super) struct Probing {
    method: String,
    uri: String,
    interval: Option<Duration>,
    passes: u32,
    fails: u32,
    expr: Option<String>,
}

impl Probing {
    pub(super) fn new() -> Probing {
        Probing { passes: 1, fails: 1, ..Probing::default() }
    }

    pub(super) fn take(&mut self, word: &Word, told: &mut Told) {
        match &*word.key {
            "hcmethod" => self.method = word.value.to_ascii_uppercase(),
            "hcuri" => self.uri.clone_from(&word.value),
            "hcinterval" => {
                self.interval = time(word, 1000, told);
                if self.interval.is_some_and(|time| time < Duration::from_millis(100)) {
                    let text = "Interval must be a positive value greater than 100ms".to_owned();
                    told.error(&word.at, text, None);
                }
            }
            "hcpasses" => self.passes = number(word, 0, 1000, told).unwrap_or(1).max(1) as u32,
            "hcfails" => self.fails = number(word, 0, 1000, told).unwrap_or(1).max(1) as u32,
            "hcexpr" => self.expr = Some(word.value.clone()),
            _ => told.error(&word.at, format!("unknown parameter `{}`", word.key), None),
        }
    }

    pub(super) fn check(
        self,
        names: &MemberNames,
        checks: &Checks,
        at: &Place,
        told: &mut Told,
    ) -> Option<MemberCheck> {
        let method = self.method.trim_end_matches("11");
        let expr = self.expr.as_ref().and_then(|name| {
            let found = checks.exprs.iter().find(|(known, _)| known == name);
            let Some((_, text)) = found else {
                told.error(at, format!("there is no ProxyHCExpr `{name}`"), None);
                return None;
            };
            let read = evenkeel_httpd::expr::expression(text);
            read.map_err(|why| told.error(at, format!("ProxyHCExpr {name}: {why}"), None)).ok()
        });
        let path = match (&*names.path, method) {
            (_, "OPTIONS") => "*".to_owned(),
            ("", _) => self.uri,
            (path, _) => format!("{path}/{}", self.uri),
        };
        let check = match method {
            "" | "NONE" => return None,
            "TCP" | "CPING" => Check::Tcp(TcpCheck::default()),
            "GET" | "HEAD" | "OPTIONS" => {
                let host = Some(names.host.clone());
                Check::Http(HttpCheck { method: method.into(), path, host, ..HttpCheck::default() })
            }
            _ => {
                told.error(at, format!("hcmethod={}: unknown method", self.method), None);
                return None;
            }
        };
        Some(MemberCheck {
            check,
            interval: self.interval.unwrap_or(Duration::from_secs(30)),
            rise: self.passes,
            fall: self.fails,
            expr,
        })
    }
}

pub(super) fn template(word: &Word, probing: &mut Probing, checks: &Checks, told: &mut Told) {
    let found = checks.templates.iter().find(|(name, _)| *name == word.value);
    let Some((_, words)) = found else {
        told.error(&word.at, format!("there is no ProxyHCTemplate `{}`", word.value), None);
        return;
    };
    for word in words {
        probing.take(word, told);
    }
}
