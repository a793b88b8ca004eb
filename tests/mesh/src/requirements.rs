//! What the machine lacks for a mesh, each with the remedy. `requirements.sh` looks, so that `make` can say it before it
//! builds anything; this adds what only a build brings.

use std::path::Path;
use std::process::{Command, ExitCode};

use meshtap_tests::tools::workspace;

use crate::tools;

/// What a mesh is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `make mesh`.
    Mesh,
    /// `make test-mesh`, which has registries too.
    Scenarios,
}

/// One line each; none where a mesh can start.
pub fn missing(purpose: Purpose, istio: &str) -> Vec<String> {
    let mut missing = of_the_system(purpose, istio);
    let built =
        [tools::kubernetes("kube-apiserver"), tools::istio(istio, "pilot-discovery"), tools::gateway_api()];
    for file in built.iter().filter(|file| !file.exists()) {
        missing.push(format!("{} is missing: run `make mesh-tools ISTIO={istio}`", file.display()));
    }
    missing
}

fn of_the_system(purpose: Purpose, istio: &str) -> Vec<String> {
    let script = workspace().join("tests/mesh/requirements.sh");
    let purpose = match purpose {
        Purpose::Mesh => "mesh",
        Purpose::Scenarios => "scenarios",
    };
    let asked = Command::new(&script).arg(purpose).arg(tools::cache()).arg(istio).output();
    match asked {
        Ok(output) if output.status.success() => Vec::new(),
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            String::from_utf8_lossy(&said).lines().map(str::to_owned).collect()
        }
        Err(error) => vec![format!("{} cannot run: {error}", script.display())],
    }
}

/// What `unshare` is asked for.
pub fn namespaces() -> Vec<&'static str> {
    let own = ["--net", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"];
    [&own, user_namespace()].concat()
}

/// Of them, what makes root of who is not.
pub(crate) fn user_namespace() -> &'static [&'static str] {
    if rustix::process::geteuid().is_root() { &[] } else { &["--user", "--map-root-user", "--map-auto"] }
}

/// Says what a test lacks: loud, and a failure where it has to be one.
#[expect(clippy::print_stderr, reason = "a skip is loud")]
pub fn refuse(missing: &[String]) -> ExitCode {
    for line in missing {
        eprintln!("mesh: {line}");
    }
    if in_ci() {
        return ExitCode::from(2);
    }
    eprintln!("mesh: SKIPPED: no scenario ran");
    ExitCode::SUCCESS
}

/// Whether this is CI, where what is missing fails instead of being skipped.
pub fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// Whether a process of this id, in the caller's namespace, lives.
pub(crate) fn lives(pid: &str) -> bool {
    Path::new("/proc").join(pid).join("stat").exists()
}
