//! The reader of Apache httpd configurations.

#[path = "../checks/mod.rs"]
mod checks;
mod members;
mod oracle;
mod places;
mod properties;
mod reading;
mod samples;

use std::path::Path;

use evenkeel_config::apache::{Memory, Node, Options, Read, read};
use evenkeel_config::render;

/// Reads `/etc/httpd.conf` and what else there is.
fn read_files(files: &[(&str, &str)]) -> Read {
    let memory = Memory::new(files.iter().copied());
    read(Path::new("/etc/httpd.conf"), &Options::new(&memory, Path::new("/etc")))
}

fn read_text(text: &str) -> Read {
    read_files(&[("/etc/httpd.conf", text)])
}

/// What is told, as people see it.
fn told(text: &str) -> String {
    let read = read_text(text);
    render(&read.diagnostics, &read.sources, false)
}

/// Only the messages.
fn messages(read: &Read) -> Vec<&str> {
    read.diagnostics.iter().map(|diagnostic| diagnostic.message.as_str()).collect()
}

/// The tree as text, arguments in brackets.
fn print(nodes: &[Node]) -> String {
    let list = |args: &[evenkeel_config::apache::Arg]| {
        args.iter().map(|arg| format!(" [{}]", arg.text)).collect::<String>()
    };
    let one = |node: &Node| match node {
        Node::Directive(directive) => format!("{}{}", directive.canonical, list(&directive.args)),
        Node::Section(section) => {
            let inner = print(&section.nodes);
            format!("<{}{}>({inner})", section.canonical, list(&section.args))
        }
    };
    nodes.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// The tree of a text that is without fault.
fn tree(text: &str) -> String {
    let read = read_text(text);
    assert_eq!(render(&read.diagnostics, &read.sources, false), "");
    print(&read.tree.nodes)
}
