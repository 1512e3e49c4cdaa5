//! What holds for every plan and every text.

mod support;

use evenkeel_config::{Severity, load_str, print, render};
use proptest::prelude::*;
use support::{no_env, plans};

/// A file that names nearly every key, to be damaged.
const WHOLE: &str = include_str!("whole.toml");

fn read_and_tell(text: &str) {
    let loaded = load_str("evenkeel.toml", text, &no_env);
    let errors = loaded.diagnostics.iter().any(|d| d.severity == Severity::Error);
    assert_eq!(loaded.plan.is_some(), !errors);
    for diagnostic in &loaded.diagnostics {
        let (_, line, column) = diagnostic.position(&loaded.sources);
        assert!(line >= 1 && column >= 1);
        assert!(!diagnostic.message.is_empty());
    }
    let told = render(&loaded.diagnostics, &loaded.sources, false);
    assert_eq!(told.is_empty(), loaded.diagnostics.is_empty());
    if let Some(plan) = loaded.plan {
        let again = load_str("evenkeel.toml", &print(&plan), &no_env);
        assert_eq!(again.plan.as_ref(), Some(&plan), "{}", print(&plan));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_printed_plan_reads_as_itself(plan in plans::plan()) {
        let text = print(&plan);
        let loaded = load_str("printed.toml", &text, &no_env);
        let told = render(&loaded.diagnostics, &loaded.sources, false);
        prop_assert_eq!(loaded.plan.as_ref(), Some(&plan), "{}\n{}", text, told);
        prop_assert_eq!(print(&plan), print(&loaded.plan.unwrap()));
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        read_and_tell(&text);
    }

    #[test]
    fn no_damage_makes_it_panic(
        cuts in prop::collection::vec(
            (any::<prop::sample::Index>(), 0_usize..6, "[\\[\\]{}=\"'$,.#~0-9a-z\n é-]{0,4}"),
            1..5,
        ),
    ) {
        let mut text: Vec<char> = WHOLE.chars().collect();
        for (at, length, instead) in cuts {
            let from = at.index(text.len());
            let to = (from + length).min(text.len());
            text.splice(from..to, instead.chars());
        }
        read_and_tell(&text.into_iter().collect::<String>());
    }

    #[test]
    fn no_exchange_of_lines_makes_it_panic(
        pairs in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..8),
    ) {
        let mut lines: Vec<&str> = WHOLE.lines().collect();
        let count = lines.len();
        for (a, b) in pairs {
            lines.swap(a.index(count), b.index(count));
        }
        read_and_tell(&lines.join("\n"));
    }

    #[test]
    fn no_value_in_the_wrong_place_makes_it_panic(
        line in any::<prop::sample::Index>(),
        value in prop::sample::select(vec![
            "1", "-1", "1.5", "nan", "true", "false", "\"\"", "\"x\"", "[]", "[1]", "[[]]", "{}",
            "[{}]", "{ a = 1 }", "1979-05-27", "99999999999999999999", "0x_1", "\"${A}\"",
            "[\"\", 1, {}]", "'''\n\n'''",
        ]),
    ) {
        let mut lines: Vec<String> = WHOLE.lines().map(str::to_owned).collect();
        let at = line.index(lines.len());
        if let Some((key, _)) = lines[at].clone().split_once('=') {
            lines[at] = format!("{key}= {value}");
        }
        read_and_tell(&lines.join("\n"));
    }
}

#[test]
fn the_whole_file_is_sound() {
    let loaded = load_str("whole.toml", WHOLE, &no_env);
    assert_eq!(render(&loaded.diagnostics, &loaded.sources, false), "");
}
