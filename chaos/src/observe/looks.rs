//! Looks during the round for I5: what a group had committed, and then what was finished.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use events::contract::topics::DEAD_LETTER_QUEUE;
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};
use sqlx::PgPool;
use test_kit::kafka::TestRecord;
use tokio::{runtime::Handle, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    backlog,
    group::{GroupView, client},
    topics::read_letter,
};
use crate::{
    book::Book,
    ground::Ground,
    history::{Fact, Look},
    system::Hop,
};

const EVERY: Duration = Duration::from_millis(400);
const LIMIT: Duration = Duration::from_secs(2);

/// Looks at one hop until told to stop. A look that an outage prevents is left out.
///
/// Blocks, as its clients do: call it on a thread of a runtime that may.
pub fn watch(ground: &Ground, book: &Book, namespace: &str, hop: &Hop, stop: &CancellationToken) -> Vec<Look> {
    let (servers, pool) = (&ground.servers, &ground.pool);
    let mut look_out = None;
    let mut looks = Vec::new();
    while !stop.is_cancelled() {
        let at = book.now();
        let look = match &mut look_out {
            Some(look_out) => LookOut::look(look_out, pool, namespace, hop),
            // The topics may be younger than this.
            none => LookOut::open(servers, namespace, hop).and_then(|new| none.insert(new).look(pool, namespace, hop)),
        };
        looks.extend(look.ok().map(|look| Look { at, ..look }));
        std::thread::sleep(EVERY);
    }
    looks
}

struct LookOut {
    group: GroupView,
    letters: Letters,
}

impl LookOut {
    fn open(servers: &str, namespace: &str, hop: &Hop) -> anyhow::Result<Self> {
        let (group, topic) = (format!("{namespace}{}", hop.group), format!("{namespace}{}", hop.topic));
        let (group, letters) = (GroupView::open(servers, &group, &topic)?, Letters::open(servers, namespace)?);
        Ok(Self { group, letters })
    }

    /// The order is what makes it sound; see [`Look`].
    fn look(&mut self, pool: &PgPool, namespace: &str, hop: &Hop) -> anyhow::Result<Look> {
        let committed = self.group.committed()?;
        let effects = Handle::current().block_on(async { timeout(LIMIT, backlog::effects(pool, hop)).await })??;
        self.letters.read_to_end(namespace, hop)?;
        let effects = effects.into_iter().map(|effect| effect.fact);
        Ok(Look { at: Duration::ZERO, committed, finished: effects.chain(self.letters.seen.iter().cloned()).collect() })
    }
}

/// The facts of the dead letters so far.
struct Letters {
    client: BaseConsumer,
    topic: String,
    next: i64,
    seen: HashSet<Fact>,
}

impl Letters {
    fn open(servers: &str, namespace: &str) -> Result<Self, KafkaError> {
        let client: BaseConsumer = client(servers, "chaos").create()?;
        let topic = format!("{namespace}{}", DEAD_LETTER_QUEUE.name);
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(&topic, 0, Offset::Beginning)?;
        client.assign(&assignment)?;
        Ok(Self { client, topic, next: 0, seen: HashSet::new() })
    }

    fn read_to_end(&mut self, namespace: &str, hop: &Hop) -> anyhow::Result<()> {
        let (_, end) = self.client.fetch_watermarks(&self.topic, 0, LIMIT)?;
        let deadline = Instant::now() + LIMIT;
        while self.next < end {
            anyhow::ensure!(Instant::now() < deadline, "the dead letters were not read in time");
            let Some(Ok(message)) = self.client.poll(Duration::from_millis(100)) else { continue };
            self.next = message.offset() + 1;
            self.seen.extend(read_letter(&TestRecord::of(&message), namespace, hop).and_then(|letter| letter.fact));
        }
        Ok(())
    }
}
