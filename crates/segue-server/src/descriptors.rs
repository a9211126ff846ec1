//! How many files and sockets the process may have open at a time.

use tracing::{info, warn};

use crate::limits;

/// Raises the limit as far as the process may raise it, and says what it is then.
pub fn raise() -> u64 {
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or_else(|error| {
        warn!(%error, "cannot raise the limit of descriptors");
        rlimit::Resource::NOFILE.get_soft().unwrap_or(0)
    });
    let connections_max = connections_max(descriptors);
    if descriptors < limits::DESCRIPTORS_WANTED {
        warn!(
            descriptors,
            connections_max,
            "the process may have {descriptors} descriptors only, so it holds {connections_max} \
             connections at most: raise the hard limit (LimitNOFILE, ulimit -n) to {} or more",
            limits::DESCRIPTORS_WANTED
        );
    } else {
        info!(descriptors, connections_max, "{descriptors} descriptors may be open");
    }
    descriptors
}

/// How many connections fit, beside the files of the store and the connections to bots.
pub fn connections_max(descriptors: u64) -> usize {
    let kept = limits::DESCRIPTORS_KEPT + descriptors / limits::DESCRIPTORS_KEPT_SHARE;
    let left = descriptors.saturating_sub(kept).max(limits::CONNECTIONS_MIN);
    usize::try_from(left).unwrap_or(usize::MAX).min(tokio::sync::Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_eighth_and_a_few_descriptors_are_kept_for_others() {
        for (descriptors, connections) in
            [(0, 16), (64, 16), (128, 48), (1_024, 832), (65_536, 57_280)]
        {
            assert_eq!(connections_max(descriptors), connections, "{descriptors}");
        }
        assert_eq!(connections_max(u64::MAX), tokio::sync::Semaphore::MAX_PERMITS);
    }
}
