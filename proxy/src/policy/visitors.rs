//! Who is at a listener's door: connections, handshakes and offences, by the address that they come from.
//!
//! Pure. It counts and decides; who asks closes, logs and tells metrics. Only newcomers are ever refused: no decision here
//! touches a connection that has a session. What is kept of addresses that nobody is connected from is bounded.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use loka_api::values::Cidr;

use super::rate_limit::TokenBucket;

#[cfg(test)]
mod tests;

/// Addresses that are remembered though nobody is connected from there: some 100 bytes each, so 2 MiB at the most. An
/// attacker with more addresses than these pushes out what is worth least ([`Worth`]).
pub(crate) const ABSENT_MAX: usize = 16_384;

/// So many are left when room is made, so that the work of making it is done once in thousands of arrivals.
const ABSENT_KEPT: usize = ABSENT_MAX / 4 * 3;

/// Offences count towards a ban for this long: a machine that is misconfigured tries again each few seconds.
const OFFENCES_WITHIN: Duration = Duration::from_secs(600);

/// How long somebody who mined from an address vouches for it: a farm that comes back from a night without power is not to
/// find itself banned because its one broken machine was faster.
const VOUCHED_FOR: Duration = Duration::from_secs(24 * 3600);

/// After this a bucket of a minute's connections is full again.
const MINUTE: Duration = Duration::from_secs(60);

/// What is asked of those who come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DoorTerms {
    pub(crate) connections_per_address_max: Option<u32>,
    pub(crate) connects_per_minute: Option<u32>,
    pub(crate) handshakes_max: Option<u32>,
    pub(crate) handshakes_per_address_max: Option<u32>,
    pub(crate) ban: Option<BanTerms>,
    /// Never banned, and without limits of their own.
    pub(crate) exempt: Vec<Cidr>,
}

/// When an address is banned, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BanTerms {
    pub(crate) after: u32,
    pub(crate) lasts: Duration,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAdmitted {
    AddressConnections,
    AddressConnects,
    AddressHandshakes,
    Banned,
    Handshakes,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Visit {
    /// Where it comes from is not known yet.
    Unnamed,
    /// Its handshake is not complete.
    Greeting,
    /// It is subscribed and authorized.
    Mining,
    /// A share of it was valid.
    Credited,
}

/// What an offence led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sentence {
    /// From now on, for so long.
    Banned(Duration),
    Noted,
}

/// A ban that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ban {
    /// The address, or the first of its range.
    pub(crate) address: IpAddr,
    /// How many bits of it count.
    pub(crate) prefix: u8,
    pub(crate) until: Instant,
    pub(crate) by: BannedBy,
}

/// Who has banned an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BannedBy {
    /// Whoever runs the proxy.
    Hand,
    /// Its own offences.
    Offences,
}

/// The document says that the address is never banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exempt;

/// The visitors of one listener.
#[derive(Debug, Default)]
pub(crate) struct Book {
    terms: DoorTerms,
    /// Of all addresses, and of connections whose address is not known yet.
    handshakes: u32,
    /// Entries without a connection.
    absent: usize,
    known: BTreeMap<Source, Visitor>,
}

/// An address as it is counted: a customer with IPv6 has 64 bits of addresses to himself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    V4(u32),
    V6Prefix(u64),
}

#[derive(Clone, Debug)]
struct Visitor {
    connected: u32,
    /// Of them, those without a complete handshake.
    greeting: u32,
    /// Of them, those that had a valid share.
    credited: u32,
    /// None until a limit asked for one.
    connects: Option<TokenBucket>,
    offences: u32,
    /// When the first of them was.
    offended: Instant,
    banned_until: Option<Instant>,
    banned_by: BannedBy,
    vouched_until: Option<Instant>,
    /// When somebody last came.
    came: Instant,
    /// When somebody last came or went.
    seen: Instant,
}

/// What is lost if an address is forgotten, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    /// Counts of a minute or ten, and whoever has thousands of addresses begins anew with each.
    Counts,
    /// That somebody mined there.
    Voucher,
    Ban,
}

/// Whether two addresses are counted as one.
pub(crate) fn count_as_one(one: IpAddr, other: IpAddr) -> bool {
    Source::of(one) == Source::of(other)
}

// === impl Source ===

impl Source {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => {
                Self::V6Prefix(u64::try_from(address.to_bits() >> 64).unwrap_or(u64::MAX))
            }
        }
    }

    /// Its first address, and how many bits of that count.
    fn range(self) -> (IpAddr, u8) {
        match self {
            Self::V4(bits) => (Ipv4Addr::from_bits(bits).into(), 32),
            Self::V6Prefix(bits) => (Ipv6Addr::from_bits(u128::from(bits) << 64).into(), 64),
        }
    }
}

// === impl Book ===

