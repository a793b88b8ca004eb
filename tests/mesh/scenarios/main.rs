//! What `docs/istio.md` says, against Istio itself.
#![expect(clippy::print_stderr, reason = "a skip is loud")]

mod first_span;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use meshtap_mesh::mesh::Mesh;
use meshtap_mesh::{isolation, requirements, tools};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let version = match tools::istio_version() {
        Ok(version) => version,
        Err(mistake) => return refuse(&[mistake]),
    };
    if let Some(folder) = isolation::folder() {
        return scenarios(&arguments, version, folder);
    }
    let missing = requirements::missing(version);
    if missing.is_empty() { isolation::run_inside() } else { refuse(&missing) }
}

/// Loud, and a failure where it has to be one.
fn refuse(missing: &[String]) -> ExitCode {
    for line in missing {
        eprintln!("mesh: {line}");
    }
    if requirements::in_ci() {
        return ExitCode::from(2);
    }
    eprintln!("mesh: SKIPPED: no scenario ran");
    ExitCode::SUCCESS
}

fn scenarios(arguments: &Arguments, version: &'static str, folder: std::path::PathBuf) -> ExitCode {
    let mesh: &'static Mesh = Box::leak(Box::new(Mesh::start(version, folder)));
    for (name, at) in &mesh.steps {
        eprintln!("mesh: {name} after {:.1} s", at.as_secs_f64());
    }
    let trials = vec![Trial::test("first_span", || {
        first_span::run(mesh);
        Ok(())
    })];
    libtest_mimic::run(arguments, trials).exit_code()
}
