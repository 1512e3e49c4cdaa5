//! The same texts, read by the real httpd where it is installed.

use std::path::Path;
use std::process::Command;

use evenkeel_config::Severity;
use evenkeel_config::apache::{Disk, Options, read};

const BINARY: &str = "/usr/sbin/apache2";
const MODULES: [&str; 8] =
    ["mpm_event", "macro", "authz_core", "authz_host", "proxy", "setenvif", "headers", "rewrite"];

/// Each ends in a message that both must give, by `Error`, or is refused or accepted by both.
const CASES: &[&str] = &[
    "Define V a\\\\b\nError [${V}]",
    "Define V \"a\\\"b\"c",
    "Define V \"a\\\"b \\\\ c\\d\"\nError [${V}]",
    "Define V 'it\\'s' \nError [${V}]",
    "Define V \"abc\nError [${V}]",
    "Define V a\"b\"\nError [${V}]",
    "Error a\\\nb",
    "Error a\\\\\nb",
    "Error a\\ \nb",
    "Error a\\\n   b  ",
    "# comment \\\nError x\nError y",
    "Error a\\",
    "<VirtualHost *:80\n</VirtualHost>",
    "<VirtualHost *:80> foo\n</VirtualHost>",
    "<VirtualHost *:80>\n</VirtualHost",
    "<VirtualHost *:80>\n</VirtualHost> foo",
    "<VirtualHost *:80>\n</VirtualHost >",
    "<VirtualHost *:80>\n</Proxy>",
    "<VirtualHost *:80>\n",
    "</VirtualHost>",
    "<VirtualHost *:80>\n<Location /x>\n</VirtualHost>",
    "<IfModule mod_proxy.c\n</IfModule>",
    "<IfModule \"mod_proxy.c\">\nError in\n</IfModule>",
    "<IfModule mod_proxy.c >\nError in\n</IfModule>",
    "<IfModule>\nError in\n</IfModule>",
    "<IfModule !>\nError in\n</IfModule>",
    "<IfModule !mod_x.c>\nError in\n</IfModule>",
    "<IfModule MOD_PROXY.c>\nError in\n</IfModule>",
    "<IfModule mod_proxy.c>\n<VirtualHost *:80>\n</IfModule>",
    "<IfModule mod_x.c>\n<VirtualHost *:80>\n</IfModule>",
    "<IfModule mod_x.c>\n<VirtualHost *:80>\n",
    "<IfModule mod_proxy.c>\n",
    "< VirtualHost>",
    "\"ServerAdmin\" a",
    "Serveradmin",
    "Define V\nError [${V}]",
    "Define a:b c",
    "Define A x\nDefine B ${A}y\nUnDefine A\nError [${B} ${A} \\${B} $${B} ${} ${B]",
    "Define A x\nDefine A\nError [${A}]",
    "Define A x\n<IfDefine A B>\nError yes\n</IfDefine>",
    "Define A x\n<IfDefine !\"A\">\nError yes\n</IfDefine>\nError no",
    "Define A x\n<IfDefine \"!A\">\nError yes\n</IfDefine>\nError no",
    "Define A x\n<IfDefine ! A>\nError yes\n</IfDefine>\nError no",
    "Define A x\nUnDefine A\n<IfDefine A>\nError yes\n</IfDefine>\nError no",
    "<IfVersion 2.4>\nError yes\n</IfVersion>\nError no",
    "<IfVersion >= 2.4>\nError yes\n</IfVersion>\nError no",
    "<IfVersion = 2.4>\nError yes\n</IfVersion>\nError no",
    "<IfVersion != 2.4>\nError yes\n</IfVersion>\nError no",
    "<IfVersion ~ ^2.4>\nError yes\n</IfVersion>\nError no",
    "<IfVersion /^2/>\nError yes\n</IfVersion>\nError no",
    "<IfVersion = /2.4/>\nError yes\n</IfVersion>\nError no",
    "<IfVersion >=2.4>\nError yes\n</IfVersion>\nError no",
    "<IfVersion => 2.4>\nError yes\n</IfVersion>\nError no",
    "<IfVersion !~ 2.5>\nError yes\n</IfVersion>\nError no",
    "<IfVersion > a>\nError yes\n</IfVersion>\nError no",
    "<IfVersion >= 2.4 x>\nError yes\n</IfVersion>\nError no",
    "<IfVersion '>' 2.3>\nError yes\n</IfVersion>\nError no",
    "<IfDirective ProxyPass>\nError yes\n</IfDirective>\nError no",
    "<IfSection VirtualHost>\nError yes\n</IfSection>\nError no",
    "Include none.conf",
    "Include none/*.conf",
    "IncludeOptional none.conf\nError x",
    "IncludeOptional none/*.conf\nError x",
    "Include a b",
    "Use X",
    "<Macro>\n</Macro>",
    "<Macro X\n</Macro>",
    "<Macro X>\nError in\n",
    "<Macro X $a $a>\nError $a\n</Macro>\nUse X 1 2",
    "<Macro X $a $ab>\nError [$ab $a @c]\n</Macro>\nUse x 1 2",
    "<Macro X $a @b>\nError [$a @b]\n</Macro>\nUse X 1 2 3",
    "<Macro X $a @b>\nError [$a @b]\n</Macro>\nUse X '1 x' '2 y\"z'",
    "<Macro X a %b>\nError [a %b]\n</Macro>\nUse X 1 ''",
    "<Macro X>\nUse X\n</Macro>\nUse X",
    "<Macro X>\n<VirtualHost *:80>\n</Macro>\nUse X\n</VirtualHost>",
    "<Macro X>\nFoo\n</Macro>\n\nUse X\n",
    "<Macro X $a>\nError a \\\n  $a\n</macro>\nUse X 1",
    "Define N foo\n<Macro X $a>\nError [${$a}]\n</Macro>\nUse X N",
    "Bogus x",
    "<Bogus x>\nServerAdmin x\n</Bogus>",
    "<Location /x>\nServerName y\n</Location>",
    "<Location /x>\n<If true>\nServerName y\n</If>\n</Location>",
    "<Directory /x>\nProxyPass http://x\n</Directory>",
    "<Location /x>\n<Limit GET>\nProxyPass http://x\n</Limit>\n</Location>",
    "<VirtualHost *:80>\nListen 1\n</VirtualHost>",
    "<VirtualHost *:80>\n<Proxy http://x>\n<Location /y>\n</Location>\n</Proxy>\n</VirtualHost>",
    "<Proxy http://x>\n<If true>\nRequestHeader set A b\n</If>\n</Proxy>",
    "ServerAlias x",
    "Require local",
    "ProxyRequests maybe",
    "ProxyVia",
    "ProxyVia a b",
    "<Location /a>x>\n</Location>",
    "<Location /a\n>\n</Location>",
    "<Location\n</Location>",
];

