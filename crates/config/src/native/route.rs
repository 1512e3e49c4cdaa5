//! `[[route]]`

mod conditions;
mod matching;

use evenkeel_plan::check::nearest;
use evenkeel_plan::{Action, HeaderEdits, Name, Redirect, Respond, Reverse, Rewrite, Route, Split};

use super::row::{Kind, Places, Row, keys, place, read};
use super::value::{Reader, Value};
use conditions::{named, parts};
use matching::{alpn, comes_so, host, path, slashed, sni};

/// A route while it is read.
pub(crate) struct Draft {
    pub(crate) plan: Route,
    /// Actions that were named; there must be one.
    pub(crate) actions: u32,
    /// `sticky`, which belongs to `split`.
    pub(crate) sticky: Option<bool>,
}

impl Draft {
    /// Joins `sticky` to the split it belongs to.
    pub(crate) fn stick(&mut self, places: &Places, reader: &mut Reader<'_>) {
        match (&mut self.plan.action, self.sticky) {
            (Action::Split(split), Some(sticky)) => split.sticky = sticky,
            (_, Some(_)) => {
                let span = place(places, "sticky").unwrap_or_default();
                reader.error(span, "`sticky` belongs to a route with `split`", "");
            }
            (_, None) => {}
        }
    }
}

/// Keys that come in later versions.
pub(crate) const LATER: &[&str] = &["cache", "compress"];

