//! The layout is kept by this check: each wing imports only those below it, `contract` and `flow` know neither Kafka nor
//! PostgreSQL, and no file has grown past one role.

#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// From the bottom up; `contract` sees of `flow` its error type alone.
const WINGS: [&str; 5] = ["flow", "contract", "kafka", "publish", "consume"];

/// A file that is longer has more than one role, or a reason that stands here.
const LINES: usize = 420;
const LONGER: [(&str, &str); 0] = [];

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(files(&path)),
            false if path.extension().is_some_and(|extension| extension == "rs") => all.push(path),
            false => {}
        }
    }
    all
}

/// Every file of a wing with its code: comments are no imports.
fn code_of(wing: &str) -> Vec<(PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let code = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    };
    let files = files(&src.join(wing));
    assert!(!files.is_empty(), "no files in {wing}");
    files.into_iter().map(|path| (path.strip_prefix(&src).unwrap().to_owned(), code(&path))).collect()
}

/// Whether the code names a wing of this crate, as `crate::wing` or inside `use crate::{wing…}`.
fn names(code: &str, wing: &str) -> bool {
    let flat: String = code.split_whitespace().collect();
    if flat.contains(&format!("crate::{wing}")) {
        return true;
    }
    flat.match_indices("crate::{").any(|(at, opening)| {
        let mut depth = 1;
        let mut item = String::new();
        for character in flat[at + opening.len()..].chars() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => item.clear(),
                other if depth == 1 => item.push(other),
                _ => {}
            }
            if depth == 0 {
                return false;
            }
            if depth == 1 && (item == wing || item.starts_with(&format!("{wing}::"))) {
                return true;
            }
        }
        false
    })
}

#[test]
fn a_wing_imports_only_those_below_it() {
    for (height, wing) in WINGS.iter().enumerate() {
        for (path, code) in code_of(wing) {
            for above in &WINGS[height + 1..] {
                assert!(!names(&code, above), "{}: {wing} imports {above}, which is above it", path.display());
            }
        }
    }
}

#[test]
fn contract_and_flow_know_neither_kafka_nor_postgresql() {
    for wing in ["contract", "flow"] {
        for (path, code) in code_of(wing) {
            for foreign in ["rdkafka", "sqlx", "tokio"] {
                assert!(!code.contains(foreign), "{}: {wing} names {foreign}", path.display());
            }
        }
    }
    for (path, code) in code_of("contract") {
        for of_flow in ["retry", "ledger", "scheduler", "breaker", "brake"] {
            let named = code.contains(&format!("flow::{of_flow}"));
            assert!(!named, "{}: contract takes more of flow than its error type", path.display());
        }
    }
}

#[test]
fn no_file_has_more_than_one_role() {
    for wing in WINGS {
        for (path, _) in code_of(wing) {
            let lines = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(&path)).unwrap();
            let excused = LONGER.iter().any(|(name, _)| path.ends_with(name));
            let count = lines.lines().count();
            assert!(count <= LINES || excused, "{} has {count} lines: split it by role", path.display());
        }
    }
}

#[test]
fn the_check_sees_what_it_looks_for() {
    assert!(names("use crate::{\n    contract::x,\n    kafka::{a, b},\n};", "kafka"));
    assert!(names("crate::kafka::admin::ensure()", "kafka"));
    assert!(!names("use crate::{contract::{kafka, x}, flow::error};", "kafka"));
    assert!(!names("use crate::{contract::kafka_names, flow};", "kafka"));
}