impl Book {
    /// For those who come from now on. Nobody who is in is sent away.
    pub(crate) fn set_terms(&mut self, terms: DoorTerms) {
        self.terms = terms;
    }

    /// Somebody has connected. What follows is [`Self::enter`] or [`Self::left`].
    pub(crate) fn knock(&mut self) -> Result<(), NotAdmitted> {
        if self.terms.handshakes_max.is_some_and(|max| self.handshakes >= max) {
            return Err(NotAdmitted::Handshakes);
        }
        self.handshakes += 1;
        Ok(())
    }

    /// Where somebody who has knocked is from: an [`Visit::Unnamed`] becomes a [`Visit::Greeting`], or has to go.
    pub(crate) fn enter(&mut self, now: Instant, address: IpAddr) -> Result<(), NotAdmitted> {
        let source = Source::of(address);
        let is_exempt = self.is_exempt(address);
        if let Some(visitor) = self.known.get_mut(&source)
            && !is_exempt
        {
            visitor.admit(now, &self.terms)?;
        }
        let visitor = self.known.entry(source).or_insert_with(|| {
            self.absent += 1;
            Visitor::new(now)
        });
        if visitor.connected == 0 {
            self.absent = self.absent.saturating_sub(1);
        }
        if let (Some(per_minute), false) = (self.terms.connects_per_minute, is_exempt) {
            // There is one: an address that has none left was not admitted.
            let bucket = visitor.connects.get_or_insert_with(|| TokenBucket::new(now, per_minute));
            bucket.take_of_a_minute(now, per_minute).ok();
        }
        visitor.connected += 1;
        visitor.greeting += 1;
        (visitor.came, visitor.seen) = (now, now);
        Ok(())
    }

    /// A [`Visit::Greeting`] has become a [`Visit::Mining`].
    pub(crate) fn mining(&mut self, address: IpAddr) {
        self.handshakes = self.handshakes.saturating_sub(1);
        if let Some(visitor) = self.known.get_mut(&Source::of(address)) {
            visitor.greeting = visitor.greeting.saturating_sub(1);
        }
    }

    /// A [`Visit::Mining`] has become a [`Visit::Credited`].
    pub(crate) fn credited(&mut self, address: IpAddr) {
        if let Some(visitor) = self.known.get_mut(&Source::of(address)) {
            visitor.credited += 1;
        }
    }

    /// A connection has ended.
    pub(crate) fn left(&mut self, now: Instant, address: IpAddr, visit: Visit) {
        if visit <= Visit::Greeting {
            self.handshakes = self.handshakes.saturating_sub(1);
        }
        let source = Source::of(address);
        let Some(visitor) = self.known.get_mut(&source).filter(|_| visit > Visit::Unnamed) else {
            return;
        };
        visitor.left(now, visit);
        if visitor.connected > 0 {
            return;
        }
        if visitor.has_lapsed(now) {
            self.known.remove(&source);
            return;
        }
        self.absent += 1;
        if self.absent > ABSENT_MAX {
            self.forget(now);
        }
    }

    /// Somebody of this address has done what no miner does.
    pub(crate) fn offended(&mut self, now: Instant, address: IpAddr) -> Sentence {
        let Some(BanTerms { after, lasts }) = self.terms.ban else { return Sentence::Noted };
        let is_exempt = self.is_exempt(address);
        let Some(visitor) = self.known.get_mut(&Source::of(address)) else {
            return Sentence::Noted;
        };
        if is_exempt || visitor.is_banned(now) || visitor.is_vouched_for(now) {
            return Sentence::Noted;
        }
        if now.saturating_duration_since(visitor.offended) >= OFFENCES_WITHIN {
            visitor.offences = 0;
        }
        if visitor.offences == 0 {
            visitor.offended = now;
        }
        visitor.offences += 1;
        if visitor.offences < after {
            return Sentence::Noted;
        }
        visitor.offences = 0;
        visitor.banned_until = Some(now + lasts);
        visitor.banned_by = BannedBy::Offences;
        Sentence::Banned(lasts)
    }

    /// Lets nobody in from an address for so long, whoever vouches for it. It is one of those that are forgotten last.
    pub(crate) fn ban(
        &mut self,
        now: Instant,
        address: IpAddr,
        lasts: Duration,
    ) -> Result<(), Exempt> {
        if self.is_exempt(address) {
            return Err(Exempt);
        }
        let visitor = self.known.entry(Source::of(address)).or_insert_with(|| {
            self.absent += 1;
            Visitor::new(now)
        });
        visitor.banned_until = Some(now + lasts);
        visitor.banned_by = BannedBy::Hand;
        visitor.seen = now;
        if self.absent > ABSENT_MAX {
            self.forget(now);
        }
        Ok(())
    }