/// What the real one says first; empty when it is content.
fn oracle(folder: &Path, text: &str) -> String {
    let file = folder.join("httpd.conf");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(BINARY);
    let folder = folder.to_str().unwrap();
    command.args(["-d", folder, "-t", "-f", file.to_str().unwrap()]);
    for module in MODULES {
        let load = format!("LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so");
        command.args(["-C", &load]);
    }
    command.args(["-C", "ServerName x"]).env_clear();
    let out = command.output().unwrap();
    if out.status.success() {
        return String::new();
    }
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    // Either on the line of the place or on the next one.
    let told = told.lines().filter(|line| !line.contains(":warn]"));
    let told = told.collect::<Vec<_>>().join(" ");
    unescaped(&told)
}

/// The log writes backslashes and quotes with a backslash before them.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.next_if(|next| c == '\\' && matches!(next, '\\' | '"')) {
            Some(next) => out.push(next),
            None => out.push(c),
        }
    }
    out
}

fn ours(folder: &Path, text: &str) -> Option<String> {
    std::fs::write(folder.join("httpd.conf"), text).unwrap();
    let mut options = Options::new(&Disk, folder);
    options.modules = evenkeel_config::apache::Modules::Only(
        MODULES
            .iter()
            .map(|name| format!("{name}_module"))
            .chain(["version_module".into()])
            .collect(),
    );
    let read = read(&folder.join("httpd.conf"), &options);
    let mut errors = read.diagnostics.into_iter().filter(|it| it.severity == Severity::Error);
    errors.next().map(|error| error.message)
}

#[test]
fn the_real_one_reads_the_same() {
    if !Path::new(BINARY).exists() {
        eprintln!("skipped: {BINARY} is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("logs")).unwrap();
    let mut differ = Vec::new();
    for case in CASES {
        let theirs = oracle(folder.path(), case);
        let ours = ours(folder.path(), case);
        let alike = match &ours {
            None => theirs.is_empty(),
            // What `Error` says shows how arguments are read; other words may differ.
            Some(message) if case.contains("Error") && theirs.contains("AH00526") => {
                theirs.contains(message.as_str())
            }
            Some(_) => !theirs.is_empty(),
        };
        if !alike {
            differ.push(format!("{case}\n  theirs: {theirs}\n  ours: {ours:?}"));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
