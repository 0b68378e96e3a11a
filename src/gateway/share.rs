use super::Gateway;
use crate::{
    config::Config,
    store::{Membership, Sharing, StoreError},
};

/// Returns how a configuration shares what is learned with other instances, if it does, for
/// [`Gateway::share`], and through what, for the log: a URL that holds no secret.
///
/// Nothing is connected yet.
#[must_use]
pub fn open_sharing(config: &Config) -> Option<(&str, Sharing)> {
    let fleet = config.fleet.as_ref()?;
    Some((fleet.place(), fleet.sharing.clone()))
}

impl Gateway {
    /// Shares what it learns with the other instances that use the same store, until the membership is
    /// [stopped](Membership::stop) or dropped. After a [reload](Self::reload) it is the next router that
    /// learns and tells.
    ///
    /// The store need not be there: until it is, each instance goes by what it sees itself, and the log
    /// says why.
    ///
    /// ```
    /// use tower_outcome::{
    ///     OutcomeRouter, Upstream,
    ///     gateway::Gateway,
    ///     store::{MemoryStore, Sharing},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let secret = "the same for all instances";
    /// let router = OutcomeRouter::builder().model("gpt-4o").shared(secret).build()?;
    /// let upstream = Upstream::new("https://api.openai.com/v1")?;
    /// let gateway = Gateway::builder(router).default_upstream(upstream).build()?;
    /// let membership = gateway.share(Sharing::new(MemoryStore::new()))?;
    /// // ... serve ...
    /// membership.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If its router was not built to be [shared](crate::router::Builder::shared), or its configuration
    /// names no [secret](Config::shared).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn share(&self, sharing: Sharing) -> Result<Membership, StoreError> {
        let gateway = self.clone();
        sharing.start(move || gateway.router())
    }
}
