//! One round: a ground of its own, load, faults, healing, waiting, checking.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use futures::future::join_all;
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    ground::{Ground, namespace},
    history::{History, WriteOutcome},
    invariants::{self, Violation},
    observe::{evidence, looks},
    settings::Setting,
    strike,
    system::Hop,
    systems,
    timeline::Strike,
    world::World,
};

/// The load goes on for this long after the last fault is healed.
const AFTERMATH: Duration = Duration::from_secs(3);
/// Without faults it goes on for this long.
const LEAST_LOAD: Duration = Duration::from_secs(8);
const LONGEST_LOAD: Duration = Duration::from_secs(16);
const TICK: Duration = Duration::from_millis(100);

/// What a round is to be.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub strikes: Vec<Strike>,
    /// What all processes are started with.
    pub settings: Vec<Setting>,
    /// Names of the systems under test.
    pub systems: Vec<String>,
    /// How long recovery may take.
    pub patience: Duration,
    /// A promise that the engine is to break, for processes built with the feature `sabotage`.
    pub sabotage: Option<&'static str>,
    /// What the processes of a round with violations said is kept here.
    pub logs: PathBuf,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    pub violations: Vec<Violation>,
    pub histories: Vec<History>,
    /// `None` when it did not recover.
    pub recovery: Option<Duration>,
    /// The process that took the most memory, and how much.
    pub largest: Option<(String, u64)>,
}

/// Plays it.
///
/// # Errors
/// What is there in the end cannot be read.
///
/// # Panics
/// The ground breaks: Kafka or PostgreSQL does not start.
pub async fn play(plan: &Plan) -> anyhow::Result<Report> {
    let kept = plan.logs.join(format!("seed-{}", plan.seed));
    let folder = std::env::temp_dir().join(format!("switchboard-chaos-{}-{}", std::process::id(), plan.seed));
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let sabotage = plan.sabotage.map(|name| ("SABOTAGE", name.to_owned()));
    let ground = Ground::start(folder, plan.settings.iter().cloned().chain(sabotage).collect()).await;
    let systems = systems::start(&plan.systems, &ground, plan.seed).await;
    let world = Arc::new(World::new(ground, systems));

    let outcome = watched(&world, plan).await;
    if outcome.as_ref().map_or(true, |report| !report.violations.is_empty()) {
        keep(&world, &kept).await?;
    }
    outcome
}

async fn watched(world: &Arc<World>, plan: &Plan) -> anyhow::Result<Report> {
    let (load, watch) = (CancellationToken::new(), CancellationToken::new());
    // Also when the round is broken off: the look-outs are on threads that hold the world.
    let _end = watch.clone().drop_guard();
    let looks = look_out(world, &watch);
    let watching = join_all(world.processes().map(|process| process.watch(&world.book, &watch)));
    let loading = join_all(world.systems.iter().map(|system| system.load(&load)));
    let striking = async {
        let healed = async {
            strike_all(world, &plan.strikes).await;
            sleep(AFTERMATH.max(LEAST_LOAD.saturating_sub(world.book.now()))).await;
            load.cancel();
        };
        // A Kafka that takes long to start would otherwise be given more to do each second.
        let enough = async {
            let mut loaded = Duration::ZERO;
            while loaded < LONGEST_LOAD && !load.is_cancelled() {
                sleep(TICK).await;
                loaded += if world.ground.is_hushed() { Duration::ZERO } else { TICK };
            }
            load.cancel();
        };
        tokio::join!(healed, enough);
    };
    let until_drained = async {
        tokio::join!(striking, loading);
        let drained = evidence::drained(world, plan.patience).await;
        watch.cancel();
        drained
    };
    let (drained, _) = tokio::join!(until_drained, watching);

    let mut histories = Vec::new();
    for (system, hop, looks) in looks {
        let looks = looks.await.context("looking broke off")?;
        histories.push(evidence::collect(world, &*world.systems[system], &hop, looks).await?);
    }
    let mut running = BTreeSet::new();
    for process in world.processes() {
        if process.service.lock().await.id().is_some() {
            running.insert(process.name.clone());
        }
    }
    let operation = {
        let mut book = world.book.seen();
        book.running = running;
        book.patience = plan.patience;
        match drained {
            Ok(recovery) => book.recovery = Some(recovery),
            Err(remaining) => book.remaining = remaining,
        }
        book.clone()
    };
    let mut violations = invariants::check(&histories, &operation);
    for history in histories.iter().filter(|history| acknowledged(history) == 0 || history.looks.is_empty()) {
        let what = format!("{}: no acknowledged write, or no look: that proves nothing", history.hop);
        violations.push(Violation { invariant: "load", what });
    }
    let largest = operation.memory.into_iter().max_by_key(|(_, bytes)| *bytes);
    Ok(Report { violations, histories, recovery: operation.recovery, largest })
}

/// How many writes were acknowledged.
pub fn acknowledged(history: &History) -> usize {
    history.writes.iter().filter(|write| write.outcome == WriteOutcome::Acknowledged).count()
}

type Looking = (usize, Hop, tokio::task::JoinHandle<Vec<crate::history::Look>>);

fn look_out(world: &Arc<World>, stop: &CancellationToken) -> Vec<Looking> {
    let mut looking = Vec::new();
    for (index, system) in world.systems.iter().enumerate() {
        for hop in system.hops() {
            let (world, stop, watched) = (Arc::clone(world), stop.clone(), hop.clone());
            let namespace = namespace(system.name());
            let task = spawn_blocking(move || looks::watch(&world.ground, &world.book, &namespace, &watched, &stop));
            looking.push((index, hop, task));
        }
    }
    looking
}

/// Each fault at its time, side by side; those that meet on one target take turns.
async fn strike_all(world: &World, strikes: &[Strike]) {
    let began = Instant::now();
    let striking = strikes.iter().map(|strike| async move {
        sleep_until(began + strike.at).await;
        crate::say!(
            "  +{:>4.1} s  {:<20} {:<28} for {:.1} s",
            began.elapsed().as_secs_f64(),
            strike.fault.name(),
            strike::target(world, strike),
            strike.lasts.as_secs_f64()
        );
        let outages = strike::befall(world, strike).await;
        world.book.seen().outages.extend(outages);
    });
    join_all(striking).await;
}

async fn keep(world: &World, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for process in world.processes() {
        let path = folder.join(format!("{}.log", process.name));
        fs::write(&path, process.service.lock().await.log())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
