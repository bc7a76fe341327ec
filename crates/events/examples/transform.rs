//! Consume, transform, produce: each record of one topic becomes one record of another, exactly once for `read_committed`
//! readers, however often this process is killed. Needs no database.
//!
//! `KAFKA_BOOTSTRAP_SERVERS=… cargo run -p events --example transform -- --from words --to loud-words --group shout`

use std::{collections::BTreeMap, error::Error, time::Duration};

use clap::Parser;
use events::kafka::{
    config::KafkaConfig,
    producer::OutRecord,
    transactional::{TransactionError, TransactionalProducer},
};
use rdkafka::{
    Message, Offset,
    consumer::{BaseConsumer, Consumer},
    message::OwnedMessage,
};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    kafka: KafkaConfig,
    #[arg(long, env = "FROM_TOPIC")]
    from: String,
    #[arg(long, env = "TO_TOPIC")]
    to: String,
    /// Also the transactional id. An instance beside this one needs an id of its own
    #[arg(long, env = "GROUP")]
    group: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cli = Cli::parse();
    // First, so that what a killed predecessor left open is aborted before its offsets are read.
    let mut producer = TransactionalProducer::new(&cli.kafka, "transform", &cli.group, Duration::from_secs(30)).await?;
    let consumer: BaseConsumer = cli.kafka.consumer("transform", &cli.group).create()?;
    consumer.subscribe(&[&cli.from])?;
    loop {
        let batch = tokio::task::block_in_place(|| poll(&consumer));
        match transform(&mut producer, &consumer, &batch, &cli).await {
            Ok(()) => {}
            Err(error @ TransactionError::Abortable { .. }) => {
                tracing::warn!(%error, "the batch is done again");
                for (partition, (first, _)) in spans(&batch) {
                    consumer.seek(&cli.from, partition, Offset::Offset(first), Duration::from_secs(10))?;
                }
            }
            // The rest is for whoever starts this process again, or decides not to.
            Err(error) => return Err(error.into()),
        }
    }
}

/// What is there, at most 500 records.
fn poll(consumer: &BaseConsumer) -> Vec<OwnedMessage> {
    let first = consumer.poll(Duration::from_millis(100));
    let rest = std::iter::from_fn(|| consumer.poll(Duration::ZERO));
    first.into_iter().chain(rest).take(500).filter_map(Result::ok).map(|message| message.detach()).collect()
}

async fn transform(
    producer: &mut TransactionalProducer,
    consumer: &BaseConsumer,
    batch: &[OwnedMessage],
    cli: &Cli,
) -> Result<(), TransactionError> {
    let (Some(_), Some(group)) = (batch.first(), consumer.group_metadata()) else { return Ok(()) };
    let mut transaction = producer.begin().await?;
    for message in batch {
        let loud = message.payload().map(<[u8]>::to_ascii_uppercase);
        let key = message.key().map(<[u8]>::to_vec);
        transaction.send(&OutRecord { topic: cli.to.clone(), key, payload: loud, headers: Vec::new() }).await?;
    }
    let next: Vec<_> =
        spans(batch).into_iter().map(|(partition, (_, last))| (&*cli.from, partition, last + 1)).collect();
    transaction.send_offsets(&next, group).await?;
    transaction.commit().await
}

/// The first and the last offset of each partition.
fn spans(batch: &[OwnedMessage]) -> BTreeMap<i32, (i64, i64)> {
    let mut spans = BTreeMap::new();
    for message in batch {
        let offset = message.offset();
        spans.entry(message.partition()).and_modify(|(_, last)| *last = offset).or_insert((offset, offset));
    }
    spans
}
