//! Variables, conditions, includes, macros.

use std::path::{Path, PathBuf};

use evenkeel_config::apache::{Memory, Modules, Options, read};

use crate::{messages, print, read_files, read_text, tree};

#[test]
fn names_and_arguments_are_split() {
    assert_eq!(tree("serveradmin  a@b \n"), "ServerAdmin [a@b]");
    let read = read_text("Header   set  X \"a\\\"b\"  \n");
    let evenkeel_config::apache::Node::Directive(header) = &read.tree.nodes[0] else { panic!() };
    assert_eq!((header.name.as_str(), header.raw_args.as_str()), ("Header", "set  X \"a\\\"b\""));
    assert_eq!(header.args[2].text, "a\"b");
    assert_eq!(&read.sources.text(0)[header.args[2].span.clone()], "\"a\\\"b\"");
}

#[test]
fn sections_hold_what_stands_between_their_tags() {
    let text = "<virtualhost *:80 [::1]:80>\n<Location \"/a b\">\nProxyPass !\n</location>\nServerName x\n</VirtualHost>\nTimeout 5";
    let want = "<VirtualHost [*:80] [[::1]:80]>(<Location [/a b]>(ProxyPass [!]); ServerName [x]); Timeout [5]";
    assert_eq!(tree(text), want);
    assert_eq!(tree("<Location /a>x>\n</Location>"), "<Location [/a>x]>()");
    assert_eq!(
        tree("<Location /a>\n<RequireAny>\nRequire local\n</RequireAny>\n</Location>"),
        "<Location [/a]>(<RequireAny>(Require [local]))"
    );
}

#[test]
fn variables_are_replaced_everywhere() {
    let text = "Define A x\nDefine B ${A}y\nServerName ${B}.$${A}.\\${A}\n<Location /${B}>\n</Location>\n<VirtualHost *>\nDefine C z\n</VirtualHost>\nServerAdmin ${C}";
    let want = "ServerName [xy.$x.\\x]; <Location [/xy]>(); <VirtualHost [*]>(); ServerAdmin [z]";
    assert_eq!(tree(text), want);
}

#[test]
fn an_undefined_variable_stays_with_a_warning() {
    // A name without a value stands for nothing either, as in the real one.
    let read = read_text(
        "Define V\nServerAdmin ${V}\nServerName ${map:key}\nUnDefine V\n<IfDefine V>\nBad\n</IfDefine>",
    );
    assert_eq!(messages(&read), ["Config variable ${V} is not defined"]);
    assert_eq!(print(&read.tree.nodes), "ServerAdmin [${V}]; ServerName [${map:key}]");
}

#[test]
fn options_define_and_the_environment_stands_behind() {
    let text = "<IfDefine SSL>\nListen 443\n</IfDefine>\nServerName ${A}${B}${HOME}";
    let memory = Memory::new([("c", text)]);
    let mut options = Options::new(&memory, Path::new(""));
    options.defines = vec![("SSL".into(), None), ("A".into(), Some("a".into()))];
    options.env = &|name| ["A", "B", "HOME"].contains(&name).then(|| format!("<{name}>"));
    let read = read(Path::new("c"), &options);
    assert_eq!(messages(&read), [""; 0]);
    assert_eq!(print(&read.tree.nodes), "Listen [443]; ServerName [a<B><HOME>]");
}

#[test]
fn untaken_conditions_are_not_read() {
    let text = "<IfModule mod_none.c>\n<Bogus x>\nNonsense \\\n</IfModule>\n</Bogus>\nInclude none\nDefine A\n</IfModule>\n<IfDefine A>\nListen 1\n</IfDefine>\nListen 2";
    assert_eq!(tree(text), "Listen [2]");
    let text = "<IfDefine !A>\n<IfModule mod_proxy.c>\n<IfModule !proxy_module>\nListen 1\n</IfModule>\nListen 2\n</IfModule>\n</IfDefine>";
    assert_eq!(tree(text), "Listen [2]");
}

#[test]
fn modules_count_as_loaded_as_the_options_say() {
    let text = "<IfModule mod_ssl.c>\nListen 1\n</IfModule>\nLoadModule proxy_module x.so\n<IfModule ssl_module>\nListen 2\n</IfModule>\n<IfModule mod_proxy.c>\nListen 3\n</IfModule>\n<IfModule core.c>\nListen 4\n</IfModule>";
    assert_eq!(tree(text), "Listen [1]; LoadModule [proxy_module] [x.so]; Listen [3]; Listen [4]");
    let memory = Memory::new([("c", text)]);
    let mut options = Options::new(&memory, Path::new(""));
    options.modules = Modules::Only(vec!["ssl_module".into(), "core.c".into()]);
    let only = print(&read(Path::new("c"), &options).tree.nodes);
    assert_eq!(only, "Listen [1]; LoadModule [proxy_module] [x.so]; Listen [2]; Listen [4]");
    let read = read_text("LoadModule php_module x.so\n<IfModule php_module>\nBogus\n</IfModule>");
    assert!(messages(&read)[0].starts_with("module php_module is not known"), "{read:?}");
}

