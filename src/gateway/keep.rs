use crate::{
    config::Config,
    router::BuildError,
    store::{FileStore, Opened},
};

/// Opens the file of a configuration's state, if it is to be kept, and gives the router what an
/// earlier process learned. Call it before serving: it reads the disk.
///
/// What is returned keeps nothing yet: add what is to be kept, and start it.
///
/// # Errors
///
/// If the router cannot be built anew. That a file cannot be read is no error, but warned of.
pub fn open_state(config: Config) -> Result<(Config, Option<Opened>), BuildError> {
    let Some(store) = &config.store else {
        tracing::info!("what is learned is lost at the end: [store] is off or has no place");
        return Ok((config, None));
    };
    let opened = FileStore::new(&store.path).interval(store.interval).open();
    let config = match opened.learned() {
        Some(learned) => config.with_router(|builder| builder.learned(learned))?,
        None => config,
    };
    Ok((config, Some(opened)))
}
