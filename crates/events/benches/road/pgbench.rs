//! What PostgreSQL does by itself with the statements of a handler's transaction.

use std::{env, path::PathBuf, process::Command};

use crate::load::Place;

/// Runs a transaction `count` times, prepared, over `clients` connections. Transactions a second; NaN without pgbench.
pub fn pgbench(place: &Place, statements: &str, clients: usize, count: usize) -> f64 {
    let script = env::temp_dir().join(format!("{}sql", place.config.kafka_topic_namespace));
    std::fs::write(&script, format!("BEGIN;\n{statements}\nCOMMIT;\n")).unwrap();
    let binary = env::var_os("STACK_PG_BIN").map_or(PathBuf::from("pgbench"), |bin| PathBuf::from(bin).join("pgbench"));
    let ran = Command::new(binary)
        .args([
            "-n",
            "-M",
            "prepared",
            "-j",
            "2",
            "-c",
            &clients.to_string(),
            "-t",
            &(count / clients).to_string(),
            "-f",
        ])
        .arg(&script)
        .arg(place.url())
        .output();
    let _ = std::fs::remove_file(&script);
    let Ok(output) = ran else { return f64::NAN };
    assert!(output.status.success(), "pgbench: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let tps = text.lines().find_map(|line| line.strip_prefix("tps = ")).expect("pgbench tells its tps");
    tps.split(' ').next().unwrap().parse().unwrap()
}
