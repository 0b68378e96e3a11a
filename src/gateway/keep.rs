use super::{Gateway, Spent};
use crate::{
    config::Config,
    store::{FileStore, Keeping, Opened},
};

/// The section of what client keys have spent today.
const SPENDING: &str = "spending";

/// Opens the file of a configuration's state, if it is to be kept, and gives the configuration what an
/// earlier process learned. Call it before serving: it reads the disk. That the file cannot be read is
/// no error, but warned of.
#[must_use]
pub fn open_state(config: Config) -> (Config, Option<Opened>) {
    let Some(store) = &config.store else {
        tracing::info!("what is learned is lost at the end: [store] is off, or has no place");
        return (config, None);
    };
    let opened = FileStore::new(&store.path).interval(store.interval).open();
    let config = match opened.learned() {
        Some(learned) => config.learned(learned),
        None => config,
    };
    (config, Some(opened))
}

/// Keeps what a gateway learns, and what its client keys spend, from now on; what they spent before on
/// this day is taken up.
pub fn keep_state(opened: Opened, gateway: &Gateway) -> Keeping {
    if let Some(spent) = opened.section::<Spent>(SPENDING) {
        gateway.spending().resume(&spent, gateway.router().wall());
    }
    let spent = |gateway: Gateway| move || gateway.spending().spent(gateway.router().wall());
    let (revision, router) = (spent(gateway.clone()), gateway.clone());
    opened
        .keep_learned(move || router.router())
        .keep(
            SPENDING,
            move || {
                let Spent { day, dollars, .. } = revision();
                let bits = dollars.values().map(|dollars| dollars.to_bits());
                bits.fold(day, u64::wrapping_add)
            },
            spent(gateway.clone()),
        )
        .start()
}
