//! What is told of unknown, misplaced, miscounted and mismatched lines.

use std::path::Path;

use evenkeel_config::Severity;
use evenkeel_config::apache::{Memory, Options, read};

use crate::{messages, read_text, told};

#[test]
fn an_unknown_directive_names_the_nearest() {
    let want = "\
error: Invalid command 'ProxyPas', perhaps misspelled or defined by a module not included in the server configuration
 --> /etc/httpd.conf:2:3
  |
2 |   ProxyPas / http://h/
  |   ^^^^^^^^
  |
  = help: did you mean ProxyPass?
";
    assert_eq!(told("Listen 80\n  ProxyPas / http://h/"), want);
    let read = read_text("<VirtualHst *:80>\nServerAlias x\n</VirtualHst>\nproxy_pass x");
    assert_eq!(read.diagnostics[0].help.as_deref(), Some("did you mean <VirtualHost>?"));
    assert_eq!(read.diagnostics.len(), 2);
}

#[test]
fn unknown_and_refused_directives_are_warnings_when_lenient() {
    let memory = Memory::new([("c", "Bogus x\nProxyHTMLEnable On\nListen")]);
    let mut options = Options::new(&memory, Path::new(""));
    let severities = |options: &Options<'_>| {
        let read = read(Path::new("c"), options);
        read.diagnostics.iter().map(|it| it.severity).collect::<Vec<_>>()
    };
    assert_eq!(severities(&options), [Severity::Error; 3]);
    options.lenient = true;
    let wanted = [Severity::Error, Severity::Warning, Severity::Warning];
    assert_eq!(severities(&options), wanted);
}

#[test]
fn misplaced_directives_are_told_in_the_words_of_httpd() {
    for (text, message) in [
        (
            "<Location /x>\nServerName y\n</Location>",
            "ServerName not allowed in <Location> context",
        ),
        (
            "<Directory /x>\nProxyPass http://x\n</Directory>",
            "ProxyPass cannot occur within <Directory> section",
        ),
        (
            "<Location /x>\n<Limit GET>\nProxyPass http://x\n</Limit>\n</Location>",
            "ProxyPass cannot occur within <Limit> or <LimitExcept> section",
        ),
        (
            "<Location /x>\n<If true>\nServerName y\n</If>\n</Location>",
            "ServerName not allowed in <If> context",
        ),
        (
            "<VirtualHost *>\n<VirtualHost *>\n</VirtualHost>\n</VirtualHost>",
            "<VirtualHost> cannot occur within <VirtualHost> section",
        ),
        (
            "<VirtualHost *>\n<IfModule mod_proxy.c>\nListen 80\n</IfModule>\n</VirtualHost>",
            "Listen cannot occur within <VirtualHost> section",
        ),
        (
            "<VirtualHost *>\n<Proxy http://x>\nRequire local\n<Location /y>\n</Location>\n</Proxy>\n</VirtualHost>",
            "<Location> not allowed in <Proxy> context",
        ),
        ("ServerAlias x", "ServerAlias only used in <VirtualHost>"),
        ("Require local", "Require not allowed here"),
    ] {
        assert_eq!(messages(&read_text(text)), [message], "{text}");
    }
}

#[test]
fn miscounted_arguments_are_told_in_the_words_of_httpd() {
    for (text, message) in [
        ("ProxyVia", "ProxyVia takes one argument, Off|On|Full|Block"),
        ("ProxyVia a b", "ProxyVia takes one argument, Off|On|Full|Block"),
        ("ProxyRequests maybe", "ProxyRequests must be On or Off"),
        ("ProxyRequests", "ProxyRequests must be On or Off"),
        ("ErrorDocument 503", "ErrorDocument takes two arguments, status text|/path|url"),
        ("PassEnv", "PassEnv requires at least one argument"),
        ("<Location >\n</Location>", "<Location> directive requires additional arguments, "),
    ] {
        let read = read_text(text);
        let told = messages(&read);
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with(message.trim_end_matches(", ")), "{text}: {told:?}");
    }
}

