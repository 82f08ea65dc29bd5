//! Programs that end with the test process, however it ends: by itself, by a panic, or killed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Runs its arguments until they end or its standard input does, which is a pipe that the test process holds: the
/// kernel closes it with the process. POSIX shell, so that no other program is needed. `REMOVE` goes with them.
const SUPERVISOR: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
program=$!
{ read -r _ <&3; kill -KILL $program; } >/dev/null 2>&1 &
watch=$!
exec 3<&-
wait $program
status=$?
kill $watch 2>/dev/null
[ -z "${REMOVE:-}" ] || rm -rf "$REMOVE"
exit $status
"#;

/// A running program.
#[derive(Debug)]
pub(super) struct Supervised {
    name: String,
    child: Child,
}

/// Begins the command line of a program whose output goes to `log`.
pub(super) fn supervise(program: &OsStr, log: &Path) -> Command {
    if let Some(directory) = log.parent() {
        fs::create_dir_all(directory).expect("a directory for logs");
    }
    // Appended to: a program that is started again tells the rest of the same story.
    let log = File::options().create(true).append(true).open(log).expect("a file for a log");
    let mut command = Command::new("sh");
    command.args(["-c", SUPERVISOR, "sh"]).arg(program);
    command.stdin(Stdio::piped()).stderr(log.try_clone().expect("a second handle")).stdout(log);
    command
}

// === impl Supervised ===

impl Supervised {
    pub(super) fn spawn(name: &str, command: &mut Command) -> Self {
        let child = command.spawn().unwrap_or_else(|error| panic!("{name} cannot start: {error}"));
        Self { name: name.to_owned(), child }
    }

    /// Its exit, if it has ended.
    pub(super) fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().expect("its status")?;
        Some(format!("{} ended with {status}", self.name))
    }

    /// Waits for its end, which somebody has brought about.
    pub(super) fn wait(mut self) {
        // The end of the pipe would end the program at once, and with it our knowledge of those that it waits for.
        let pipe = self.child.stdin.take();
        let _ended = self.child.wait();
        drop(pipe);
    }

    /// The supervisor's process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It answers at once; and whoever looks for leftovers next is to find none.
        let _ended = self.child.wait();
    }
}
