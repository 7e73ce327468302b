//! A README in another language is in step with the English one: the same headings, code, links and figures, in the same order where
//! order has a meaning. Whether the words say the same is for people to read.

use super::tree::{Finding, Tree};

/// The page that leads.
const LEADS: &str = "README.md";
/// The pages that follow it.
const FOLLOW: [&str; 1] = ["README.zh.md"];

/// What does not depend on the language.
#[derive(Debug, Default, PartialEq, Eq)]
struct Bones {
    /// The level of each heading.
    headings: Vec<String>,
    /// Each line of code.
    code: Vec<String>,
    /// Code between backticks, sorted: another language has another order of words.
    words: Vec<String>,
    /// Where links lead, sorted.
    links: Vec<String>,
    /// Figures, sorted.
    figures: Vec<String>,
}

/// What is in one page and not in the other.
pub(crate) fn find(tree: &Tree) -> Vec<Finding> {
    let Some(leads) = tree.file(LEADS).map(|file| bones(&file.text)) else {
        return Vec::new();
    };
    let follow = FOLLOW.iter().filter_map(|path| tree.file(path));
    let findings = follow.flat_map(|file| {
        let bones = bones(&file.text);
        let pairs = [
            ("headings", &leads.headings, bones.headings),
            ("code", &leads.code, bones.code),
            ("words of code", &leads.words, bones.words),
            ("links", &leads.links, bones.links),
            ("figures", &leads.figures, bones.figures),
        ];
        let told = pairs.into_iter().filter_map(|(what, leads, follows)| {
            let difference = difference(leads, &follows)?;
            let what = format!("{what} are not those of {LEADS}: {difference}; translate what has changed");
            Some(Finding::in_file(&file.path, what))
        });
        told.collect::<Vec<_>>()
    });
    findings.collect()
}

/// The first thing that differs, in words.
fn difference(leads: &[String], follows: &[String]) -> Option<String> {
    if leads == follows {
        return None;
    }
    let shared = leads.iter().zip(follows).take_while(|(a, b)| a == b).count();
    let at = |side: &[String]| {
        side.get(shared)
            .map_or_else(|| "nothing more".to_owned(), |one| format!("'{one}'"))
    };
    Some(format!("{} there, {} here", at(leads), at(follows)))
}

fn bones(page: &str) -> Bones {
    let mut bones = Bones::default();
    let mut fenced = false;
    let mut prose = String::new();
    for line in page.lines() {
        let fence = line.starts_with("```");
        if fenced || fence || line.starts_with("    ") {
            bones.code.push(line.to_owned());
            fenced ^= fence;
            continue;
        }
        let level = line.split(' ').next().unwrap_or_default();
        if level.starts_with('#') && level.trim_matches('#').is_empty() {
            bones.headings.push(level.to_owned());
        }
        prose.push_str(line);
        prose.push('\n');
    }
    for (index, part) in prose.split('`').enumerate() {
        if index % 2 == 1 {
            // A line's end within it is the page's width.
            bones.words.push(part.replace('\n', " "));
            continue;
        }
        for (place, rest) in part.split("](").enumerate() {
            let (target, text) = if place == 0 {
                ("", rest)
            } else {
                rest.split_once(')').unwrap_or((rest, ""))
            };
            let other_language = target == LEADS || FOLLOW.contains(&target);
            if !target.is_empty() && !other_language {
                bones.links.push(target.to_owned());
            }
            bones.figures.extend(figures(text));
        }
    }
    for unordered in [&mut bones.words, &mut bones.links, &mut bones.figures] {
        unordered.sort_unstable();
    }
    bones
}

/// Numbers of a text, but for those in names (K3s) and at the beginning of a list's entry.
fn figures(text: &str) -> Vec<String> {
    let numbers = text.split(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '.' || sign == '-'));
    numbers
        .map(|word| word.trim_matches(['.', '-']))
        .filter(|word| word.starts_with(|first: char| first.is_ascii_digit()))
        .map(ToOwned::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGLISH: &str = "# a\n\nIt takes `x y` 3 s, see [b](b.md) and [c](c.md).\n\n    run\n\n## d\n";

    fn found(translated: &str) -> Vec<String> {
        let tree = Tree::of(&[("README.md", ENGLISH), ("README.zh.md", translated)]);
        find(&tree).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn other_words_in_another_order_are_in_step() {
        let same =
            "# 甲\n\n[English](README.md) 见 [丙](c.md) 和 [乙](b.md)：3 秒，`x\ny`。\n\n    run\n\n## 丁\n";
        assert_eq!(found(same), Vec::<String>::new());
    }

    #[test]
    fn a_heading_a_line_of_code_a_link_a_word_and_a_figure_are_missed() {
        for (gone, instead, what) in [
            ("## d\n", "", "headings"),
            ("    run\n", "    walk\n", "code"),
            ("[c](c.md)", "c", "links"),
            ("`x y`", "`z`", "words of code"),
            ("3 s", "4 s", "figures"),
        ] {
            let told = found(&ENGLISH.replace(gone, instead));
            assert!(told.len() == 1 && told[0].starts_with(what), "{what}: {told:?}");
        }
    }
}
