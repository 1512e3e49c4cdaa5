//! mod_remoteip.

use evenkeel_httpd::network::Network;
use evenkeel_httpd::remote::RemoteIp;

use super::Server;
use super::headers::is_name;
use crate::apache::Directive;
use crate::apache::meaning::Told;

/// `RemoteIPHeader` and its like; false when it is something else.
pub(super) fn remote_line(directive: &Directive, server: &mut Server, told: &mut Told) -> bool {
    let args: Vec<&str> = directive.args.iter().map(|arg| &*arg.text).collect();
    match (&*directive.canonical, &args[..]) {
        ("RemoteIPHeader" | "RemoteIPProxiesHeader", [header]) if !is_name(header) => {
            let text = format!("{}: `{header}` is no name of a header", directive.name);
            told.error(&directive.at, text, None);
        }
        ("RemoteIPHeader", [header]) => {
            remote(server).header = (*header).to_owned();
        }
        ("RemoteIPProxiesHeader", [header]) => {
            remote(server).proxies_header = Some((*header).to_owned());
        }
        (name @ ("RemoteIPInternalProxy" | "RemoteIPTrustedProxy"), networks) => {
            let internal = name == "RemoteIPInternalProxy";
            for text in networks {
                match Network::read(text) {
                    Some(network) => remote(server).proxies.push((network, internal)),
                    None if text.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                        told.not_yet(&directive.at, &format!("{} {text}", directive.name));
                    }
                    None => {
                        let text = format!("RemoteIP: Error parsing IP {text} for {name}");
                        told.error(&directive.at, text, None);
                    }
                }
            }
        }
        _ => return false,
    }
    true
}

fn remote(server: &mut Server) -> &mut RemoteIp {
    server.remote_ip.get_or_insert_default()
}

/// What a virtual host says over what the main server does.
pub(super) fn merged(main: &Server, own: &Server) -> Option<RemoteIp> {
    let (outer, inner) = match (&main.remote_ip, &own.remote_ip) {
        (Some(outer), Some(inner)) => (outer, inner),
        (outer, inner) => {
            return inner.clone().or_else(|| outer.clone()).filter(|rule| !rule.header.is_empty());
        }
    };
    let header = if inner.header.is_empty() { &outer.header } else { &inner.header };
    let proxies = if inner.proxies.is_empty() { &outer.proxies } else { &inner.proxies };
    let rule = RemoteIp {
        header: header.clone(),
        proxies: proxies.clone(),
        proxies_header: inner.proxies_header.clone().or_else(|| outer.proxies_header.clone()),
    };
    Some(rule).filter(|rule| !rule.header.is_empty())
}
