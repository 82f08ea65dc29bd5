//! What the kernel says that a process and its children have used.

use std::fs;

/// Of a page, which is what `statm` counts in.
const PAGE: u64 = 4096;

/// The driver's core.
const DRIVER: usize = 1;

/// A process tree at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Nanoseconds on a core, in user and kernel mode.
    pub(crate) cpu: u64,
    /// Bytes that are resident.
    pub(crate) resident: u64,
}

/// Of the process `pid` and those that it began.
pub(crate) fn usage(pid: u32) -> Usage {
    family(pid).into_iter().fold(Usage::default(), |sum, pid| Usage {
        cpu: sum.cpu + cpu(pid),
        resident: sum.resident + resident(pid),
    })
}

/// Of this process alone.
pub(crate) fn own() -> Usage {
    let pid = std::process::id();
    Usage { cpu: cpu(pid), resident: resident(pid) }
}

/// The process and all that it began, and that those did.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    std::iter::once(pid).chain(children.flat_map(family)).collect()
}

/// `schedstat`: time on a core, of each thread.
fn cpu(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let time = |path: std::path::PathBuf| {
        let text = fs::read_to_string(path.join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    tasks.filter_map(|task| time(task.path())).sum()
}

fn resident(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages = text.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * PAGE
}

/// How many descriptors a process like this one may have.
pub(crate) fn descriptors() -> Option<usize> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Those for what is measured: all that are there but the driver's, which `cargo xtask bench` has put on the second.
pub(crate) fn cores() -> Vec<usize> {
    let text = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(from.parse::<usize>().ok()?..=to.parse::<usize>().ok()?)
    };
    let all = text.trim().split(',').filter_map(range).flatten();
    all.filter(|core| *core != DRIVER).collect()
}
