//! The sample configurations are read without an error.

use std::path::{Path, PathBuf};

use evenkeel_config::apache::{Disk, Node, Options, Place, Read, Section, read};
use evenkeel_config::{Severity, render};

fn sample(name: &str) -> Read {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apache-configs");
    read(&folder.join(name), &Options::new(&Disk, &folder))
}

fn names() -> Vec<String> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apache-configs");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".conf"));
    names.sort();
    names
}

fn walk<'t>(nodes: &'t [Node], visit: &mut dyn FnMut(&'t Node)) {
    for node in nodes {
        visit(node);
        if let Node::Section(section) = node {
            walk(&section.nodes, visit);
        }
    }
}

fn place(node: &Node) -> &Place {
    match node {
        Node::Directive(directive) => &directive.at,
        Node::Section(section) => &section.at,
    }
}

fn sections<'t>(read: &'t Read, name: &str) -> Vec<&'t Section> {
    let mut found = Vec::new();
    walk(&read.tree.nodes, &mut |node| match node {
        Node::Section(section) if section.canonical == name => found.push(section),
        _ => {}
    });
    found
}

#[test]
fn all_fourteen_are_read_without_an_error() {
    let names = names();
    assert_eq!(names.len(), 14);
    for name in names {
        let read = sample(&name);
        let errors: Vec<_> = read
            .diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == Severity::Error)
            .cloned()
            .collect();
        assert_eq!(render(&errors, &read.sources, false), "", "{name}");
        assert_eq!(read.files.len(), 2, "{name}");
        walk(&read.tree.nodes, &mut |node| {
            let place = place(node);
            let text = &read.sources.text(place.file)[place.span.clone()];
            let name = match node {
                Node::Directive(directive) => directive.name.clone(),
                Node::Section(section) => format!("<{}", section.name),
            };
            assert!(text.starts_with(&name), "{name}: {text}");
        });
    }
}

#[test]
fn macros_and_defines_are_unrolled() {
    let read = sample("10-many-vhosts-macro.conf");
    let hosts = sections(&read, "VirtualHost");
    assert_eq!(hosts.iter().map(|host| host.raw_args.as_str()).collect::<Vec<_>>(), ["*:28010"; 3]);
    let pools: Vec<_> = sections(&read, "Proxy").iter().map(|it| it.args[0].text.clone()).collect();
    assert_eq!(pools, ["balancer://one.example", "balancer://two.example", "balancer://api"]);
    let used = hosts[1].at.used_at.as_deref().unwrap();
    assert_eq!((hosts[1].at.line, used.line), (6, 17));
    // What a condition holds stands around it.
    let passed = |node: &&Node| matches!(node, Node::Directive(d) if d.canonical == "ProxyPass");
    assert_eq!(hosts[2].nodes.iter().filter(passed).count(), 4);
}

#[test]
fn expressions_in_braces_are_one_argument() {
    let read = sample("04-health-checks.conf");
    let mut found = Vec::new();
    walk(&read.tree.nodes, &mut |node| match node {
        Node::Directive(directive) if directive.canonical == "ProxyHCExpr" => {
            found.push(directive.args[1].text.as_str());
        }
        _ => {}
    });
    assert_eq!(found, ["%{REQUEST_STATUS} =~ /^[23]/", "hc('body') !~ /maintenance/i"]);
}
