use std::collections::BTreeMap;
use std::time::Duration;

use super::super::{CoreMetrics, Dial, Exchange, merge};
use super::*;

/// A strict reader of the text format: families are whole, headed once, samples unique.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let mut families = Vec::new();
    let mut family = (String::new(), String::new());
    let mut lines = text.lines().peekable();
    assert!(text.is_empty() || text.ends_with('\n'));
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("help has a text");
            assert!(!help.contains('\\'));
            let kind = lines.next().and_then(|l| l.strip_prefix("# TYPE ")).expect("then a type");
            let (typed, kind) = kind.split_once(' ').expect("a type");
            assert_eq!(typed, name);
            assert!(!families.contains(&name.to_owned()), "{name} appears twice");
            families.push(name.to_owned());
            family = (name.to_owned(), kind.to_owned());
            assert!(lines.peek().is_some_and(|l| l.starts_with(name)), "{name} has a sample");
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let name = series.split('{').next().unwrap();
        match family.1.as_str() {
            "histogram" => {
                let suffix = name.strip_prefix(&family.0).expect("of its family");
                assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{name}");
            }
            "counter" => assert!(name == family.0 && name.ends_with("_total"), "{name}"),
            "gauge" => assert!(name == family.0 && !name.ends_with("_total"), "{name}"),
            kind => panic!("type {kind}"),
        }
        labels(series.strip_prefix(name).unwrap());
        let old = samples.insert(series.to_owned(), value.parse().expect("a number"));
        assert!(old.is_none(), "{series} appears twice");
    }
    samples
}

fn labels(text: &str) {
    if text.is_empty() {
        return;
    }
    let mut rest = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).expect("braces");
    loop {
        let (name, after) = rest.split_once("=\"").expect("name and value");
        assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        let mut escaped = false;
        let end = after.char_indices().find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            assert!(!escaped || matches!(c, '"' | '\\' | 'n'), "escape of {c:?}");
            escaped = *c == '\\' && !escaped;
            ends
        });
        rest = &after[end.expect("the value ends").0 + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return assert!(rest.is_empty()),
        }
    }
}

fn key(names: &mut Names, member: &str, code: u16) -> SeriesKey {
    SeriesKey {
        listener: names.intern("web"),
        route: names.intern("r1"),
        pool: names.intern("api"),
        member: names.intern(member),
        code,
    }
}

fn exchange(millis: u64) -> Exchange {
    Exchange { duration: Duration::from_millis(millis), bytes_in: 100, bytes_out: 1000 }
}

