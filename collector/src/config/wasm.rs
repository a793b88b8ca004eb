//! Which filter modules are served.

use std::path::{Path, PathBuf};

use super::mistakes::Mistakes;
use super::read::Reader;

/// More than anyone upgrades through while pods live; each is half a megabyte of memory.
const MAX_ARCHIVED: usize = 64;

#[derive(Clone, Debug, PartialEq)]
pub struct Wasm {
    /// The filter module to serve at `/wasm/filter.wasm`.
    pub module: Option<PathBuf>,
    /// A folder that every module served is copied to, and from which older ones are served by their digest.
    pub archive: Option<PathBuf>,
    /// How many modules the archive keeps; the newest stay.
    pub archive_modules: usize,
}

impl Wasm {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut path = |key| Some(reader.text(key, "")).filter(|path| !path.is_empty()).map(PathBuf::from);
        let (module, archive) = (path("wasm.module"), path("wasm.archive"));
        Self { module, archive, archive_modules: reader.count("wasm.archive_modules", 4) }
    }

    pub(super) fn check(&self, mistakes: &mut Mistakes) {
        check_module(self.module.as_deref(), mistakes);
        if self.archive_modules > MAX_ARCHIVED {
            mistakes.add(
                "wasm.archive_modules",
                format!("is more than {MAX_ARCHIVED}"),
                "write 4, the default",
            );
        }
        if let (Some(module), Some(archive)) = (&self.module, &self.archive)
            && module.parent() == Some(archive)
        {
            let fix = "name a folder of its own: what is in the archive is removed when newer modules come";
            mistakes.add("wasm.archive", format!("holds wasm.module, {}", module.display()), fix);
        }
    }
}

fn check_module(module: Option<&Path>, mistakes: &mut Mistakes) {
    let Some(module) = module else { return };
    if let Err(error) = std::fs::File::open(module) {
        mistakes.add(
            "wasm.module",
            format!("cannot read {}: {error}", module.display()),
            "name the filter.wasm to serve, or leave it empty",
        );
    }
}
