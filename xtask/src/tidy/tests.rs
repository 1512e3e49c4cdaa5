//! Each rule on a small project that breaks it once, and on one that does not.

use super::*;

fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::default();
    for (path, text) in files {
        tree.add(path, text, text.len() as u64);
    }
    tree
}

/// What a rule says of one file, as `line: words`.
fn says(rule: Rule, path: &str, text: &str) -> Vec<String> {
    let found = rule(&tree(&[(path, text)]));
    found.into_iter().map(|f| format!("{}: {}", f.line, f.what)).collect()
}

#[test]
fn comments_and_strings_are_not_code() {
    let text = "let a = \"todo!() \\\" dbg!\"; // dbg!\n/* a /* b */ dbg! */ let c = r#\"dbg!(\"#;\n\
                let l: &'static str = x; let q = '\"'; let e = '\\''; dbg!(1);\n";
    let source = Source::new("crates/x/src/a.rs", text);
    assert_eq!(source.lines_with("dbg!"), [3]);
    assert_eq!(source.code.len(), text.len());
    assert!(source.strings.contains("todo!()"));
}

#[test]
fn words_are_whole() {
    assert!(scan::has_word("let x = Mutex::new()", "Mutex"));
    assert!(!scan::has_word("let x = MyMutexes", "Mutex"));
    assert!(!scan::has_word("eprintln!(\"\")", "println!"));
    assert!(scan::has_word("std::println!(\"\")", "println!"));
}

#[test]
fn functions_are_measured_and_test_code_is_known() {
    let text = "trait T { fn none(&self); }\nfn one() -> [u8; 2] { [0; 2] }\nfn two(f: fn(u8) -> u8)\nwhere\n{\n    let c = || { 1 };\n}\n#[cfg(test)]\nmod tests {\n    fn three() {}\n}\nfn four() {}\n";
    let source = Source::new("crates/x/src/a.rs", text);
    let functions = source.functions();
    let seen: Vec<(&str, usize, usize)> =
        functions.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
    assert_eq!(seen, [("one", 2, 1), ("two", 3, 5), ("three", 10, 1), ("four", 12, 1)]);
    assert!(source.is_test(10) && !source.is_test(12) && !source.is_test(3));
}

#[test]
fn arrows_do_not_turn() {
    let manifest = "[package]\nname = \"evenkeel-balance\"\n[lints]\nworkspace = true\n\
                    [dependencies]\nevenkeel-plan.workspace = true\nevenkeel-proxy.workspace = true\n\
                    tokio = { version = \"1\" }\n[dev-dependencies]\nproptest = \"1\"\n\
                    [target.'cfg(unix)'.dependencies]\nlibc = \"1\"\n[dependencies.rand]\nversion = \"1\"\n";
    let found = says(crates::boundaries, "crates/balance/Cargo.toml", manifest);
    let named: Vec<&str> =
        found.iter().map(|f| f.split(':').nth(1).unwrap().split(' ').nth(6).unwrap()).collect();
    assert_eq!(named, ["evenkeel-proxy", "tokio", "libc", "rand"]);
    let unknown = says(crates::boundaries, "crates/newcomer/Cargo.toml", "[package]\n");
    assert_eq!(unknown.len(), 1);
}

#[test]
fn an_engine_stays_behind_its_door() {
    let text = "use toml::Value;\n";
    assert_eq!(says(crates::doors, "crates/proxy/src/a.rs", text).len(), 1);
    assert!(says(crates::doors, "crates/config/src/a.rs", text).is_empty());
}

#[test]
fn a_crate_takes_the_lints_and_opens_with_its_law() {
    let files = [("crates/plan/Cargo.toml", "[package]\n"), ("crates/plan/src/lib.rs", "mod a;\n")];
    assert_eq!(crates::lints(&tree(&files)).len(), 2);
    assert_eq!(crates::laws(&tree(&files)).len(), 1);
    let files = [
        ("crates/plan/Cargo.toml", "[lints]\nworkspace = true\n"),
        ("crates/plan/src/lib.rs", "//! The law.\n#![forbid(unsafe_code)]\n"),
    ];
    assert!(crates::lints(&tree(&files)).is_empty() && crates::laws(&tree(&files)).is_empty());
}

#[test]
fn long_files_and_functions_are_refused() {
    let lines = |count: usize| "\n".repeat(count);
    assert!(rust::file_sizes(&tree(&[("crates/a/src/b.rs", &lines(700))]))[0].warning);
    assert!(!rust::file_sizes(&tree(&[("crates/a/src/b.rs", &lines(1001))]))[0].warning);
    assert!(rust::file_sizes(&tree(&[("crates/a/tests/b.rs", &lines(1001))])).is_empty());
    let long = format!("fn f() {{{}}}\n", lines(80));
    assert_eq!(
        says(rust::function_lengths, "crates/a/src/b.rs", &long),
        ["1: f has 81 lines of 70"]
    );
    let path = long.replace("fn f", "fn exchange");
    assert!(says(rust::function_lengths, "crates/proxy/src/http/exchange.rs", &path).is_empty());
}

