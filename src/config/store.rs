use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{assemble::Fault, numbers::millis, schema, secret::Around};

/// Where what was learned outlives the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Store {
    /// The file.
    pub(crate) path: PathBuf,
    /// What a crash may lose.
    pub(crate) interval: Duration,
}

const INTERVAL: Duration = Duration::from_secs(10);
const NAME: &str = "outcome-gateway";
const NOWHERE: &str = "there is no HOME directory to keep it in; expected the path of a file, as \
                       path = \"...\" under [store]";
const FILE: &str = "state";

impl Store {
    /// Reads what is said of it. Where nothing is said and there is no usual place, there is none.
    pub(super) fn read(
        written: &schema::Store,
        around: &Around<'_>,
    ) -> Result<Option<Self>, Fault> {
        let enabled = written.enabled.as_ref();
        if enabled.is_some_and(|enabled| !enabled.get_ref()) {
            return Ok(None);
        }
        let interval = written.interval_ms.as_ref().map_or(Ok(INTERVAL), millis)?;
        let path = match &written.path {
            Some(path) if path.get_ref().is_empty() => {
                return Err(Fault::at(path, "expected the path of a file"));
            }
            Some(path) => around.folder.join(path.get_ref()),
            None => match usual_place(around.variable) {
                Some(path) => path,
                None => match enabled {
                    Some(enabled) => return Err(Fault::at(enabled, NOWHERE)),
                    None => return Ok(None),
                },
            },
        };
        Ok(Some(Self { path, interval }))
    }
}

/// The place that systemd gives a service, else that of the user.
fn usual_place(variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    // Relative paths are void, says the specification of these variables.
    let folder = |name: &str| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    // A service may have several; the first is the one it names itself by.
    let service = variable("STATE_DIRECTORY").and_then(|several| {
        let first = Path::new(several.split(':').next()?).to_owned();
        first.is_absolute().then_some(first)
    });
    let of_user = || folder("XDG_STATE_HOME").map(|state| state.join(NAME));
    let of_home = || folder("HOME").map(|home| home.join(".local/state").join(NAME));
    let folder = service.or_else(of_user).or_else(of_home)?;
    Some(folder.join(FILE))
}