/// Hop-by-hop and framing headers are the balancer's own business.
const RESERVED: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];
const PLACES: [&str; 6] = ["client", "host", "scheme", "path", "request_id", "member"];
const REDIRECT_PLACES: [&str; 4] = ["scheme", "host", "path", "query"];
pub(crate) const ROWS: &[Row<Draft>] = &[
    Row {
        name: "name",
        kind: Kind::Text,
        default: "route-N",
        doc: "Unique among routes.",
        set: |draft, value, reader| {
            if let Some(name) = value.name(reader) {
                draft.plan.name = name;
            }
        },
    },
    Row {
        name: "listeners",
        kind: Kind::Texts,
        default: "all that speak HTTP",
        doc: "The listeners it applies to.",
        set: |draft, value, reader| {
            let names = value.one_or_more(reader, |value, reader| value.name(reader));
            draft.plan.listeners = names.unwrap_or_default();
        },
    },
    Row {
        name: "host",
        kind: Kind::Texts,
        default: "every host",
        doc: "`shop.example.com` or `*.example.com`, one or several.",
        set: |draft, value, reader| {
            draft.plan.hosts = value.one_or_more(reader, host).unwrap_or_default();
        },
    },
    Row {
        name: "path",
        kind: Kind::Texts,
        default: "every path",
        doc: "Exact `/x`, prefix `/x/*` (also `/x` itself) or pattern `~^/v[0-9]+/`, one or several.",
        set: |draft, value, reader| {
            draft.plan.paths = value.one_or_more(reader, path).unwrap_or_default();
        },
    },
    Row {
        name: "method",
        kind: Kind::Texts,
        default: "every method",
        doc: "One or several methods.",
        set: |draft, value, reader| {
            let methods = value.one_or_more(reader, |value, reader| {
                let text = value.string(reader)?;
                let good = !text.is_empty() && text.len() <= 32 && text.bytes().all(is_token);
                if good { Some(text) } else { value.wrong(reader, "a method is a word like GET") }
            });
            draft.plan.methods = methods.unwrap_or_default();
        },
    },
    Row {
        name: "header",
        kind: Kind::Any("{ name = \"value\" }"),
        default: "every request",
        doc: "Headers: just a value, a pattern `~^v[0-9]`, `true` for any, `false` for none; several in an array: one of them. All names must fit.",
        set: |draft, value, reader| {
            draft.plan.conditions.headers = named(value, reader, conditions::header);
        },
    },
    Row {
        name: "cookie",
        kind: Kind::Any("{ name = \"value\" }"),
        default: "every request",
        doc: "Cookies, in the same way.",
        set: |draft, value, reader| {
            draft.plan.conditions.cookies = named(value, reader, conditions::cookie);
        },
    },
    Row {
        name: "query",
        kind: Kind::Any("{ name = \"value\" }"),
        default: "every request",
        doc: "Parameters of the query, decoded, in the same way.",
        set: |draft, value, reader| {
            draft.plan.conditions.queries = named(value, reader, conditions::parameter);
        },
    },
    Row {
        name: "client",
        kind: Kind::Texts,
        default: "every client",
        doc: "Networks of clients, as `10.0.0.0/8`, one or several.",
        set: |draft, value, reader| {
            let networks = value.one_or_more(reader, |value, reader| {
                let text = value.string(reader)?;
                text.parse().map_err(|wrong: &str| value.wrong::<()>(reader, wrong)).ok()
            });
            draft.plan.conditions.clients = networks.unwrap_or_default();
        },
    },
    Row {
        name: "sni",
        kind: Kind::Texts,
        default: "every name, and none",
        doc: "For tcp listeners: server names in the TLS ClientHello, `a.example.com` or `*.example.com`, one or several.",
        set: |draft, value, reader| {
            draft.plan.sni = value.one_or_more(reader, sni).unwrap_or_default();
        },
    },
    Row {
        name: "alpn",
        kind: Kind::Texts,
        default: "every protocol, and none",
        doc: "For tcp listeners: protocols in the ClientHello's ALPN, as `h2` or `http/1.1`, one or several, 100 at most.",
        set: |draft, value, reader| {
            let alpn = value.one_or_more(reader, alpn).unwrap_or_default();
            if alpn.len() > 100 {
                value.wrong::<()>(reader, "at most 100 protocols");
            }
            draft.plan.alpn = alpn;
        },
    },
    Row {
        name: "pool",
        kind: Kind::Text,
        default: "",
        doc: "Action: a member of this pool serves the request or connection.",
        set: |draft, value, reader| {
            draft.actions += 1;
            if let Some(name) = value.name(reader) {
                draft.plan.action = Action::Pool(name);
            }
        },
    },
    Row {
        name: "split",
        kind: Kind::Any("tables { pool, weight }"),
        default: "",
        doc: "Action: requests are divided between pools by `weight` (1; 0 takes no new clients), at most 100.",
        set: |draft, value, reader| {
            draft.actions += 1;
            if let Some(parts) = parts(value, reader) {
                draft.plan.action = Action::Split(Split { parts, sticky: true });
            }
        },
    },
    Row {
        name: "sticky",
        kind: Kind::Boolean,
        default: "true",
        doc: "With `split`: a client stays with its pool, by a cookie `split-ROUTE`.",
        set: |draft, value, reader| draft.sticky = value.boolean(reader),
    },
    Row {
        name: "redirect",
        kind: Kind::Or("a URL", || keys(REDIRECT)),
        default: "",
        doc: "Action: the client is sent elsewhere. `{scheme}`, `{host}`, `{path}`, `{query}` are replaced.",
        set: |draft, value, reader| {
            draft.actions += 1;
            let before = reader.diagnostics.len();
            let mut redirect = default_redirect();
            match value.as_table() {
                Some(table) => {
                    drop(read(REDIRECT, &[], "route.redirect", table, &mut redirect, reader))
                }
                None => redirect.to = redirect_target(value, reader).unwrap_or_default(),
            }
            let aimed = value.as_table().is_none_or(|table| table.contains_key("to"));
            if !aimed && !reader.suggested("to", before) {
                reader.error_help(value.span(), "a redirect needs `to`", "", "add to = \"URL\"");
            }
            draft.plan.action = Action::Redirect(redirect);
        },
    },
    Row {
        name: "respond",
        kind: Kind::Or("a status", || keys(RESPOND)),
        default: "",
        doc: "Action: a fixed answer.",
        set: |draft, value, reader| {
            draft.actions += 1;
            let mut respond = default_respond();
            match value.as_table() {
                Some(table) => {
                    drop(read(RESPOND, &[], "route.respond", table, &mut respond, reader))
                }
                None => {
                    if let Some(status) = value.integer(reader, 200..=599) {
                        respond.status = status as u16;
                    }
                }
            }
            draft.plan.action = Action::Respond(respond);
        },
    },
    Row {
        name: "rewrite",
        kind: Kind::Table(|| keys(REWRITE)),
        default: "",
        doc: "The leading `prefix` of the path becomes `to`.",
        set: |draft, value, reader| {
            let example = "{ prefix = \"/shop\", to = \"/\" }";
            let Some(table) = value.table(reader, example) else { return };
            let mut rule = Rewrite { prefix: String::new(), to: String::new() };
            let before = reader.diagnostics.len();
            let places = read(REWRITE, &[], "route.rewrite", table, &mut rule, reader);
            let lacks = |key: &str| place(&places, key).is_none() && !reader.suggested(key, before);
            if lacks("prefix") || lacks("to") {
                reader.error(value.span(), "a rewrite needs `prefix` and `to`", "");
            }
            draft.plan.rewrite = Some(rule);
        },
    },
    Row {
        name: "request_headers",
        kind: Kind::Table(|| keys(EDITS)),
        default: "",
        doc: "Changes to the request's headers.",
        set: |draft, value, reader| {
            edits(&mut draft.plan.request_headers, "route.request_headers", value, reader)
        },
    },
    Row {
        name: "response_headers",
        kind: Kind::Table(|| keys(EDITS)),
        default: "",
        doc: "Changes to the answer's headers.",
        set: |draft, value, reader| {
            edits(&mut draft.plan.response_headers, "route.response_headers", value, reader)
        },
    },
    Row {
        name: "reverse",
        kind: Kind::Any("tables { from, to }"),
        default: "[]",
        doc: "Where answers point (`Location`, `Content-Location`): what begins with `from` begins with scheme, host and `to` instead. The first that fits.",
        set: |draft, value, reader| {
            draft.plan.reverse = value.one_or_more(reader, reverse).unwrap_or_default();
        },
    },
];

