//! Whole clusters: machines, pods, Services, names.

mod parts;
mod smoke;
