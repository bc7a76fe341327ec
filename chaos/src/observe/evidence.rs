//! After the faults: waiting until nothing is left to do, then collecting what is there.

use std::time::Duration;

use anyhow::Context;
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

use super::{
    backlog,
    group::{GroupView, Span},
    topics,
};
use crate::{
    ground::namespace,
    history::{History, Look},
    system::{Hop, System},
    world::World,
};

const EVERY: Duration = Duration::from_millis(300);
/// Whoever waits is told this often what for.
const TELL: Duration = Duration::from_secs(10);

/// Waits until every outbox is published, every group has handled everything, and every process is ready: how long that took,
/// or what is still to be done.
pub async fn drained(world: &World, patience: Duration) -> Result<Duration, Vec<String>> {
    let began = Instant::now();
    let mut tell = began + TELL;
    loop {
        let remaining = remaining(world).await;
        if !remaining.is_empty() && Instant::now() >= tell {
            tell += TELL;
            crate::say!("  still to do after {:.0} s: {}", began.elapsed().as_secs_f64(), remaining.join("; "));
        }
        if remaining.is_empty() {
            return Ok(began.elapsed());
        }
        if began.elapsed() >= patience {
            return Err(remaining);
        }
        sleep(EVERY).await;
    }
}

/// Along the way of the events: what has left one place is seen in the next.
async fn remaining(world: &World) -> Vec<String> {
    let mut remaining = Vec::new();
    for system in &world.systems {
        for hop in system.hops() {
            let outboxes = [Some(hop.outbox), hop.follow_ups.map(|(_, outbox)| outbox)];
            remaining.extend(unpublished(world, outboxes[0]).await);
            remaining.extend(behind(world, &**system, &hop).await);
            remaining.extend(unpublished(world, outboxes[1]).await);
        }
    }
    remaining.extend(world.unready().await);
    remaining
}

async fn unpublished(world: &World, schema: Option<&str>) -> Option<String> {
    let schema = schema?;
    match backlog::unpublished(&world.ground.pool, schema).await {
        Ok(0) => None,
        Ok(rows) => Some(format!("{rows} rows of the outbox of {schema} are not published")),
        Err(error) => Some(format!("the outbox of {schema} cannot be read: {error}")),
    }
}

async fn behind(world: &World, system: &dyn System, hop: &Hop) -> Option<String> {
    let namespace = namespace(system.name());
    let (servers, group, topic) =
        (world.ground.servers.clone(), format!("{namespace}{}", hop.group), format!("{namespace}{}", hop.topic));
    let name = group.clone();
    let spans = spawn_blocking(move || GroupView::open(&servers, &group, &topic)?.spans()).await;
    let spans = match spans {
        Ok(Ok(spans)) => spans,
        Ok(Err(error)) => return Some(format!("how far the group {name} is cannot be asked: {error}")),
        Err(error) => return Some(format!("asking for the group {name} broke off: {error}")),
    };
    let open: i64 = spans.values().map(Span::open).sum();
    let open_ones = spans.iter().filter(|(_, span)| span.open() > 0);
    let places: Vec<_> = open_ones.map(|(partition, span)| format!("{partition}: {span}")).collect();
    (open > 0).then(|| format!("the group {name} has {open} records to handle ({})", places.join("; ")))
}

/// What is there of one hop.
///
/// # Errors
/// The database or the load's notes cannot be read.
///
/// # Panics
/// Kafka cannot be read.
pub async fn collect(world: &World, system: &dyn System, hop: &Hop, looks: Vec<Look>) -> anyhow::Result<History> {
    let namespace = namespace(system.name());
    let (servers, pool) = (&world.ground.servers, &world.ground.pool);
    let writes = match hop.written {
        Some(query) => backlog::written(pool, query).await.context("cannot read what was written")?,
        None => system.writes()?,
    };
    let follow_ups = match hop.follow_ups {
        Some((topic, _)) => {
            let topic = format!("{namespace}{topic}");
            Some(topics::records(servers, &topic, &world.acts.of(&topic).kept, hop.fact).await.0)
        }
        None => None,
    };
    let topic = format!("{namespace}{}", hop.topic);
    let deeds = world.acts.of(&topic);
    let (records, kept) = topics::records(servers, &topic, &deeds.kept, hop.fact).await;
    // What was committed to a log that was replaced says nothing of the one that came instead.
    let before = |look: &Look| deeds.replaced.is_none_or(|at| look.at < at);
    let looked_at = if deeds.replaced.is_some() { kept } else { records.len() };
    Ok(History {
        hop: format!("{}, {}", system.name(), hop.name),
        writes: [writes, deeds.writes].concat(),
        records,
        garbage: deeds.garbage,
        lost: deeds.lost,
        effects: backlog::effects(pool, hop).await.context("cannot read the effects")?,
        follow_ups,
        dead_letters: topics::dead_letters(servers, &namespace, hop).await,
        looks: looks.into_iter().filter(before).collect(),
        looked_at,
    })
}
