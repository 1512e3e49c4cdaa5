//! Where files come from: the disk, or memory.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Read as _, Result};
use std::path::{Component, Path, PathBuf};

/// Bytes of one file.
pub(super) const FILE_BYTES_MAX: u64 = 16 << 20;

/// What a path names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Something that can be read.
    File,
    /// A folder.
    Folder,
}

/// Reads files and lists folders.
pub trait Loader {
    /// What stands in a file.
    ///
    /// # Errors
    /// When it is not there, not a file, unreadable, or larger than 16 MiB.
    fn read(&self, path: &Path) -> Result<Vec<u8>>;

    /// The names of what stands in a folder, without `.` and `..`, in any order.
    ///
    /// # Errors
    /// When it is not there, not a folder, or unreadable.
    fn list(&self, folder: &Path) -> Result<Vec<String>>;

    /// What a path names; `None`: nothing.
    fn kind(&self, path: &Path) -> Option<Kind>;
}

/// The files of this computer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Loader for Disk {
    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(Error::new(ErrorKind::FileTooLarge, "larger than 16 MiB"));
        }
        Ok(bytes)
    }

    fn list(&self, folder: &Path) -> Result<Vec<String>> {
        // A name that is no text cannot be written in a configuration either.
        let name = |entry: std::fs::DirEntry| entry.file_name().into_string().ok();
        Ok(std::fs::read_dir(folder)?.flatten().filter_map(name).collect())
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        let found = std::fs::metadata(path).ok()?;
        Some(if found.is_dir() { Kind::Folder } else { Kind::File })
    }
}

/// Files by path, for tests; folders are where files are.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Memory {
    /// These paths and what stands there.
    pub fn new<'a, B: AsRef<[u8]> + 'a>(files: impl IntoIterator<Item = (&'a str, B)>) -> Memory {
        let entry = |(path, bytes): (&str, B)| (plain(Path::new(path)), bytes.as_ref().to_vec());
        Memory { files: files.into_iter().map(entry).collect() }
    }
}

impl Loader for Memory {
    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let missing = || Error::new(ErrorKind::NotFound, "No such file or directory");
        self.files.get(&plain(path)).cloned().ok_or_else(missing)
    }

    fn list(&self, folder: &Path) -> Result<Vec<String>> {
        let folder = plain(folder);
        let inner = self.files.keys().filter_map(|path| path.strip_prefix(&folder).ok());
        let first = |path: &Path| {
            path.components().next().map(|name| name.as_os_str().to_string_lossy().into_owned())
        };
        let mut names: Vec<String> = inner.filter_map(first).collect();
        names.dedup();
        match names.is_empty() {
            true => Err(Error::new(ErrorKind::NotFound, "No such file or directory")),
            false => Ok(names),
        }
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        let path = plain(path);
        if self.files.contains_key(&path) {
            return Some(Kind::File);
        }
        self.files.keys().any(|known| known.starts_with(&path)).then_some(Kind::Folder)
    }
}

/// The path without its detours.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(out.pop()),
            part => out.push(part),
        }
    }
    out
}
