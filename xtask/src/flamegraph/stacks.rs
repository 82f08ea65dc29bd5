//! What `perf script` prints, as a tree of functions: who called whom, and how often it was seen there.

use std::collections::BTreeMap;

/// Functions that are listed as those in which most time is spent.
const DEAREST: usize = 15;

/// Where the runtime begins to do what a task is for. What is around it says nothing of the task.
const TASK: &str = "tokio::runtime::task::raw::poll";

/// What perf calls a function that it knows nothing of.
const UNKNOWN: &str = "[unknown]";

/// A function, with all that it was seen to call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Function {
    /// Samples in it or in what it called.
    pub(super) samples: u64,
    pub(super) origin: Origin,
    pub(super) called: BTreeMap<String, Self>,
}

/// Whose code a function is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Origin {
    #[default]
    Ours,
    Libraries,
    Kernel,
}

/// All samples.
#[derive(Debug, Default)]
pub(super) struct Stacks {
    pub(super) root: Function,
    /// Samples by the innermost function.
    innermost: BTreeMap<String, u64>,
}

// === impl Stacks ===

impl Stacks {
    /// Each sample is a line with the thread's name, a line for each function from the innermost on, and an empty line.
    pub(super) fn read(text: &str) -> Self {
        let mut stacks = Self::default();
        for sample in text.split("\n\n") {
            let mut lines = sample.lines().filter(|line| !line.trim().is_empty());
            let Some(thread) = lines.next() else { continue };
            let mut frames: Vec<(String, Origin)> = lines.filter_map(frame).collect();
            if let Some(task) = frames.iter().position(|(name, _)| name == TASK) {
                frames.truncate(task.max(1));
            }
            if !frames.is_empty() {
                stacks.add(thread.trim(), &frames);
            }
        }
        stacks
    }

    pub(super) fn samples(&self) -> u64 {
        self.root.samples
    }

    /// Those whose innermost function has no name.
    pub(super) fn nameless(&self) -> u64 {
        self.innermost.get(UNKNOWN).copied().unwrap_or(0)
    }

    /// The functions in which most samples are, without what they called, and what part of all each has.
    pub(super) fn dearest(&self) -> Vec<(&str, f64)> {
        let mut all: Vec<(&String, &u64)> = self.innermost.iter().collect();
        all.sort_by_key(|(_, samples)| std::cmp::Reverse(**samples));
        let part = |samples: u64| samples as f64 / self.samples() as f64;
        let dearest = all.into_iter().take(DEAREST);
        dearest.map(|(name, samples)| (name.as_str(), part(*samples))).collect()
    }

    fn add(&mut self, thread: &str, frames: &[(String, Origin)]) {
        self.root.samples += 1;
        let mut place = self.root.called.entry(thread.to_owned()).or_default();
        place.samples += 1;
        for (name, origin) in frames.iter().rev() {
            place = place.called.entry(name.clone()).or_default();
            place.samples += 1;
            place.origin = *origin;
        }
        if let Some((name, _)) = frames.first() {
            *self.innermost.entry(name.clone()).or_default() += 1;
        }
    }
}

/// `ADDRESS NAME (BINARY)`
fn frame(line: &str) -> Option<(String, Origin)> {
    let (_, rest) = line.trim().split_once(' ')?;
    let (name, binary) = rest.rsplit_once(" (")?;
    let name = without_hash(name);
    let binary = binary.trim_end_matches(')');
    let origin = match name {
        name if name.contains("loka_") || name.contains("stratum_proxy") => Origin::Ours,
        _ if binary.starts_with("[kernel") || binary.starts_with("[guest") => Origin::Kernel,
        _ if binary.ends_with(".ko") => Origin::Kernel,
        _ => Origin::Libraries,
    };
    Some((name.to_owned(), origin))
}

/// What the compiler adds to tell two of the same name apart: `::h` and 16 digits.
fn without_hash(name: &str) -> &str {
    let is_hash =
        |hash: &str| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    name.rsplit_once("::h").filter(|(_, hash)| is_hash(hash)).map_or(name, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "sessions-0 \n\
        \t    7f00 __send (/usr/lib/libc.so.6)\n\
        \t    5500 loka_proxy::session::run::h0123456789abcdef (/t/stratum-proxy)\n\
        \t    5400 main (/t/stratum-proxy)\n\n\
        sessions-0 \n\
        \tffffffff81 tcp_sendmsg ([kernel.kallsyms])\n\
        \t    7f00 __send (/usr/lib/libc.so.6)\n\
        \t    5500 loka_proxy::session::run::h0123456789abcdef (/t/stratum-proxy)\n\
        \t    5400 main (/t/stratum-proxy)\n\n\
        control \n\
        \t    1 [unknown] ([unknown])\n\n";

    #[test]
    fn samples_are_counted_in_all_who_called() {
        let stacks = Stacks::read(PRINTED);
        assert_eq!((stacks.samples(), stacks.nameless()), (3, 1));
        let thread = &stacks.root.called["sessions-0"];
        let run = &thread.called["main"].called["loka_proxy::session::run"];
        assert_eq!((thread.samples, run.samples, run.origin), (2, 2, Origin::Ours));
        let send = &run.called["__send"];
        assert_eq!((send.samples, send.origin), (2, Origin::Libraries));
        let kernel = &send.called["tcp_sendmsg"];
        assert_eq!((kernel.samples, kernel.origin), (1, Origin::Kernel));
    }

    #[test]
    fn the_innermost_functions_are_told_by_their_part() {
        let stacks = Stacks::read(PRINTED);
        let dearest: Vec<&str> = stacks.dearest().iter().map(|(name, _)| *name).collect();
        assert_eq!(dearest, ["[unknown]", "__send", "tcp_sendmsg"]);
        assert!((stacks.dearest()[0].1 - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_around_a_task_is_left_out() {
        let stacks = Stacks::read(
            "t \n\t 1 loka_proxy::a (/t/p)\n\t 2 tokio::runtime::task::raw::poll (/t/p)\n\t 3 main (/t/p)\n",
        );
        assert!(stacks.root.called["t"].called.contains_key("loka_proxy::a"), "{stacks:?}");
    }

    #[test]
    fn only_what_the_compiler_added_is_cut_off() {
        assert_eq!(without_hash("a::b::h0123456789abcdef"), "a::b");
        assert_eq!(without_hash("a::hash"), "a::hash");
    }
}