pub(crate) const REVERSE: &[Row<Reverse>] = &[
    Row {
        name: "from",
        kind: Kind::Text,
        default: "",
        doc: "`http://10.0.0.11:8080/base/`, or a path.",
        set: |rule, value, reader| rule.from = value.string(reader).unwrap_or_default(),
    },
    Row {
        name: "to",
        kind: Kind::Text,
        default: "",
        doc: "A path.",
        set: |rule, value, reader| rule.to = value.string(reader).unwrap_or_default(),
    },
];

fn reverse(value: Value<'_>, reader: &mut Reader<'_>) -> Option<Reverse> {
    let table = value.table(reader, "{ from = \"http://10.0.0.11:8080/\", to = \"/app/\" }")?;
    let mut rule = Reverse { from: String::new(), to: String::new() };
    read(REVERSE, &[], "route.reverse", table, &mut rule, reader);
    let clean = |text: &str| text.len() <= 1024 && text.bytes().all(|b| b.is_ascii_graphic());
    let absolute = rule.from.starts_with("http://") || rule.from.starts_with("https://");
    if (absolute || rule.from.starts_with('/'))
        && rule.to.starts_with('/')
        && clean(&rule.from)
        && clean(&rule.to)
    {
        return Some(rule);
    }
    let message = "`from` is an address like \"http://10.0.0.11:8080/\" or a path, `to` a path";
    reader.error(value.span(), message, "");
    None
}

pub(crate) const REDIRECT: &[Row<Redirect>] = &[
    Row {
        name: "to",
        kind: Kind::Text,
        default: "",
        doc: "Where to.",
        set: |redirect, value, reader| {
            redirect.to = redirect_target(value, reader).unwrap_or_default()
        },
    },
    Row {
        name: "status",
        kind: Kind::Whole,
        default: "302",
        doc: "301, 302, 303, 307 or 308.",
        set: |redirect, value, reader| {
            let status = value.integer(reader, 300..=399).map_or(302, |status| status as u16);
            if !matches!(status, 301 | 302 | 303 | 307 | 308) {
                value.wrong::<()>(reader, "expected 301, 302, 303, 307 or 308");
            }
            redirect.status = status;
        },
    },
];

