//! The rules of the house: who may import whom, how long lines, functions and modules are, what
//! is never iterated, and which words do not appear.

#[path = "common/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::{File, files, is_word, item_end, line_of, parts, read, without_tests, words};

/// All that people read and write here.
const FOLDERS: [&str; 5] = ["src", "tests", "benches", "examples", "fuzz"];
const COLUMNS_MAX: usize = 100;
const FUNCTION_LINES_MAX: usize = 70;
const MODULE_LINES_MAX: usize = 600;

/// The page with the table of modules.
const DESIGN: &str = "src/_docs/design.md";
const TABLE_HEAD: &str = "| module | what lives there | may import |";
/// In the last column: every module of the rows above.
const ALL_ABOVE: &str = "all above";

/// Fails with all problems, if there are any.
#[track_caller]
fn none(problems: Vec<String>) {
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
}

/// The program of a file of `src`, without tests and literals.
fn program(file: &File) -> String {
    match file.path.ends_with("/tests.rs") {
        true => String::new(),
        false => without_tests(&parts(&file.text).code),
    }
}

#[test]
fn source_is_taken_apart() {
    let text = concat!(
        "fn f<'a>() { g('\"', b'x', r#\"a \" // b\"#) } // c \"\n",
        "/* d /* e */ */ let x = \"\\\" // y\";\n",
    );
    let found = parts(text);
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(squeezed(&found.code), "fn f<'a>() { g( , b , ) } let x = ;");
    assert_eq!(squeezed(&found.comments), "// c \" /* d /* e */ */");
    assert_eq!(found.code.lines().count(), text.lines().count());
    let code =
        "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { { } } }\nfn c() {}\n#[cfg(test)]\nmod d;\n";
    assert_eq!(squeezed(&without_tests(code)), "fn a() {} fn c() {}");
}

/// A row of the table: a module, and what it may import.
struct Row {
    module: String,
    imports: Vec<String>,
}

/// Reads the table; names stand in backticks.
fn rows(page: &str) -> Vec<Row> {
    let table = page.lines().skip_while(|line| line.trim() != TABLE_HEAD).skip(2);
    let table = table.take_while(|line| line.starts_with('|'));
    let mut rows: Vec<Row> = Vec::new();
    for line in table {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 3, "{line}");
        let imports = match cells[2] {
            ALL_ABOVE => rows.iter().map(|row| row.module.clone()).collect(),
            names => names.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
        };
        rows.push(Row { module: cells[0].replace('`', ""), imports });
    }
    rows
}

/// The module at the top of `src` to which a file belongs.
fn module_of(path: &str) -> &str {
    let path = path.strip_prefix("src/").unwrap_or(path);
    path.split(['/', '.']).next().unwrap_or_default()
}

/// The first segments of all paths that begin with `crate::`, from anywhere in the code.
fn crate_paths(code: &str) -> BTreeSet<String> {
    let code: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let code = code.replace(" ::", "::").replace(":: ", "::");
    let mut found = BTreeSet::new();
    for at in words(&code, "crate") {
        let Some(rest) = code[at..].strip_prefix("crate::") else { continue };
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_heads(group)),
            None => found.extend(head(rest)),
        }
    }
    found
}

fn head(path: &str) -> Option<String> {
    let end = path.find(|char| !is_word(char)).unwrap_or(path.len());
    (end > 0).then(|| path[..end].to_owned())
}

