//! The page, the examples and the schema are true. `EVENKEEL_WRITE_DOCS=1` writes what is made.

use std::fs;
use std::path::{Path, PathBuf};

use evenkeel_config::{load, load_str, print, reference_markdown, render, schema};
use proptest::prelude::*;
use serde_json::Value;

mod support;

const PAGE: &str = "docs/configuration.md";

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Puts the text between two markers of the page.
fn replaced(page: &str, name: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->\n"));
    let (before, rest) = page.split_once(&begin).expect("the page has the marker");
    let (_, after) = rest.split_once(&end).expect("the marker ends");
    format!("{before}{begin}{text}{end}{after}")
}

#[test]
fn the_page_is_current() {
    let on_disk = fs::read_to_string(at(PAGE)).unwrap();
    let example = fs::read_to_string(at("examples/typical.toml")).unwrap();
    let page = replaced(&on_disk, "example", &format!("```toml\n{example}```\n"));
    let layer4 = fs::read_to_string(at("examples/layer4.toml")).unwrap();
    let page = replaced(&page, "layer4", &format!("```toml\n{layer4}```\n"));
    let page = replaced(&page, "reference", &format!("\n{}\n", reference_markdown()));
    if std::env::var_os("EVENKEEL_WRITE_DOCS").is_some() {
        fs::write(at(PAGE), &page).unwrap();
    } else {
        assert!(
            on_disk == page,
            "{PAGE} is out of date: run EVENKEEL_WRITE_DOCS=1 cargo test -p evenkeel-config"
        );
    }
}

