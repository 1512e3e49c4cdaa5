//! What must stand above what: httpd knows of balancers, workers and checks only what it has read.

use std::collections::HashSet;

use super::Making;
use crate::apache::meaning::Told;
use crate::apache::meaning::sites::{balancer_name, is_balancer, words};
use crate::apache::{Directive, Node};

/// What a server knows at a line.
#[derive(Default)]
struct Seen {
    balancers: HashSet<String>,
    workers: Vec<String>,
    templates: HashSet<String>,
    exprs: HashSet<String>,
}

impl Making {
    /// Tells what stands in a server before it can be known.
    pub(super) fn order(&self, nodes: &[Node], scope: usize, told: &mut Told) {
        self.in_order(nodes, None, scope, &mut Seen::default(), told);
    }

    /// `within`: the URL of the `<Proxy>` around.
    fn in_order(
        &self,
        nodes: &[Node],
        within: Option<&str>,
        scope: usize,
        seen: &mut Seen,
        told: &mut Told,
    ) {
        for node in nodes {
            let directive = match node {
                Node::Directive(directive) => directive,
                Node::Section(section) if section.canonical == "VirtualHost" => continue,
                Node::Section(section) => {
                    let is_proxy = section.canonical == "Proxy";
                    let url = section.args.first().map(|arg| &*arg.text).filter(|_| is_proxy);
                    self.in_order(&section.nodes, url, scope, seen, told);
                    if let Some(url) = url.filter(|_| section.args.len() > 1) {
                        seen.add(url);
                    }
                    continue;
                }
            };
            match &*directive.canonical {
                "ProxyPass" | "ProxyPassMatch" => {
                    let url = directive.args.iter().find(|arg| arg.text.contains("://"));
                    seen.add(url.map_or("", |url| &url.text));
                }
                "ProxySet" => set_line(directive, within, seen, told),
                "BalancerMember" => {
                    if let Err(why) = member_line(directive, within, seen) {
                        told.error(&directive.at, why, None);
                    }
                    self.checks_known(directive, scope, seen, told);
                }
                "ProxyHCTemplate" => {
                    self.checks_known(directive, scope, seen, told);
                    seen.templates.extend(directive.args.first().map(|arg| arg.text.clone()));
                }
                "ProxyHCExpr" => {
                    seen.exprs.extend(directive.args.first().map(|arg| arg.text.clone()));
                }
                _ => {}
            }
        }
    }

    /// Templates and expressions must be known; those that are nowhere are told elsewhere.
    fn checks_known(&self, directive: &Directive, scope: usize, seen: &Seen, told: &mut Told) {
        let (words, _) = words(&directive.args, &directive.at);
        for word in words {
            let mut templates = self.templates.iter().map(|(of, name, _)| (of, name));
            let mut exprs = self.exprs.iter().map(|(of, name, _)| (of, name));
            let later = |(of, name): (&usize, &String)| *of == scope && *name == word.value;
            let (is_below, what) = match &*word.key {
                "hctemplate" if !seen.templates.contains(&word.value) => {
                    (templates.any(later), "ProxyHCTemplate")
                }
                "hcexpr" if !seen.exprs.contains(&word.value) => (exprs.any(later), "ProxyHCExpr"),
                _ => continue,
            };
            if is_below {
                let text = format!("{what} {} must be defined before it is used", word.value);
                told.error(&word.at, text, Some("move its line above this one".to_owned()));
            }
        }
    }
}

impl Seen {
    fn add(&mut self, url: &str) {
        match is_balancer(url) {
            true => drop(self.balancers.insert(balancer_name(url))),
            false if url.is_empty() => {}
            false => self.workers.push(super::pass::worker_name(url)),
        }
    }

    fn has(&self, url: &str) -> bool {
        match is_balancer(url) {
            true => self.balancers.contains(&balancer_name(url)),
            false => {
                let name = super::pass::worker_name(url);
                self.workers.iter().any(|known| name.starts_with(known.as_str()))
            }
        }
    }
}

fn set_line(directive: &Directive, within: Option<&str>, seen: &mut Seen, told: &mut Told) {
    if let Some(url) = within {
        return seen.add(url);
    }
    let Some(url) = directive.args.first().map(|arg| &*arg.text) else { return };
    if !seen.has(url) {
        let what = if is_balancer(url) { "Balancer" } else { "Worker" };
        let help = "write ProxySet below the lines that define it".to_owned();
        told.error(&directive.at, format!("ProxySet can not find '{url}' {what}."), Some(help));
    }
}

fn member_line(directive: &Directive, within: Option<&str>, seen: &mut Seen) -> Result<(), String> {
    let (_, names) = words(&directive.args, &directive.at);
    let (balancer, rest) = match (within, &names[..]) {
        (Some(url), rest) => (url, rest),
        (None, [name, rest @ ..]) => (&**name, rest),
        (None, []) => {
            let text = "BalancerMember must define balancer name when outside <Proxy > section";
            return Err(text.to_owned());
        }
    };
    match (rest, within) {
        ([], _) => return Err("BalancerMember must define remote proxy server".to_owned()),
        ([_], _) => {}
        (_, Some(_)) => {
            let text = "BalancerMember can not have a balancer name when defined in a location";
            return Err(text.to_owned());
        }
        (_, None) => {
            let text =
                "Invalid BalancerMember parameter. Parameter must be in the form 'key=value'";
            return Err(text.to_owned());
        }
    }
    if !is_balancer(balancer) {
        return Err(format!("'{balancer}' is no name of a balancer: write balancer://name"));
    }
    seen.add(balancer);
    Ok(())
}
