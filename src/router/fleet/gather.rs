use std::{mem, time::Duration};

use tokio::time::Instant;

use super::{
    super::{OutcomeRouter, lock::lock},
    Counter, ScopeOf,
};

/// Nobody spends more tokens on one exchange's requests than a counter may rise.
const MOST_TOKENS: f64 = 1e9;

impl OutcomeRouter {
    /// Returns what its counters belong to.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = ScopeOf> + '_ {
        let groups = self.inner.groups.iter();
        let pools = self.inner.pools.iter();
        let groups = groups.map(|entry| ScopeOf::Group(entry.scope));
        groups.chain(pools.map(|entry| ScopeOf::Pool(entry.scope)))
    }

    /// Takes all that has happened since the last time, and returns how much was lost for want of room.
    pub(crate) fn take_news(&self, mut tell: impl FnMut(ScopeOf, Counter, u64)) -> u64 {
        let inner = &self.inner;
        let Some(fleet) = self.fleet() else { return 0 };
        for (index, entry) in inner.groups.iter().enumerate() {
            let scope = ScopeOf::Group(entry.scope);
            let (sent, spent, targets) = {
                let mut group = inner.group(index);
                let sent = mem::take(&mut group.sent);
                let Some(news) = group.news.as_deref_mut() else {
                    continue;
                };
                (
                    sent,
                    mem::take(&mut news.spent),
                    mem::take(&mut news.targets),
                )
            };
            let [requests_left, tokens_left] = spent.left;
            let tokens = |tokens: f64| tokens.clamp(0.0, MOST_TOKENS).round() as u64;
            for (counter, count) in [
                (Counter::Requests, u64::from(sent.requests)),
                (Counter::Tokens, tokens(sent.tokens)),
                (Counter::Refused, u64::from(spent.refused)),
                (Counter::RefusedTokens, tokens(spent.refused_tokens)),
                (Counter::Bare, u64::from(spent.bare)),
                (Counter::Exhausted, u64::from(spent.exhausted)),
                (Counter::Reopened, u64::from(sent.reopened)),
                (Counter::RequestReadings, u64::from(requests_left.count)),
                (Counter::RequestsLeft, tokens(requests_left.left)),
                (Counter::RequestsOwed, tokens(requests_left.owed)),
                (Counter::TokenReadings, u64::from(tokens_left.count)),
                (Counter::TokensLeft, tokens(tokens_left.left)),
                (Counter::TokensOwed, tokens(tokens_left.owed)),
            ] {
                if count > 0 {
                    tell(scope, counter, count);
                }
            }
            let members = inner.members(index);
            for target in members {
                if let Some(news) = targets.get(target.slot) {
                    news.tell(target.shared_name, |counter, count| {
                        tell(scope, counter, count);
                    });
                }
            }
        }
        let (scores, lost) = {
            let mut scores = lock(&fleet.scores);
            (mem::take(&mut scores.counters), mem::take(&mut scores.lost))
        };
        for ((pool, counter), count) in scores {
            tell(ScopeOf::Pool(pool), counter, count);
        }
        lost
    }

    /// Takes the waits that providers have asked for since the last time.
    pub(crate) fn take_cooldowns(&self, now: Instant) -> Vec<(u64, Duration)> {
        let inner = &self.inner;
        let groups = inner.groups.iter().enumerate();
        let waits = groups.filter_map(|(index, entry)| {
            let mut group = inner.group(index);
            if !mem::take(&mut group.news.as_deref_mut()?.cooled) {
                return None;
            }
            let until = group.capacity.told(now)?;
            Some((entry.scope, until.saturating_duration_since(now)))
        });
        waits.collect()
    }
}