#[test]
fn every_example_loads_without_a_word() {
    let mut count = 0;
    for entry in fs::read_dir(at("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let loaded = load(&path, &|_| None);
        assert_eq!(render(&loaded.diagnostics, &loaded.sources, false), "", "{}", path.display());
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(fits(&schema(), &json(&text)), Ok(()), "{}", path.display());
        count += 1;
    }
    assert!(count >= 3);
}

#[test]
fn what_the_page_shows_is_true() {
    let page = fs::read_to_string(at(PAGE)).unwrap();
    let first = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(first, fs::read_to_string(at("examples/four-lines.toml")).unwrap());
    let told = page.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let golden = include_str!("golden/several-in-order.conftest");
    assert!(golden.contains(told.trim()), "{told}");
}

#[test]
fn a_file_that_names_every_key_fits_the_schema() {
    assert_eq!(fits(&schema(), &json(include_str!("whole.toml"))), Ok(()));
}

#[test]
fn slips_do_not_fit_the_schema() {
    for slip in [
        "listner = []",
        "[[listener]]\nport = 80",
        "[pool]\nname = \"app\"",
        "[[pool]]\npolicy = \"roundrobin\"",
        "[[pool]]\ntimeouts = { connect = \"1\" }",
        "[[pool]]\nretry = { attempts = \"2\" }",
        "[server]\ndrain_timeout = 30",
    ] {
        assert!(fits(&schema(), &json(slip)).is_err(), "{slip}");
    }
}

/// Every table and key of the reference is found on its way through the schema.
#[test]
fn every_row_is_in_the_schema() {
    let schema = schema();
    let mut table = None;
    let mut rows = 0;
    for line in reference_markdown().lines() {
        if let Some(title) = line.strip_prefix('#') {
            let path = title.trim_matches(['#', ' ', '`', '[', ']']);
            table = (!path.contains(' ')).then(|| {
                path.split('.').fold(&schema, |at, name| {
                    inner(at).get(name).unwrap_or_else(|| panic!("{path} is not in the schema"))
                })
            });
        } else if let (Some(table), Some(row)) = (table, line.strip_prefix("| `")) {
            let key = row.split('`').next().unwrap();
            let found = inner(table).get(key).unwrap_or_else(|| panic!("{key} is missing"));
            assert!(found["description"].as_str().is_some_and(|text| text.len() > 3), "{key}");
            rows += 1;
        }
    }
    assert!(rows > 90, "{rows} rows");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_printed_fits_the_schema(plan in support::plans::plan()) {
        prop_assert_eq!(fits(&schema(), &json(&print(&plan))), Ok(()));
    }
}

#[test]
fn the_defaults_in_the_reference_are_the_defaults() {
    let minimal = "[[listener]]\nbind = \"0.0.0.0:80\"\npool = \"a\"\n[[route]]\npath = \"/x\"\npool = \"a\"\n[[pool]]\nname = \"a\"\nmembers = [\"10.0.0.1:80\"]\n";
    let plain = print(&load_str("a.toml", minimal, &support::no_env).plan.unwrap());
    let mut table = String::new();
    let mut tried = 0;
    for line in reference_markdown().lines() {
        if line.starts_with('#') {
            table = line.trim_matches(['#', ' ', '`']).to_owned();
            continue;
        }
        let cells: Vec<&str> = line.split(" | ").collect();
        let [key, _, default, _] = cells[..] else { continue };
        let inner = table.trim_matches(['[', ']']);
        // Tables that need other keys beside these, and defaults that are said in words.
        let lone = ["server", "listener", "listener.timeouts", "listener.limits", "pool"]
            .contains(&inner)
            || ["listener.forwarded", "pool.retry", "pool.timeouts", "pool.limits"]
                .contains(&inner)
            || ["pool.health.passive", "listener.tcp", "listener.udp", "pool.tcp"].contains(&inner);
        if !lone || !default.starts_with('`') || default.contains("PROTOCOL") {
            continue;
        }
        let value = default.trim_matches('`');
        let bare = value.parse::<f64>().is_ok() || value.parse::<bool>().is_ok();
        let quoted = !bare && !value.starts_with(['[', '{', '"']);
        let value = if quoted { format!("\"{value}\"") } else { value.to_owned() };
        let line = format!("{} = {value}\n", key.trim_matches(['|', ' ', '`']));
        let text = match inner {
            "listener" => minimal.replace("bind =", &format!("{line}bind =")),
            "pool" => format!("{minimal}{line}"),
            _ if inner.starts_with("listener") => {
                minimal.replace("[[route]]", &format!("{table}\n{line}[[route]]"))
            }
            _ => format!("{minimal}{table}\n{line}"),
        };
        let loaded = load_str("a.toml", &text, &support::no_env);
        let told = render(&loaded.diagnostics, &loaded.sources, false);
        let plan = loaded.plan.unwrap_or_else(|| panic!("{text}\n{told}"));
        assert_eq!(print(&plan), plain, "{line}");
        tried += 1;
    }
    assert!(tried > 35, "{tried} defaults");
}

fn json(text: &str) -> Value {
    toml::from_str(text).unwrap()
}

/// The properties of a table's schema, also where it is one of several shapes or in an array.
fn inner(schema: &Value) -> &Value {
    let several = schema["anyOf"].as_array().into_iter().flatten();
    let shapes = [schema, &schema["items"]].into_iter().chain(several);
    shapes.map(|shape| &shape["properties"]).find(|p| p.is_object()).unwrap_or(&Value::Null)
}

/// As much of JSON Schema as ours uses.
fn fits(schema: &Value, value: &Value) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{value} is not {what}: {schema}"));
    if let Some(shapes) = schema["anyOf"].as_array()
        && !shapes.iter().any(|shape| fits(shape, value).is_ok())
    {
        return wrong("any of its shapes");
    }
    let name = match value {
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::Null => "null",
    };
    let right = |wanted: &Value| wanted == name || wanted == "number" && name == "integer";
    match &schema["type"] {
        Value::Null => {}
        Value::Array(wanted) if wanted.iter().any(right) => {}
        one if right(one) => {}
        _ => return wrong("of its type"),
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        return wrong("one of its words");
    }
    if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str())
        && !regex::Regex::new(pattern).unwrap().is_match(text)
    {
        return wrong("like its pattern");
    }
    if value.as_f64().zip(schema["minimum"].as_f64()).is_some_and(|(value, least)| value < least) {
        return wrong("large enough");
    }
    for item in value.as_array().into_iter().flatten() {
        if !schema["items"].is_null() {
            fits(&schema["items"], item)?;
        }
    }
    for (key, item) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(key) {
            Some(schema) => fits(schema, item)?,
            None if schema["additionalProperties"] == false => return wrong("without other keys"),
            None => {}
        }
    }
    Ok(())
}
