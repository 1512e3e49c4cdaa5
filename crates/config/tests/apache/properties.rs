//! Whatever the bytes: no panic, and places that are places.

use std::path::Path;

use evenkeel_config::apache::{Memory, Node, Options, Place, Read, read};
use evenkeel_config::render;
use proptest::prelude::*;

fn sound(bytes: &[u8], other: &[u8]) {
    let memory = Memory::new([("/e/c", bytes), ("/e/d/other", other)]);
    let mut options = Options::new(&memory, Path::new("/e"));
    options.env = &|name| (name == "E").then(|| "${E} é".to_owned());
    for lenient in [false, true] {
        options.lenient = lenient;
        let read = read(Path::new("/e/c"), &options);
        for diagnostic in &read.diagnostics {
            let text = read.sources.text(diagnostic.file);
            assert!(text.get(diagnostic.span.clone()).is_some(), "{diagnostic:?}");
        }
        render(&read.diagnostics, &read.sources, false);
        nodes(&read.tree.nodes, &read);
    }
}

fn nodes(list: &[Node], read: &Read) {
    for node in list {
        let (at, args) = match node {
            Node::Directive(directive) => (&directive.at, &directive.args),
            Node::Section(section) => {
                nodes(&section.nodes, read);
                (&section.at, &section.args)
            }
        };
        place(at, read);
        for arg in args {
            assert!(read.sources.text(at.file).get(arg.span.clone()).is_some(), "{arg:?}");
        }
    }
}

fn place(at: &Place, read: &Read) {
    let text = read.sources.text(at.file);
    assert!(text.get(at.span.clone()).is_some(), "{at:?}");
    assert!(at.line >= 1 && at.line <= text.lines().count());
    if let Some(used) = &at.used_at {
        place(used, read);
    }
}

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        sound(&bytes, &bytes);
    }

    #[test]
    fn any_configuration_is_read(text in configuration(), other in configuration()) {
        sound(text.as_bytes(), other.as_bytes());
    }
}
