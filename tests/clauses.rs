//! Every clause of the rules is cited by a test, and every clause that is cited exists.
//!
//! A test cites the clauses with which its doc comment begins: `/// ML-4, ML-6: what it shows`.

#[path = "common/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::{files, is_word, parts, read, words};

/// A clause, as `("ML", 4)`.
type Clause = (String, u32);

/// The clauses of the rules, each of which stands in bold where it is stated.
fn stated() -> BTreeSet<Clause> {
    let rules = read("src/_docs/rules.md");
    let bold = rules.split("**").skip(1).step_by(2);
    bold.filter_map(|text| clause(text).filter(|(_, rest)| rest.is_empty()))
        .map(|(clause, _)| clause)
        .collect()
}

/// Reads a clause at the start of a text, and returns what follows.
fn clause(text: &str) -> Option<(Clause, &str)> {
    let (area, rest) = text.split_at_checked(2)?;
    let rest = rest.strip_prefix('-')?;
    let digits = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
    let number = rest[..digits].parse().ok()?;
    let is_area = area.bytes().all(|byte| byte.is_ascii_uppercase());
    is_area.then(|| ((area.to_owned(), number), &rest[digits..]))
}

/// The clauses with which a doc comment begins: `None` if it begins with anything else, or if no
/// colon ends them.
fn cited(doc: &str) -> Option<Vec<Clause>> {
    let (list, _) = doc.trim_start().split_once(':')?;
    let all = list.split(", ").map(|text| clause(text).filter(|(_, rest)| rest.is_empty()));
    all.map(|found| found.map(|(clause, _)| clause)).collect()
}

/// The doc comments that stand directly on test functions, with the names of these.
fn test_docs(text: &str) -> Vec<(String, String)> {
    let comments = parts(text).comments;
    let mut found = Vec::new();
    let (mut doc, mut is_test) = (String::new(), false);
    for (line, comment) in text.lines().zip(comments.lines()) {
        let line = line.trim();
        if let Some(text) = comment.trim().strip_prefix("///") {
            doc.push_str(text.trim());
            doc.push(' ');
        } else if line.starts_with("#[") || line.starts_with(")]") {
            is_test |= line == "#[test]";
        } else {
            let name = line.split_once("fn ").map(|(_, rest)| rest);
            if let Some(name) = name.filter(|_| is_test) {
                let name = name.split(|char| !is_word(char)).next().unwrap_or_default();
                found.push((name.to_owned(), doc.clone()));
            }
            (doc, is_test) = (String::new(), false);
        }
    }
    found
}

fn named(clauses: impl IntoIterator<Item = Clause>) -> String {
    let names = clauses.into_iter().map(|(area, number)| format!("{area}-{number}"));
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_rules_are_read() {
    let stated = stated();
    let areas: BTreeMap<&str, u32> =
        stated.iter().map(|(area, number)| (area.as_str(), *number)).collect();
    // In each area the numbers go from 1 without a gap.
    assert_eq!(stated.len() as u32, areas.values().sum::<u32>(), "{}", named(stated.clone()));
    assert_eq!(areas.len(), 13);
    assert_eq!((areas["TI"], areas["ML"], areas["BI"]), (9, 12, 4));
}

#[test]
fn only_a_doc_comment_on_a_test_function_cites() {
    let source = r#"
        /// TI-1, ML-12: cited.
        /// And more, LI-4.
        #[test]
        fn one() {}

        /// TI-2: a helper's.
        fn helper() {}

        #[test]
        /// TI-3: after the attribute.
        #[should_panic(expected = "x")]
        fn two() {
            let text = "
                /// TI-4: in a text
            ";
        }

        /// TI-5 is not a list with a colon.
        #[test]
        fn three() {}

        /// TI-6: not directly on it.

        #[test]
        fn four() {}
    "#;
    let docs = test_docs(source);
    let names: Vec<_> = docs.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["one", "two", "three", "four"]);
    let all: Vec<_> = docs.iter().map(|(_, doc)| cited(doc).map(named)).collect();
    assert_eq!(all, [Some("TI-1 ML-12".into()), Some("TI-3".into()), None, None]);
}

#[test]
fn each_clause_is_cited_by_a_test() {
    let stated = stated();
    let mut tests = 0;
    let mut cites = BTreeSet::new();
    for file in files(&["src", "tests"], &[".rs"]) {
        for (_, doc) in test_docs(&file.text) {
            tests += 1;
            cites.extend(cited(&doc).into_iter().flatten());
        }
    }
    assert!(tests > 200, "only {tests} tests were found");
    let missing = named(stated.difference(&cites).cloned());
    assert!(missing.is_empty(), "no test cites {missing}");
}

#[test]
fn each_clause_that_is_named_exists() {
    let stated = stated();
    let areas: BTreeSet<&str> = stated.iter().map(|(area, _)| area.as_str()).collect();
    let mut unknown = Vec::new();
    for file in files(&["src", "tests", "benches", "examples", "fuzz"], &[".rs", ".md"]) {
        let comments = if file.is_rust() { parts(&file.text).comments } else { file.text };
        for area in &areas {
            for at in words(&comments, area) {
                let found = clause(&comments[at..]).map(|(clause, _)| clause);
                if let Some(clause) = found.filter(|clause| !stated.contains(clause)) {
                    unknown.push(format!("{} in {}", named([clause]), file.path));
                }
            }
        }
    }
    assert!(unknown.is_empty(), "there is no {unknown:#?}");
}
