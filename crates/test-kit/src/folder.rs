//! A temporary folder of one test, removed with it.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use uuid::Uuid;

#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn create(role: &str) -> Self {
        let path = env::temp_dir().join(format!("switchboard-{role}-{}", Uuid::new_v4().simple()));
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("cannot create {}: {error}", path.display()));
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What remains is in the system's folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// All of a log file; empty if there is none.
pub(crate) fn read_log(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