/// The first segments of the paths in a group whose `{` has been read.
fn group_heads(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, char) in group.char_indices() {
        match char {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                heads.extend(head(group[start..at].trim()));
                start = at + 1;
                if char == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    heads
}

#[test]
fn paths_are_found_however_they_are_written() {
    let code = "use crate::time::Timestamp; use crate::{id::{A, B}, user_id::C,\n    policy};
        fn f() -> crate :: error::E { crate::\n  bucket::g() } use scrate::x; pub(crate) mod y;";
    let found = crate_paths(code);
    let expected = ["bucket", "error", "id", "policy", "time", "user_id"];
    assert!(found.iter().eq(expected), "{found:?}");
}

#[test]
fn modules_import_only_what_stands_above_them() {
    let rows = rows(&read(DESIGN));
    assert!(rows.len() > 20, "the table of {DESIGN} has {} rows", rows.len());
    let places: BTreeMap<&str, usize> =
        rows.iter().enumerate().map(|(place, row)| (row.module.as_str(), place)).collect();
    assert_eq!(places.len(), rows.len(), "a module has two rows");

    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files(&["src"], &[".rs"]) {
        let module = module_of(&file.path).to_owned();
        used.entry(module.clone()).or_default().extend(crate_paths(&program(&file)));
    }
    let mut problems = Vec::new();
    for module in used.keys().filter(|module| !places.contains_key(module.as_str())) {
        problems.push(format!("{module} has no row in {DESIGN}"));
    }
    for (place, row) in rows.iter().enumerate() {
        let module = &row.module;
        let Some(used) = used.get(module) else {
            problems.push(format!("{module} has a row in {DESIGN}, but no file"));
            continue;
        };
        for import in used.iter().filter(|import| *import != module) {
            if !row.imports.contains(import) {
                problems.push(format!("{module} imports {import}, which its row does not allow"));
            }
        }
        for import in &row.imports {
            match places.get(import.as_str()) {
                Some(&above) if above < place => {}
                _ => problems.push(format!("{import} does not stand above {module}")),
            }
        }
        let is_listed = row.imports.len() < place;
        for import in row.imports.iter().filter(|import| is_listed && !used.contains(*import)) {
            problems.push(format!("{module} may import {import}, but does not"));
        }
    }
    none(problems);
}

#[test]
fn lines_fit_in_100_columns() {
    let mut problems = Vec::new();
    for file in files(&FOLDERS, &[".rs", ".md"]) {
        let is_given = ["src/_docs/rules.md", "src/_docs/trace.md"].contains(&&file.path[..]);
        if is_given || file.path.starts_with("tests/conformance/") {
            continue;
        }
        for (number, line) in (1..).zip(file.text.lines()) {
            // Tables and addresses cannot be broken, in a page or in a doc comment.
            let prose = line.trim_start().trim_start_matches(['/', '!']).trim_start();
            let is_prose = !file.is_rust() || prose.len() < line.trim_start().len();
            let is_free = is_prose && (prose.starts_with('|') || line.contains("://"));
            let columns = line.chars().count();
            if columns > COLUMNS_MAX && !is_free {
                problems.push(format!("{}:{number} has {columns} columns", file.path));
            }
        }
    }
    none(problems);
}

/// The functions with a body in some code: name, and the bytes from `fn` to the end.
fn functions(code: &str) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for at in words(code, "fn") {
        let Some(name) = head(code[at + 2..].trim_start()) else { continue };
        let end = item_end(code, at);
        if code[..end].ends_with('}') {
            found.push((name, at, end));
        }
    }
    found
}

#[test]
fn functions_are_found_with_their_bodies() {
    let code = "trait T { fn a(&self) -> [u8; 4]; fn b(f: fn(u8) -> u8) { { } } }\nfn c()\n{\n}\n";
    let found: Vec<_> = functions(code)
        .into_iter()
        .map(|(name, start, end)| (name, line_of(code, end) - line_of(code, start) + 1))
        .collect();
    assert_eq!(found, [("b".to_owned(), 1), ("c".to_owned(), 3)]);
}

#[test]
fn functions_are_short() {
    let mut problems = Vec::new();
    for file in files(&FOLDERS, &[".rs"]) {
        let code = parts(&file.text).code;
        for (name, start, end) in functions(&code) {
            let first = line_of(&code, start);
            let lines = line_of(&code, end) - first + 1;
            if lines > FUNCTION_LINES_MAX {
                problems.push(format!("{}:{first} {name} has {lines} lines", file.path));
            }
        }
    }
    none(problems);
}

#[test]
fn modules_are_short() {
    let mut problems = Vec::new();
    for file in files(&["src"], &[".rs"]) {
        let text = &file.text;
        let tests = text.find("#[cfg(test)]\nmod ").map_or(text.len(), |at| at);
        let lines = text[..tests].lines().count();
        if lines > MODULE_LINES_MAX && !file.path.ends_with("/tests.rs") {
            problems.push(format!("{} has {lines} lines without tests", file.path));
        }
    }
    none(problems);
}

/// Where a table may be walked, and why no output can depend on its order.
const WALKS: [(&str, &str, &str); 2] = [
    (
        "src/directory.rs",
        "table.iter_hash(",
        "takes an entry under one hash, and who it is is looked up by his id after that",
    ),
    ("src/directory.rs", "table.retain(", "drops one slot that an id with a false hash has hidden"),
];

/// Everything that goes through the entries of a hash table in its own order.
const WALKERS: [&str; 12] = [
    ".iter()",
    ".iter_mut()",
    ".into_iter()",
    ".drain(",
    ".retain(",
    ".extract_if(",
    ".keys()",
    ".values()",
    ".values_mut()",
    ".into_keys()",
    ".into_values()",
    ".iter_hash(",
];

/// The names that some code, without white space, declares as hash tables or binds to new ones.
fn tables(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for kind in ["HashTable", "HashMap", "HashSet"] {
        for at in words(code, kind) {
            let is_part = |char: char| is_word(char) || ":=[(<&".contains(char);
            let before = code[..at].trim_end_matches(is_part);
            let declared = code[before.len()..at].split([':', '=']).next().unwrap_or_default();
            let name = declared.rsplit(|char| !is_word(char)).next().unwrap_or_default();
            let name =
                ["letmut", "let"].iter().find_map(|word| name.strip_prefix(word)).unwrap_or(name);
            names.insert(name.to_owned());
        }
    }
    names.remove("");
    names
}

