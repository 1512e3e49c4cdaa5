//! `hcmethod` and its like: how members are checked.

use std::time::Duration;

use evenkeel_httpd::site::MemberNames;
use evenkeel_plan::{CheckMethod, MemberCheck};

use super::Told;
use super::pools::{Checks, number, time};
use super::sites::Word;
use crate::apache::Place;

/// What words say of a check, and the name of its expression.
#[derive(Default)]
pub(super) struct Probing {
    check: MemberCheck,
    expr: Option<String>,
}

impl Probing {
    pub(super) fn take(&mut self, word: &Word, told: &mut Told) {
        let check = &mut self.check;
        match &*word.key {
            "hcmethod" => match CheckMethod::named(&word.value) {
                Some(method) => check.method = method,
                None => {
                    told.error(&word.at, format!("hcmethod={}: unknown method", word.value), None)
                }
            },
            "hcuri" => {
                if word.value.len() > 63 {
                    told.error(&word.at, "hcuri must be shorter than 64 bytes".to_owned(), None);
                }
                check.uri.clone_from(&word.value);
            }
            "hcinterval" => {
                check.interval = time(word, 1000, told).unwrap_or(check.interval);
                if check.interval < Duration::from_millis(100) {
                    let text = "Interval must be a positive value greater than 100ms".to_owned();
                    told.error(&word.at, text, None);
                }
            }
            "hcpasses" => check.rise = count(word, told),
            "hcfails" => check.fall = count(word, told),
            "hcexpr" => self.expr = Some(word.value.clone()),
            _ => told.error(&word.at, format!("unknown parameter `{}`", word.key), None),
        }
    }

    /// The check of a member.
    pub(super) fn check(
        mut self,
        names: &MemberNames,
        checks: &Checks,
        at: &Place,
        told: &mut Told,
    ) -> MemberCheck {
        if self.check.method == CheckMethod::Cping && checks.no_pings {
            let text = "hcmethod=CPING: mod_proxy_ajp is not loaded".to_owned();
            told.error(at, text, Some("load proxy_ajp_module, or use TCP".to_owned()));
        }
        self.check.expr = self.expr.and_then(|name| {
            let found = checks.exprs.iter().find(|(known, _)| *known == name);
            let Some((_, text)) = found else {
                told.error(at, format!("there is no ProxyHCExpr `{name}`"), None);
                return None;
            };
            let read = evenkeel_httpd::expr::expression(text);
            let read =
                read.map_err(|why| told.error(at, format!("ProxyHCExpr {name}: {why}"), None));
            read.ok().map(|expr| (name, expr))
        });
        self.check.settle(&names.path, &names.host);
        self.check
    }
}

fn count(word: &Word, told: &mut Told) -> u32 {
    number(word, 0, 1000, told).unwrap_or(1).max(1) as u32
}

pub(super) fn template(word: &Word, probing: &mut Probing, checks: &Checks, told: &mut Told) {
    let found = checks.templates.iter().find(|(name, _)| *name == word.value);
    let Some((_, words)) = found else {
        told.error(&word.at, format!("there is no ProxyHCTemplate `{}`", word.value), None);
        return;
    };
    // Where it was written, it was told what is wrong with them.
    words.iter().for_each(|word| probing.take(word, &mut Told::default()));
}
