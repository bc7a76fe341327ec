//! The layout is kept by this check: each wing imports only those below it, `contract` and `flow` know neither Kafka nor
//! PostgreSQL, no files import each other in a circle, and no file has grown past one role.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what failed by failing, and shows where")]

mod imports;

use std::{
    fs,
    path::{Path, PathBuf},
};

use imports::{Crate, circles, shown};

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
fn no_files_import_each_other_in_a_circle() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let events = Crate::read(&here.join("src"));
    let mut all: Vec<_> = WINGS.iter().map(|wing| (*wing, events.imports_within(wing))).collect();
    let others = [
        ("forms", "../forms/src"),
        ("service-kit", "../service-kit/src"),
        ("test-kit", "../test-kit/src"),
        ("chaos", "../../chaos/src"),
    ];
    all.extend(others.map(|(name, src)| (name, Crate::read(&here.join(src)).imports_within(""))));
    let mut found = Vec::new();
    for (folder, imports) in all {
        assert!(imports.len() > 3, "{folder} has no files");
        let circles = circles(&imports);
        if !circles.is_empty() {
            println!("{folder}: {}", shown(&imports, &circles));
            found.push(folder);
        }
    }
    assert!(found.is_empty(), "move what they share into a file of its own (see the output): {found:?}");
}

#[test]
fn the_check_sees_circles_and_nothing_else() {
    let circle = |files: &[(&str, &str)]| {
        let read = Crate::of(files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
        let imports = read.imports_within("w");
        let found = circles(&imports);
        assert_eq!(found.is_empty(), shown(&imports, &found).is_empty());
        found.into_iter().map(|circle| circle.into_iter().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    let two = ["w/a.rs w/b.rs"];
    for (a, b) in [
        ("use super::b::B;", "use crate::w::a::A;"),
        ("use super::{x::{self, Y}, b::{c::{d}, B}};", "use crate::{\n    other,\n    w::{a::{A as _}},\n};"),
        ("fn f() { super::b::g::<T>(); }", "fn g(_: &crate::w::a::A) {}"),
        ("mod inside { use super::super::b::B; }", "use super::a;"),
        ("#[serde(with = \"super::b\")] struct A;", "macro_rules! m { () => { $crate::w::a::A } }"),
        ("use super::B;", "use super::a::A;"),
    ] {
        assert_eq!(circle(&[("w/mod.rs", "mod a; pub use b::B;"), ("w/a.rs", a), ("w/b.rs", b)]), two, "{a} {b}");
        assert_eq!(circle(&[("w/a.rs", a), ("w/b.rs", "")]), [""; 0], "{a}");
    }
    for harmless in [
        "// use super::a::A;\n/* super::a */ const A: &str = \"x super::a\"; const B: char = '\"'; const C: char = '\\'';",
        "#[cfg(test)]\nmod tests { use super::super::a::A; }\n#[cfg(test)] use super::a::A;",
        "mod a { pub struct A; } use self::a::A; mod other { use super::a::A; }",
        "use serde::a::A; const A: &str = r#\"super::a::A\"#; fn f<'a>(a: &'a str) {}",
        "fn f<'a>(a: &'a A) -> impl Sized + use<'a> { let b = 1; { b; } a }",
    ] {
        assert_eq!(circle(&[("w/a.rs", "use super::b::B;"), ("w/b.rs", harmless)]), [""; 0], "{harmless}");
    }
    let long = [("w/a.rs", "use super::b;"), ("w/b.rs", "use super::c::C;"), ("w/c.rs", "use super::d;")];
    assert_eq!(circle(&[&long[..], &[("w/d.rs", "use super::a;")]].concat()), ["w/a.rs w/b.rs w/c.rs w/d.rs"]);
    assert_eq!(
        circle(&[&long[..], &[("w/d.rs", "use crate::v::e;"), ("v/e.rs", "use crate::w::a;")]].concat()),
        [""; 0]
    );
    let parent = "mod a; use self::a::call; pub struct Shared; fn f() { call() }";
    assert_eq!(circle(&[("w/mod.rs", parent), ("w/a.rs", "use super::Shared;")]), ["w/a.rs w/mod.rs"]);
    let calling = "mod a; pub struct Shared; fn f() { a::call() }";
    assert_eq!(circle(&[("w/mod.rs", calling), ("w/a.rs", "use super::Shared;")]), ["w/a.rs w/mod.rs"]);
    let declaring =
        "//! What it is.\n#![deny(x)]\n#[cfg(test)] mod t; pub(crate) mod a; mod b; pub use self::{a::A, b::*};";
    let children = [("w/mod.rs", declaring), ("w/a.rs", "use super::{b::B, Nothing};"), ("w/b.rs", "use super::*;")];
    assert_eq!(circle(&children), [""; 0]);
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
