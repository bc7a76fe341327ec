//! Which files of a crate import each other, read from their text, and where they do so in a circle.
//!
//! A name that a folder's `mod.rs` hands on counts as one of the file that has it; `mod.rs` itself counts where it holds
//! more than declarations. Tests inside a file are not looked at: they may use whatever they test with.

mod text;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::Path,
};

use text::{Import, Source};

/// The files of a crate by their module, such as `["consume", "lane"]`.
pub struct Crate(BTreeMap<Vec<String>, File>);

struct File {
    name: String,
    is_folder: bool,
    source: Source,
}

/// Each file with those that it imports.
pub type Imports = BTreeMap<String, BTreeSet<String>>;

impl Crate {
    /// Binaries are crates of their own.
    pub fn read(src: &Path) -> Self {
        let files = super::files(src).into_iter().map(|path| {
            let name = path.strip_prefix(src).unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).unwrap())
        });
        Self::of(files.filter(|(name, _)| name != "main.rs" && !name.starts_with("bin/")))
    }

    /// Of names such as `consume/lane.rs` and their texts.
    pub fn of(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let file = |(name, text): (String, String)| {
            let mut module: Vec<String> = name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
            let is_folder = matches!(module.last().map(String::as_str), Some("mod" | "lib"));
            if is_folder {
                module.pop();
            }
            (module, File { name, is_folder, source: Source::read(&text) })
        };
        Self(files.into_iter().map(file).collect())
    }

    /// The imports between files of one folder, the crate itself where it is empty.
    pub fn imports_within(&self, folder: &str) -> Imports {
        let inside = |name: &str| folder.is_empty() || name.starts_with(&format!("{folder}/"));
        let mut all = Imports::new();
        for (module, file) in self.0.iter().filter(|(_, file)| inside(&file.name)) {
            let imports = file.source.imports.iter().filter(|import| !(file.is_folder && import.is_public));
            let targets = imports.filter_map(|import| self.target(module, import, 0));
            let targets: BTreeSet<String> = targets.filter(|name| *name != file.name && inside(name)).collect();
            all.insert(file.name.clone(), targets);
        }
        all
    }

    /// The file that an import in `module` leads to, if it is one of this crate.
    fn target(&self, module: &[String], import: &Import, hops: usize) -> Option<String> {
        let mut at: Vec<String> = module.iter().chain(&import.within).cloned().collect();
        let (first, others) = import.path.split_first()?;
        let mut rest = match first.as_str() {
            "crate" => {
                at.clear();
                others
            }
            "self" => others,
            "super" => &import.path,
            // A child of this module; everything else is of another crate.
            child if self.0.contains_key(&[at.as_slice(), &[child.to_owned()]].concat()) => &import.path,
            _ => return None,
        };
        while let Some(("super", others)) = rest.split_first().map(|(first, others)| (first.as_str(), others)) {
            at.pop();
            rest = others;
        }
        at.extend(rest.iter().cloned());
        let known = (0..=at.len()).rev().find(|length| self.0.contains_key(&at[..*length]))?;
        let (found, rest) = at.split_at(known);
        let file = &self.0[found];
        if !file.is_folder {
            return Some(file.name.clone());
        }
        // What a folder hands on is found where it is from.
        let handed_on = rest.first().filter(|_| hops < 8).and_then(|wanted| {
            let named = |import: &&Import| import.within.is_empty() && import.path.last() == Some(wanted);
            file.source.imports.iter().find(named)
        });
        match handed_on {
            Some(import) => self.target(found, import, hops + 1),
            None => (!rest.is_empty() && file.source.has_code).then(|| file.name.clone()),
        }
    }
}

/// The sets of files of which each leads to each other; none where there is no circle.
pub fn circles(imports: &Imports) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        imports.keys().map(|from| (from, reach(imports, from))).collect();
    let mut circles = Vec::new();
    for (file, behind) in &reached {
        let circle: BTreeSet<String> =
            behind.iter().filter(|other| reached[*other].contains(file)).map(|other| (*other).clone()).collect();
        if circle.first() == Some(*file) {
            circles.push(circle);
        }
    }
    circles
}

fn reach<'a>(imports: &'a Imports, from: &'a String) -> BTreeSet<&'a String> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(file) = next.pop() {
        next.extend(imports[file].iter().filter(|import| reached.insert(*import)));
    }
    reached
}

/// One line for each file of a circle, with what of the circle it imports.
pub fn shown(imports: &Imports, circles: &[BTreeSet<String>]) -> String {
    let mut text = String::new();
    for circle in circles {
        writeln!(text, "{} files import each other:", circle.len()).unwrap();
        for file in circle {
            let others: Vec<&str> = imports[file].intersection(circle).map(String::as_str).collect();
            writeln!(text, "  {file} imports {}", others.join(", ")).unwrap();
        }
    }
    text
}