/// How the tables of some code are walked.
fn walks(code: &str) -> Vec<String> {
    let code: String = code.split_whitespace().collect();
    let mut found = Vec::new();
    for name in tables(&code) {
        for at in words(&code, &name) {
            let rest = &code[at + name.len()..];
            for walker in WALKERS.iter().filter(|walker| rest.starts_with(**walker)) {
                found.push(format!("{name}{walker}"));
            }
        }
        let place =
            ["", "&", "&mut"].map(|by| [format!("in{by}{name}{{"), format!("in{by}self.{name}{{")]);
        found.extend(place.into_iter().flatten().filter(|walk| code.contains(walk)));
    }
    found
}

#[test]
fn walks_through_tables_are_seen() {
    let code = "use hashbrown::HashTable; struct S<T> { table: Option<Box<HashTable<u32>>>,
        seen: std::collections::HashSet<T> }
        fn f(s: &S) { s.table\n .iter(); for x in &self.seen { } s.table.find(1); list.iter(); }
        fn g<T>(m: &HashMap<u8, T>) { let mut new = HashMap::new(); new.drain(..); m.keys(); }";
    let found = walks(code);
    let expected = ["m.keys()", "new.drain(", "in&self.seen{", "table.iter()"];
    assert_eq!(found, expected, "{:?}", tables(&code.replace(char::is_whitespace, "")));
}

/// Outputs must not depend on hash order, so hash tables are for look-up only.
#[test]
fn hash_tables_are_never_walked() {
    let mut problems = Vec::new();
    for file in files(&["src"], &[".rs"]) {
        let mut allowed: Vec<_> = WALKS.iter().filter(|(path, ..)| *path == file.path).collect();
        for walk in walks(&program(&file)) {
            match allowed.iter().position(|(_, allowed, _)| *allowed == walk) {
                Some(at) => drop(allowed.remove(at)),
                None => problems.push(format!("{} walks a hash table: {walk}", file.path)),
            }
        }
        for (path, walk, why) in allowed {
            problems.push(format!("{path} does not do {walk}, exempt because it {why}"));
        }
    }
    none(problems);
}

/// What nobody may leave in any file. The words are put together here, or this file would have
/// them.
const BANNED: [&str; 9] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("dbg", "!("),
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tm", "p/"),
];

/// What belongs in the history of the project and not in a comment.
const HISTORY: [&str; 4] = [
    concat!("previous", "ly"),
    concat!("no longer ", "used"),
    concat!("used", " to be"),
    concat!("as of", " now"),
];

#[test]
fn banned_words_do_not_appear() {
    let mut problems = Vec::new();
    let mut files = files(&FOLDERS, &[".rs", ".md", ".toml"]);
    for path in ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Cargo.toml"] {
        if std::path::Path::new(source::ROOT).join(path).exists() {
            files.push(File { path: path.to_owned(), text: read(path) });
        }
    }
    for file in &files {
        let prose = if file.is_rust() { parts(&file.text).comments } else { file.text.clone() };
        let prose = prose.to_lowercase();
        let banned = BANNED.iter().flat_map(|word| file.text.match_indices(word));
        let history = HISTORY.iter().flat_map(|word| prose.match_indices(word));
        for (at, word) in banned.chain(history) {
            let line = file.text.get(..at).map_or(0, |_| line_of(&file.text, at));
            problems.push(format!("{}:{line} says {word:?}", file.path));
        }
    }
    none(problems);
}

#[test]
fn the_library_neither_prints_nor_unwraps_nor_allows() {
    let mut problems = Vec::new();
    for file in files(&["src"], &[".rs"]) {
        let program = program(&file);
        let squeezed: String = program.split_whitespace().collect();
        for word in [concat!("print", "ln!"), concat!("print", "!(")] {
            if file.text.contains(word) {
                problems.push(format!("{} prints", file.path));
            }
        }
        for word in [".unwrap()", "#[allow(", "#![allow(", "unsafe{", "panic!("] {
            if squeezed.contains(word) {
                problems.push(format!("{} has {word}", file.path));
            }
        }
    }
    none(problems);
}

/// A file in a folder of the tests that no module declares would never be run.
#[test]
fn every_module_of_the_tests_is_compiled() {
    let all = files(&["tests"], &[".rs"]);
    let mut problems = Vec::new();
    for file in &all {
        let Some((folder, name)) = file.path.rsplit_once('/') else { continue };
        let name = name.trim_end_matches(".rs");
        if folder == "tests" || matches!(name, "mod" | "main") {
            continue;
        }
        let (declaration, by_path) = (format!("mod {name}"), format!("/{name}.rs\"]"));
        let parents =
            [format!("{folder}/mod.rs"), format!("{folder}/main.rs"), format!("{folder}.rs")];
        let is_declared = all.iter().any(|other| {
            let is_parent = parents.contains(&other.path);
            is_parent && words(&parts(&other.text).code, &declaration).next().is_some()
                || other.text.contains(&by_path)
        });
        if !is_declared {
            problems.push(format!("{} is in no module", file.path));
        }
    }
    none(problems);
}
