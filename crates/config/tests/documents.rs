//! Every example in the documents is a whole configuration that can be served.

use std::path::{Path, PathBuf};

use evenkeel_config::{load_str, render};

#[test]
fn every_example_can_be_served() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = vec![root.join("README.md")];
    pages_below(&root.join("docs"), &mut pages);
    // Its examples are pieces of files; documentation.rs looks after that page.
    pages.retain(|page| !page.ends_with("configuration.md"));
    let mut examples = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for example in text.split("```toml\n").skip(1) {
            let example = example.split("```").next().unwrap_or_default();
            let name = page.display().to_string();
            let loaded = load_str(&name, example, &|_| Some("a-value-of-some-length".to_owned()));
            let complaints = render(&loaded.diagnostics, &loaded.sources, false);
            assert!(complaints.is_empty() && loaded.plan.is_some(), "{example}\n{complaints}");
            examples += 1;
        }
    }
    assert!(examples >= 10, "{examples} examples");
}

fn pages_below(folder: &Path, pages: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages_below(&path, pages);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
}
