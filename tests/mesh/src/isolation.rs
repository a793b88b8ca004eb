//! The program starts itself again in a network, a mount and a process namespace of its own.
//!
//! Names, addresses, ports and mounts in there are nobody else's, so meshes run side by side; and when the outer program
//! ends, by Ctrl-C, a crash or SIGKILL, the kernel ends everything in there. Nothing is left over but a folder of logs,
//! which the next start removes.

use std::env;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, id};

use meshtap_tests::tools::target;

use crate::requirements::{lives, namespaces, user_namespace};
use crate::tools;

/// Names the folder of the mesh to the inner program, and tells it that it is the inner one.
const FOLDER: &str = "MESHTAP_MESH_FOLDER";

/// The folder of logs and state, for the inner program; `None` for the outer one.
pub fn folder() -> Option<PathBuf> {
    env::var_os(FOLDER).map(PathBuf::from)
}

/// The folder that the inner program of this process gets.
pub fn own_folder() -> PathBuf {
    root().join(id().to_string())
}

/// Runs this program again, isolated and with these variables, and hands its exit status on. The folder stays when it
/// fails.
pub fn run_inside(variables: &[(&str, &str)]) -> ExitCode {
    let root = root();
    remove_left_overs(&root);
    let folder = own_folder();
    fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let own = env::current_exe().expect("the running program has a path");
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "unshare"]).args(namespaces());
    command.arg("--").arg(own).args(env::args_os().skip(1)).env(FOLDER, &folder);
    command.env("PATH", tools::path());
    command.envs(variables.iter().copied());
    let status = command.status().unwrap_or_else(|e| panic!("cannot start setpriv: {e}"));
    if status.success() {
        remove(&folder);
        return ExitCode::SUCCESS;
    }
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn root() -> PathBuf {
    target().join("mesh")
}

/// Removes the folders of programs that have ended.
fn remove_left_overs(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        if !lives(&entry.file_name().to_string_lossy()) {
            remove(&entry.path());
        }
    }
}

/// What stays is tried again at the next start.
fn remove(folder: &Path) {
    let mut command = Command::new("unshare");
    // Sidecars' files have an id that is the user's inside alone.
    command.args(user_namespace()).args(["--", "rm", "-rf", "--"]).arg(folder);
    let _ = command.env("PATH", tools::path()).status();
}
