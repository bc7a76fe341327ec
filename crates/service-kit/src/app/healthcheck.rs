//! `healthcheck`: asks the running service's `/readyz`, for containers that have no shell and no curl.

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, bail};

use crate::http::Readiness;

/// Twice and a half what `/readyz` itself may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Fails unless the service is ready; the failing checks are written to `out`.
pub(super) async fn ask(bind: SocketAddr, out: &mut impl Write) -> anyhow::Result<()> {
    let address = reachable(bind)?;
    let client = reqwest::Client::builder().timeout(LIMIT).no_proxy().build().context("cannot make an HTTP client")?;
    let url = format!("http://{address}/readyz");
    let response = client.get(&url).send().await.with_context(|| format!("nothing answers at {url}"))?;
    let readiness: Readiness = response.json().await.with_context(|| format!("{url} is not one of our services"))?;
    for (name, check) in readiness.checks.iter().filter(|(_, check)| !check.ok) {
        writeln!(out, "{name}: {}", check.problem.as_deref().unwrap_or("failed"))?;
    }
    if readiness.status != "ready" {
        bail!("the service at {address} is {}", readiness.status);
    }
    Ok(())
}

/// A service that listens on all addresses is asked on loopback.
fn reachable(bind: SocketAddr) -> anyhow::Result<SocketAddr> {
    if bind.port() == 0 {
        bail!("HTTP_BIND: port 0 means a free one, so healthcheck cannot know which");
    }
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(SocketAddr::new(ip, bind.port()))
}
