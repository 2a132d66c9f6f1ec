//! A disk of a few megabytes, mounted for one test, that can be filled to its last byte and be given room again.
//!
//! Mounting takes root's rights (or `sudo` without a question), as installing the tests' packages does.
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct SmallDisk {
    dir: PathBuf,
}

impl SmallDisk {
    pub fn mount(name: &str, mib: u32) -> SmallDisk {
        let dir = std::env::temp_dir().join(format!("cordboard-disk-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        let size = format!("size={mib}m,mode=0777");
        let mounted = as_root("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", &dir.to_string_lossy()]);
        assert!(mounted, "a small disk cannot be mounted: run the tests as root, or allow sudo without a password");
        SmallDisk { dir }
    }

    /// For the server's data.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn ballast(&self) -> PathBuf {
        self.dir.join("ballast")
    }

    /// Writes until nothing more fits.
    pub fn fill(&self) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.ballast()).expect("a file");
        let mut size = 1 << 20;
        while size > 0 {
            if file.write_all(&vec![0x5a; size]).is_err() {
                size /= 2;
            }
        }
    }

    pub fn make_room(&self) {
        fs::remove_file(self.ballast()).expect("the ballast goes");
    }

    pub fn path(&self) -> &Path {
        &self.dir
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server that is being ended may still have files open.
        as_root("umount", &["-l", &self.dir.to_string_lossy()]);
        let _ = fs::remove_dir(&self.dir);
    }
}

fn as_root(program: &str, arguments: &[&str]) -> bool {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.trim_ascii() == b"0");
    let mut c = if is_root { Command::new(program) } else { Command::new("sudo") };
    if !is_root {
        c.args(["-n", program]);
    }
    c.args(arguments).status().is_ok_and(|s| s.success())
}
