use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Mutex;

use super::super::{CoreLog, Format, Record};
use super::*;

const SOON: Duration = Duration::from_secs(10);

fn core_log(writer: &Writer) -> CoreLog {
    CoreLog::new(Arc::new(Format::template("{target}").unwrap()), writer.sender())
}

fn record(target: &str) -> Record<'_> {
    Record { target: target.as_bytes(), unix_millis: 1_000_000, ..Record::default() }
}

fn start(path: &std::path::Path) -> Writer {
    Writer::start(Target::File(path.to_owned()), |_| {}).unwrap()
}

/// Waits for what another thread does.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn lines_of_all_cores_are_appended_whole_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    fs::write(&path, "old\n").unwrap();
    let writer = start(&path);
    let cores = [0, 1].map(|core| {
        let mut log = core_log(&writer);
        thread::spawn(move || {
            for n in 0..5000 {
                log.write(&record(&format!("/{core}/{n}")));
                if n % 1000 == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        })
    });
    cores.into_iter().for_each(|core| core.join().unwrap());
    let counters_before_stop = writer.sender.clone();
    assert!(writer.stop(SOON));
    assert_eq!(counters_before_stop.shared.dropped.load(Relaxed), 0);
    let text = fs::read_to_string(&path).unwrap();
    for core in 0..2 {
        let prefix = format!("/{core}/");
        let numbers = text.lines().filter_map(|line| line.strip_prefix(&prefix));
        assert!(numbers.eq((0..5000).map(|n: i32| n.to_string())), "core {core}");
    }
    assert!(text.starts_with("old\n"));
    assert_eq!(text.lines().count(), 10_001);
}

#[test]
fn a_new_file_is_not_for_everyone_and_a_missing_folder_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    assert!(start(&path).stop(SOON));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0);
    let missing = Target::File(dir.path().join("no/access.log"));
    let error = Writer::start(missing, |_| {}).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn after_a_rename_reopen_writes_to_the_new_file() {
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (dir.path().join("access.log"), dir.path().join("access.log.1"));
    let writer = start(&path);
    let mut log = core_log(&writer);
    log.write(&record("/one"));
    log.flush();
    until("the first line", || writer.counters().lines == 1);
    fs::rename(&path, &moved).unwrap();
    log.write(&record("/two"));
    log.flush();
    until("the second line", || writer.counters().lines == 2);
    writer.reopen();
    until("the new file", || path.exists());
    log.write(&record("/three"));
    drop(log);
    assert!(writer.stop(SOON));
    assert_eq!(fs::read_to_string(moved).unwrap(), "/one\n/two\n");
    assert_eq!(fs::read_to_string(path).unwrap(), "/three\n");
}

#[test]
fn a_failed_reopen_keeps_the_old_file_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("logs");
    fs::create_dir(&folder).unwrap();
    let reports = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&reports);
    let target = Target::File(folder.join("access.log"));
    let writer = Writer::start(target, move |report| told.lock().unwrap().push(report)).unwrap();
    let moved = dir.path().join("moved");
    fs::rename(&folder, &moved).unwrap();
    writer.reopen();
    let mut log = core_log(&writer);
    log.write(&record("/kept"));
    log.flush();
    until("the line", || writer.counters().lines == 1);
    assert_eq!(fs::read_to_string(moved.join("access.log")).unwrap(), "/kept\n");
    assert_eq!(writer.counters().errors, 1);
    let reports = reports.lock().unwrap().clone();
    assert!(
        matches!(&reports[..], [Report::Failing { error, lines_lost: 0 }] if error.contains("reopen")),
        "{reports:?}"
    );

    fs::create_dir(&folder).unwrap();
    until("the retry", || {
        log.write(&record("/again"));
        log.flush();
        thread::sleep(Duration::from_millis(50));
        folder.join("access.log").exists()
    });
}

#[test]
fn a_full_disk_loses_lines_counts_them_and_is_told_once() {
    let full = std::path::Path::new("/dev/full");
    if !full.exists() {
        return;
    }
    let reports = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&reports);
    let target = Target::File(full.to_owned());
    let writer = Writer::start(target, move |report| told.lock().unwrap().push(report)).unwrap();
    let mut log = core_log(&writer);
    for _ in 0..5 {
        log.write(&record("/x"));
        log.write(&record("/y"));
        log.flush();
    }
    until("the losses", || writer.counters() == Counters { lines: 0, dropped: 10, errors: 5 });
    assert_eq!(reports.lock().unwrap().len(), 1, "once a minute");
    assert!(writer.stop(SOON), "it still runs");
}

#[test]
fn a_stuck_writer_costs_lines_and_never_time() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    if !made.is_ok_and(|status| status.success()) {
        return;
    }
    // Open for reading and writing, so that opening waits for nobody; it is never read.
    let _reader = OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    let writer = start(&fifo);
    let mut log = core_log(&writer);
    let line = "x".repeat(4000);
    let begin = Instant::now();
    for _ in 0..QUEUE_MAX * 20 {
        log.write(&record(&line));
    }
    assert!(begin.elapsed() < SOON);
    assert!(writer.counters().dropped > 1000, "{:?}", writer.counters());
    assert!(!writer.stop(Duration::from_millis(50)), "the deadline holds");
}

#[test]
fn a_batch_is_handed_over_by_size_age_and_tick() {
    let dir = tempfile::tempdir().unwrap();
    let writer = start(&dir.path().join("log"));
    let mut log = core_log(&writer);
    log.write(&record("/a"));
    log.tick(1_000_199);
    assert!(log.is_waiting());
    log.tick(1_000_200);
    assert!(!log.is_waiting());
    log.write(&record("/a"));
    log.write(&Record { unix_millis: 1_000_300, ..record("/b") });
    assert!(!log.is_waiting(), "a late line takes the batch with it");
    for _ in 0..9 {
        log.write(&record(&"x".repeat(4000)));
    }
    assert!(!log.is_waiting(), "32 KiB");
    log.write(&record("/c"));
    log.tick(5);
    assert!(log.is_waiting(), "a clock set back does no harm");
}

#[test]
fn a_torn_line_is_ended_before_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let sink = Target::File(path.clone()).open().unwrap();
    let target = Target::File(path.clone());
    let mut task = Task::new(target, sink, Arc::default(), Box::new(|_| {}));
    task.write(b"half a li", 0);
    task.torn = true;
    task.write(b"next\n", 1);
    assert_eq!(fs::read_to_string(path).unwrap(), "half a li\nnext\n");
}
