//! Services that are killed at random moments under load: what was accepted is there, once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;
use test_kit::wait::wait_until;
use tokio::{task::JoinSet, time::sleep};

use crate::support::{LONG, System, applied, email, patient, said};

const ROUNDS: usize = 20;
const CALLERS_AT_ONCE: usize = 6;
/// Between one call and the next of one of them: a load, not a flood.
const BREATH: Duration = Duration::from_millis(30);

fn call_id(number: usize) -> String {
    format!("chaos-{number}")
}

/// What callers heard.
#[derive(Debug, Default)]
struct Heard {
    /// How often there was no answer.
    nothing: usize,
    /// How often the answer was that it had been taken before, when there had been no answer.
    repeated: usize,
}

/// Callers who call until they are told to stop; each says it again until there is an answer.
struct Load {
    next: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    callers: JoinSet<Heard>,
}

impl Load {
    fn start(system: &System) -> Self {
        let (next, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS_AT_ONCE {
            let (http, base) = (system.place.http.clone(), system.voice_ingest.base_url());
            let (next, stop) = (Arc::clone(&next), Arc::clone(&stop));
            callers.spawn(async move {
                let mut heard = Heard::default();
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let began = Instant::now();
                    let answer = loop {
                        match said(&http, &base, &call_id(number), &patient(number)).await {
                            Ok(answer) => break answer,
                            Err(_) => heard.nothing += 1,
                        }
                        assert!(began.elapsed() < LONG, "nobody took {}", call_id(number));
                        sleep(BREATH).await;
                    };
                    heard.repeated += usize::from(answer["extractions"][0]["status"] == "repeated");
                    sleep(BREATH).await;
                }
                heard
            });
        }
        Self { next, stop, callers }
    }

    /// How many calls were accepted, and what else was heard.
    async fn end(self) -> (usize, Heard) {
        self.stop.store(true, Ordering::Relaxed);
        let all = self.callers.join_all().await.into_iter();
        let sum = |sum: Heard, one: Heard| Heard {
            nothing: sum.nothing + one.nothing,
            repeated: sum.repeated + one.repeated,
        };
        let heard = all.fold(Heard::default(), sum);
        (self.next.load(Ordering::Relaxed), heard)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_services_lose_nothing_and_double_nothing() {
    let seed =
        std::env::var("CHAOS_SEED").ok().map_or_else(|| fastrand::u64(0..1_000_000), |seed| seed.parse().unwrap());
    println!("seed {seed}; CHAOS_SEED={seed} draws the same moments again");
    let mut random = fastrand::Rng::with_seed(seed);
    let began = Instant::now();
    let mut system = System::start().await;
    let load = Load::start(&system);
    let mut kills = [0, 0];
    for _ in 0..ROUNDS {
        sleep(Duration::from_millis(random.u64(100..1500))).await;
        let victims = random.usize(0..5);
        let down = Duration::from_millis(random.u64(0..300));
        // Two of five each, and one of five both.
        if victims != 1 && victims != 3 {
            system.voice_ingest.kill9();
            kills[0] += 1;
        }
        if victims != 0 && victims != 2 {
            system.healthcore_publisher.kill9();
            kills[1] += 1;
        }
        sleep(down).await;
        if victims != 1 && victims != 3 {
            system.voice_ingest.restart().await;
        }
        if victims != 0 && victims != 2 {
            system.healthcore_publisher.restart().await;
        }
    }
    let (accepted, heard) = load.end().await;
    println!(
        "{accepted} calls accepted, {heard:?}, {} and {} kills, {:.1} s",
        kills[0],
        kills[1],
        began.elapsed().as_secs_f64()
    );
    assert!(accepted > 200 && heard.nothing > 0, "there was a load, and it felt the kills");
    system.voice_ingest.wait_ready().await;
    system.healthcore_publisher.wait_ready().await;

    let pool = system.place.database.pool();
    wait_until("every call is applied", LONG, || async {
        let open: i64 = sqlx::query_scalar("SELECT count(*) FROM voice.extractions WHERE applied_at IS NULL")
            .fetch_one(pool)
            .await
            .unwrap();
        open == 0
    })
    .await;
    println!("all settled after {:.1} s", began.elapsed().as_secs_f64());
    check(&system, accepted).await;
    println!("all checked after {:.1} s", began.elapsed().as_secs_f64());
}

async fn check(system: &System, accepted: usize) {
    let rows: Vec<(i64, String)> = sqlx::query_as("SELECT id, email FROM healthcore.patients")
        .fetch_all(system.place.database.pool())
        .await
        .unwrap();
    let patients: BTreeMap<&str, i64> = rows.iter().map(|(id, email)| (email.as_str(), *id)).collect();
    assert_eq!(rows.len(), patients.len(), "a patient is there twice");
    assert_eq!(patients.len(), accepted);

    // A relay that was killed may publish again what it had published, but never as another event.
    let events = system.place.all_records("ai-responses").await;
    let mut announced: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for event in &events {
        announced.entry(&event.key).or_default().insert(&event.id);
    }
    let told_events = system.place.all_records("healthcore.patient.created").await;
    let mut told: BTreeMap<i64, BTreeSet<(&str, &str)>> = BTreeMap::new();
    for event in &told_events {
        let patient = event.value["data"]["patient_id"].as_i64().unwrap();
        told.entry(patient).or_default().insert((&event.id, &event.headers["causation_id"]));
    }
    println!("{} and {} records for {accepted} calls", events.len(), told_events.len());
    assert_eq!((announced.len(), told.len()), (accepted, accepted));
    assert!(system.place.all_records("dead.letter.queue").await.is_empty(), "nothing was wrong with any call");
    assert!(system.place.all_records("healthcore.patient.updated").await.is_empty(), "no call was handled twice");

    for number in 0..accepted {
        let page: Value = applied(&system.place.http, &system.voice_ingest.base_url(), &call_id(number)).await;
        let extraction = &page["extractions"][0];
        assert_eq!(page["extractions"].as_array().unwrap().len(), 1, "{page}");
        let patient = patients[email(number).as_str()];
        assert_eq!(extraction["patient_id"], patient, "{page}");
        let event = extraction["event_id"].as_str().unwrap();
        assert_eq!(announced[call_id(number).as_str()], BTreeSet::from([event]));
        let told = &told[&patient];
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told.first().unwrap().1, event, "told because of this call");
    }
}
