//! Record to effect: the inbox claim and one insert for each event, in transactions of one event and of many. PostgreSQL's
//! own benchmark does the same statements beside it.

use std::sync::Arc;

use events::{
    consume::{BatchHandler, Batching, Consumer, ConsumerBuilder, Handler, Received},
    contract::schema::voice::PatientCreationV1,
    flow::error::HandlerError,
    publish::{Outbox, Tx},
};
use sqlx::{PgPool, postgres::PgPoolOptions};

use crate::{
    Bench,
    books::Books,
    consume::{filled, run},
    load::{KEYS, Place},
    pgbench::pgbench,
    report::{Figure, Goal},
};

const TABLE: &str = "CREATE TABLE effects (id bigserial PRIMARY KEY, call_id text NOT NULL, name text NOT NULL)";
const CLIENTS: usize = 32;
/// Events of a batch, and how many batches run side by side, here and there.
const BATCH: usize = 500;
const SIDE_BY_SIDE: usize = 4;

struct Insert(Arc<Books>);

impl Handler for Insert {
    const NAME: &'static str = "insert";
    type Event = PatientCreationV1;
    type Plan = ();

    async fn apply(&self, event: &Received<PatientCreationV1>, _: (), tx: &mut Tx) -> Result<(), HandlerError> {
        sqlx::query("INSERT INTO effects (call_id, name) VALUES ($1, $2)")
            .bind(&event.data.call_id)
            .bind(&event.data.name)
            .execute(tx.connection())
            .await?;
        self.0.note(&event.data);
        Ok(())
    }
}

struct InsertMany(Arc<Books>);

impl BatchHandler for InsertMany {
    const NAME: &'static str = "insert-many";
    type Item = Received<PatientCreationV1>;

    async fn apply(&self, batch: &[&Self::Item], tx: &mut Tx) -> Result<(), HandlerError> {
        let calls: Vec<&str> = batch.iter().map(|event| event.data.call_id.as_str()).collect();
        let names: Vec<&str> = batch.iter().map(|event| event.data.name.as_str()).collect();
        sqlx::query("INSERT INTO effects (call_id, name) SELECT unnest($1::text[]), unnest($2::text[])")
            .bind(calls)
            .bind(names)
            .execute(tx.connection())
            .await?;
        batch.iter().for_each(|event| self.0.note(&event.data));
        Ok(())
    }
}

pub async fn insert(bench: &mut Bench) {
    let count = bench.count(50_000, 20_000);
    let place = filled(&["--kafka-consumer-concurrency", &CLIENTS.to_string()], count, true).await;
    let statements =
        "INSERT INTO inbox (consumer, event_id) VALUES ('pgbench', gen_random_uuid()) ON CONFLICT DO NOTHING;
         INSERT INTO effects (call_id, name) VALUES ('call-00001', '1');";
    let mut figure = Figure {
        name: "insert".to_owned(),
        limit_is: format!("begin, claim, insert, commit by pgbench -M prepared, {CLIENTS} clients"),
        goal: Goal::ratio(0.7),
        ..Figure::default()
    };
    rounds(
        bench,
        &place,
        &mut figure,
        count,
        |place| pgbench(place, statements, CLIENTS, count),
        |consumer, books| consumer.handle(Insert(books)).build().unwrap(),
    )
    .await;
    bench.report.add(figure);
}

pub async fn batch(bench: &mut Bench) {
    let count = bench.count(1_000_000, 200_000);
    let place = filled(&[], count, true).await;
    // Ids in their order, as those of new events are.
    let ids = format!("SELECT lpad(to_hex(nextval('ids')), 32, '0')::uuid FROM generate_series(1, {BATCH})");
    let statements = format!(
        "INSERT INTO inbox (consumer, event_id) SELECT 'pgbench', id FROM unnest(ARRAY({ids})) AS id ON CONFLICT DO NOTHING;
         INSERT INTO effects (call_id, name)
         SELECT 'call-00001', name FROM unnest(ARRAY(SELECT i::text FROM generate_series(1, {BATCH}) AS i)) AS name;"
    );
    let mut figure = Figure {
        name: "batch".to_owned(),
        limit_is: format!("claims and inserts of {BATCH} by array, by pgbench -M prepared, {SIDE_BY_SIDE} clients"),
        goal: Goal::ratio(0.7),
        ..Figure::default()
    };
    let limit = |place: &Place| BATCH as f64 * pgbench(place, &statements, SIDE_BY_SIDE, count / BATCH);
    rounds(bench, &place, &mut figure, count, limit, |consumer, books| {
        consumer.handle_batches(InsertMany(books), Batching::default()).build().unwrap()
    })
    .await;
    if let Some(one) = bench.report.find("insert") {
        bench.report.add(Figure {
            name: "batch_to_insert".to_owned(),
            limits: one.values.clone(),
            limit_is: "the line insert".to_owned(),
            goal: Goal::ratio(5.0),
            ..figure.clone()
        });
    }
    bench.report.add(figure);
}

/// Limit and ours by turns, each on empty tables.
async fn rounds(
    bench: &Bench,
    place: &Arc<Place>,
    figure: &mut Figure,
    count: usize,
    limit: impl Fn(&Place) -> f64,
    assemble: impl Fn(ConsumerBuilder, Arc<Books>) -> Consumer,
) {
    figure.unit = "events/s";
    sqlx::raw_sql(TABLE).execute(place.pool()).await.unwrap();
    sqlx::raw_sql("CREATE SEQUENCE ids").execute(place.pool()).await.unwrap();
    let pool = PgPoolOptions::new().max_connections(CLIENTS as u32 + 8).connect(place.url()).await.unwrap();
    for round in 1..=bench.rounds {
        empty(&pool).await;
        figure.limits.push(tokio::task::block_in_place(|| limit(place)));
        empty(&pool).await;
        let (books, group) = (Arc::new(Books::of(&place.servers, count)), format!("ours-{round}"));
        let outbox = Outbox::new(pool.clone(), "bench");
        let builder = Consumer::builder(place.config.clone(), &group, "bench", outbox);
        let measured = run(place, assemble(builder, Arc::clone(&books)), &group, &books, count).await;
        audit(&pool, count).await;
        eprintln!(
            "{} {round}/{}: pgbench {:.0}, ours {:.0} events/s",
            figure.name,
            bench.rounds,
            figure.limits[round - 1],
            measured.rate
        );
        figure.values.push(measured.rate);
        figure.spent.push(measured.spent);
    }
    place.delete_topics().await;
}

async fn empty(pool: &PgPool) {
    sqlx::raw_sql("TRUNCATE inbox; TRUNCATE effects; CHECKPOINT").execute(pool).await.unwrap();
}

/// What is in the tables, not what the handlers were told.
async fn audit(pool: &PgPool, count: usize) {
    let claims: i64 = sqlx::query_scalar("SELECT count(*) FROM inbox").fetch_one(pool).await.unwrap();
    assert_eq!(claims as usize, count, "claims in the inbox");
    let (effects, of, misplaced): (i64, i64, i64) = sqlx::query_as(
        "SELECT count(*), count(DISTINCT n), count(*) FILTER (WHERE n <> before + $1)
         FROM (SELECT name::bigint AS n, lag(name::bigint) OVER (PARTITION BY call_id ORDER BY id) AS before FROM effects) AS e",
    )
    .bind(KEYS as i64)
    .fetch_one(pool)
    .await
    .unwrap();
    assert_eq!((effects as usize, of as usize, misplaced), (count, count, 0), "effects, events of them, out of order");
}
