//! Rules: which route a miner of a listener works for, by its name, where it comes from and its firmware.
//!
//! Pure: what a rule says was checked with the document, and is compiled once per listener and configuration. A text that
//! is no range all the same matches nobody, so that no miner is led away by mistake.

use std::net::IpAddr;
use std::sync::Arc;

use loka_api::runtime_config::Rule;
use loka_api::values::Cidr;
use loka_stratum::glob::Glob;

mod range;
#[cfg(test)]
mod tests;

/// What is known of a miner when its handshake is complete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Newcomer<'a> {
    /// The first name that it authorized; none if it has not yet.
    pub(crate) worker: Option<&'a str>,
    pub(crate) source: IpAddr,
    /// The name of its firmware's profile.
    pub(crate) firmware: &'a str,
}

/// The rules that can apply to the miners of one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    rules: Vec<Compiled>,
    /// For whom no rule matches.
    own: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Compiled {
    workers: Vec<Glob>,
    sources: Vec<Option<Cidr>>,
    firmware: Vec<Box<str>>,
    route: Arc<str>,
}

// === impl Rules ===

impl Rules {
    /// Those of `rules` that are for miners of `listener`, whose own route is `own`.
    pub(crate) fn compile(rules: &[Rule], listener: &str, own: &str) -> Self {
        let applies = |rule: &&Rule| {
            rule.listeners.is_empty() || rule.listeners.iter().any(|name| name == listener)
        };
        let rules = rules.iter().filter(applies).map(Compiled::new).collect();
        Self { rules, own: own.into() }
    }

    /// The route of a miner: that of the first rule that matches, else its listener's.
    pub(crate) fn route(&self, newcomer: &Newcomer<'_>) -> &str {
        let rule = self.rules.iter().find(|rule| rule.matches(newcomer));
        rule.map_or(&self.own, |rule| &rule.route)
    }

    /// The listener's own route.
    pub(crate) fn own(&self) -> &str {
        &self.own
    }

    /// Every route that a miner can be led to, once each, the listener's own first.
    pub(crate) fn routes(&self) -> Vec<&str> {
        let mut routes = vec![&*self.own];
        for rule in &self.rules {
            if !routes.contains(&&*rule.route) {
                routes.push(&rule.route);
            }
        }
        routes
    }
}

// === impl Compiled ===

impl Compiled {
    fn new(rule: &Rule) -> Self {
        let Rule { name: _, listeners: _, workers, sources, firmware, route } = rule;
        Self {
            workers: workers.iter().map(|text| Glob::of_its_case(text)).collect(),
            sources: sources.iter().map(|text| range::parse(text)).collect(),
            firmware: firmware.iter().map(|name| name.as_str().into()).collect(),
            route: route.as_str().into(),
        }
    }

    /// Each list that is not empty must hold something that fits.
    fn matches(&self, newcomer: &Newcomer<'_>) -> bool {
        let Self { workers, sources, firmware, route: _ } = self;
        let by_name =
            |pattern: &Glob| newcomer.worker.is_some_and(|worker| pattern.matches(worker));
        let by_source = |range: &Option<Cidr>| {
            range.as_ref().is_some_and(|range| range.contains(newcomer.source))
        };
        (workers.is_empty() || workers.iter().any(by_name))
            && (sources.is_empty() || sources.iter().any(by_source))
            && (firmware.is_empty() || firmware.iter().any(|name| **name == *newcomer.firmware))
    }
}
