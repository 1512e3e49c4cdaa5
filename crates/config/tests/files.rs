//! What needs files: includes, their order and their slips, encodings.

use std::fs;
use std::path::Path;

use evenkeel_config::{Loaded, load, render};
use tempfile::TempDir;

const POOL: &str = "[[pool]]\nname = \"app\"\nmembers = [\"10.0.0.1:80\"]\n";
const LISTENER: &str = "[[listener]]\nbind = \"0.0.0.0:80\"\npool = \"app\"\n";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn read(folder: &TempDir) -> Loaded {
    load(&folder.path().join("evenkeel.toml"), &|_| None)
}

/// What is told, without the folder's own name.
fn told(folder: &TempDir) -> String {
    let loaded = read(folder);
    let text = render(&loaded.diagnostics, &loaded.sources, false);
    text.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn includes_are_read_in_the_order_of_their_names() {
    let main = format!("include = [\"conf.d/*.toml\", \"pools/a?.toml\"]\n{LISTENER}");
    let route =
        |name: &str| format!("[[route]]\nname = \"{name}\"\npath = \"/{name}\"\npool = \"app\"\n");
    let folder = folder(&[
        ("evenkeel.toml", &main),
        ("conf.d/20-b.toml", &route("b")),
        ("conf.d/10-a.toml", &route("a")),
        ("conf.d/30-c.toml", &route("c")),
        ("conf.d/notes.txt", "not = read"),
        ("conf.d/.30-c.toml.swp.toml", "not = read"),
        ("pools/ab.toml", POOL),
        ("pools/abc.toml", "not = read"),
    ]);
    let loaded = read(&folder);
    assert_eq!(told(&folder), "");
    let plan = loaded.plan.unwrap();
    let names: Vec<&str> = plan.routes.iter().map(|route| route.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let files: Vec<_> = loaded.files.iter().map(|f| f.file_name().unwrap().to_owned()).collect();
    assert_eq!(files, ["evenkeel.toml", "10-a.toml", "20-b.toml", "30-c.toml", "ab.toml"]);
}

#[test]
fn a_pattern_that_fits_nothing_is_no_error() {
    let main = format!("include = \"conf.d/*.toml\"\n{LISTENER}{POOL}");
    let folder = folder(&[("evenkeel.toml", &main), ("conf.d/readme", "")]);
    assert_eq!(told(&folder), "");
}

#[test]
fn an_include_that_is_missing_is_told_where_it_is_asked_for() {
    let main = format!("include = [\n  \"app.toml\",\n  \"none/*.toml\",\n]\n{LISTENER}");
    let told = told(&folder(&[("evenkeel.toml", &main)]));
    assert_eq!(
        told,
        "\
error: app.toml cannot be read: No such file or directory (os error 2)
 --> evenkeel.toml:2:3
  |
2 |   \"app.toml\",
  |   ^^^^^^^^^^

error: none cannot be read: No such file or directory (os error 2)
 --> evenkeel.toml:3:3
  |
3 |   \"none/*.toml\",
  |   ^^^^^^^^^^^^^
"
    );
}

#[test]
fn errors_in_an_included_file_name_that_file() {
    let main = format!("include = \"app.toml\"\n{LISTENER}");
    let app = "[[pool]]\nname = \"app\"\nmembers = [\"10.0.0.1\"]\n";
    let told = told(&folder(&[("evenkeel.toml", &main), ("app.toml", app)]));
    assert!(told.contains(" --> app.toml:3:12\n"), "{told}");
}

#[test]
fn circles_and_repetitions_are_found() {
    let main = format!("include = [\"a.toml\", \"b.toml\"]\n{LISTENER}{POOL}");
    let folder = folder(&[
        ("evenkeel.toml", &main),
        ("a.toml", "include = \"b.toml\"\n"),
        ("b.toml", "include = \"evenkeel.toml\"\n"),
    ]);
    let told = told(&folder);
    assert!(told.contains("error: evenkeel.toml includes itself\n --> b.toml:1:11\n"), "{told}");
    assert!(told.contains("error: b.toml is included twice\n --> evenkeel.toml:1:22\n"), "{told}");
}

#[test]
fn depth_is_bounded() {
    let mut files = vec![("evenkeel.toml".to_owned(), "include = \"1.toml\"\n".to_owned())];
    for n in 1..20 {
        files.push((format!("{n}.toml"), format!("include = \"{}.toml\"\n", n + 1)));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
    let told = told(&folder(&files));
    assert!(told.starts_with("error: too many includes: at most 8 deep"), "{told}");
}

#[test]
fn a_table_that_may_stand_once_names_the_other_place() {
    let main = format!("include = \"more.toml\"\n{LISTENER}{POOL}[server]\ncores = 1\n");
    let folder = folder(&[("evenkeel.toml", &main), ("more.toml", "[server]\nio = \"epoll\"\n")]);
    assert_eq!(
        told(&folder),
        "\
error: [server] may stand only once
 --> more.toml:1:2
  |
1 | [server]
  |  ^^^^^^
  |
  = help: it stands at evenkeel.toml:8
"
    );
}

#[test]
fn names_that_two_files_give_name_the_other_file() {
    let main = format!("include = \"more.toml\"\n{LISTENER}{POOL}");
    let told = told(&folder(&[("evenkeel.toml", &main), ("more.toml", POOL)]));
    assert!(told.contains(" --> more.toml:2:8\n"), "{told}");
    assert!(told.contains("the other stands at evenkeel.toml:6"), "{told}");
}

#[test]
fn stars_stand_in_the_last_part_only() {
    let main = format!("include = \"*/x.toml\"\n{LISTENER}{POOL}");
    let told = told(&folder(&[("evenkeel.toml", &main)]));
    assert!(told.starts_with("error: `*` and `?` may stand only in the last part"), "{told}");
}

#[test]
fn a_missing_configuration_is_told_once() {
    let loaded = load(Path::new("/nonexistent/evenkeel.toml"), &|_| None);
    let told = render(&loaded.diagnostics, &loaded.sources, false);
    assert!(loaded.plan.is_none());
    let expected = "\
error: /nonexistent/evenkeel.toml cannot be read: No such file or directory (os error 2)
 |
 = help: name the configuration with -c FILE
";
    assert_eq!(told, expected);
}

#[test]
fn lines_may_end_as_on_windows() {
    let text = format!("{LISTENER}{POOL}").replace('\n', "\r\n");
    let good = folder(&[("evenkeel.toml", &text)]);
    assert_eq!(told(&good), "");
    let bad = folder(&[("evenkeel.toml", &text.replace("10.0.0.1:80", "10.0.0.1"))]);
    let told = told(&bad);
    assert!(told.contains(" --> evenkeel.toml:6:12\n"), "{told}");
    assert!(!told.contains('\r'), "{told:?}");
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let text = format!("\u{feff}{LISTENER}{POOL}");
    assert_eq!(told(&folder(&[("evenkeel.toml", &text)])), "");
}

#[test]
fn text_that_is_not_utf_8_is_refused_with_its_line() {
    let folder = folder(&[]);
    let mut bytes = format!("{LISTENER}# caf").into_bytes();
    bytes.extend_from_slice(b"\xe9\n");
    fs::write(folder.path().join("evenkeel.toml"), bytes).unwrap();
    let told = told(&folder);
    assert!(
        told.starts_with("error: evenkeel.toml cannot be read: line 4 is not UTF-8 text"),
        "{told}"
    );
}

#[test]
fn an_empty_file_says_what_is_missing() {
    let told = told(&folder(&[("evenkeel.toml", "")]));
    assert!(told.starts_with("error: no listener: nothing would be served\n"), "{told}");
    assert!(told.contains("--> evenkeel.toml\n"), "{told}");
}

#[test]
fn a_folder_is_no_configuration() {
    let folder = folder(&[("evenkeel.toml/x", "")]);
    assert!(told(&folder).contains("evenkeel.toml cannot be read"), "{}", told(&folder));
}
