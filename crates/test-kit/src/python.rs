//! A Python with the client that a test wants to play: the machine's own where it has it, else an environment beside the
//! build's files.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

/// A package of a fixed version.
#[derive(Debug)]
pub struct Package {
    /// As it is installed.
    pub name: &'static str,
    /// The only one that counts.
    pub version: &'static str,
    /// Such as `[json]`, or empty.
    pub extras: &'static str,
    /// What has to be importable.
    pub module: &'static str,
}

/// The Python to run; panics with the remedy where it cannot be made.
pub fn with(package: &Package) -> PathBuf {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = INSTALLING.lock();
    if has(Path::new("python3"), package) {
        return "python3".into();
    }
    let Package { name, version, extras, .. } = package;
    let own = env::current_exe().unwrap();
    let folder = own.ancestors().nth(2).unwrap().join(format!("python-{name}"));
    let python = folder.join("bin/python");
    if !has(&python, package) {
        let advice = "install Python 3 with venv and pip (Debian, Ubuntu: apt install python3-venv)";
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder), advice);
        let needed = format!("{name}{extras}=={version}");
        let advice = format!("install {needed} for python3, or give this machine access to a package index");
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", &needed];
        run(Command::new(&python).args(pip), &advice);
    }
    python
}

/// Runs a command to its end and returns what it printed; panics with `otherwise` and its output where it fails.
pub fn run(command: &mut Command, otherwise: &str) -> String {
    let output = command.output().unwrap_or_else(|problem| panic!("{otherwise}: {problem}"));
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{otherwise}:\n{}{}", said(&output.stdout), said(&output.stderr));
    said(&output.stdout)
}

fn has(python: &Path, package: &Package) -> bool {
    let ask = format!("import importlib.metadata as m, {}; print(m.version('{}'))", package.module, package.name);
    let version = Command::new(python).args(["-c", &ask]).output();
    version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == package.version)
}