pub(crate) const RESPOND: &[Row<Respond>] = &[
    Row {
        name: "status",
        kind: Kind::Whole,
        default: "200",
        doc: "200 to 599.",
        set: |respond, value, reader| {
            respond.status = value.integer(reader, 200..=599).map_or(200, |status| status as u16);
        },
    },
    Row {
        name: "body",
        kind: Kind::Text,
        default: "",
        doc: "At most 64 KiB.",
        set: |respond, value, reader| {
            let body = value.string(reader).unwrap_or_default();
            if body.len() > 64 << 10 {
                value.wrong::<()>(reader, "a fixed body has at most 64 KiB");
            }
            respond.body = body;
        },
    },
    Row {
        name: "content_type",
        kind: Kind::Text,
        default: "text/plain; charset=utf-8",
        doc: "The body's type.",
        set: |respond, value, reader| {
            if let Some(text) = header_value(value, reader, &[]) {
                respond.content_type = text;
            }
        },
    },
];

pub(crate) const REWRITE: &[Row<Rewrite>] = &[
    Row {
        name: "prefix",
        kind: Kind::Text,
        default: "",
        doc: "What the path must begin with, by whole segments.",
        set: |rule, value, reader| {
            let text = slashed(value, reader).filter(|text| comes_so(text, false, value, reader));
            rule.prefix = text.unwrap_or_default();
        },
    },
    Row {
        name: "to",
        kind: Kind::Text,
        default: "",
        doc: "What stands there instead.",
        set: |rule, value, reader| rule.to = slashed(value, reader).unwrap_or_default(),
    },
];

pub(crate) const EDITS: &[Row<HeaderEdits>] = &[
    Row {
        name: "remove",
        kind: Kind::Texts,
        default: "[]",
        doc: "Names taken out.",
        set: |edits, value, reader| {
            edits.remove = value.one_or_more(reader, header_name).unwrap_or_default();
        },
    },
    Row {
        name: "set",
        kind: Kind::Any("{ name = \"value\" }"),
        default: "{}",
        doc: "Replaced, or added when absent. `{client}`, `{host}`, `{scheme}`, `{path}`, `{request_id}`, `{member}` are replaced.",
        set: |edits, value, reader| edits.set = pairs(value, reader, false),
    },
    Row {
        name: "add",
        kind: Kind::Any("{ name = \"value\" }, or several values in an array"),
        default: "{}",
        doc: "Added beside what is there.",
        set: |edits, value, reader| edits.add = pairs(value, reader, true),
    },
];

/// A redirect before it is read.
pub(crate) fn default_redirect() -> Redirect {
    Redirect { status: 302, to: String::new() }
}

/// The fixed answer when nothing is said.
pub(crate) fn default_respond() -> Respond {
    Respond {
        status: 200,
        body: String::new(),
        content_type: "text/plain; charset=utf-8".to_owned(),
    }
}

/// A route before it is read; its action is a placeholder until one is named.
pub(crate) fn blank(number: usize) -> Draft {
    let name = Name::new(&format!("route-{number}")).expect("letters and digits are a valid name");
    Draft { plan: Route::new(name, Action::Respond(default_respond())), actions: 0, sticky: None }
}

/// Whether the text can stand in a request line; complains if not.
pub(crate) fn ascii(text: &str, value: Value<'_>, reader: &mut Reader<'_>) -> bool {
    if text.is_ascii() {
        return true;
    }
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            0..=0x7f => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    let message = "other letters than ASCII stand percent-encoded in a request";
    reader.error_help(value.span(), message, "", format!("write \"{encoded}\""));
    false
}

