//! What the kernel says: how much the process has, how many descriptors are open, and how much there may be. Blocking.

use std::path::{Path, PathBuf};

use super::{fs, io};

/// What a process is held in by version 2 of control groups.
const CGROUPS: &str = "/sys/fs/cgroup";

/// What the process has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) resident: u64,
    pub(super) open: u64,
    /// How many may be open, if that is limited.
    pub(super) open_max: Option<u64>,
}

pub(super) fn look() -> io::Result<Seen> {
    let status = fs::read_to_string("/proc/self/status")?;
    let resident = field(&status, "VmRSS:").and_then(|text| text.parse::<u64>().ok());
    let limits = fs::read_to_string("/proc/self/limits")?;
    let open_max = field(&limits, "Max open files").and_then(|text| text.parse().ok());
    Ok(Seen { resident: resident.unwrap_or(0) * 1024, open: open()?, open_max })
}

/// Since Linux 6.2 the directory's size is how many there are; before, they have to be counted.
fn open() -> io::Result<u64> {
    const PLACE: &str = "/proc/self/fd";
    match fs::metadata(PLACE)?.len() {
        0 => Ok(fs::read_dir(PLACE)?.count() as u64),
        count => Ok(count),
    }
}

/// Nine tenths of the least memory that the groups which the process is in may have, if any of them has a limit.
pub fn budget() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let limit = limit(Path::new(CGROUPS), &groups)?;
    Some(limit - limit / 10)
}

fn limit(root: &Path, groups: &str) -> Option<u64> {
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    // Within a container the group may be told as it is seen from outside, where it is not to be found.
    let inside = PathBuf::from(group.trim_start_matches('/'));
    let groups = inside.ancestors().map(|group| root.join(group).join("memory.max"));
    groups.filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok()).min()
}

/// The first word after `name` at the beginning of a line.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_of_all_groups_counts_and_none_where_none_has_one() {
        let root = tempfile::tempdir().unwrap();
        let write = |group: &str, text: &str| {
            fs::create_dir_all(root.path().join(group)).unwrap();
            fs::write(root.path().join(group).join("memory.max"), text).unwrap();
        };
        let limit = |groups: &str| limit(root.path(), groups);
        assert_eq!(limit("0::/pods/farm\n"), None);
        write("pods/farm", "max\n");
        assert_eq!(limit("0::/pods/farm\n"), None);
        write("pods", "1000\n");
        write("pods/farm", "2000\n");
        assert_eq!(limit("4:memory:/x\n0::/pods/farm\n"), Some(1000));
        // Of a container: the root is its own group, whatever it is called outside.
        write("", "500\n");
        assert_eq!(limit("0::/not/here\n"), Some(500));
        assert_eq!(limit("4:memory:/x\n"), None);
    }

    #[test]
    fn this_process_has_memory_descriptors_and_a_limit_of_them() {
        let seen = look().unwrap();
        assert!(seen.resident > 1 << 20, "{seen:?}");
        let files: Vec<_> = (0..20).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        assert!(look().unwrap().open >= 20 && files.len() == 20);
        assert!(seen.open_max.is_none_or(|limit| limit >= 64), "{seen:?}");
    }
}
