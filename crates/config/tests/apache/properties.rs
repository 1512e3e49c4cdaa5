//! Whatever the bytes: no panic, and places that are places.

use proptest::prelude::*;

use crate::checks::reading;

fn configuration() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "<",
        "</",
        ">",
        ">\n",
        "\n",
        "\n",
        "\\\n",
        " ",
        " ",
        "\"",
        "'",
        "\\",
        "${",
        "}",
        "{",
        "!",
        "#",
        "Macro",
        "Use",
        "m",
        "$a",
        "@b",
        "UndefMacro",
        "Define",
        "UnDefine",
        "V",
        "${V}",
        "${E}",
        "IfModule",
        "mod_proxy.c",
        "mod_none.c",
        "IfDefine",
        "IfVersion",
        ">=",
        "2.4",
        "~",
        "Include",
        "IncludeOptional",
        "d",
        "d/*",
        "d/[a",
        "c",
        "Location",
        "VirtualHost",
        "/x",
        "<Proxy balancer://a>\n",
        "</Proxy>\n",
        "<Macro m $a>\n",
        "</Macro>\n",
        "Use m x\n",
        "<IfModule mod_none.c>\n",
        "</IfModule>\n",
        "ProxyPass",
        "Listen 80\n",
        "é",
        "\0",
        "\r\n",
        "ServerRoot",
        "LoadModule",
        "ssl_module",
        "Error",
        "If",
        "Else",
        "\u{fffd}",
        "\u{a0}",
    ]);
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

/// Lines that mean something, with words that may not.
fn meaning() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec![
        "ProxyPass / W",
        "ProxyPass W W W",
        "ProxyPassMatch W W",
        "ProxyPassReverse W W",
        "ProxyPassReverseCookiePath W W",
        "BalancerMember balancer://c W",
        "ProxySet balancer://c W",
        "<Proxy balancer://c>\nBalancerMember http://10.0.0.1 W\nProxySet W\n</Proxy>",
        "<Location W>\nRequire W W\nAuthMerging W\n</Location>",
        "<Location />\n<Limit W>\nRequire W\n</Limit>\nOrder W\nAllow from W\n</Location>",
        "<If W>\nHeader set X-A W\n</If>",
        "Header W X-A W W",
        "Header always set W W",
        "RequestHeader set W W",
        "RequestHeader add W W",
        "RequestHeader W W W",
        "SetEnvIf W W W",
        "SetEnvIfExpr W W",
        "RewriteEngine On",
        "RewriteCond W W",
        "RewriteRule W W W",
        "RewriteOptions W",
        "ErrorDocument 503 W",
        "RemoteIPHeader W",
        "RemoteIPProxiesHeader W",
        "RemoteIPInternalProxy W",
        "Redirect W W",
        "LogFormat W W",
        "CustomLog W W W",
        "ProxyErrorOverride On W",
        "ProxyHCExpr W W",
        "ProxyHCTemplate W W",
        "ServerName W",
        "<VirtualHost W>\nServerAlias W\nProxyPass /v W\n</VirtualHost>",
        "LimitRequestLine W",
        "ProxyTimeout W",
    ]);
    let word = prop::sample::select(vec![
        "http://10.0.0.1/",
        "http://10.0.0.1:80/$1",
        "balancer://c/",
        "balancer://c/${A}/",
        "!",
        "/",
        "/x",
        "\"\"",
        "^/(.*)$",
        "set",
        "edit",
        "add",
        "X-A",
        "X-B:",
        "\"X A\"",
        "env=A",
        "expr=%{REQUEST_URI}",
        "\"expr=true && %{HTTP_HOST} =~ /(.)/\"",
        "%{REMOTE_ADDR}",
        "\"%{X}i %>s %{%Y}t %O\"",
        "%Z",
        "A=$1",
        "!A",
        "[P,L]",
        "[CO=a:b:c,E=A:$0,R=301]",
        "Inherit",
        "all",
        "not",
        "ip",
        "granted",
        "10.0.0.0/8",
        "127",
        "GET",
        "deny,allow",
        "500",
        "-1",
        "99999999999999999999",
        "route=a",
        "stickysession=S",
        "loadfactor=1.5",
        "hcmethod=GET",
        "timeout=1",
        "*:80",
        "_default_:*",
        "*.example",
        "é\u{1}",
        "true",
        "interpolate",
    ]);
    let line = (line, prop::collection::vec(word, 8)).prop_map(|(line, words)| {
        let parts = line.split('W').zip(words.into_iter().cycle());
        let count = line.matches('W').count();
        let filled = parts.enumerate().map(|(n, (part, word))| match n < count {
            true => format!("{part}{word}"),
            false => part.to_owned(),
        });
        filled.collect::<String>() + "\n"
    });
    prop::collection::vec(line, 1..4)
        .prop_map(|lines| format!("Listen 80\n{}ProxyPass / http://10.0.0.9/\n", lines.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        reading(&bytes, &bytes);
    }

    #[test]
    fn any_meaning_serves(text in meaning()) {
        reading(text.as_bytes(), b"");
    }

    #[test]
    fn any_configuration_is_read(text in configuration(), other in configuration()) {
        reading(text.as_bytes(), other.as_bytes());
    }
}
