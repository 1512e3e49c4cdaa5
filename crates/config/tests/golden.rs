//! What a person is told: `golden/*.conftest` hold a configuration, a line `----`, the normal form
//! of what was read (or `(none)`), a line `----`, and the diagnostics. `BLESS=1` writes the latter
//! two anew.

use std::fs;
use std::path::Path;

use evenkeel_config::{load_str, print, render};

const LINE: &str = "\n----\n";

fn env(name: &str) -> Option<String> {
    match name {
        "PORT" => Some("8080".to_owned()),
        "TOKEN" => Some("s3cret".to_owned()),
        "EMPTY" => Some(String::new()),
        "WORD" => Some("many".to_owned()),
        _ => None,
    }
}

fn outcome(input: &str) -> String {
    let loaded = load_str("evenkeel.toml", input, &env);
    let plan = loaded.plan.as_ref().map_or("(none)\n".to_owned(), print);
    let told = render(&loaded.diagnostics, &loaded.sources, false);
    // No line ends in blanks, so that no editor changes it.
    let told: Vec<&str> = told.lines().map(str::trim_end).collect();
    format!("{}{LINE}{}", plan.trim_end(), told.join("\n")).trim_end().to_owned()
}

#[test]
fn what_is_read_and_told_is_as_agreed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let bless = std::env::var_os("BLESS").is_some();
    let mut paths: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut wrong = Vec::new();
    for path in &paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.ends_with(".conftest"), "{name} is no golden file");
        let text = fs::read_to_string(path).unwrap();
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let (input, expected) = text.split_once(LINE).unwrap_or((text, ""));
        let found = outcome(&format!("{input}\n"));
        if found == expected {
            continue;
        }
        if bless {
            fs::write(path, format!("{input}{LINE}{found}\n")).unwrap();
        } else {
            wrong.push(format!("{name}:\n{found}\n\nnot as agreed:\n{expected}\n"));
        }
    }
    assert!(paths.len() >= 60, "{} golden files", paths.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
