use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

/// What the client keys have spent today, by their names. Clones share.
///
/// It outlives the gateway that it was begun with: one that is built from a new configuration goes on
/// with it, see [`Builder::take_over`](crate::gateway::Builder::take_over).
#[derive(Clone, Default)]
pub struct Spending {
    accounts: Arc<Mutex<HashMap<String, Arc<Account>>>>,
}

/// What client keys have spent in one day, to be kept over a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Spent {
    /// The day, counted from 1970, by UTC.
    pub day: u64,
    /// Dollars, by the name of the key.
    pub dollars: BTreeMap<String, f64>,
}

impl Spending {
    /// Returns what has been spent on the day of `wall`.
    #[must_use]
    pub fn spent(&self, wall: SystemTime) -> Spent {
        let accounts = lock(&self.accounts);
        let dollars = accounts
            .iter()
            .map(|(name, account)| (name.clone(), account.today(wall)))
            .filter(|(_, dollars)| *dollars > 0.0);
        Spent {
            day: day(wall),
            dollars: dollars.collect(),
        }
    }

    /// Goes on from what was spent before a restart, if that was on the day of `wall`. What has been
    /// spent since is not forgotten: the greater counts.
    pub fn resume(&self, spent: &Spent, wall: SystemTime) {
        if spent.day != day(wall) {
            return;
        }
        for (name, dollars) in spent.dollars.iter().take(MOST_ACCOUNTS) {
            if dollars.is_finite() && *dollars > 0.0 {
                self.account(name).raise(*dollars, wall);
            }
        }
    }

    pub(super) fn account(&self, name: &str) -> Arc<Account> {
        let mut accounts = lock(&self.accounts);
        if let Some(account) = accounts.get(name) {
            return account.clone();
        }
        let account = Arc::new(Account::default());
        accounts.insert(name.to_owned(), account.clone());
        account
    }
}

impl fmt::Debug for Spending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(lock(&self.accounts).iter()).finish()
    }
}

/// What one key has spent.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Account {
    state: Mutex<Sum>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    day: u64,
    dollars: f64,
}

impl Account {
    /// Returns what was spent on the day of `wall`.
    pub(super) fn today(&self, wall: SystemTime) -> f64 {
        self.on(wall).dollars
    }

    /// Takes in what a call has cost.
    pub(in crate::gateway) fn spend(&self, dollars: f64, wall: SystemTime) {
        if dollars.is_finite() && dollars > 0.0 {
            let mut sum = self.on(wall);
            sum.dollars = (sum.dollars + dollars).min(f64::MAX);
        }
    }

    fn raise(&self, dollars: f64, wall: SystemTime) {
        let mut sum = self.on(wall);
        sum.dollars = sum.dollars.max(dollars);
    }

    /// Returns the sum, begun anew if the day is. A clock that goes back begins none.
    fn on(&self, wall: SystemTime) -> MutexGuard<'_, Sum> {
        let mut sum = lock(&self.state);
        let today = day(wall);
        if today > sum.day {
            *sum = Sum {
                day: today,
                dollars: 0.0,
            };
        }
        sum
    }
}

/// Returns how long the day of `wall` goes on.
pub(super) fn until_tomorrow(wall: SystemTime) -> Duration {
    let tomorrow = Duration::from_secs((day(wall) + 1).saturating_mul(DAY));
    tomorrow.saturating_sub(since_1970(wall))
}

fn day(wall: SystemTime) -> u64 {
    since_1970(wall).as_secs() / DAY
}

fn since_1970(wall: SystemTime) -> Duration {
    wall.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// A sum is whole whenever its lock is free: what a panic left behind can be used.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Seconds.
const DAY: u64 = 24 * 60 * 60;
/// More keys than anybody lists; bounds what a file can bring.
const MOST_ACCOUNTS: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Duration = Duration::from_secs(DAY * 20_000 + DAY / 2);

    fn at(wall: Duration) -> SystemTime {
        SystemTime::UNIX_EPOCH + wall
    }

    #[test]
    fn a_day_begins_with_nothing_spent() {
        let spending = Spending::default();
        let account = spending.account("a");
        let noon = at(NOON);
        let tomorrow = noon + until_tomorrow(noon);
        assert_eq!(until_tomorrow(noon), Duration::from_secs(DAY / 2));
        account.spend(1.5, noon);
        account.spend(0.5, tomorrow - Duration::from_secs(1));
        assert_eq!(account.today(noon), 2.0);
        account.spend(0.25, tomorrow);
        assert_eq!(account.today(tomorrow), 0.25);
        // F28: the clock goes back.
        assert_eq!(account.today(noon), 0.25);
        for odd in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
            account.spend(odd, tomorrow);
        }
        assert_eq!(account.today(tomorrow), 0.25);
        assert_eq!(account.today(SystemTime::UNIX_EPOCH - NOON), 0.25);
    }

    #[test]
    fn what_was_spent_survives_a_restart_of_the_same_day() {
        let before = Spending::default();
        before.account("a").spend(1.5, at(NOON));
        before.account("b").spend(0.0, at(NOON));
        let kept = serde_json::to_string(&before.spent(at(NOON))).unwrap();
        assert_eq!(kept, r#"{"day":20000,"dollars":{"a":1.5}}"#);
        let kept: Spent = serde_json::from_str(&kept).unwrap();

        let after = Spending::default();
        after.account("a").spend(0.25, at(NOON));
        after.resume(&kept, at(NOON));
        after.resume(&kept, at(NOON));
        assert_eq!(after.spent(at(NOON)), kept);

        let next_day = Spending::default();
        next_day.resume(&kept, at(NOON + Duration::from_secs(DAY)));
        assert!(next_day.spent(at(NOON)).dollars.is_empty());
    }
}