#[test]
fn other_conditions_are_settled() {
    let ask = |condition: &str| {
        let end = condition.split(' ').next().unwrap();
        let text = format!("<{condition}>\nListen 1\n</{end}>");
        print(&read_files(&[("/etc/httpd.conf", &text), ("/etc/d/x", "")]).tree.nodes)
            .contains("Listen")
    };
    for yes in ["IfFile d/x", "IfFile /etc/d", "IfFile \"d\"", "IfFile !y", "IfDirective proxypass"]
    {
        assert!(ask(yes), "{yes}");
    }
    for yes in ["IfSection VirtualHost", "IfDirective <VirtualHost", "IfDirective !Nope"] {
        assert!(ask(yes), "{yes}");
    }
    for no in ["IfFile y", "IfDirective Nope", "IfSection ProxyPass", "IfDirective !ProxyPass"] {
        assert!(!ask(no), "{no}");
    }
}

#[test]
fn includes_stand_where_they_are_asked_for() {
    let read = read_files(&[
        (
            "/etc/httpd.conf",
            "Listen 1\nInclude d\n<VirtualHost *>\nInclude \"a b.inc\"\n</VirtualHost>\nInclude d/[ab].conf\nInclude e/*/x*\nIncludeOptional none\nIncludeOptional none/*.conf\nServerRoot /srv\nInclude x",
        ),
        ("/etc/d/b.conf", "Listen 3"),
        ("/etc/d/a.conf", "Listen 2\nInclude d/sub"),
        ("/etc/d/.h", "Listen 1"),
        ("/etc/d/sub/c~", "Listen 5"),
        ("/etc/a b.inc", "ServerName x"),
        ("/etc/e/2/x1", "Listen 7"),
        ("/etc/e/1/x2", "Listen 6"),
        ("/srv/x", "Listen 8"),
    ]);
    assert_eq!(messages(&read), [""; 0]);
    let want = "Listen [1]; Listen [1]; Listen [2]; Listen [5]; Listen [3]; Listen [5]; \
                <VirtualHost [*]>(ServerName [x]); Listen [2]; Listen [5]; Listen [3]; Listen [6]; \
                Listen [7]; ServerRoot [/srv]; Listen [8]";
    assert_eq!(print(&read.tree.nodes), want);
    assert_eq!(read.files[1], PathBuf::from("/etc/d/.h"));
}

#[test]
fn includes_that_fail_are_told() {
    let read = read_files(&[
        (
            "/etc/httpd.conf",
            "Include none.conf\nInclude none/*.conf\nInclude d/*.xyz\nInclude httpd.conf\nInclude\nListen 1",
        ),
        ("/etc/d/a", ""),
    ]);
    assert_eq!(
        messages(&read),
        [
            "Could not open configuration file /etc/none.conf: No such file or directory",
            "Could not open directory /etc/none: No such file or directory",
            "No matches for the wildcard '*.xyz' in '/etc/d'",
            "/etc/httpd.conf includes itself",
            "Include takes one argument, file, folder or pattern",
        ]
    );
    assert_eq!(print(&read.tree.nodes), "Listen [1]");
}

#[test]
fn macros_are_unrolled() {
    let text = "<Macro Host $a $ab @c>\n# $a\nServerName $a.$ab.$a2\n<Location $a>\nHeader set X @c\\\n@c\n</Location>\n</Macro>\nUse host \"1\" 2 'q\"r s'";
    let want = "ServerName [1.2.12]; <Location [1]>(Header [set] [X] [q\"r s] [q\"r s])";
    assert_eq!(tree(text), want);
    let text = "<Macro Inner $x>\nListen $x\n</Macro>\n<Macro Outer $x>\nUse Inner $x\nUse Inner ${V}\n</Macro>\nDefine V 2\nUse Outer 1\nUndefMacro Inner";
    assert_eq!(tree(text), "Listen [1]; Listen [2]");
    assert_eq!(tree("<Macro X $a $b>\nServerName $a$b\n</Macro>\nUse X $b z"), "ServerName [$bz]");
}

#[test]
fn macros_that_fail_are_told() {
    let text = "Use X\n<Macro>\n</Macro>\n<Macro X $a $a>\n</Macro>\n<Macro Y $a>\nUse Y $a\n<Location /x>\n</Macro>\nUse Y\nUse Y 1\nUndefMacro Z\n<Macro Open>\nListen 1\n";
    assert_eq!(
        messages(&read_text(text)),
        [
            "macro 'x' undefined",
            "a macro without a name",
            "argument name conflict in macro 'x': '$a' stands twice",
            "macro 'y' (defined at /etc/httpd.conf:6) used with 0 arguments instead of 1",
            "recursive use of macro 'y' is invalid",
            "<Location> was not closed",
            "cannot remove undefined macro 'z'",
            "<Macro> was not closed: expected </Macro>",
        ]
    );
}

#[test]
fn growth_is_bounded() {
    let mut text = "<Macro M0 $a>\nSetEnv V $a\n</Macro>\n".to_owned();
    for n in 1..4 {
        let uses = format!("Use M{} $a\n", n - 1).repeat(100);
        text += &format!("<Macro M{n} $a>\n{uses}</Macro>\n");
    }
    let read = read_text(&(text + "Use M3 1"));
    let last = read.diagnostics.last().unwrap();
    assert!(last.message.starts_with("more than"), "{}", last.message);
    let deep = "<Location /x>\n".repeat(1000);
    assert_eq!(messages(&read_text(&deep))[0], "<Location> not allowed in <Location> context");
    let long = format!("Define A {}\nServerAdmin {}", "x".repeat(1000), "${A}".repeat(1000));
    assert_eq!(messages(&read_text(&long)), ["a line of more than 64 KiB"]);
}
