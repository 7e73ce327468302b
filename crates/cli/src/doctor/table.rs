//! Findings for people: at most 80 columns, the worst first, no colour.

use std::fmt::Write as _;

use jackline_agent::doctor::{Finding, Fix, Report};

/// The widest line.
pub(crate) const WIDTH: usize = 80;
/// How far what belongs to a finding is set in.
const INDENT: &str = "    ";

/// The whole report.
pub(super) fn render(report: &Report, fixing: bool) -> String {
    let mut text = String::new();
    let role = report.role.as_deref().unwrap_or("role not known");
    wrapped(
        &mut text,
        "",
        &format!("{}: {}, {role}", plain(&report.node), report.profile),
    );
    for finding in &report.findings {
        text.push('\n');
        told(&mut text, finding);
    }
    if report.findings.is_empty() {
        let _ = writeln!(text, "\n{} checks, nothing found", report.checked.len());
    }
    if !report.fixed.is_empty() {
        text.push_str("\ndone:\n");
        for line in &report.fixed {
            wrapped(&mut text, "  ", &plain(line));
        }
    }
    if !report.unseen.is_empty() {
        text.push_str("\nnot looked at:\n");
        for unseen in &report.unseen {
            wrapped(
                &mut text,
                "  ",
                &format!("{}: {}", unseen.check, plain(&unseen.why)),
            );
        }
    }
    let fixable = report
        .findings
        .iter()
        .filter(|finding| finding.fix.is_some())
        .count();
    if fixable > 0 && !fixing {
        let _ = writeln!(text, "\n{fixable} of these can be fixed: jackline doctor --fix");
    }
    text
}

fn told(text: &mut String, finding: &Finding) {
    let head = format!(
        "{} {}: {}",
        finding.severity.word().to_uppercase(),
        finding.check,
        plain(&finding.what)
    );
    wrapped(text, "", &head);
    for line in &finding.evidence {
        wrapped(text, &format!("{INDENT}- "), &plain(line));
    }
    wrapped(text, INDENT, &format!("risk: {}", plain(&finding.risk)));
    wrapped(text, INDENT, &format!("remedy: {}", plain(&finding.remedy)));
}

/// What `--fix` is going to do.
pub(super) fn intentions(report: &Report, restart: bool) -> String {
    let mut text = String::new();
    let fixes = report.findings.iter().filter_map(|finding| finding.fix.as_ref());
    for fix in fixes {
        let line = match fix {
            Fix::SetAside { path, restart: unit } => {
                let unit = unit.as_ref().filter(|_| restart);
                let then = unit.map_or(String::new(), |unit| format!(", then restart {unit}"));
                format!("will set {path} aside beside itself{then}")
            }
            Fix::Close { path } => format!("will make {path} its owner's alone"),
        };
        wrapped(&mut text, "", &plain(&line));
    }
    if text.is_empty() {
        text.push_str("nothing here can be fixed safely by itself\n");
    }
    text.push('\n');
    text
}

/// Breaks `line` at blanks; what follows the first line is set in like it. A word that is too long stands alone.
pub(crate) fn wrapped(text: &mut String, indent: &str, line: &str) {
    let hanging: String = " ".repeat(indent.chars().count().max(2));
    let mut column = indent.chars().count();
    text.push_str(indent);
    for (index, word) in line.split_whitespace().enumerate() {
        let width = word.chars().count();
        if index > 0 && column + 1 + width > WIDTH {
            text.push('\n');
            text.push_str(&hanging);
            column = hanging.len();
        } else if index > 0 {
            text.push(' ');
            column += 1;
        }
        column += width;
        text.push_str(word);
    }
    text.push('\n');
}

/// Others' words without control characters: they go to a terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{WIDTH, wrapped};

    #[test]
    fn lines_are_broken_at_blanks_and_set_in() {
        let mut text = String::new();
        wrapped(&mut text, "    - ", &"word ".repeat(40));
        assert!(text.lines().count() > 2);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
        assert!(
            text.lines().skip(1).all(|line| line.starts_with("      word")),
            "{text}"
        );
    }
}
