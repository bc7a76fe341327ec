//! Names of schemas and tables.

use anyhow::anyhow;

/// Names go into SQL as text, so only plain ones are taken: `[a-z_][a-z0-9_]*`, at most PostgreSQL's 63 bytes.
pub(super) fn checked_name(name: &str) -> anyhow::Result<&str> {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if name.is_empty() || name.len() > 63 || !plain || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(anyhow!("{name:?} is not a plain name of a schema or table (a-z, 0-9, _)"));
    }
    Ok(name)
}
