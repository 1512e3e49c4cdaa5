//! The main rows as bars, for the document.

use std::fmt::Write;

const LEFT: f64 = 90.0;
const WIDE: f64 = 520.0;
const BAR: f64 = 14.0;

/// A row: its title, and for each peer its name, microseconds, and whether it is ours.
pub(super) struct Bars {
    pub(super) title: String,
    pub(super) bars: Vec<(String, f64, bool)>,
}

/// Bars of each row, shortest first, to the scale of the row.
pub(super) fn svg(rows: &[Bars]) -> String {
    let height = |row: &Bars| 34.0 + row.bars.len() as f64 * (BAR + 4.0);
    let whole: f64 = rows.iter().map(height).sum();
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"700\" height=\"{:.0}\" \
         font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n\
         <title>CPU time for one request, microseconds</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
        whole + 10.0
    );
    let mut y = 20.0;
    for row in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "<text x=\"8\" y=\"{y:.0}\" font-weight=\"bold\" fill=\"#222222\">{}</text>",
            row.title
        );
        let longest = row.bars.iter().map(|(_, micros, _)| *micros).fold(1e-9, f64::max);
        let mut bars: Vec<&(String, f64, bool)> = row.bars.iter().collect();
        bars.sort_by(|a, b| a.1.total_cmp(&b.1));
        for (at, (name, micros, ours)) in bars.into_iter().enumerate() {
            let top = y + 8.0 + at as f64 * (BAR + 4.0);
            let width = micros / longest * WIDE;
            let colour = if *ours { "#0b6e4f" } else { "#b8c4cc" };
            let base = top + BAR - 3.0;
            let _ = writeln!(
                text,
                "<text x=\"{:.0}\" y=\"{base:.0}\" text-anchor=\"end\" fill=\"#444444\">{name}</text>\
                 <rect x=\"{LEFT:.0}\" y=\"{top:.0}\" width=\"{width:.1}\" height=\"{BAR:.0}\" fill=\"{colour}\"/>\
                 <text x=\"{:.0}\" y=\"{base:.0}\" fill=\"#444444\">{micros:.1}</text>",
                LEFT - 6.0,
                LEFT + width + 5.0,
            );
        }
        y += height(row);
    }
    text.push_str("</svg>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_to_scale_and_in_order() {
        let bars = vec![("slow".to_owned(), 20.0, false), ("quick".to_owned(), 10.0, true)];
        let text = svg(&[Bars { title: "row".to_owned(), bars }]);
        assert!(text.find("quick").unwrap() < text.find("slow").unwrap());
        assert!(text.contains("width=\"260.0\"") && text.contains("width=\"520.0\""));
    }
}