#[test]
fn counts_of_two_cores_add_up_under_the_names_of_the_contract() {
    let mut names = Names::new();
    let (mut one, mut two) = (CoreMetrics::new(), CoreMetrics::new());
    one.exchange(key(&mut names, "a", 200), &exchange(1));
    one.exchange(key(&mut names, "a", 200), &exchange(20));
    two.exchange(key(&mut names, "a", 200), &exchange(70_000));
    two.exchange(key(&mut names, "b", 503), &exchange(0));
    let (web, api) = (names.intern("web"), names.intern("api"));
    one.connection_opened(web);
    one.connection_opened(web);
    two.connection_closed(web);
    two.tunnel_opened(web);
    two.flowed(web, api, 5, 7);
    two.refused(web, "no_member");
    two.retried(api, "connect");
    two.dialed(api, Dial::New);
    two.dialed(api, Dial::Reused);
    let merged = merge([one.snapshot(), two.snapshot()]);
    assert_eq!((merged.requests(), merged.requests_with(web, 200)), (4, 3));
    assert_eq!((merged.connections(web), merged.bytes(web)), ((1, 2), (405, 4007)));

    let samples = parse(&encode(&merged, &names, &Extra::new()));
    let expect = [
        (
            r#"evenkeel_requests_total{listener="web",route="r1",pool="api",member="a",code="200"}"#,
            3.0,
        ),
        (
            r#"evenkeel_requests_total{listener="web",route="r1",pool="api",member="b",code="503"}"#,
            1.0,
        ),
        (r#"evenkeel_request_seconds_bucket{pool="api",le="0.0005"}"#, 1.0),
        (r#"evenkeel_request_seconds_bucket{pool="api",le="0.001"}"#, 2.0),
        (r#"evenkeel_request_seconds_bucket{pool="api",le="60"}"#, 3.0),
        (r#"evenkeel_request_seconds_bucket{pool="api",le="+Inf"}"#, 4.0),
        (r#"evenkeel_request_seconds_count{pool="api"}"#, 4.0),
        (r#"evenkeel_request_seconds_sum{pool="api"}"#, 70.021),
        (r#"evenkeel_connections{listener="web"}"#, 1.0),
        (r#"evenkeel_connections_accepted_total{listener="web"}"#, 2.0),
        (r#"evenkeel_tunnels{listener="web"}"#, 1.0),
        (r#"evenkeel_bytes_total{listener="web",pool="api",direction="in"}"#, 405.0),
        (r#"evenkeel_bytes_total{listener="web",pool="api",direction="out"}"#, 4007.0),
        (r#"evenkeel_refusals_total{listener="web",cause="no_member"}"#, 1.0),
        (r#"evenkeel_retries_total{pool="api",cause="connect"}"#, 1.0),
        (r#"evenkeel_dials_total{pool="api",result="new"}"#, 1.0),
        (r#"evenkeel_metrics_folded_total"#, 0.0),
    ];
    for (series, value) in expect {
        assert_eq!(samples.get(series), Some(&value), "{series}");
    }
}

#[test]
fn extra_samples_are_escaped_unique_and_complete() {
    let mut extra = Extra::new();
    extra.set(&table::MEMBER_UP, &["api", "we\"ird\\na\nme"], 0.5);
    extra.set(&table::MEMBER_UP, &["api", "a"], false);
    extra.set(&table::MEMBER_UP, &["api", "a"], true);
    extra.set(&table::HEALTH_CHECKS, &["api", "a", "pass"], 9_007_199_254_740_993_u64);
    extra.set(&table::PROCESS_CPU, &[], f64::INFINITY);
    let text = encode(&Merged::default(), &Names::new(), &extra);
    let samples = parse(&text);
    assert_eq!(samples[r#"evenkeel_member_up{pool="api",member="a"}"#], 1.0);
    assert_eq!(samples[r#"evenkeel_member_up{pool="api",member="we\"ird\\na\nme"}"#], 0.5);
    assert!(text.contains(" 9007199254740993\n"), "whole numbers are exact");
    assert!(text.contains("process_cpu_seconds_total +Inf\n"));
}

#[test]
fn a_full_table_folds_and_counts() {
    let mut names = Names::new();
    let mut core = CoreMetrics::new();
    let mut count = |core: &mut CoreMetrics, member: u32| {
        core.exchange(key(&mut names, &format!("m{member}"), 200), &exchange(1));
    };
    (0..20_000).for_each(|member| count(&mut core, member));
    let merged = merge([core.snapshot()]);
    assert_eq!(merged.requests(), 20_000, "nothing is lost");

    core.retain(|key| key.member < 20);
    count(&mut core, 5);
    count(&mut core, 70);
    assert_eq!(merge([core.snapshot()]).folded, merged.folded, "there is room again");

    let samples = parse(&encode(&merged, &names, &Extra::new()));
    let folded = samples["evenkeel_metrics_folded_total"];
    assert_eq!(folded, 20_000.0 - (crate::metrics::SERIES_MAX as f64 - 1.0));
    let other = r#"evenkeel_requests_total{listener="other",route="other",pool="other",member="other",code="other"}"#;
    assert_eq!(samples[other], folded);
}

#[test]
fn every_row_of_the_table_is_well_formed() {
    let mut seen = Vec::new();
    for metric in table::ALL {
        assert!(!seen.contains(&metric.name), "{} twice", metric.name);
        seen.push(metric.name);
        assert!(metric.name.starts_with("evenkeel_") || metric.name.starts_with("process_"));
        assert_eq!(
            metric.name.ends_with("_total"),
            metric.kind == Kind::Counter,
            "{}",
            metric.name
        );
        assert!(!metric.help.contains(['\\', '\n', '|']), "{}", metric.name);
        if !metric.unit.is_empty() {
            assert!(metric.name.contains(metric.unit), "{} names its unit", metric.name);
        }
    }
}
