//! The closed sets that events carry and metrics are labelled with. Each member has one label and
//! is never made of a peer's text, so that nobody can widen a metric.

use loka_ops::labels;

labels! {
    /// What is reconciled.
    Reconciled {
        /// A pool and its conditions.
        StratumPool => "StratumPool",
        /// A proxy, its children and its conditions.
        StratumProxy => "StratumProxy",
    }
}

labels! {
    /// What is watched, by its kind in Kubernetes.
    Watch {
        /// Certificate bundles for proxies.
        ConfigMap => "ConfigMap",
        /// The proxies' Deployments.
        Deployment => "Deployment",
        /// The proxies' pods.
        Pod => "Pod",
        /// Their disruption budgets.
        PodDisruptionBudget => "PodDisruptionBudget",
        /// Passwords, and mounted configurations.
        Secret => "Secret",
        /// The proxies' Services.
        Service => "Service",
        /// The proxies' accounts.
        ServiceAccount => "ServiceAccount",
        /// Pools.
        StratumPool => "StratumPool",
        /// Proxies.
        StratumProxy => "StratumProxy",
    }
}

labels! {
    /// How a reconcile ended.
    ReconcileResult {
        /// An object was changed by somebody else in between; tried again.
        Conflict => "conflict",
        /// Something failed that may pass; tried again.
        Failed => "failed",
        /// The API server says that the operator may not.
        Forbidden => "forbidden",
        /// The documents cannot be had as they are; waits for their change.
        Invalid => "invalid",
        /// All is as it should be, or on its way.
        Ok => "ok",
        /// It took too long; tried again.
        TimedOut => "timed_out",
    }
}

labels! {
    /// What became of a status to write.
    StatusWrite {
        /// Somebody else wrote in between.
        Conflict => "conflict",
        /// It could not be written.
        Failed => "failed",
        /// Written.
        Ok => "ok",
        /// It was so already: not written.
        Unchanged => "unchanged",
    }
}

labels! {
    /// What became of a configuration to publish.
    Publish {
        /// It could not be written to the cluster.
        Failed => "failed",
        /// Accepted by a pod, or the first there is, and written where pods start from.
        Published => "published",
        /// Refused by the pod that was asked first: nothing else changed.
        Rejected => "rejected",
    }
}

labels! {
    /// What a pod said to a configuration.
    Answer {
        /// It runs it.
        Ack => "ack",
        /// It refused it and keeps what it had.
        Nack => "nack",
        /// Nothing, for too long.
        Timeout => "timeout",
    }
}

labels! {
    /// Why a stream was not taken.
    StreamRefusal {
        /// Its token could not be reviewed: the API server did not answer.
        AuthUnavailable => "auth_unavailable",
        /// The pod belongs to no StratumProxy, or not to the one that it names.
        Forbidden => "forbidden",
        /// As many streams as there may be.
        Full => "full",
        /// Its first message is not a greeting, or not one of this protocol.
        Malformed => "malformed",
        /// This replica does not lead.
        NotLeader => "not_leader",
        /// More streams at once than there may come.
        TooFast => "too_fast",
        /// No token, or none that is good.
        Unauthenticated => "unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn labels_are_unique_and_in_the_order_of_the_members() {
        fn check<T: Copy>(all: &[T], labels: &[&str], label: fn(T) -> &'static str) {
            assert!(all.iter().map(|member| label(*member)).eq(labels.iter().copied()));
            assert_eq!(labels.iter().collect::<BTreeSet<_>>().len(), labels.len());
        }
        check(Reconciled::ALL, Reconciled::LABELS, Reconciled::label);
        check(Watch::ALL, Watch::LABELS, Watch::label);
        check(ReconcileResult::ALL, ReconcileResult::LABELS, ReconcileResult::label);
        check(StatusWrite::ALL, StatusWrite::LABELS, StatusWrite::label);
        check(Publish::ALL, Publish::LABELS, Publish::label);
        check(Answer::ALL, Answer::LABELS, Answer::label);
        check(StreamRefusal::ALL, StreamRefusal::LABELS, StreamRefusal::label);
    }
}
