//! Rust text made fit for looking for words: comments and literals blanked out, line by line in place.
//!
//! It is no parser: it knows just enough of the language not to take a word in a string or in a comment for code.

use std::iter::repeat_n;

/// The same text with every comment and every literal's content replaced by spaces; lines stay where they are.
pub(crate) fn blanked(source: &str) -> String {
    let text: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < text.len() {
        let end = literal_or_comment(&text, at);
        if end > at {
            out.extend(text[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else if is_name(text[at]) {
            // A whole word at once, so that the r of `for` or the b of `stub` opens no literal.
            let word = text[at..].iter().take_while(|&&c| is_name(c)).count();
            out.extend(&text[at..at + word]);
            at += word;
        } else {
            out.push(text[at]);
            at += 1;
        }
    }
    out
}

/// Where the literal or comment that opens here ends; `at` itself when none does.
fn literal_or_comment(text: &[char], at: usize) -> usize {
    let rest = &text[at..];
    let length = match rest {
        ['/', '/', ..] => rest.iter().take_while(|&&c| c != '\n').count(),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => quoted(rest, 0),
        ['b' | 'c', '"', ..] => quoted(rest, 1),
        ['b', '\'', ..] => character(rest, 1),
        ['r', '"' | '#', ..] => raw(rest, 1),
        ['b' | 'c', 'r', '"' | '#', ..] => raw(rest, 2),
        ['\'', ..] => character(rest, 0),
        _ => 0,
    };
    at + length
}

fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// A literal whose opening quote stands at `open`.
fn quoted(rest: &[char], open: usize) -> usize {
    let mut at = open + 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// A raw literal whose hashes or quote begin at `open`; 0 for a raw name such as `r#type`.
fn raw(rest: &[char], open: usize) -> usize {
    let hashes = rest[open..].iter().take_while(|&&c| c == '#').count();
    let body = open + hashes + 1;
    if rest.get(body - 1) != Some(&'"') {
        return 0;
    }
    let close: Vec<char> = std::iter::once('"').chain(repeat_n('#', hashes)).collect();
    let found = rest[body..]
        .windows(close.len())
        .position(|window| window == close);
    found.map_or(rest.len(), |found| body + found + close.len())
}

/// A character literal whose quote stands at `open`; 0 for a lifetime.
fn character(rest: &[char], open: usize) -> usize {
    match rest[open + 1..] {
        ['\\', _, ref body @ ..] => body
            .iter()
            .position(|&c| c == '\'')
            .map_or(rest.len(), |end| open + end + 4),
        [_, '\'', ..] => open + 3,
        _ => 0,
    }
}

/// Which lines of a blanked text belong to an item under `#[cfg(test)]`.
pub(crate) fn test_lines(blanked: &str) -> Vec<bool> {
    item_lines(blanked, "#[cfg(test)]")
}

/// Which lines of a blanked text belong to an item under this attribute.
pub(crate) fn item_lines(blanked: &str, attribute: &str) -> Vec<bool> {
    let lines = blanked.lines().count();
    let mut marks = vec![false; lines];
    for (start, _) in blanked.match_indices(attribute) {
        let end = item_end(blanked, start);
        let first = blanked[..start].matches('\n').count();
        let last = blanked[..end].matches('\n').count();
        for mark in marks.iter_mut().take(last + 1).skip(first) {
            *mark = true;
        }
    }
    marks
}

/// Where the item that starts here ends: behind its closing brace, or at its semicolon.
fn item_end(blanked: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in blanked[start..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return start + at,
            '}' => depth -= 1,
            ';' if depth == 0 => return start + at,
            _ => {}
        }
    }
    blanked.len()
}

/// Whether the text holds this word, and not just as a part of a longer name.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let open = |c: Option<char>| !c.is_some_and(is_name);
        // A word that itself ends in punctuation is closed by it.
        (open(before) || !word.starts_with(is_name)) && (open(after) || !word.ends_with(is_name))
    })
}

/// Whether a name may hold this character.
pub(crate) fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_code_stays() {
        let cases = [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("a \" b", c)"#, "f(        , c)"),
            ("f(b\"a\", c\"b\")", "f(    ,     )"),
            ("r#\"a \" b\"# c", "           c"),
            ("r#type x", "r#type x"),
            ("for stub\"x\"", "for stub   "),
            ("'a' + '\\'' + b'x' + '\\u{41}'", "    +      +      +         "),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
        ];
        for (source, wanted) in cases {
            assert_eq!(blanked(source), wanted, "of {source}");
        }
    }

    #[test]
    fn an_unclosed_literal_or_comment_ends_with_the_text() {
        for source in [
            "\"abc", "\"abc\\", "/* abc", "r#\"abc", "'\\", "b'", "r", "'", "r#",
        ] {
            assert_eq!(
                blanked(source).chars().count(),
                source.chars().count(),
                "of {source}"
            );
        }
    }

    #[test]
    fn lines_under_cfg_test_are_found() {
        let source = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}\n#[cfg(test)]\nmod more;\nfn d() {}\n";
        assert_eq!(
            test_lines(source),
            [false, true, true, true, true, false, true, true, false]
        );
    }

    #[test]
    fn a_word_is_not_a_part_of_a_longer_name() {
        assert!(has_word("unsafe { }", "unsafe"));
        assert!(!has_word("deny(unsafe_code)", "unsafe"));
        assert!(has_word("use std::io;", "std::"));
        assert!(!has_word("use no_std::io;", "std::"));
    }
}
