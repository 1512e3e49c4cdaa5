//! Numbers of servers and their bounds: sizes of heads, buffers, times.

use std::time::Duration;

use evenkeel_httpd::BadFields;

use super::Server;
use super::server::on;
use crate::apache::meaning::Told;
use crate::apache::{Directive, Place};

/// Directives that take one of some words, in lower case.
const WORDS: &[(&str, &[&str])] = &[
    ("AllowEncodedSlashes", &["on", "off", "nodecode"]),
    ("HostnameLookups", &["on", "off", "double"]),
    ("ProxyVia", &["off", "on", "full", "block"]),
    ("ServerSignature", &["on", "off", "email"]),
    ("ServerTokens", &["prod", "productonly", "major", "minor", "min", "minimal", "os", "full"]),
    ("TraceEnable", &["on", "off", "extended"]),
    ("UseCanonicalName", &["on", "off", "dns"]),
];

/// Tells words that are none of those that a directive takes.
pub(super) fn known_word(directive: &Directive, told: &mut Told) {
    let Some((_, words)) = WORDS.iter().find(|(name, _)| *name == directive.canonical) else {
        return;
    };
    let word = directive.args.first().map_or("", |arg| &*arg.text);
    if !words.iter().any(|known| known.eq_ignore_ascii_case(word)) {
        let text = format!("{} must be one of: {}", directive.canonical, words.join(" | "));
        told.error(&directive.at, text, None);
    }
}

/// What is said about sizes and times of a server; false when it is something else.
pub(super) fn bounded_line(directive: &Directive, server: &mut Server, told: &mut Told) -> bool {
    let args: Vec<&str> = directive.args.iter().map(|arg| &*arg.text).collect();
    let read = match (&*directive.canonical, &args[..]) {
        ("LimitRequestLine", [number]) => {
            size(directive, number).map(|bytes| server.head_line = Some(bytes))
        }
        ("LimitRequestFields", [number]) => {
            size(directive, number).map(|count| server.head_fields = Some(count))
        }
        // A word `unsafe` may follow or stand before it; it changes nothing here.
        ("LimitRequestFieldSize", [number, ..]) => {
            size(directive, number).map(|bytes| server.head_field = Some(bytes))
        }
        ("ProxyIOBufferSize" | "ProxyReceiveBufferSize", [number]) => buffer(directive, number),
        ("BalancerGrowth", [number]) => match whole(number) {
            0..=1000 => Ok(()),
            _ => Err("BalancerGrowth must be between 0 and 1000".to_owned()),
        },
        ("ProxyHCTPsize", [number]) => match whole(number) {
            0.. => Ok(()),
            _ => Err("ProxyHCTPsize must be >= 0".to_owned()),
        },
        ("ProxyBadHeader", [word]) => match &*word.to_ascii_lowercase() {
            "iserror" => bad_fields(server, BadFields::Errors),
            "ignore" => bad_fields(server, BadFields::Ignored),
            "startbody" => bad_fields(server, BadFields::Bodies),
            _ => Err("ProxyBadHeader must be one of: IsError | Ignore | StartBody".to_owned()),
        },
        ("ProxyStatus", [word]) => match &*word.to_ascii_lowercase() {
            "on" | "off" | "full" => Ok(()),
            _ => Err("ProxyStatus must be one of: off | on | full".to_owned()),
        },
        ("ProxyBlock", hosts) => {
            server.blocked.extend(hosts.iter().map(|host| host.to_ascii_lowercase()));
            Ok(())
        }
        ("ProxyTimeout", [number]) => match u64::try_from(whole(number)) {
            Ok(seconds @ 1..) => {
                partly_read("ProxyTimeout", number, &directive.at, told);
                server.proxy_timeout = Some(Duration::from_secs(seconds.min(86_400)));
                Ok(())
            }
            _ => Err("Proxy Timeout must be at least 1 second.".to_owned()),
        },
        ("ProxySourceAddress", [address]) => match address.parse() {
            Ok(address) => {
                server.source = Some(address);
                Ok(())
            }
            Err(_) => Err(format!("ProxySourceAddress {address}: bad address")),
        },
        ("KeepAliveTimeout", [time]) if !time.starts_with(|c: char| c.is_ascii_digit()) => {
            Err("KeepAliveTimeout has wrong format".to_owned())
        }
        ("BalancerPersist", [word]) if !on(word) => Ok(()),
        _ => return false,
    };
    if let Err(why) = read {
        told.error(&directive.at, why, None);
    }
    true
}

fn bad_fields(server: &mut Server, what: BadFields) -> Result<(), String> {
    server.bad_fields = Some(what);
    Ok(())
}

/// Complains about a number with something behind it.
pub(super) fn partly_read(name: &str, number: &str, at: &Place, told: &mut Told) {
    if number.bytes().all(|b| b.is_ascii_digit()) {
        return;
    }
    let text = format!("{name} {number} is read as {} seconds", whole(number));
    told.trap(at, text, Some("write a whole number of seconds".to_owned()));
}

/// Digits up to what is none, as httpd reads numbers; those below zero are -1.
fn whole(text: &str) -> i64 {
    if text.starts_with('-') {
        return -1;
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    match text[..end].parse() {
        Ok(number) => number,
        Err(_) if end == 0 => 0,
        Err(_) => i64::MAX,
    }
}

fn size(directive: &Directive, number: &str) -> Result<usize, String> {
    let value = usize::try_from(whole(number)).ok().filter(|value| *value <= 1 << 20);
    value.ok_or_else(|| {
        format!("{} \"{number}\" must be a non-negative integer, up to 1048576", directive.name)
    })
}

fn buffer(directive: &Directive, number: &str) -> Result<(), String> {
    match whole(number) {
        0 | 512.. => Ok(()),
        _ => Err(format!("{} must be >= 512 bytes, or 0 for system default.", directive.name)),
    }
}
