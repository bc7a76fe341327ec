//! A PgBouncer before the stack's PostgreSQL.

use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt},
    process::Command,
    time::Duration,
};

use tokio::net::TcpStream;

use crate::{daemon::Daemon, folder::Folder, ports::free_port, private_postgres::account, stack};

const LIMIT: Duration = Duration::from_secs(20);

/// Ended when dropped.
#[derive(Debug)]
pub struct PgBouncer {
    // Before its folder.
    _daemon: Daemon,
    _folder: Folder,
    port: u16,
}

impl PgBouncer {
    /// In front of the server of this URL. `mode` is `session`, `transaction` or `statement`; `ignored` are the startup
    /// parameters that it lets pass without obeying them.
    pub async fn start(url: &str, mode: &str, ignored: &str) -> Self {
        let folder = Folder::create("pgbouncer");
        let (server, _) = place_of(url);
        let (host, server_port) = server.rsplit_once(':').expect("host:port");
        let port = free_port();
        let settings = format!(
            "[databases]\n* = host={host} port={server_port} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n\
             ignore_startup_parameters = {ignored}\n"
        );
        let file = folder.join("pgbouncer.ini");
        fs::write(&file, settings).unwrap();
        let mut command = Command::new(stack::pgbouncer());
        command.arg(&file).current_dir("/");
        // It refuses to run as root.
        if let Some((user, group)) = account() {
            chown(folder.path(), Some(user), Some(group)).unwrap();
            command.uid(user).gid(group);
        }
        let mut daemon = Daemon::new("PgBouncer", folder.join("log"));
        daemon.start(&mut command);
        daemon.wait_ready(LIMIT, || async { TcpStream::connect(("127.0.0.1", port)).await.is_ok() }).await;
        Self { _daemon: daemon, _folder: folder, port }
    }

    /// The same database by this way.
    pub fn url(&self, url: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{}", self.port, place_of(url).1)
    }
}

/// `host:port` and the database.
fn place_of(url: &str) -> (&str, &str) {
    let place = url.split_once("://").map_or(url, |(_, place)| place);
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    place.split_once('/').expect("a URL with a database")
}
