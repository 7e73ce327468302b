//! The report as one HTML page, with bars drawn as SVG; it needs nothing from anywhere else.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::report::{Figure, Report};

const BAR: u32 = 18;
const WIDTH: f64 = 420.0;
const LEFT: f64 = 130.0;

const HEAD: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>jackline, measured</title>\
<style>body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}\
table{border-collapse:collapse}td,th{padding:.2rem .7rem;text-align:left;border-bottom:1px solid #ddd}\
.missed{color:#a00}.met{color:#060}figure{margin:1.2rem 0}figcaption{font-weight:600}text{font-size:12px}\
@media(prefers-color-scheme:dark){body{background:#161616;color:#ddd}td,th{border-color:#444}text{fill:#ddd}\
.missed{color:#f88}.met{color:#8c8}}</style>\n";

/// The page.
pub(crate) fn render(report: &Report) -> String {
    let mut page = HEAD.to_owned();
    let machine = &report.machine;
    // Writing to a string does not fail.
    let _ = writeln!(
        page,
        "<h1>jackline, measured</h1><p>{}. {} rounds, interleaved; medians, with the least and the most as a line. {} × {}, \
         Linux {}, {} GiB, load {} before the end, {} descriptors.</p>",
        escaped(&report.date),
        report.rounds,
        machine.cores,
        escaped(&machine.processor),
        escaped(&machine.kernel),
        machine.memory,
        escaped(&machine.load),
        machine.descriptors
    );
    if report.quick {
        page.push_str("<p><strong>A quick run</strong>: it shows that all works, and little more.</p>\n");
    }
    page.push_str("<h2>What is aimed at</h2><table><tr><th>figure<th>target<th>got<th></tr>\n");
    for outcome in &report.targets {
        let word = if outcome.met { "met" } else { "missed" };
        let _ = writeln!(
            page,
            "<tr><td>{}<td>{}<td>{:.3}<td class=\"{word}\">{word}</tr>",
            escaped(&outcome.figure),
            escaped(&outcome.target),
            outcome.got
        );
    }
    page.push_str("</table><h2>Figures</h2>\n");
    for (name, targets) in &report.figures {
        bars(&mut page, name, targets);
    }
    for failure in &report.failures {
        let _ = writeln!(page, "<p class=\"missed\">Not measured: {}</p>", escaped(failure));
    }
    for skipped in &report.skipped {
        let _ = writeln!(page, "<p>Left out: {}</p>", escaped(skipped));
    }
    page.push_str("</html>\n");
    page
}

fn bars(page: &mut String, name: &str, targets: &BTreeMap<String, Figure>) {
    let most = targets.values().map(|figure| figure.most).fold(0.0, f64::max);
    let scale = if most > 0.0 { WIDTH / most } else { 0.0 };
    let height = BAR * u32::try_from(targets.len()).unwrap_or(0);
    let _ = writeln!(
        page,
        "<figure><figcaption>{}</figcaption><svg width=\"760\" height=\"{height}\">",
        escaped(name)
    );
    let mut top = 0;
    for (target, figure) in targets {
        let colour = if target == "jackline" { "#2a6" } else { "#89a" };
        let middle = top + BAR / 2;
        let at = |value: f64| LEFT + value * scale;
        let ratio = figure
            .to_haproxy
            .map_or(String::new(), |ratio| format!(" ({ratio:.2})"));
        let _ = writeln!(
            page,
            "<text x=\"0\" y=\"{}\">{}</text><rect x=\"{LEFT}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" fill=\"{colour}\"/>\
             <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle}\" y2=\"{middle}\" stroke=\"#000\"/>\
             <text x=\"{:.1}\" y=\"{}\">{:.3}{ratio}</text>",
            middle + 4,
            escaped(target),
            top + 3,
            figure.median * scale,
            BAR - 6,
            at(figure.least),
            at(figure.most),
            at(figure.most) + 6.0,
            middle + 4,
            figure.median
        );
        top += BAR;
    }
    page.push_str("</svg></figure>\n");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Samples;

    #[test]
    fn the_page_has_a_bar_for_each_target_and_hides_no_failure() {
        let mut samples = Samples::default();
        samples.add("bulk.1.down.gbit_s", "jackline", 16.0);
        samples.add("bulk.1.down.gbit_s", "a<b", 8.0);
        samples.fail("idle", "nginx", "it died");
        let page = render(&Report::of(&samples, 1, true));
        assert_eq!(page.matches("<rect").count(), 2);
        assert!(page.contains("a&lt;b") && page.contains("idle with nginx: it died"));
        assert!(!page.contains("NaN"));
    }
}
