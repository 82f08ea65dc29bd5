//! Whole clusters: machines, pods, Services, names.

mod chart;
mod edits;
mod forged;
mod install;
mod outages;
mod parts;
mod processes;
mod propagation;
mod quickstart;
mod refusals;
mod rollouts;
mod site;
mod smoke;
mod stream;
mod traces;
mod truth;
