//! What the machine lacks for a mesh, each with the remedy.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::tools;

/// Programs of the system, and the Debian package that brings each.
const PROGRAMS: [(&str, &str); 7] = [
    ("etcd", "etcd-server"),
    ("iptables", "iptables"),
    ("ip", "iproute2"),
    ("sysctl", "procps"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
];

/// One line each; none where a mesh can start.
pub fn missing(istio: &str) -> Vec<String> {
    let mut missing: Vec<String> = rights().err().into_iter().collect();
    for (program, package) in PROGRAMS {
        if tools::in_path(program).is_none() {
            missing.push(format!("{program} is missing; on Debian or Ubuntu: apt-get install {package}"));
        }
    }
    let built = [tools::kubernetes("kube-apiserver"), tools::istio(istio, "pilot-discovery")];
    for file in built.iter().filter(|file| !file.exists()) {
        missing.push(format!("{} is missing: run `make mesh-tools ISTIO={istio}`", file.display()));
    }
    missing
}

/// Root, or a user who may have namespaces with a range of ids in them: the sidecar has an id of its own.
fn rights() -> Result<(), String> {
    let remedy = "run it as root, or let this user have user namespaces: apt-get install uidmap, an entry in \
                  /etc/subuid and /etc/subgid (usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER), \
                  sysctl kernel.unprivileged_userns_clone=1";
    let Some(unshare) = tools::in_path("unshare") else { return Ok(()) };
    let mut command = Command::new(unshare);
    command.args(namespaces()).args(["true"]).stdout(Stdio::null()).stderr(Stdio::piped());
    let output = command.output().map_err(|error| format!("unshare cannot run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("no rights to make network namespaces ({}): {remedy}", said.trim()))
}

/// What `unshare` is asked for.
pub fn namespaces() -> Vec<&'static str> {
    let mut options = vec!["--net", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"];
    if !rustix::process::geteuid().is_root() {
        options.extend(["--user", "--map-root-user", "--map-auto"]);
    }
    options
}

/// Whether this is CI, where what is missing fails instead of being skipped.
pub fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// Whether a process of this id, in the caller's namespace, lives.
pub(crate) fn lives(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists() && fs::metadata(Path::new("/proc").join(pid).join("stat")).is_ok()
}
