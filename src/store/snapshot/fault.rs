use std::{fmt, io};

/// Why a snapshot was not read or written.
#[derive(Debug)]
pub(super) enum Fault {
    /// The system said no.
    Io(&'static str, io::Error),
    /// There is something else in its place.
    NoFile(&'static str),
    TooLarge(u64),
    /// It does not begin as a snapshot does.
    Foreign,
    Version(u32),
    /// There is less of it, or more, than its first line says.
    Length {
        told: u64,
        found: u64,
    },
    Checksum,
    /// It is what was written, and still makes no sense.
    Json(serde_json::Error),
    /// Another process keeps it.
    Locked,
}

impl Fault {
    /// Returns whether there is a file that had better not be met again.
    pub(super) fn is_of_content(&self) -> bool {
        match self {
            Self::TooLarge(_)
            | Self::Foreign
            | Self::Version(_)
            | Self::Length { .. }
            | Self::Checksum
            | Self::Json(_) => true,
            Self::Io(..) | Self::NoFile(_) | Self::Locked => false,
        }
    }

    /// Returns whether this is the same trouble as before, though its words may differ.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Io(doing, error), Self::Io(other_doing, other)) => {
                doing == other_doing && error.kind() == other.kind()
            }
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(doing, error) => write!(f, "cannot {doing}: {error}"),
            Self::NoFile(what) => write!(f, "it is {what}, not a file"),
            Self::TooLarge(bytes) => write!(f, "it is too large, with {bytes} bytes"),
            Self::Foreign => f.write_str("it is no snapshot, or its first line was changed"),
            Self::Version(version) => write!(f, "its version {version} is unknown here"),
            Self::Length { told, found } => {
                write!(f, "{found} bytes follow its first line, which says {told}")
            }
            Self::Checksum => f.write_str("it was changed: its checksum is another"),
            Self::Json(error) => write!(f, "it cannot be understood: {error}"),
            Self::Locked => f.write_str("another process keeps its state there"),
        }
    }
}
