use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use super::{
    fault::Fault,
    format::{Sections, decode, encode},
};

/// Far above any snapshot: 4,096 tasks with 20 targets take some 10 MB. It bounds what a file that is
/// none of ours can make us read.
const LARGEST: u64 = 256 * 1024 * 1024;

/// Reads a snapshot; none where there is no file.
pub(super) fn read(path: &Path) -> Result<Option<Sections>, Fault> {
    if let Some(what) = not_a_file(path)? {
        return Err(Fault::NoFile(what));
    }
    let file = match private().read(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Fault::Io("read it", error)),
    };
    // Asked of what was opened, not of its name, which may have become another's.
    let told = |error| Fault::Io("read it", error);
    let metadata = file.metadata().map_err(told)?;
    if !metadata.is_file() {
        return Err(Fault::NoFile("something special"));
    }
    if metadata.len() > LARGEST {
        return Err(Fault::TooLarge(metadata.len()));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(told)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Fault::TooLarge(bytes.len() as u64));
    }
    decode(&bytes).map(Some)
}

/// Replaces a snapshot. Whoever reads, and whatever happens meanwhile, there is the old one or the
/// new one. Only the holder of the lock may call it.
pub(super) fn write(path: &Path, sections: &Sections) -> Result<u64, Fault> {
    let bytes = encode(sections)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Fault::TooLarge(bytes.len() as u64));
    }
    if let Some(what) = not_a_file(path)? {
        return Err(Fault::NoFile(what));
    }
    let new = beside(path, ".new");
    match fs::remove_file(&new) {
        // Left by a process that was killed.
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(Fault::Io("clear the place to write to", error)),
    }
    let written = create(&new, &bytes).and_then(|()| {
        fs::rename(&new, path).map_err(|error| Fault::Io("put the new in its place", error))
    });
    if let Err(fault) = written {
        // What could not be finished takes up no room on a full disk.
        let _ = fs::remove_file(&new);
        return Err(fault);
    }
    sync_folder(path)?;
    Ok(bytes.len() as u64)
}

fn create(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let mut file = private()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|error| Fault::Io("create it", error))?;
    file.write_all(bytes)
        .map_err(|error| Fault::Io("write it", error))?;
    file.sync_all().map_err(|error| Fault::Io("sync it", error))
}

/// Puts a file that is not to be met again aside, in the place of the last one. Returns where to.
pub(super) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = beside(path, ".bad");
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// Makes the folder of a snapshot, for its user alone.
pub(super) fn make_folder(path: &Path) -> Result<(), Fault> {
    let folder = folder(path);
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .map_err(|error| Fault::Io("make its folder", error))
}

/// Options by which a file is created for its user alone, no symbolic link is followed, and nothing
/// waits for the other side of a pipe.
pub(super) fn private() -> OpenOptions {
    #[allow(unused_mut, reason = "elsewhere there is nothing to set")]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;

        use rustix::fs::OFlags;

        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
    }
    options
}

/// Returns the path with this after its name.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// Says what is there, if that is no file. Nothing there is fine.
fn not_a_file(path: &Path) -> Result<Option<&'static str>, Fault> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Fault::Io("look at it", error)),
    };
    Ok(match () {
        () if kind.is_file() => None,
        () if kind.is_symlink() => Some("a symbolic link"),
        () if kind.is_dir() => Some("a folder"),
        () => Some("something special"),
    })
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes the new name last.
#[cfg(unix)]
fn sync_folder(path: &Path) -> Result<(), Fault> {
    File::open(folder(path))
        .and_then(|folder| folder.sync_all())
        .map_err(|error| Fault::Io("sync its folder", error))
}

/// Elsewhere a folder cannot be opened.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> Result<(), Fault> {
    let _ = File::open;
    Ok(())
}