fn redirect_target(value: Value<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let text = value.string(reader)?;
    if text.is_empty() || text.bytes().any(|b| b <= b' ' || b == 0x7f) {
        return value.wrong(reader, "expected a URL or path without blanks");
    }
    (ascii(&text, value, reader) && known_places(&text, &REDIRECT_PLACES, value, reader))
        .then_some(text)
}

/// A header's name, in lower case.
pub(crate) fn header_name(value: Value<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let text = value.string(reader)?.to_ascii_lowercase();
    checked_name(text, value.span(), reader)
}

fn checked_name(
    text: String,
    span: std::ops::Range<usize>,
    reader: &mut Reader<'_>,
) -> Option<String> {
    if text.is_empty() || text.len() > 128 || !text.bytes().all(is_token) {
        let message = format!("\"{text}\" is not a header's name: letters, digits and -_ make one");
        reader.error(span, message, "");
        return None;
    }
    if RESERVED.contains(&text.as_str()) {
        let message = format!("`{text}` is the balancer's own business and cannot be changed here");
        reader.error(span, message, "");
        return None;
    }
    Some(text)
}

fn header_value(value: Value<'_>, reader: &mut Reader<'_>, places: &[&str]) -> Option<String> {
    let text = value.string(reader)?;
    let good = text.bytes().all(|b| (b >= b' ' && b != 0x7f) || b == b'\t') && text.trim() == text;
    if !good {
        return value
            .wrong(reader, "a header's value has no control characters and no blanks at its ends");
    }
    known_places(&text, places, value, reader).then_some(text)
}

fn known_places(text: &str, places: &[&str], value: Value<'_>, reader: &mut Reader<'_>) -> bool {
    let mut good = true;
    for part in text.split('{').skip(1) {
        let Some((place, _)) = part.split_once('}') else { continue };
        let plain = !place.is_empty() && place.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if plain && !places.is_empty() && !places.contains(&place) {
            let listed = places.iter().map(|p| format!("{{{p}}}")).collect::<Vec<_>>().join(", ");
            let help = match nearest(place, places.iter().copied()) {
                Some(near) => format!("did you mean {{{near}}}?"),
                None => format!("known here: {listed}"),
            };
            reader.error_help(value.span(), format!("{{{place}}} is not known here"), "", help);
            good = false;
        }
    }
    good
}

fn edits(target: &mut HeaderEdits, table_name: &str, value: Value<'_>, reader: &mut Reader<'_>) {
    if let Some(table) = value.table(reader, "{ remove = [\"x-internal\"] }") {
        read(EDITS, &[], table_name, table, target, reader);
        let host = |name: &String| name == "host";
        if target.remove.iter().any(host) || target.add.iter().any(|(name, _)| host(name)) {
            // RFC 9110 section 7.2: exactly one.
            value.wrong::<()>(reader, "`host` can only be set: a request has exactly one");
        }
        if target.remove.len() + target.set.len() + target.add.len() > 100 {
            value.wrong::<()>(reader, "at most 100 header changes");
        }
    }
}

/// Names with their values, in file order. Only where `several` values make sense may a name have
/// more than one.
fn pairs(value: Value<'_>, reader: &mut Reader<'_>, several: bool) -> Vec<(String, String)> {
    let Some(table) = value.table(reader, "{ x-tier = \"web\" }") else { return Vec::new() };
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut out: Vec<(String, String)> = Vec::new();
    for (key, node) in entries {
        let value = Value { node };
        let one = |value: Value<'_>, reader: &mut Reader<'_>| header_value(value, reader, &PLACES);
        let texts = if several {
            value.one_or_more(reader, one)
        } else {
            one(value, reader).map(|t| vec![t])
        };
        let Some(name) = checked_name(key.get_ref().to_ascii_lowercase(), key.span(), reader)
        else {
            continue;
        };
        if out.iter().any(|(other, _)| *other == name) {
            reader.error(key.span(), format!("`{name}` is given twice"), "");
        }
        out.extend(texts.into_iter().flatten().map(|text| (name.clone(), text)));
    }
    out
}

/// RFC 9110 section 5.6.2.
pub(crate) fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}
