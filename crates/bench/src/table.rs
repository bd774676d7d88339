//! The table of figures: printed, and written as Markdown.

use std::fmt::Write as _;

/// One figure beside its limit.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// Our figure.
    pub figure: String,
    /// The figure of the bare route or limit it is held against.
    pub bare: String,
    /// Their ratio.
    pub ratio: String,
    /// The goal in words.
    pub goal: String,
    /// Whether the goal is met; `None` for figures without a goal.
    pub met: Option<bool>,
    /// Anything a reader must know: statuses, spread.
    pub note: String,
}

impl Row {
    /// A figure held against a bare figure: their ratio must be at least `goal`.
    pub fn ratio(what: &str, unit: &str, (figure, bare): (f64, f64), goal: f64) -> Self {
        let ratio = figure / bare.max(1e-9);
        Self {
            what: what.to_owned(),
            figure: format!("{} {unit}", number(figure)),
            bare: format!("{} {unit}", number(bare)),
            ratio: format!("{ratio:.2}"),
            goal: format!("≥ {goal} ×"),
            met: Some(ratio >= goal),
            note: String::new(),
        }
    }

    /// A figure that must not exceed a limit.
    pub fn at_most(what: &str, unit: &str, figure: f64, limit: f64) -> Self {
        Self {
            what: what.to_owned(),
            figure: format!("{} {unit}", number(figure)),
            bare: "–".to_owned(),
            ratio: "–".to_owned(),
            goal: format!("≤ {} {unit}", number(limit)),
            met: Some(figure <= limit),
            note: String::new(),
        }
    }

    /// A figure without a goal.
    pub fn plain(what: &str, figure: String) -> Self {
        Self {
            what: what.to_owned(),
            figure,
            bare: "–".to_owned(),
            ratio: "–".to_owned(),
            goal: "–".to_owned(),
            met: None,
            note: String::new(),
        }
    }

    /// Adds a note.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        let note = note.into();
        if !note.is_empty() {
            let gap = if self.note.is_empty() { "" } else { "; " };
            self.note.push_str(gap);
            self.note.push_str(&note);
        }
        self
    }

    fn verdict(&self) -> &'static str {
        match self.met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "–",
        }
    }
}

/// Three significant figures or none after the point, thousands separated.
pub fn number(value: f64) -> String {
    if value < 10.0 {
        return format!("{value:.2}");
    }
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The rows as a Markdown table.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| what | figure | bare | ratio | goal | verdict | note |\n|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let _ = writeln!(text, "{}", markdown_row(row));
    }
    text
}

/// One row of it.
pub fn markdown_row(row: &Row) -> String {
    let Row { what, figure, bare, ratio, goal, note, .. } = row;
    format!("| {what} | {figure} | {bare} | {ratio} | {goal} | {} | {note} |", row.verdict())
}

/// Puts `table` between the two marker lines of a document, or at its end if it has none.
pub fn replace_section(document: &str, name: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"));
    let section = format!("{begin}\n{table}{end}");
    match (document.split_once(&begin), document.split_once(&end)) {
        (Some((before, _)), Some((_, after))) => format!("{before}{section}{after}"),
        _ => format!("{}\n\n{section}\n", document.trim_end()),
    }
}

/// The middle value; zero when there is none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_separated() {
        assert_eq!(
            [number(0.851), number(45.67), number(1234.5), number(118_900.0)],
            ["0.85", "45.7", "1,234", "118,900"]
        );
    }

    #[test]
    fn a_section_is_replaced_in_place() {
        let first = replace_section("# Head\n", "run", "| a |\n");
        assert_eq!(first, "# Head\n\n<!-- run: begin -->\n| a |\n<!-- run: end -->\n");
        assert_eq!(replace_section(&first, "run", "| b |\n"), first.replace("| a |", "| b |"));
    }

    #[test]
    fn a_ratio_below_its_goal_is_missed() {
        assert_eq!(Row::ratio("x", "req/s", (84.0, 100.0), 0.85).met, Some(false));
        assert_eq!(Row::ratio("x", "req/s", (85.0, 100.0), 0.85).met, Some(true));
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
    }
}
