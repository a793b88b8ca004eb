//! Disks that really fail, in a mount namespace of their own: a process holds it, and programs are started in it.
//!
//! A disk is a file system in memory, or one in a file on a file system in memory (by a loop device): when nothing is
//! left below that one, its device cannot write, as a broken disk cannot. It goes with the process that holds it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use crate::process::Process;
use crate::sandbox::Sandbox;
use crate::wait;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It says that it is full.
    Full,
    /// Writes succeed, and a sync fails.
    FailsToSync,
    /// The first sync that fails makes it read-only, until it is mounted again.
    TurnsReadOnly,
}

impl Kind {
    /// Makes and mounts it; `$0` is an empty folder.
    const fn script(self) -> &'static str {
        match self {
            Self::Full => "mkdir $0/disk && mount -t tmpfs -o size=4m tmpfs $0/disk && mkdir $0/disk/queue",
            Self::FailsToSync => {
                "mkdir $0/below $0/disk && mount -t tmpfs -o size=12m tmpfs $0/below && \
                 truncate -s 64m $0/below/image && mkfs.ext4 -q -O ^has_journal $0/below/image && \
                 mount -o loop,errors=continue $0/below/image $0/disk && mkdir $0/disk/queue && sync -f $0/disk"
            }
            Self::TurnsReadOnly => {
                "mkdir $0/below $0/disk && mount -t tmpfs -o size=16m tmpfs $0/below && \
                 truncate -s 64m $0/below/image && mkfs.ext4 -q -J size=4 $0/below/image && \
                 mount -o loop,errors=remount-ro $0/below/image $0/disk && mkdir $0/disk/queue && sync -f $0/disk"
            }
        }
    }
}

#[derive(Debug)]
pub struct Disk {
    kind: Kind,
    folder: PathBuf,
    holder: Process,
}

impl Disk {
    /// `None` where we may not mount anything, which is said.
    #[track_caller]
    pub fn mount(sandbox: &Sandbox, kind: Kind) -> Option<Self> {
        if !may_mount() {
            eprintln!(
                "NOT CHECKED: {kind:?}, because nothing may be mounted here (it takes root, mkfs.ext4 and loop devices)"
            );
            return None;
        }
        let folder = sandbox.path("mounted");
        fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let mut command = Command::new("unshare");
        let script = format!("{} && touch $0/disk/mounted && exec sleep infinity", kind.script());
        command.args(["--mount", "--propagation", "private", "--", "sh", "-c"]).arg(script).arg(&folder);
        let holder = Process::spawn("disk", command, sandbox);
        let disk = Self { kind, folder, holder };
        let mounted = disk.seen_from_here("disk/mounted");
        disk.holder.wait_ready(|| mounted.exists().then_some(()));
        Some(disk)
    }

    /// A folder on it, as who runs there sees it.
    pub fn queue(&self) -> PathBuf {
        self.folder.join("disk/queue")
    }

    /// What starts a program there, before its name.
    pub fn entrance(&self) -> Vec<String> {
        let holder = self.holder.id().as_raw_nonzero().to_string();
        ["nsenter", "--mount", "--target", &holder, "--"].map(str::to_owned).to_vec()
    }

    /// Takes all room away.
    #[track_caller]
    pub fn fill(&self) {
        let path = self.filling();
        let mut filling = File::create(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for bytes in [64 << 10, 4 << 10, 1 << 10, 1] {
            while filling.write_all(&vec![0; bytes]).is_ok() {}
        }
    }

    #[track_caller]
    pub fn free(&self) {
        let path = self.filling();
        fs::remove_file(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }

    /// As a machine does that starts again: it checks the file system, and nothing is there but what the device has.
    /// Nothing may be open on it.
    #[track_caller]
    pub fn remount(&self) {
        let [entrance, arguments @ ..] = &self.entrance()[..] else { return };
        // Up to 3 is what was wrong and is mended: without a journal the file system's own books are behind.
        let script = "umount $0/disk && { fsck.ext4 -fy $0/below/image > /dev/null 2>&1; [ $? -lt 4 ]; } && \
                      mount -o loop $0/below/image $0/disk";
        let mut command = Command::new(entrance);
        command.args(arguments).args(["sh", "-c", script]).arg(&self.folder);
        // What was killed may take a moment to let go.
        wait::until("the disk to be mounted again", || command.status().ok()?.success().then_some(()));
    }

    fn filling(&self) -> PathBuf {
        self.seen_from_here(if self.kind == Kind::Full { "disk/filling" } else { "below/filling" })
    }

    fn seen_from_here(&self, path: &str) -> PathBuf {
        let root = format!("/proc/{}/root", self.holder.id().as_raw_nonzero());
        let folder = self.folder.strip_prefix("/").unwrap_or(&self.folder);
        PathBuf::from(root).join(folder).join(path)
    }
}

fn may_mount() -> bool {
    let script = "mount -t tmpfs tmpfs /mnt && test -e /dev/loop-control && command -v mkfs.ext4 nsenter";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--", "sh", "-c", script]);
    command.output().is_ok_and(|output| output.status.success())
}
