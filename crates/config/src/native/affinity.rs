//! `affinity = { … }`

use evenkeel_plan::{Affinity, CookieAffinity};

use super::row::{Kind, Row, keys, place, read};
use super::value::{Reader, Value};

/// Affinity while it is read; one of the three must be named.
#[derive(Default)]
pub(crate) struct Draft {
    cookie: Option<CookieAffinity>,
    application: Option<(String, String)>,
    separator: Option<Option<u8>>,
    set_cookie: Option<String>,
    failover: Option<bool>,
    client: bool,
}

pub(crate) const ROWS: &[Row<Draft>] = &[
    Row {
        name: "cookie",
        kind: Kind::Or("a cookie's name", || keys(COOKIE)),
        default: "",
        doc: "A cookie that the balancer sets.",
        set: |draft, value, reader| {
            let before = reader.diagnostics.len();
            let mut cookie = CookieAffinity::named("");
            match value.as_table() {
                Some(table) => {
                    drop(read(COOKIE, &[], "pool.affinity.cookie", table, &mut cookie, reader))
                }
                None => cookie.name = cookie_name(value, reader).unwrap_or_default(),
            }
            let named = value.as_table().is_none_or(|table| table.contains_key("name"));
            if !named && !reader.suggested("name", before) {
                let help = "add name = \"ROUTEID\"";
                reader.error_help(value.span(), "a cookie needs a `name`", "", help);
            }
            draft.cookie = Some(cookie);
        },
    },
    Row {
        name: "application",
        kind: Kind::Text,
        default: "",
        doc: "The application's session id, as \"JSESSIONID\" or \"COOKIE|parameter\"; what follows the separator is the member's tag.",
        set: |draft, value, reader| {
            let Some(text) = value.string(reader) else { return };
            let lower = text.to_ascii_lowercase();
            let (cookie, parameter) = text.split_once('|').unwrap_or((&text, &lower));
            let good = |name: &str| !name.is_empty() && name.bytes().all(super::route::is_token);
            if good(cookie) && good(parameter) {
                draft.application = Some((cookie.to_owned(), parameter.to_owned()));
            } else {
                value.wrong::<()>(
                    reader,
                    "expected a name like \"JSESSIONID\" or \"COOKIE|parameter\"",
                );
            }
        },
    },
    Row {
        name: "separator",
        kind: Kind::Any("one character, or false: the whole value is the tag"),
        default: ".",
        doc: "With `application`: what stands between session id and tag.",
        set: |draft, value, reader| {
            if value.is_false() {
                draft.separator = Some(None);
                return;
            }
            match value.string(reader).as_deref().map(str::as_bytes) {
                Some([one]) if one.is_ascii_graphic() => draft.separator = Some(Some(*one)),
                Some(_) => drop(value.wrong::<()>(reader, "expected one character")),
                None => {}
            }
        },
    },
    Row {
        name: "set_cookie",
        kind: Kind::Text,
        default: "",
        doc: "With `application`: a cookie for clients that were not served by the member that their session names, `{tag}` standing for the tag of the one that did: \"ROUTEID=.{tag}; Path=/\".",
        set: |draft, value, reader| draft.set_cookie = cookie_text(value, reader),
    },
    Row {
        name: "failover",
        kind: Kind::Boolean,
        default: "true",
        doc: "With `application`: whether another member may serve when the session's cannot. false: 503.",
        set: |draft, value, reader| draft.failover = value.boolean(reader),
    },
    Row {
        name: "client",
        kind: Kind::Word(&["source"]),
        default: "",
        doc: "By client address.",
        set: |draft, value, reader| {
            draft.client = value.one_of(reader, &[("source", true)]).unwrap_or(false)
        },
    },
];

