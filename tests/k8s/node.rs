//! Whole clusters: machines, pods, Services, names.

mod smoke;
