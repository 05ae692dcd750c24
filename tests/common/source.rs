//! The project's own files as text, for the tests that judge them. Not part of `common`: those
//! tests take it alone.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

use std::fs;
use std::path::Path;

/// The folder of the project, with a slash at its end.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/");

/// A text file: its path from the folder of the project, and what is in it.
pub struct File {
    pub path: String,
    pub text: String,
}

impl File {
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// Reads all files under these folders whose names have one of these ends, in the order of their
/// paths. A folder that is not there has no files.
pub fn files(folders: &[&str], ends: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    for folder in folders {
        walk(&Path::new(ROOT).join(folder), ends, &mut found);
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Reads one file of the project.
#[track_caller]
pub fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What is built or found by tools, and by no one to be judged.
const SKIPPED: [&str; 4] = ["target", "corpus", "artifacts", "coverage"];

fn walk(folder: &Path, ends: &[&str], found: &mut Vec<File>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a folder that opens can be listed").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                walk(&path, ends, found);
            }
        } else if ends.iter().any(|end| name.ends_with(end)) {
            let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
            let path = path.to_string_lossy().replace('\\', "/");
            found.push(File { path: path.strip_prefix(ROOT).unwrap_or(&path).to_owned(), text });
        }
    }
}

/// Rust source taken apart. Both parts have the length and the lines of the whole, and spaces
/// where the other part or a literal is.
pub struct Parts {
    /// The program, literals emptied.
    pub code: String,
    pub comments: String,
}

/// Takes Rust source apart.
pub fn parts(text: &str) -> Parts {
    let chars: Vec<char> = text.chars().collect();
    let mut parts = Parts { code: String::new(), comments: String::new() };
    let mut at = 0;
    while at < chars.len() {
        let (kind, end) = lexeme(&chars, at);
        for &char in &chars[at..end] {
            let blank = if char == '\n' { '\n' } else { ' ' };
            parts.code.push(if kind == Kind::Code { char } else { blank });
            parts.comments.push(if kind == Kind::Comment { char } else { blank });
        }
        at = end;
    }
    parts
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// The kind of what begins at a place, and where it ends.
fn lexeme(chars: &[char], at: usize) -> (Kind, usize) {
    let next = |ahead: usize| chars.get(at + ahead).copied().unwrap_or(' ');
    let is_in_word = at > 0 && is_word(chars[at - 1]);
    match chars[at] {
        '/' if next(1) == '/' => {
            let end = chars[at..].iter().position(|&char| char == '\n');
            (Kind::Comment, end.map_or(chars.len(), |end| at + end))
        }
        '/' if next(1) == '*' => (Kind::Comment, block_end(chars, at)),
        '"' => (Kind::Literal, text_end(chars, at + 1)),
        'r' if !is_in_word || chars[at - 1] == 'b' => match raw_end(chars, at + 1) {
            Some(end) => (Kind::Literal, end),
            None => (Kind::Code, at + 1),
        },
        // A character, and no lifetime: a quote follows, or an escape.
        '\'' if next(1) == '\\' => {
            let end = chars[at + 3..].iter().position(|&char| char == '\'');
            (Kind::Literal, end.map_or(chars.len(), |end| at + 3 + end + 1))
        }
        '\'' if next(2) == '\'' => (Kind::Literal, at + 3),
        _ => (Kind::Code, at + 1),
    }
}

fn block_end(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn text_end(chars: &[char], start: usize) -> usize {
    let mut at = start;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// Where a raw string ends whose `r` stands before `start`; `None` if it is none.
fn raw_end(chars: &[char], start: usize) -> Option<usize> {
    let hashes = chars[start..].iter().take_while(|&&char| char == '#').count();
    if chars.get(start + hashes) != Some(&'"') {
        return None;
    }
    let mut at = start + hashes + 1;
    while at < chars.len() {
        let closing = &chars[at + 1..(at + 1 + hashes).min(chars.len())];
        if chars[at] == '"' && closing.len() == hashes && closing.iter().all(|&char| char == '#') {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(chars.len())
}

/// Whether a character can stand in a name.
pub fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// The places, in bytes, at which a word stands by itself.
pub fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// Where the item ends that begins at `start`: after its block, or after the `;` without one.
pub fn item_end(code: &str, start: usize) -> usize {
    let (mut depth, mut in_parens) = (0, 0);
    for (at, char) in code[start..].char_indices() {
        match char {
            '(' | '[' => in_parens += 1,
            ')' | ']' => in_parens -= 1,
            '{' if in_parens == 0 => depth += 1,
            '}' if in_parens == 0 => depth -= 1,
            ';' if depth == 0 && in_parens == 0 => return start + at + 1,
            _ => continue,
        }
        if char == '}' && depth == 0 && in_parens == 0 {
            return start + at + 1;
        }
    }
    code.len()
}

/// The code without what is compiled for tests only, its lines kept.
pub fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::new();
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        let end = item_end(rest, at + MARK.len());
        kept.push_str(&rest[..at]);
        kept.extend(rest[at..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[end..];
    }
    kept.push_str(rest);
    kept
}

/// The number of the line in which a byte stands, from 1.
pub fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}