pub(crate) const COOKIE: &[Row<CookieAffinity>] = &[
    Row {
        name: "name",
        kind: Kind::Text,
        default: "",
        doc: "The cookie's name.",
        set: |c, value, reader| c.name = cookie_name(value, reader).unwrap_or_default(),
    },
    Row {
        name: "path",
        kind: Kind::Text,
        default: "/",
        doc: "`Path`.",
        set: |c, value, reader| c.path = attribute(value, reader).unwrap_or_else(|| "/".to_owned()),
    },
    Row {
        name: "domain",
        kind: Kind::Text,
        default: "",
        doc: "`Domain`.",
        set: |c, value, reader| c.domain = attribute(value, reader),
    },
    Row {
        name: "max_age",
        kind: Kind::Duration,
        default: "",
        doc: "`Max-Age`; a session cookie without it.",
        set: |c, value, reader| c.max_age = value.positive(reader),
    },
    Row {
        name: "secure",
        kind: Kind::Boolean,
        default: "when the request came by https",
        doc: "`Secure`.",
        set: |c, value, reader| c.secure = value.boolean(reader),
    },
    Row {
        name: "http_only",
        kind: Kind::Boolean,
        default: "true",
        doc: "`HttpOnly`.",
        set: |c, value, reader| c.http_only = value.boolean(reader).unwrap_or(true),
    },
    Row {
        name: "same_site",
        kind: Kind::Word(&["Lax", "Strict", "None"]),
        default: "Lax",
        doc: "`SameSite`.",
        set: |c, value, reader| {
            let words = [("Lax", "Lax"), ("Strict", "Strict"), ("None", "None")];
            if let Some(word) = value.one_of(reader, &words) {
                c.same_site = word.to_owned();
            }
        },
    },
    Row {
        name: "key",
        kind: Kind::Text,
        default: "",
        doc: "A secret of at least 16 characters: the cookie then hides the member and cannot be forged.",
        set: |c, value, reader| {
            let key = value.string(reader);
            if key.as_ref().is_some_and(|key| key.len() < 16) {
                value.wrong::<()>(reader, "a key has at least 16 characters");
            }
            c.key = key;
        },
    },
];

/// Reads `affinity = { … }`.
pub(crate) fn affinity(value: Value<'_>, reader: &mut Reader<'_>) -> Option<Affinity> {
    let table = value.table(reader, "{ cookie = \"ROUTEID\" }")?;
    let mut draft = Draft::default();
    let before = reader.diagnostics.len();
    let places = read(ROWS, &[], "pool.affinity", table, &mut draft, reader);
    let words = ["cookie", "application", "client"];
    let named = words.iter().filter(|word| place(&places, word).is_some()).count();
    if named != 1 {
        if !words.iter().any(|word| reader.suggested(word, before)) {
            let message = "affinity needs exactly one of `cookie`, `application`, `client`";
            reader.error(value.span(), message, "");
        }
    } else if place(&places, "application").is_none() {
        for key in ["separator", "set_cookie", "failover"] {
            if let Some(span) = place(&places, key) {
                let message = format!("`{key}` has no effect without `application`");
                reader.error(span, message, "");
            }
        }
    }
    if let Some(cookie) = draft.cookie {
        return Some(Affinity::Cookie(cookie));
    }
    if let Some((cookie, parameter)) = draft.application {
        return Some(Affinity::Application {
            cookie,
            parameter,
            separator: draft.separator.unwrap_or(Some(b'.')),
            set_cookie: draft.set_cookie,
            failover: draft.failover.unwrap_or(true),
        });
    }
    draft.client.then_some(Affinity::Client)
}

/// Keys of the affinity table, for the reference.
pub(crate) fn rows() -> Vec<super::row::Key> {
    keys(ROWS)
}

fn cookie_name(value: Value<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let text = value.string(reader)?;
    let good = !text.is_empty() && text.len() <= 128 && text.bytes().all(super::route::is_token);
    if good {
        Some(text)
    } else {
        value.wrong(reader, "a cookie's name is a word of letters, digits and -_.")
    }
}

fn cookie_text(value: Value<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let text = value.string(reader)?;
    let plain = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    let name = text.split_once('=').map_or("", |(name, _)| name);
    let named = !name.is_empty() && name.bytes().all(super::route::is_token);
    if plain && named && text.len() <= 1024 && text.contains("{tag}") {
        Some(text)
    } else {
        value.wrong(reader, "a cookie like \"ROUTEID=.{tag}; Path=/\", ASCII, with {tag} in it")
    }
}

fn attribute(value: Value<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let text = value.string(reader)?;
    let good =
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b';' && b != b',');
    if good {
        Some(text)
    } else {
        value.wrong(reader, "an attribute of a cookie is ASCII without blanks, `;` and `,`")
    }
}
