use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use super::{
    fault::Fault,
    file::{beside, private},
};

/// Says that the snapshot at a path is this process's to write, while it lives.
///
/// It is taken on a file of its own: the snapshot itself is replaced by every write.
#[derive(Debug)]
pub(super) struct Lock {
    #[allow(dead_code, reason = "locked as long as it is open")]
    file: File,
}

impl Lock {
    /// Takes the lock of a path, or says who stands against it.
    pub(super) fn take(path: &Path) -> Result<Self, Fault> {
        let path: PathBuf = beside(path, ".lock");
        let file = private()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|error| Fault::Io("open its lock", error))?;
        try_lock(&file)?;
        Ok(Self { file })
    }
}

#[cfg(unix)]
fn try_lock(file: &File) -> Result<(), Fault> {
    use rustix::{
        fs::{FlockOperation, flock},
        io::Errno,
    };

    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) => return Err(Fault::Locked),
            Err(error) => return Err(Fault::Io("take its lock", io::Error::from(error))),
        }
    }
}

/// Elsewhere a process is trusted to be the only one.
#[cfg(not(unix))]
fn try_lock(_: &File) -> Result<(), Fault> {
    Ok(())
}
