//! Workers come and go: every event has its effect once, and each key stays in order.

use std::{collections::BTreeMap, time::Duration};

use test_kit::wait::wait_until;

use crate::support::{LONG, Rig, said};

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_the_work_while_one_comes_and_the_other_goes() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    const CALLS: usize = 30;
    const EVENTS: usize = 30;
    let first = rig.consume("first").await;
    let sender = async {
        for number in 0..EVENTS {
            let sends = (0..CALLS).map(|call| rig.send(said(&format!("call-{call}"), &format!("slow {number}"))));
            futures::future::join_all(sends).await;
        }
    };
    let workers = async {
        rig.wait_for_effects(100).await;
        let second = rig.consume("second").await;
        let status = second.status.clone().unwrap();
        wait_until("the second worker has partitions", LONG, || async { status.partitions() > 0 }).await;
        rig.wait_for_effects(400).await;
        first.stop().await;
        second
    };
    let ((), second) = tokio::join!(sender, workers);
    rig.wait_for_effects(CALLS * EVENTS).await;
    rig.wait_until_committed().await;
    second.stop().await;

    let effects = rig.effects().await;
    assert_eq!(effects.len(), CALLS * EVENTS, "one effect each");
    let mut of_call: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (call, name) in &effects {
        of_call.entry(call).or_default().push(name.trim_start_matches("slow ").parse().unwrap());
    }
    for (call, numbers) in of_call {
        assert_eq!(numbers, (0..EVENTS).collect::<Vec<_>>(), "{call} in order");
    }
    let workers: i64 =
        sqlx::query_scalar("SELECT count(DISTINCT worker) FROM effects").fetch_one(rig.pool()).await.unwrap();
    assert_eq!(workers, 2, "both worked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_leaves_nothing_undone_and_nothing_done_twice() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    for call in 0..200 {
        rig.send(said(&format!("call-{}", call % 40), "slow 10")).await;
    }
    let dying = rig.consume("dying").await;
    rig.wait_for_effects(20).await;
    // No commit, no leave: the group finds out by the session's end.
    dying.abort();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let heir = rig.consume("heir").await;
    rig.wait_for_effects(200).await;
    rig.wait_until_committed().await;
    assert_eq!(rig.effects().await.len(), 200);
    heir.stop().await;
}
