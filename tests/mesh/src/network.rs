//! The node's network: pods as network namespaces behind a veth each, Services' addresses, and everybody's names.
//!
//! What a cluster does with CoreDNS is a small name server here, and `/etc/hosts` for who reads that first, mounted over
//! the machine's own where only this mesh sees it; what it does with kube-proxy is one address translation per port of a
//! Service.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread;

use meshtap_tests::process::Process;
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::wait;
use rustix::process::Pid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::dns::{self, Names};

/// The node, as pods see it: istiod listens here.
pub const NODE: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);
/// Where the provider listens: outside the cluster.
pub const PROVIDER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
/// An address that drops what is sent to it.
pub const BLACK_HOLE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);
/// The range of Services.
pub const SERVICES: &str = "10.96.0.0/16";

/// The network of one node.
pub struct Network {
    hosts: PathBuf,
    names: Names,
    pods: AtomicU8,
}

impl Network {
    /// Makes the node's own addresses. The calling process must be isolated.
    pub fn start(sandbox: &Sandbox) -> Self {
        run("ip", "link set lo up");
        Self::outside(NODE);
        Self::outside(PROVIDER);
        run("ip", &format!("route add blackhole {BLACK_HOLE}/32"));
        run("sysctl", "-qw net.ipv4.ip_forward=1 net.ipv4.ip_nonlocal_bind=1");
        run("iptables", &format!("-t raw -I PREROUTING -d {BLACK_HOLE} -j DROP"));
        let hosts = sandbox.write("hosts", "");
        mount_over(&hosts, Path::new("/etc/hosts"));
        let servers = sandbox.write("resolv.conf", format!("nameserver {NODE}\n"));
        mount_over(&servers, Path::new("/etc/resolv.conf"));
        let network = Self { hosts, names: Names::default(), pods: AtomicU8::new(0) };
        dns::serve(Arc::clone(&network.names));
        network.name("localhost", Ipv4Addr::LOCALHOST.into());
        network
    }

    /// Gives the machine an address that is no pod's.
    pub fn outside(address: Ipv4Addr) {
        run("ip", &format!("address add {address}/32 dev lo"));
    }

    /// Makes a name known to everybody in the mesh.
    pub fn name(&self, name: &str, address: IpAddr) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(name.to_owned(), address);
        let lines: Vec<String> = names.iter().map(|(name, address)| format!("{address}\t{name}\n")).collect();
        fs::write(&self.hosts, lines.concat()).unwrap_or_else(|e| panic!("{}: {e}", self.hosts.display()));
    }

    /// A Service's port leads to a pod's.
    pub fn translate(&self, service: (Ipv4Addr, u16), pod: (Ipv4Addr, u16)) {
        let ((service, port), (pod, target)) = (service, pod);
        for chain in ["PREROUTING", "OUTPUT"] {
            let to =
                format!("-t nat -I {chain} -d {service} -p tcp --dport {port} -j DNAT --to {pod}:{target}");
            run("iptables", &to);
        }
    }

    /// A new pod's network, joined to the node.
    pub fn pod(&self, name: &str, sandbox: &Sandbox) -> PodNetwork {
        let number = self.pods.fetch_add(1, Ordering::Relaxed) + 1;
        let address = Ipv4Addr::new(10, 244, 1, number);
        let pause = pause(name, sandbox);
        let pid = pause.id().as_raw_nonzero();
        run("ip", &format!("link add pod{number} type veth peer name eth0 netns {pid}"));
        run("ip", &format!("address add {NODE}/32 dev pod{number}"));
        run("ip", &format!("link set pod{number} up"));
        run("ip", &format!("route add {address}/32 dev pod{number} src {NODE}"));
        let pod = PodNetwork { address, pause };
        for command in [
            "link set lo up".to_owned(),
            format!("address add {address}/32 dev eth0"),
            "link set eth0 up".to_owned(),
            format!("route add {NODE}/32 dev eth0 scope link"),
            format!("route add default via {NODE}"),
        ] {
            check(pod.command("ip").args(command.split(' ')), &format!("ip {command}"));
        }
        pod
    }
}

/// A process that does nothing but hold a network namespace.
fn pause(name: &str, sandbox: &Sandbox) -> Process {
    let mut command = Command::new("unshare");
    command.args(["--net", "--", "sleep", "infinity"]);
    let pause = Process::spawn(&format!("{name}.pause"), command, sandbox);
    let ours = namespace_of(None);
    wait::until("a network namespace", || (namespace_of(Some(pause.id())) != ours).then_some(()));
    pause
}

fn namespace_of(pid: Option<Pid>) -> Option<PathBuf> {
    let process = pid.map_or_else(|| "self".to_owned(), |pid| pid.as_raw_nonzero().to_string());
    fs::read_link(format!("/proc/{process}/ns/net")).ok()
}

/// One pod's network namespace; ends when dropped, with what runs in it elsewhere unharmed.
pub struct PodNetwork {
    pub address: Ipv4Addr,
    pause: Process,
}

impl PodNetwork {
    /// The namespace, as a file.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.pause.id().as_raw_nonzero()))
    }

    /// A program that will run in the pod's network.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path().display())).arg("--").arg(program);
        command
    }

    /// Runs `work` on a thread in the pod's network. Threads that it starts stay there.
    #[track_caller]
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let path = self.path();
        let enter = move || {
            let namespace = fs::File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .unwrap_or_else(|e| panic!("cannot enter {}: {e}", path.display()));
            work()
        };
        match thread::scope(|scope| scope.spawn(enter).join()) {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Shows `file` in the place of another, in this mesh alone.
pub fn mount_over(file: &Path, place: &Path) {
    check(
        Command::new("mount").arg("--bind").args([file, place]),
        &format!("mount over {}", place.display()),
    );
}

/// Runs a program of the system to its end.
#[track_caller]
pub fn run(program: &str, arguments: &str) {
    check(Command::new(program).args(arguments.split(' ')), &format!("{program} {arguments}"));
}

#[track_caller]
pub(crate) fn check(command: &mut Command, what: &str) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{what}: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {}: {said}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}