#[test]
fn unsafe_code_has_its_place_and_its_reason() {
    let bare = "fn f() {\n    let x =\n        unsafe { g() };\n}\n";
    assert_eq!(says(rust::unsafe_places, "crates/proxy/src/a.rs", bare).len(), 1);
    assert_eq!(says(rust::unsafe_places, "crates/net/src/sys/a.rs", bare).len(), 1);
    let reason = bare.replace("    let", "    // SAFETY: g has no conditions.\n    let");
    assert!(says(rust::unsafe_places, "crates/net/src/sys/a.rs", &reason).is_empty());
}

#[test]
fn banned_calls_are_found_outside_tests() {
    let text =
        "fn f() { Instant::now(); }\n#[cfg(test)]\nmod tests { fn g() { Instant::now(); } }\n";
    assert_eq!(says(rust::banned_calls, "crates/balance/src/a.rs", text).len(), 1);
    assert!(says(rust::banned_calls, "crates/net/src/a.rs", text).is_empty());
    let text = "use std::sync::{Arc, Mutex};\n";
    assert_eq!(says(rust::banned_calls, "crates/proxy/src/a.rs", text).len(), 1);
    assert!(says(rust::banned_calls, "crates/control/src/a.rs", text).is_empty());
    let text = "fn f() { println!(); }\n";
    assert_eq!(says(rust::banned_calls, "crates/net/src/a.rs", text).len(), 1);
    assert!(says(rust::banned_calls, "crates/evenkeel/src/cli.rs", text).is_empty());
}

#[test]
fn an_unwrap_needs_a_proof() {
    let bare = "fn f() {\n    g().unwrap();\n}\n";
    assert_eq!(says(rust::unwraps, "crates/net/src/a.rs", bare).len(), 1);
    let proven = "fn f() {\n    // g never fails after h.\n    g().unwrap();\n}\n";
    assert!(says(rust::unwraps, "crates/net/src/a.rs", proven).is_empty());
    assert!(says(rust::unwraps, "crates/net/src/a/tests.rs", bare).is_empty());
}

#[test]
fn empty_names_are_refused() {
    assert_eq!(says(rust::file_names, "crates/net/src/utils.rs", "").len(), 1);
    assert_eq!(says(rust::file_names, "crates/net/src/common/a.rs", "").len(), 1);
    assert!(says(rust::file_names, "crates/admin/src/manager.rs", "").is_empty());
}

#[test]
fn links_lead_somewhere() {
    let files = [
        (
            "docs/a.md",
            "[b](b.md) [up](../README.md#what-it-is) [x](x.md) [w](https://e.org/q)\n\
                       `[no](no.md)`\n```\n[no](no.md)\n```\n[h](#none)\n[out](../../x)\n[dir](.)\n",
        ),
        ("docs/b.md", ""),
        ("README.md", "## What it is!\n"),
    ];
    let found = texts::links(&tree(&files));
    let lines: Vec<(usize, &str)> = found.iter().map(|f| (f.line, f.what.as_str())).collect();
    assert_eq!(
        lines,
        [
            (1, "x.md leads nowhere"),
            (6, "docs/a.md has no heading #none"),
            (7, "../../x leads out of the project"),
        ]
    );
}

#[test]
fn texts_say_what_they_must_and_not_what_they_must_not() {
    assert_eq!(texts::readme(&tree(&[("README.md", "use curl")])).len(), 1);
    assert_eq!(texts::changelog(&tree(&[("CHANGELOG.md", "## 0.1.0\n")])).len(), 1);
    assert!(texts::changelog(&tree(&[("CHANGELOG.md", "## [Unreleased]\n")])).is_empty());
    let path = concat!("in /wo", "rk/x\n");
    assert_eq!(says(texts::machine_words, "docs/a.md", path).len(), 1);
    let lock = "source = \"registry+https://mirror.example/index\"\n";
    assert_eq!(says(texts::lock_sources, "Cargo.lock", lock).len(), 1);
    let mut heavy = tree(&[("a.bin", "")]);
    heavy.files[0].size = 300 * 1024;
    assert_eq!(texts::weights(&heavy).len(), 1);
}

#[test]
fn metrics_are_in_the_table() {
    let files = [
        ("crates/observe/src/metrics/table.rs", "const A: &str = \"evenkeel_requests_total\";"),
        ("crates/proxy/src/a.rs", "use evenkeel_plan::Plan; let b = \"evenkeel_other\";"),
        ("crates/plan/src/lib.rs", ""),
        ("docs/m.md", "evenkeel_requests_total_bucket evenkeel_plan evenkeel_* evenkeel_typo"),
    ];
    let found = metrics::names(&tree(&files));
    let said: Vec<&str> = found.iter().map(|f| f.what.split(' ').next().unwrap()).collect();
    assert_eq!(said, ["evenkeel_other", "evenkeel_typo"]);
}
