//! Meshes beside each other, and what is left of one that is ended: by Ctrl-C, and by a signal that it cannot see.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Trial};
use meshtap_mesh::requirements::{self, Purpose};
use meshtap_mesh::tools as mesh_tools;
use meshtap_tests::process::Process;
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::{http, tools, wait};
use rustix::process::{Pid, Signal, kill_process_group};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let missing = match mesh_tools::istio_version() {
        Ok(version) => requirements::missing(Purpose::Mesh, version),
        Err(mistake) => vec![mistake],
    };
    if !missing.is_empty() {
        return requirements::refuse(&missing);
    }
    let trial = Trial::test("two_meshes_and_nothing_of_them", || {
        two_meshes();
        Ok(())
    });
    libtest_mimic::run(&arguments, vec![trial]).exit_code()
}

fn two_meshes() {
    let sandbox = Sandbox::new("isolation");
    let before = Machine::now();
    let start = |name: &str, once: bool| {
        let mut command = Command::new(tools::own_program("mesh"));
        if once {
            command.env("MESH_ONCE", "1");
        }
        Process::spawn(name, command, &sandbox)
    };
    let meshes = [start("interrupted", false), start("killed", false)];
    let collectors = meshes.each_ref().map(collector_of);
    assert_ne!(collectors[0], collectors[1]);
    for collector in &collectors {
        let spans = http::get(collector.parse().unwrap(), "/api/v1/spans?limit=20").unwrap().json();
        assert_eq!(spans["spans"].as_array().map(Vec::len), Some(1), "each has its own: {spans:#}");
    }
    let parts: BTreeSet<Part> = meshes.iter().flat_map(|mesh| parts_of(mesh.id())).collect();
    let networks: BTreeSet<PathBuf> = parts.iter().filter_map(Part::network).collect();
    assert!(parts.len() > 20 && networks.len() > 4, "{} processes, {networks:?}", parts.len());
    let folders = meshes.each_ref().map(|mesh| folder_of(mesh.id()));
    assert!(folders.iter().all(|folder| folder.exists()));

    // What a terminal does on Ctrl-C, and a crash.
    kill_process_group(meshes[0].id(), Signal::INT).unwrap();
    wait::until("the end of all that the first mesh ran", || gone(&meshes[0], &parts).then_some(()));
    let still = http::get(collectors[1].parse().unwrap(), "/health/ready").map(|reply| reply.status);
    assert_eq!(still.ok(), Some(200), "the other mesh goes on");
    meshes[1].signal(Signal::KILL);
    wait::until("the end of everything", || gone(&meshes[1], &parts).then_some(()));
    assert!(parts.iter().all(|part| !part.lives()));
    let left: Vec<PathBuf> = all_networks().intersection(&networks).cloned().collect();
    assert!(left.is_empty(), "networks are left: {left:?}");
    let after = Machine::now();
    assert_eq!(before, after, "the machine is not as it was");

    let next = start("next", true);
    let status = wait::poll(|| next.exit_status()).or_else(|| wait::poll(|| next.exit_status()));
    assert!(status.is_some_and(|status| status.success()), "{}", next.log_tail());
    let left: Vec<&PathBuf> = folders.iter().filter(|folder| folder.exists()).collect();
    assert!(left.is_empty(), "the next start has not removed {left:?}");
    assert!(!folder_of(next.id()).exists(), "a mesh that ends well leaves no folder");
}

/// The address of its collector, once it has said everything.
fn collector_of(mesh: &Process) -> String {
    let said = || {
        mesh.assert_runs();
        let log = mesh.log();
        log.contains("Ctrl-C ends it.").then_some(log)
    };
    let log = wait::poll(said).or_else(|| wait::poll(said));
    let log = log.unwrap_or_else(|| panic!("no mesh\n{}", mesh.log_tail()));
    let url = log.lines().find_map(|line| line.trim().strip_prefix("http://")?.strip_suffix("/metrics"));
    url.unwrap().to_owned()
}

fn folder_of(mesh: Pid) -> PathBuf {
    tools::target().join("mesh").join(mesh.as_raw_nonzero().to_string())
}

/// Whether of a mesh nothing lives: of `parts`, those that it had.
fn gone(mesh: &Process, parts: &BTreeSet<Part>) -> bool {
    let root = mesh.id().as_raw_nonzero().get();
    mesh.exit_status().is_some() && parts.iter().filter(|part| part.root == root).all(|part| !part.lives())
}

/// A process of a mesh, by its id and when it started: ids are used again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    root: i32,
    id: i32,
    started: String,
}

impl Part {
    fn lives(&self) -> bool {
        stat(self.id).is_some_and(|(_, started, state)| started == self.started && state != "Z")
    }

    fn network(&self) -> Option<PathBuf> {
        let own = fs::read_link("/proc/self/ns/net").ok();
        fs::read_link(format!("/proc/{}/ns/net", self.id))
            .ok()
            .filter(|network| Some(network) != own.as_ref())
    }
}

/// The process that started this one, when it started, and its state.
fn stat(id: i32) -> Option<(i32, String, String)> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The program's name stands in brackets and may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    Some((fields[1].parse().ok()?, fields[19].to_owned(), fields[0].to_owned()))
}

fn processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok()).collect()
}

/// All that a process has started, and what that has started.
fn parts_of(root: Pid) -> Vec<Part> {
    let root = root.as_raw_nonzero().get();
    let all: Vec<(i32, i32, String)> = processes()
        .into_iter()
        .filter_map(|id| stat(id).map(|(parent, started, _)| (id, parent, started)))
        .collect();
    let (mut found, mut next) = (Vec::new(), vec![root]);
    while let Some(parent) = next.pop() {
        for (id, _, started) in all.iter().filter(|(_, of, _)| *of == parent) {
            found.push(Part { root, id: *id, started: started.clone() });
            next.push(*id);
        }
    }
    found
}

fn all_networks() -> BTreeSet<PathBuf> {
    processes().into_iter().filter_map(|id| fs::read_link(format!("/proc/{id}/ns/net")).ok()).collect()
}

/// What a mesh could leave behind on the machine itself.
#[derive(Debug, PartialEq, Eq)]
struct Machine {
    links: String,
    addresses: String,
    rules: Vec<String>,
    mounts: String,
    hosts: Vec<u8>,
}

impl Machine {
    fn now() -> Self {
        let read = |path: &str| fs::read(Path::new(path)).unwrap_or_default();
        Self {
            links: said("ip", &["-brief", "link"]),
            addresses: said("ip", &["-brief", "address"]),
            rules: ["nat", "mangle", "raw", "filter"]
                .iter()
                .map(|table| said("iptables", &["-t", table, "-S"]))
                .collect(),
            mounts: String::from_utf8_lossy(&read("/proc/self/mounts")).into_owned(),
            hosts: [read("/etc/hosts"), read("/etc/resolv.conf")].concat(),
        }
    }
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).env("PATH", mesh_tools::path()).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}"));
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}
