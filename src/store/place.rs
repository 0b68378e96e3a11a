use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The name of the file.
const FILE: &str = "state";
/// The folder of the gateway among those of others.
const FOLDER: &str = "outcome-gateway";

/// Returns where state belongs on this system, by its environment: the folder that systemd made for
/// the service, else the user's for such things.
pub(super) fn default_path(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // Relative paths are no good here, say both specifications.
    let folder = |name: &str| {
        let value = variable(name)?;
        // Systemd lists several, if it was told of several.
        let first = std::env::split_paths(&value).next()?;
        first.is_absolute().then_some(first)
    };
    let own = folder("STATE_DIRECTORY");
    let users = || folder("XDG_STATE_HOME").map(|state| state.join(FOLDER));
    let home = || {
        let home = variable("HOME").map(PathBuf::from)?;
        let state = Path::new(".local/state").join(FOLDER);
        home.is_absolute().then(|| home.join(state))
    };
    let folder = own.or_else(users).or_else(home)?;
    Some(folder.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_the_services_or_the_users_own() {
        let path = |set: &[(&str, &str)]| {
            let found = default_path(|name| {
                let (_, value) = set.iter().find(|(key, _)| *key == name)?;
                Some((*value).into())
            });
            found.map(|path| path.display().to_string())
        };
        let home = ("HOME", "/home/a");
        let state = ("XDG_STATE_HOME", "/home/a/state");
        let own = ("STATE_DIRECTORY", "/var/lib/private/og:/var/lib/other");
        assert_eq!(
            path(&[home]).unwrap(),
            "/home/a/.local/state/outcome-gateway/state"
        );
        assert_eq!(
            path(&[home, state]).unwrap(),
            "/home/a/state/outcome-gateway/state"
        );
        assert_eq!(
            path(&[home, state, own]).unwrap(),
            "/var/lib/private/og/state"
        );
        assert_eq!(path(&[("XDG_STATE_HOME", "state"), home]), path(&[home]));
        assert_eq!(path(&[("HOME", "")]), None);
        assert_eq!(path(&[]), None);
    }
}
