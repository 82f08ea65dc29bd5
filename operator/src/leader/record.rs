//! The Lease as a document: what a candidate reads in it, and what it writes into it.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use loka_api::names::CONTROL_ADDRESS_ANNOTATION;

/// What this process writes into a Lease.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    identity: Box<str>,
    control: SocketAddr,
    lease_seconds: i32,
}

// === impl Candidate ===

impl Candidate {
    /// An identity of its own for each start: a container that starts again in its pod must not
    /// take the Lease of the one before it, which may still have a request under way.
    pub(super) fn new(pod_name: &str, control: SocketAddr, lease: Duration) -> Self {
        let identity = format!("{pod_name}_{:016x}", fastrand::u64(..)).into_boxed_str();
        let lease_seconds = i32::try_from(lease.as_secs()).unwrap_or(i32::MAX);
        Self { identity, control, lease_seconds }
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    pub(super) fn control(&self) -> SocketAddr {
        self.control
    }

    /// A new Lease that this process holds. Its name is the store's to give.
    pub(super) fn create(&self, now: Timestamp) -> Lease {
        let mut lease = Lease::default();
        self.hold(&mut lease, now);
        lease
    }

    /// The same Lease, held by this process, and everything else as it was.
    pub(super) fn acquire(&self, mut lease: Lease, now: Timestamp) -> Lease {
        let spec = lease.spec.get_or_insert_default();
        // It is for readers: nobody's safety hangs on it.
        let transitions = spec.lease_transitions.unwrap_or(0);
        spec.lease_transitions = Some(transitions.saturating_add(1));
        self.hold(&mut lease, now);
        lease
    }

    /// The same Lease with a new time.
    pub(super) fn renew(&self, mut lease: Lease, now: Timestamp) -> Lease {
        lease.spec.get_or_insert_default().renew_time = Some(MicroTime(now));
        lease
    }

    /// The same Lease, held by nobody.
    pub(super) fn release(&self, mut lease: Lease, now: Timestamp) -> Lease {
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = None;
        spec.renew_time = Some(MicroTime(now));
        if let Some(annotations) = &mut lease.metadata.annotations {
            annotations.remove(CONTROL_ADDRESS_ANNOTATION);
        }
        lease
    }

    fn hold(&self, lease: &mut Lease, now: Timestamp) {
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(self.identity.to_string());
        spec.lease_duration_seconds = Some(self.lease_seconds);
        spec.lease_transitions.get_or_insert(0);
        spec.acquire_time = Some(MicroTime(now));
        spec.renew_time = Some(MicroTime(now));
        let address = self.control.to_string();
        let annotations = lease.metadata.annotations.get_or_insert_default();
        annotations.insert(CONTROL_ADDRESS_ANNOTATION.to_owned(), address);
    }
}

/// Who holds it.
pub(super) fn holder(lease: &Lease) -> Option<&str> {
    spec(lease)?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// How long its holder, silent, keeps it.
pub(super) fn duration(lease: &Lease) -> Duration {
    let seconds = spec(lease).and_then(|spec| spec.lease_duration_seconds).unwrap_or(0);
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// Where the control stream of its holder is.
pub(super) fn control_address(lease: &Lease) -> Option<SocketAddr> {
    holder(lease)?;
    lease.metadata.annotations.as_ref()?.get(CONTROL_ADDRESS_ANNOTATION)?.parse().ok()
}

/// Whether its holder has shown itself between the two: what others write beside (labels, owners)
/// must not prolong a Lease.
pub(super) fn is_unchanged(before: &Lease, now: &Lease) -> bool {
    before.metadata.uid == now.metadata.uid && before.spec == now.spec
}

fn spec(lease: &Lease) -> Option<&LeaseSpec> {
    lease.spec.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate() -> Candidate {
        Candidate::new("op-1", ([10, 0, 0, 7], 8443).into(), Duration::from_secs(15))
    }

    #[test]
    fn every_start_has_an_identity_of_its_own_that_begins_with_the_pod() {
        let (one, two) = (candidate(), candidate());
        assert!(one.identity().starts_with("op-1_"));
        assert_ne!(one.identity(), two.identity());
    }

    #[test]
    fn a_lease_says_who_holds_it_for_how_long_and_where_it_is_reached() {
        let me = candidate();
        let made = me.create(Timestamp::UNIX_EPOCH);
        assert_eq!(holder(&made), Some(me.identity()));
        assert_eq!(duration(&made), Duration::from_secs(15));
        assert_eq!(control_address(&made), Some(me.control()));
        let released = me.release(made, Timestamp::UNIX_EPOCH);
        assert_eq!((holder(&released), control_address(&released)), (None, None));
    }

    #[test]
    fn a_change_of_holder_is_counted_and_what_others_wrote_is_kept() {
        let mut theirs = candidate().create(Timestamp::UNIX_EPOCH);
        theirs.metadata.labels = Some([("team".to_owned(), "ops".to_owned())].into());
        let (me, now) = (candidate(), Timestamp::MAX);
        let mine = me.acquire(theirs.clone(), now);
        assert_eq!(holder(&mine), Some(me.identity()));
        assert_eq!(mine.metadata.labels, theirs.metadata.labels);
        assert_eq!(mine.spec.as_ref().unwrap().lease_transitions, Some(1));
        let renewed = me.renew(mine.clone(), Timestamp::UNIX_EPOCH);
        assert_eq!(renewed.spec.as_ref().unwrap().acquire_time, Some(MicroTime(now)));
        assert_eq!(renewed.spec.as_ref().unwrap().lease_transitions, Some(1));
        assert!(!is_unchanged(&mine, &renewed));
    }

    #[test]
    fn what_others_write_beside_is_no_sign_of_the_holder() {
        let before = candidate().create(Timestamp::UNIX_EPOCH);
        let mut now = before.clone();
        now.metadata.resource_version = Some("9".to_owned());
        now.metadata.labels = Some([("team".to_owned(), "ops".to_owned())].into());
        assert!(is_unchanged(&before, &now));
        now.metadata.uid = Some("another".to_owned());
        assert!(!is_unchanged(&before, &now));
    }
}
