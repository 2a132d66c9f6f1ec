//! Where inputs to start from are: `corpus/<target>` of this crate (found by coverage, minimised, committed), those a
//! target makes in code, and for whatever reads SIP the torture messages of RFC 4475 that the `sip` crate keeps.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Target;

/// The committed inputs of a target.
pub fn directory(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// The messages of RFC 4475.
pub fn torture() -> Vec<Vec<u8>> {
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../sip/tests/rfc4475"))
}

/// All inputs of a target to start from, in an order that does not change.
pub fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let mut all = (target.seeds)();
    all.extend(files(&directory(target)));
    all
}

/// The files of a directory by name; none if it does not exist.
pub fn files(directory: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(directory).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.iter().filter_map(|path| fs::read(path).ok()).collect()
}
