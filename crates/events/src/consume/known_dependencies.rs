//! The outside systems that failed lately, as many as are remembered, and their gauges.

use std::{collections::HashSet, sync::Arc};

use super::dependency::Dependency;
use crate::flow::breaker::BreakerPolicy;

/// So many systems are remembered, and so many names are labels of metrics: names can come out of data.
pub(super) const MOST: usize = 256;
/// The label of those that have none of their own.
const OTHERS: &str = "other";
#[derive(Default)]
pub(super) struct Known {
    pub(super) dependencies: Vec<Dependency>,
    pub(super) labels: HashSet<Arc<str>>,
    /// Grows with each thing that happens.
    pub(super) now: u64,
    /// How many records ended well since the last failure.
    pub(super) calm: u32,
}

impl Known {
    pub(super) fn find(&mut self, name: &str) -> Option<&mut Dependency> {
        self.dependencies.iter_mut().find(|dependency| *dependency.name == *name)
    }

    /// Finds it, or remembers one more, in place of the closed one that failed longest ago if there are too many. `None` if all
    /// are away.
    pub(super) fn find_or_add(&mut self, name: &str, policy: BreakerPolicy) -> Option<&mut Dependency> {
        if let Some(index) = self.dependencies.iter().position(|dependency| *dependency.name == *name) {
            return self.dependencies.get_mut(index);
        }
        if self.dependencies.len() >= MOST {
            let closed = self.dependencies.iter().enumerate().filter(|(_, dependency)| dependency.breaker.is_closed());
            let (oldest, _) = closed.min_by_key(|(_, dependency)| dependency.failed_at)?;
            self.dependencies.swap_remove(oldest);
        }
        let name: Arc<str> = name.into();
        let has_label =
            self.labels.contains(&name) || self.labels.len() < MOST && self.labels.insert(Arc::clone(&name));
        self.dependencies.push(Dependency::new(name, policy, has_label));
        self.dependencies.last_mut()
    }

    /// Sets the gauge of this one.
    pub(super) fn tell(&self, name: &str) {
        let Some(told) = self.dependencies.iter().find(|dependency| *dependency.name == *name) else { return };
        let gauge = |name: &str| metrics::gauge!("breaker_state", "dependency" => name.to_owned());
        if told.has_label {
            gauge(name).set(f64::from(told.breaker.level()));
        } else {
            let others = self.dependencies.iter().filter(|dependency| !dependency.has_label);
            gauge(OTHERS).set(others.map(|dependency| dependency.breaker.level()).max().map_or(0.0, f64::from));
        }
    }

    pub(super) fn answered(&mut self, name: &str) {
        let now = self.now;
        if let Some(dependency) = self.find(name) {
            dependency.answered(now);
            self.tell(name);
        }
    }
}
