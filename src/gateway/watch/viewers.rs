use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{broadcast, watch},
    time::{Instant, sleep},
};

use super::event::Event;

/// Pages that are open at a time: a team, with a screen on the wall.
const MOST: usize = 64;
/// One that took nothing for so long makes room for another.
const GONE: Duration = Duration::from_secs(30);
/// Whoever stands between ends connections that are silent for long.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Everybody who looks on.
#[derive(Debug)]
pub(super) struct Viewers {
    /// The last view: one that was not taken in time is never sent.
    views: watch::Sender<Shown>,
    places: Arc<Mutex<Vec<Arc<Place>>>>,
}

#[derive(Clone, Debug, Default)]
enum Shown {
    #[default]
    Nothing,
    View(Event),
    Closed,
}

/// The place of one that looks on.
#[derive(Debug)]
struct Place {
    began: Instant,
    /// When it last took something, in milliseconds since then.
    taken: AtomicU64,
}

/// One that looks on: a stream of events, which holds no more than what it is about to send.
#[derive(Debug)]
pub(in crate::gateway) struct Viewer {
    first: VecDeque<Event>,
    views: watch::Receiver<Shown>,
    events: broadcast::Receiver<Event>,
    place: Arc<Place>,
    places: Arc<Mutex<Vec<Arc<Place>>>>,
}

impl Viewers {
    pub(super) fn new() -> Self {
        Self {
            views: watch::channel(Shown::Nothing).0,
            places: Arc::default(),
        }
    }

    /// Whether anybody looks on.
    pub(super) fn is_watched(&self) -> bool {
        self.views.receiver_count() > 0
    }

    pub(super) fn show(&self, view: Event) {
        self.views.send_if_modified(|shown| {
            let open = !matches!(shown, Shown::Closed);
            if open {
                *shown = Shown::View(view);
            }
            open
        });
    }

    pub(super) fn close(&self) {
        self.views.send_replace(Shown::Closed);
    }

    /// Gives a place to one more, who is shown `first` first; `None` where all are taken by such as are
    /// alive.
    pub(super) fn enter(
        &self,
        events: broadcast::Receiver<Event>,
        first: impl FnOnce() -> Vec<Event>,
    ) -> Option<Viewer> {
        let place = Arc::new(Place {
            began: Instant::now(),
            taken: AtomicU64::new(0),
        });
        {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            if places.len() >= MOST {
                let idle = places
                    .iter()
                    .enumerate()
                    .max_by_key(|(_, place)| place.idle());
                let (index, _) = idle.filter(|(_, place)| place.idle() >= GONE)?;
                places.swap_remove(index);
            }
            places.push(place.clone());
        }
        let mut views = self.views.subscribe();
        // What was shown before it came is older than what it begins with.
        views.mark_unchanged();
        Some(Viewer {
            first: first().into(),
            views,
            events,
            place,
            places: self.places.clone(),
        })
    }
}

impl Place {
    /// Returns for how long it took nothing.
    fn idle(&self) -> Duration {
        let taken = Duration::from_millis(self.taken.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(taken)
    }
}

impl Viewer {
    /// Returns what comes next; `None` at the end, which comes when it lags too far behind, too.
    pub(in crate::gateway) async fn next(&mut self) -> Option<Bytes> {
        let taken = u64::try_from(self.place.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.place.taken.store(taken, Ordering::Relaxed);
        if let Some(event) = self.first.pop_front() {
            return Some(event.0);
        }
        if !self.is_placed() {
            return None;
        }
        tokio::select! {
            changed = self.views.changed() => {
                changed.ok()?;
                match &*self.views.borrow_and_update() {
                    Shown::View(view) => Some(view.0.clone()),
                    Shown::Nothing => Some(COMMENT),
                    Shown::Closed => None,
                }
            }
            event = self.events.recv() => Some(event.ok()?.0),
            () = sleep(KEEP_ALIVE) => Some(COMMENT),
        }
    }

    fn is_placed(&self) -> bool {
        if matches!(&*self.views.borrow(), Shown::Closed) {
            return false;
        }
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.iter().any(|place| Arc::ptr_eq(place, &self.place))
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|place| !Arc::ptr_eq(place, &self.place));
    }
}

const COMMENT: Bytes = Bytes::from_static(b": still here\n\n");

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &'static str) -> Event {
        Event(Bytes::from_static(text.as_bytes()))
    }

    struct Stage {
        viewers: Viewers,
        events: broadcast::Sender<Event>,
    }

    impl Stage {
        fn new() -> Self {
            Self {
                viewers: Viewers::new(),
                events: broadcast::channel(2).0,
            }
        }

        fn enter(&self) -> Option<Viewer> {
            self.viewers
                .enter(self.events.subscribe(), || vec![event("first")])
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_viewer_that_was_slow_gets_the_last_view_and_not_those_before() {
        let stage = Stage::new();
        stage.viewers.show(event("before it came"));
        let mut viewer = stage.enter().unwrap();
        assert_eq!(viewer.next().await.unwrap(), "first");
        for view in ["one", "two", "three"] {
            stage.viewers.show(event(view));
        }
        assert_eq!(viewer.next().await.unwrap(), "three");
        // Then nothing, but a sign of life now and then.
        let asked = Instant::now();
        assert_eq!(viewer.next().await.unwrap(), COMMENT);
        assert_eq!(asked.elapsed(), KEEP_ALIVE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_viewer_that_lags_too_far_behind_is_ended() {
        let stage = Stage::new();
        let mut viewer = stage.enter().unwrap();
        viewer.next().await.unwrap();
        for _ in 0..3 {
            stage.events.send(event("decision")).unwrap();
        }
        assert_eq!(viewer.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_takes_nothing_makes_room_and_others_do_not() {
        let stage = Stage::new();
        let mut viewers: Vec<_> = (0..MOST).map(|_| stage.enter().unwrap()).collect();
        assert!(stage.enter().is_none());
        tokio::time::advance(GONE).await;
        for viewer in viewers.iter_mut().skip(1) {
            assert_eq!(viewer.next().await.unwrap(), "first");
        }
        let late = stage.enter().unwrap();
        assert!(stage.enter().is_none());
        let stuck = viewers.first_mut().unwrap();
        assert_eq!(stuck.next().await.unwrap(), "first");
        assert_eq!(stuck.next().await, None);
        drop(late);
        assert!(stage.enter().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn all_end_when_it_closes() {
        let stage = Stage::new();
        let mut viewer = stage.enter().unwrap();
        viewer.next().await.unwrap();
        stage.viewers.close();
        stage.viewers.show(event("too late"));
        assert_eq!(viewer.next().await, None);
        let mut next = stage.enter().unwrap();
        next.next().await.unwrap();
        assert_eq!(next.next().await, None);
        assert!(stage.viewers.is_watched());
        drop((viewer, next));
        assert!(!stage.viewers.is_watched());
    }
}
