//! The least that looks like a service from outside, for the tests of `ServiceProcess`: it answers `/readyz` after a moment
//! and says in its log what it was started with.
#![allow(clippy::print_stdout, reason = "the log of a process is its standard output")]

use std::{
    env,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    time::{Duration, Instant},
};

fn main() -> std::io::Result<()> {
    println!("GREETING={:?} CARGO={:?}", env::var("GREETING").ok(), env::var("CARGO").ok());
    if env::var("GREETING").is_ok_and(|greeting| greeting == "go away") {
        std::process::exit(3);
    }
    let listener = TcpListener::bind(env::var("HTTP_BIND").unwrap_or_default())?;
    let began = Instant::now();
    for stream in listener.incoming() {
        let mut reader = BufReader::new(stream?);
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            line.clear();
        }
        let status = if began.elapsed() < Duration::from_millis(200) { 503 } else { 200 };
        write!(reader.get_mut(), "HTTP/1.1 {status} -\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    }
    Ok(())
}