#[test]
fn mismatched_tags_are_told_in_the_words_of_httpd() {
    for (text, message) in [
        ("<VirtualHost *:80\n</VirtualHost>", "<VirtualHost> directive missing closing '>'"),
        ("<VirtualHost *:80>\n</VirtualHost", "</VirtualHost> directive missing closing '>'"),
        (
            "<VirtualHost *:80>\n</Proxy>\n</VirtualHost>",
            "Expected </VirtualHost> but saw </Proxy>",
        ),
        ("<VirtualHost *:80>\n", "<VirtualHost> was not closed"),
        ("</VirtualHost>", "</VirtualHost> without matching <VirtualHost> section"),
        (
            "<VirtualHost *:80>\n<Location /x>\n</VirtualHost>",
            "Expected </Location> but saw </VirtualHost>",
        ),
        ("<VirtualHost *:80>\n</VirtualHosts>", "Expected </VirtualHost> but saw </VirtualHosts>"),
        (
            "<IfModule mod_none.c>\n<VirtualHost *:80>\n</IfModule>",
            "Expected </VirtualHost> but saw </IfModule>",
        ),
        ("<IfModule mod_none.c>\n", "Expected </IfModule> before end of configuration"),
        ("<IfModule mod_proxy.c>\n", "<IfModule> was not closed: it ends with the file"),
        ("< VirtualHost>", "a section without a name"),
        ("<Location /x> # why\n</Location>", "text after the opening tag of <Location> is ignored"),
        ("<IfModule>\n</IfModule>", "<IfModule> directive requires additional arguments"),
    ] {
        assert_eq!(messages(&read_text(text)), [message], "{text}");
    }
}

#[test]
fn what_was_opened_is_named() {
    let want = "\
error: Expected </Proxy> but saw </VirtualHost>
 --> /etc/httpd.conf:3:1
  |
3 | </VirtualHost>
  | ^^^^^^^^^^^^^^
  |
  = help: <Proxy> was opened at /etc/httpd.conf:2: close it first
";
    assert_eq!(told("<VirtualHost *:80>\n<Proxy balancer://a>\n</VirtualHost>"), want);
}

#[test]
fn lines_of_macros_name_their_use() {
    let want = "\
error: Invalid command 'Lisen', perhaps misspelled or defined by a module not included in the server configuration
 --> /etc/httpd.conf:2:1
  |
2 | Lisen $p
  | ^^^^^ used at /etc/httpd.conf:4
  |
  = help: did you mean Listen?
";
    assert_eq!(told("<Macro M $p>\nLisen $p\n</Macro>\nUse M 1"), want);
}

#[test]
fn errors_come_all_at_once_before_warnings() {
    let read = read_text(
        "CacheRoot /x\nBogus\nListen\n<Location />\nAuthType Basic\n</Location>\nServerAdmin ${V}",
    );
    assert_eq!(
        messages(&read),
        [
            "Invalid command 'Bogus', perhaps misspelled or defined by a module not included in the server configuration",
            "Listen takes 1-2 arguments, [address:]port [protocol]",
            "AuthType is not supported: users are not asked to log in: what it protects would stand open",
            "CacheRoot has no effect: responses are not cached yet",
            "Config variable ${V} is not defined",
        ]
    );
    let many = "Bogus\n".repeat(3000);
    let read = read_text(&many);
    assert_eq!(read.diagnostics.len(), 1000);
    assert!(messages(&read)[999].ends_with("(more is not told)"));
}

#[test]
fn bytes_that_are_no_text_are_told_but_in_comments() {
    let memory = Memory::new([("c", &b"# \xe9\nListen 80\nServerName \xe9\nServerAdmin a\0b"[..])]);
    let read = read(Path::new("c"), &Options::new(&memory, Path::new("")));
    assert_eq!(messages(&read), ["this is not UTF-8 text", "a NUL byte in a configuration"]);
}
