//! The processes of pods, as this machine sees them: name spaces nest, so those of a machine of ours are visible here.

use std::fs;
use std::process::Command;

/// A pod whose processes stand still until this is dropped.
pub(crate) struct Frozen {
    processes: Vec<u32>,
}

/// Stops the processes of a pod's own containers, as a machine without memory or CPU time would.
pub(crate) fn freeze(pod: &str) -> Option<Frozen> {
    let processes = of_pod(pod);
    signal("STOP", &processes)?;
    Some(Frozen { processes })
}

/// SIGKILL to a pod's own containers.
pub(crate) fn kill(pod: &str) -> Option<()> {
    signal("KILL", &of_pod(pod))
}

impl Drop for Frozen {
    fn drop(&mut self) {
        signal("CONT", &self.processes);
    }
}

/// Every process that was given this pod's name.
fn of_pod(pod: &str) -> Vec<u32> {
    let wanted = format!("POD_NAME={pod}");
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers
        .filter(|number| {
            let environment = fs::read(format!("/proc/{number}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
        })
        .collect()
}

fn signal(name: &str, processes: &[u32]) -> Option<()> {
    let numbers = processes.iter().map(u32::to_string);
    let sent = Command::new("kill").args(["-s", name]).args(numbers).status().ok()?;
    (!processes.is_empty() && sent.success()).then_some(())
}
