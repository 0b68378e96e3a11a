use redis::{Cmd, Pipeline, cmd};

/// What is asked of one scope.
pub(super) const SHARE: &str = include_str!("share.lua");
/// What is asked once in an exchange.
pub(super) const ROUND: &str = include_str!("round.lua");

/// Calls a script by the name that the server has given it, on keys that begin with `tag`.
pub(super) fn call(name: &str, tag: &str) -> Cmd {
    let mut call = cmd("EVALSHA");
    call.arg(name).arg(1).arg(tag);
    call
}

/// Hands the server both scripts.
pub(super) fn load(into: &mut Pipeline) {
    for script in [SHARE, ROUND] {
        into.cmd("SCRIPT").arg("LOAD").arg(script);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_name_their_layout() {
        assert!(SHARE.starts_with("-- outcome:1 share\n"));
        assert!(ROUND.starts_with("-- outcome:1 round\n"));
    }
}
