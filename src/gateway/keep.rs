use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Gateway, Spent};
use crate::{
    config::Config,
    store::{FileStore, Keeping, Opened},
};

/// What client keys have spent, among the sections of the file.
const SPENT: &str = "spent";

/// Opens the file of a configuration's state, if it is to be kept, and gives the router what an
/// earlier process learned. Call it before serving: it reads the disk.
///
/// That a file cannot be read is no error, but warned of.
#[must_use]
pub fn open_state(config: Config) -> (Config, Option<Opened>) {
    let Some(store) = &config.store else {
        tracing::info!("what is learned is lost at the end: [store] is off or has no place");
        return (config, None);
    };
    let opened = FileStore::new(&store.path).interval(store.interval).open();
    let config = match opened.learned() {
        Some(learned) => config.learned(learned),
        None => config,
    };
    (config, Some(opened))
}

impl Gateway {
    /// Goes on with what was spent by client keys, and keeps that and what is learned from now on.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn keep_state(&self, opened: Opened) -> Keeping {
        let wall = self.router().wall();
        if let Some(spent) = opened.section::<Spent>(SPENT) {
            self.spending().resume(&spent, wall);
        }
        let [learning, changing, spending] = [(); 3].map(|()| self.clone());
        opened
            .keep_learned(move || learning.router())
            .keep(
                SPENT,
                move || changing.spent_revision(),
                move || spending.spending().spent(spending.router().wall()),
            )
            .start()
    }

    /// Returns a number that changes where what was spent does.
    fn spent_revision(&self) -> u64 {
        let spent = self.spending().spent(self.router().wall());
        let mut hasher = DefaultHasher::new();
        spent.day.hash(&mut hasher);
        for (name, dollars) in &spent.dollars {
            (name, dollars.to_bits()).hash(&mut hasher);
        }
        hasher.finish()
    }
}
