//! The values of flags, parsed once: whoever holds one need not check it again. Errors say what is
//! wrong and what to write; clap puts the flag and the value before them.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use loka_api::values::DurationText;

/// Longest name of a namespace or a Service.
const LABEL_CHARS_MAX: usize = 63;

/// Longest name of any other object.
const NAME_CHARS_MAX: usize = 253;

/// Longest reference to an image: the registry's host, 255 for the repository, and a digest.
const IMAGE_CHARS_MAX: usize = 512;

/// Each namespace costs one watch per kind.
const WATCHED_MAX: usize = 64;

const LEASE_MIN: Duration = Duration::from_secs(5);
const LEASE_MAX: Duration = Duration::from_secs(300);

/// A value that a flag does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// No name of an object.
    #[error(
        "not a Kubernetes name: write lower case letters, digits, - and ., at most 253, a letter or digit at both ends"
    )]
    ObjectName,
    /// No name of a Service.
    #[error(
        "not a name for a Service: write lower case letters, digits and -, at most 63, a letter first and no - last"
    )]
    OperatorName,
    /// No namespace.
    #[error(
        "not a namespace: write lower case letters, digits and -, at most 63, a letter or digit at both ends; several by commas"
    )]
    Namespace,
    /// Too many namespaces.
    #[error("more than 64 namespaces: leave the flag out to look after all")]
    Namespaces,
    /// No address.
    #[error("not an IP address: write the pod's own, which the downward API gives as status.podIP")]
    PodIp,
    /// An address that nobody can dial.
    #[error(
        "nobody can reach this address: write the pod's own, which the downward API gives as status.podIP"
    )]
    PodIpUnspecified,
    /// No image.
    #[error("not a reference to an image: write REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:DIGEST")]
    Image,
    /// No collector.
    #[error(
        "not an endpoint that proxies can send traces to: write http://HOST:4317, the OTLP/gRPC port of a collector"
    )]
    Collector,
    /// No duration for a Lease.
    #[error("not a duration of a Lease: write whole seconds from 5s to 5m, such as 15s")]
    Lease,
}

/// Name of an object, or of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectName(Box<str>);

/// Name of the operator, fit for a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorName(Box<str>);

/// The address of a pod, which others can dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodIp(IpAddr);

/// Reference to a container image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName(Box<str>);

/// `http://HOST:PORT` of a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorUrl(Box<str>);

/// How long a silent leader keeps the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseDuration(Duration);

/// The namespaces to look after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Every one, also those to come.
    All,
    /// These.
    Only(BTreeSet<ObjectName>),
}

/// Namespaces by commas; empty is none named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamespaceList(Vec<ObjectName>);

// === impl ObjectName ===

impl ObjectName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let fits = text.len() <= NAME_CHARS_MAX && text.split('.').all(is_label);
        fits.then(|| Self(text.into())).ok_or(ValueError::ObjectName)
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl OperatorName ===

impl OperatorName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OperatorName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        // Services are stricter than other objects: no digit first.
        let fits = is_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase());
        fits.then(|| Self(text.into())).ok_or(ValueError::OperatorName)
    }
}

impl fmt::Display for OperatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl PodIp ===

impl PodIp {
    /// The address of `port` of this pod.
    pub fn with_port(self, port: u16) -> SocketAddr {
        SocketAddr::new(self.0, port)
    }
}

impl FromStr for PodIp {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let address: IpAddr = text.parse().map_err(|_not_one| ValueError::PodIp)?;
        if address.is_unspecified() || address.is_multicast() {
            return Err(ValueError::PodIpUnspecified);
        }
        Ok(Self(address))
    }
}

// === impl ImageName ===

impl ImageName {
    /// The reference.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImageName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        // The node that pulls it knows the whole grammar; this catches what was no image at all.
        let known = |c: char| c.is_ascii_alphanumeric() || "-._/:@".contains(c);
        let fits = !text.is_empty() && text.len() <= IMAGE_CHARS_MAX && text.chars().all(known);
        let ends = text.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        (fits && ends && !text.contains("://")).then(|| Self(text.into())).ok_or(ValueError::Image)
    }
}

// === impl CollectorUrl ===

impl CollectorUrl {
    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CollectorUrl {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let host = text.strip_prefix("http://").ok_or(ValueError::Collector)?;
        let fits = !host.is_empty()
            && text.len() <= IMAGE_CHARS_MAX
            && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        fits.then(|| Self(text.into())).ok_or(ValueError::Collector)
    }
}

// === impl LeaseDuration ===

impl LeaseDuration {
    /// The duration: whole seconds, as a Lease holds them.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for LeaseDuration {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let duration = DurationText::from(text).duration().map_err(|_no_form| ValueError::Lease)?;
        let fits = (LEASE_MIN..=LEASE_MAX).contains(&duration) && duration.subsec_nanos() == 0;
        fits.then_some(Self(duration)).ok_or(ValueError::Lease)
    }
}

// === impl NamespaceList ===

impl NamespaceList {
    pub(super) fn names(&self) -> impl Iterator<Item = ObjectName> {
        self.0.iter().cloned()
    }
}

impl FromStr for NamespaceList {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let names: Result<Vec<_>, _> = names
            .take(WATCHED_MAX + 1)
            .map(|name| {
                is_label(name).then(|| ObjectName(name.into())).ok_or(ValueError::Namespace)
            })
            .collect();
        let names = names?;
        if names.len() > WATCHED_MAX {
            return Err(ValueError::Namespaces);
        }
        Ok(Self(names))
    }
}

// === impl Watched ===

impl FromIterator<ObjectName> for Watched {
    fn from_iter<I: IntoIterator<Item = ObjectName>>(names: I) -> Self {
        let names: BTreeSet<_> = names.into_iter().collect();
        if names.is_empty() { Self::All } else { Self::Only(names) }
    }
}

/// A label of a DNS name, as RFC 1123 has it.
fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let outer = |c: char| c != '-';
    (1..=LABEL_CHARS_MAX).contains(&text.len())
        && text.chars().all(inner)
        && text.starts_with(outer)
        && text.ends_with(outer)
}
