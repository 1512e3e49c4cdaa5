//! The pages made from tables are up to date. `EVENKEEL_WRITE_DOCS=1` writes them.

use std::fs;
use std::path::Path;

fn current(page: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    if std::env::var_os("EVENKEEL_WRITE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let on_disk = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        on_disk == text,
        "docs/{page} is out of date: run EVENKEEL_WRITE_DOCS=1 cargo test -p evenkeel-observe"
    );
}

#[test]
fn the_page_of_metrics_is_current() {
    current("metrics.md", &evenkeel_observe::metrics::table::markdown());
}

#[test]
fn the_page_of_the_access_log_is_current() {
    current("access-log.md", &evenkeel_observe::access_log::markdown());
}
