//! The pages that httpd has built in: for errors, and for redirects.

/// What is told of a status: its phrase, and a sentence.
const TOLD: &[(u16, &str, &str)] = &[
    (301, "Moved Permanently", MOVED),
    (302, "Found", MOVED),
    (303, "See Other", "<p>The answer to your request is located <a href=\"$\">here</a>.</p>"),
    (307, "Temporary Redirect", MOVED),
    (308, "Permanent Redirect", MOVED),
    (
        400,
        "Bad Request",
        "<p>Your browser sent a request that this server could not understand.<br />\n</p>",
    ),
    (
        401,
        "Unauthorized",
        "<p>This server could not verify that you are authorized to access the document.</p>",
    ),
    (403, "Forbidden", "<p>You don't have permission to access this resource.</p>"),
    (404, "Not Found", "<p>The requested URL was not found on this server.</p>"),
    (405, "Method Not Allowed", "<p>The requested method is not allowed for this URL.</p>"),
    (408, "Request Timeout", "<p>Server timeout waiting for the HTTP request.</p>"),
    (
        410,
        "Gone",
        "<p>The requested resource is no longer available on this server and there is no \
         forwarding address.\nPlease remove all references to this resource.</p>",
    ),
    (413, "Request Entity Too Large", "<p>The request exceeds the capacity limit.</p>"),
    (414, "Request-URI Too Long", "<p>The requested URL's length exceeds the limit.<br />\n</p>"),
    (
        416,
        "Requested Range Not Satisfiable",
        "<p>None of the range-specifier values are there.</p>",
    ),
    (
        426,
        "Upgrade Required",
        "<p>The requested resource can only be retrieved\nby switching to another protocol.</p>",
    ),
    (500, "Internal Server Error", "<p>The server was unable to complete your request.</p>"),
    (501, "Not Implemented", "<p>The method is not supported.<br />\n</p>"),
    (502, "Bad Gateway", INVALID),
    (
        503,
        "Service Unavailable",
        "<p>The server is temporarily unable to service your\nrequest due to maintenance downtime \
         or capacity\nproblems. Please try again later.</p>",
    ),
    (
        504,
        "Gateway Timeout",
        "<p>The gateway did not receive a timely response\nfrom the upstream server.</p>",
    ),
];
const MOVED: &str = "<p>The document has moved <a href=\"$\">here</a>.</p>";
const INVALID: &str =
    "<p>The proxy server received an invalid\nresponse from an upstream server.<br />\n";

/// The page for a status. `about`: why a member's answer could not be passed on; `to`: where a
/// redirect leads.
pub(crate) fn page(status: u16, about: Option<&str>, to: Option<&[u8]>) -> Vec<u8> {
    let (_, phrase, text) =
        TOLD.iter().find(|(known, ..)| *known == status).unwrap_or(&(0, "Error", ""));
    let to = String::from_utf8_lossy(to.unwrap_or_default());
    let (phrase, text) = match about {
        None => (*phrase, text.replace('$', &safe(&to))),
        Some(about) => {
            let front = if status == 502 { INVALID } else { "" };
            let reason = format!(
                "{front}The proxy server could not handle the request\
                 <p>Reason: <strong>{}</strong></p></p>",
                safe(about)
            );
            (PROXY_ERROR, reason)
        }
    };
    format!(
        "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \
         \"http://www.w3.org/TR/html4/strict.dtd\">\n<html><head>\n\
         <title>{status} {phrase}</title>\n</head><body>\n<h1>{phrase}</h1>\n{text}\n\
         </body></html>\n"
    )
    .into_bytes()
}

/// The phrase of a status, if it is told here.
pub(crate) fn phrase(status: u16) -> Option<&'static str> {
    TOLD.iter().find(|(known, ..)| *known == status).map(|(_, phrase, _)| *phrase)
}

/// The status whose document serves for one that httpd does not know.
pub(crate) fn document_of(status: u16) -> u16 {
    match status {
        100..=102 | 200..=208 | 226 | 300..=308 | 400..=417 | 421..=426 => status,
        428 | 429 | 431 | 451 | 500..=508 | 510 | 511 => status,
        _ => 500,
    }
}

/// The phrase of errors on the way to a member.
pub(crate) const PROXY_ERROR: &str = "Proxy Error";

/// A text that cannot be taken for HTML.
fn safe(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    escaped.replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_say_why() {
        let text =
            |status, about, to| String::from_utf8(page(status, about, to)).unwrap_or_default();
        assert!(text(404, None, None).contains("<title>404 Not Found</title>"));
        let told = text(502, Some("a <b>"), None);
        assert!(told.contains("<h1>Proxy Error</h1>") && told.contains("Reason: <strong>a &lt;b"));
        assert!(text(302, None, Some(b"http://x/\"y")).contains("href=\"http://x/&quot;y\""));
        assert!(text(599, None, None).contains("599 Error"));
    }
}