    /// Ends a ban, whoever made it. Whether there was one.
    pub(crate) fn pardon(&mut self, now: Instant, address: IpAddr) -> bool {
        let Some(visitor) = self.known.get_mut(&Source::of(address)) else { return false };
        let was_banned = visitor.is_banned(now);
        visitor.banned_until = None;
        visitor.offences = 0;
        was_banned
    }

    /// All that hold, in the order of addresses.
    pub(crate) fn bans(&self, now: Instant) -> Vec<Ban> {
        let ban = |(source, visitor): (&Source, &Visitor)| {
            let until = visitor.banned_until.filter(|until| now < *until)?;
            let (address, prefix) = source.range();
            Some(Ban { address, prefix, until, by: visitor.banned_by })
        };
        self.known.iter().filter_map(ban).collect()
    }

    /// Connections without a complete handshake.
    pub(crate) const fn handshakes(&self) -> u32 {
        self.handshakes
    }

    /// Bytes of what is known of addresses.
    pub(crate) fn bytes(&self) -> usize {
        self.known.len() * size_of::<(Source, Visitor)>()
    }

    /// Addresses that are banned.
    pub(crate) fn banned(&self, now: Instant) -> usize {
        self.known.values().filter(|visitor| visitor.is_banned(now)).count()
    }

    /// Whether the document says that the address is never banned.
    pub(crate) fn exempts(&self, address: IpAddr) -> bool {
        self.is_exempt(address)
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        self.terms.exempt.iter().any(|range| range.contains(address))
    }

    /// Makes room: what has lapsed goes, and then what is worth least and was seen longest ago.
    fn forget(&mut self, now: Instant) {
        self.known.retain(|_, visitor| visitor.connected > 0 || !visitor.has_lapsed(now));
        let absent = self.known.iter().filter(|(_, visitor)| visitor.connected == 0);
        let mut absent: Vec<_> =
            absent.map(|(source, visitor)| (visitor.worth(now), visitor.seen, *source)).collect();
        absent.sort_unstable();
        let surplus = absent.len().saturating_sub(ABSENT_KEPT);
        for (_, _, source) in absent.iter().take(surplus) {
            self.known.remove(source);
        }
        self.absent = absent.len() - surplus;
    }
}

// === impl Visitor ===

impl Visitor {
    const fn new(now: Instant) -> Self {
        Self {
            connected: 0,
            greeting: 0,
            credited: 0,
            connects: None,
            offences: 0,
            offended: now,
            banned_until: None,
            banned_by: BannedBy::Offences,
            vouched_until: None,
            came: now,
            seen: now,
        }
    }

    fn admit(&self, now: Instant, terms: &DoorTerms) -> Result<(), NotAdmitted> {
        if self.is_banned(now) {
            return Err(NotAdmitted::Banned);
        }
        if terms.connections_per_address_max.is_some_and(|max| self.connected >= max) {
            return Err(NotAdmitted::AddressConnections);
        }
        if terms.handshakes_per_address_max.is_some_and(|max| self.greeting >= max) {
            return Err(NotAdmitted::AddressHandshakes);
        }
        if let (Some(per_minute), Some(bucket)) = (terms.connects_per_minute, self.connects) {
            // Of a copy: who is refused takes nothing, and the address does not starve by its own attempts.
            let mut bucket = bucket;
            bucket.take_of_a_minute(now, per_minute).map_err(|_| NotAdmitted::AddressConnects)?;
        }
        Ok(())
    }

    fn left(&mut self, now: Instant, visit: Visit) {
        self.connected = self.connected.saturating_sub(1);
        self.seen = now;
        match visit {
            Visit::Unnamed | Visit::Mining => {}
            Visit::Greeting => self.greeting = self.greeting.saturating_sub(1),
            Visit::Credited => {
                self.credited = self.credited.saturating_sub(1);
                self.vouched_until = Some(now + VOUCHED_FOR);
            }
        }
    }

    fn is_banned(&self, now: Instant) -> bool {
        self.banned_until.is_some_and(|until| now < until)
    }

    fn is_vouched_for(&self, now: Instant) -> bool {
        self.credited > 0 || self.vouched_until.is_some_and(|until| now < until)
    }

    /// Whether it is as if nobody had ever come.
    fn has_lapsed(&self, now: Instant) -> bool {
        let since = |at: Instant| now.saturating_duration_since(at);
        self.worth(now) == Worth::Counts
            && (self.offences == 0 || since(self.offended) >= OFFENCES_WITHIN)
            && (self.connects.is_none() || since(self.came) >= MINUTE)
    }

    fn worth(&self, now: Instant) -> Worth {
        if self.is_banned(now) {
            Worth::Ban
        } else if self.is_vouched_for(now) {
            Worth::Voucher
        } else {
            Worth::Counts
        }
    }
}
