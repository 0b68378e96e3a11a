use super::*;

fn s(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn reading(limit: f64, remaining: f64, reset: f64) -> Reading {
    Reading {
        limit: Some(limit),
        remaining: Some(remaining),
        reset: Some(s(reset)),
    }
}

#[test]
fn a_wait_is_kept_to_the_end_and_never_shortened() {
    let t0 = Instant::now();
    let mut capacity = Capacity::new(t0);
    capacity.refused(Some(s(300.0)), false, 1.0, t0);
    capacity.refused(Some(s(1.0)), false, 1.0, t0 + s(1.0));
    assert_eq!(capacity.room(1.0, t0 + s(299.9)), Room::Told(t0 + s(300.0)));
    assert_eq!(capacity.room(1.0, t0 + s(300.0)), Room::Probe);
}

#[test]
fn an_absurd_wait_is_an_hour() {
    let t0 = Instant::now();
    let mut capacity = Capacity::new(t0);
    capacity.refused(Some(Duration::MAX), false, 1.0, t0);
    assert_eq!(capacity.room(1.0, t0), Room::Told(t0 + s(3600.0)));
}

#[test]
fn after_the_wall_come_one_probe_and_a_ramp() {
    let t0 = Instant::now();
    let mut capacity = Capacity::new(t0);
    capacity.refused(Some(s(10.0)), false, 1.0, t0);
    let t1 = t0 + s(10.0);
    assert_eq!(capacity.take(1.0, t1), Some(t1));
    assert_eq!(capacity.room(1.0, t1 + s(0.5)), Room::Expected(t1 + s(1.0)));
    assert_eq!(capacity.room(1.0, t1 + s(1.0)), Room::Ramp(0.1));
    assert_eq!(capacity.room(1.0, t1 + s(2.5)), Room::Ramp(0.2));
    assert_eq!(capacity.room(1.0, t1 + s(4.5)), Room::Ramp(0.8));
    assert_eq!(capacity.room(1.0, t1 + s(5.0)), Room::Free);
}

#[test]
fn a_refused_probe_walls_again() {
    let t0 = Instant::now();
    let mut capacity = Capacity::new(t0);
    capacity.refused(Some(s(1.0)), false, 1.0, t0);
    assert!(capacity.take(1.0, t0 + s(1.0)).is_some());
    capacity.refused(None, false, 1.0, t0 + s(1.1));
    assert_eq!(capacity.room(1.0, t0 + s(1.2)), Room::Expected(t0 + s(3.1)));
}

#[test]
fn three_bare_refusals_in_a_row_pause_doubling() {
    let t0 = Instant::now();
    let mut capacity = Capacity::new(t0);
    capacity.refused(None, false, 1.0, t0);
    capacity.refused(None, false, 1.0, t0);
    assert_eq!(capacity.room(1.0, t0), Room::Free);
    capacity.refused(None, false, 1.0, t0);
    assert_eq!(capacity.room(1.0, t0), Room::Expected(t0 + s(2.0)));
    capacity.refused(None, false, 1.0, t0 + s(2.0));
    assert_eq!(capacity.room(1.0, t0 + s(2.0)), Room::Expected(t0 + s(6.0)));
    capacity.accepted();
    capacity.refused(None, false, 1.0, t0 + s(10.0));
    assert_eq!(capacity.room(1.0, t0 + s(6.0)), Room::Probe);
}

#[test]
fn headers_leave_before_the_wall_and_refill() {
    let t0 = Instant::now();
    let mut capacity = Capacity::new(t0);
    let mark = capacity.mark(t0);
    capacity.take(10.0, t0);
    // 60 per minute, 3 left after ours: a second each.
    capacity.read(
        reading(60.0, 3.0, 57.0),
        Reading::default(),
        t0,
        (1.0, mark.1),
        t0,
    );
    assert_eq!(capacity.room(10.0, t0), Room::Free);
    capacity.take(10.0, t0);
    capacity.take(10.0, t0);
    let Room::Expected(at) = capacity.room(10.0, t0) else {
        panic!("left at the wall")
    };
    assert_eq!(capacity.room(10.0, at), Room::Free);
}

#[test]
fn an_answer_that_was_overtaken_tells_nothing() {
    let t0 = Instant::now();
    let mut capacity = Capacity::new(t0);
    capacity.read(
        reading(100.0, 1.0, 60.0),
        Reading::default(),
        t0 + s(1.0),
        (0.0, 0.0),
        t0,
    );
    let level = capacity.outlook(t0)[0].map(|it| it.left);
    capacity.read(
        reading(100.0, 90.0, 6.0),
        Reading::default(),
        t0,
        (0.0, 0.0),
        t0,
    );
    assert_eq!(capacity.outlook(t0)[0].map(|it| it.left), level);
}

#[test]
fn sixty_four_picks_do_not_all_take_room_for_ten() {
    let t0 = Instant::now();
    let mut capacity = Capacity::new(t0);
    capacity.read(
        reading(600.0, 10.0, 59.0),
        Reading::default(),
        t0,
        (0.0, 0.0),
        t0,
    );
    let mut taken = 0;
    for _ in 0..64 {
        if capacity.room(1.0, t0) == Room::Free {
            capacity.take(1.0, t0);
            taken += 1;
        }
    }
    assert!((8..=10).contains(&taken), "{taken}");
}

#[test]
fn a_request_larger_than_the_limit_does_not_wait_for_ever() {
    let t0 = Instant::now();
    let mut capacity = Capacity::new(t0);
    capacity.read(
        Reading::default(),
        reading(100.0, 100.0, 0.0),
        t0,
        (0.0, 0.0),
        t0,
    );
    assert_eq!(capacity.room(5_000.0, t0), Room::Free);
}

#[test]
fn the_wall_is_foretold_from_the_own_pace() {
    let t0 = Instant::now();
    let mut capacity = Capacity::new(t0);
    assert_eq!(capacity.outlook(t0), [None, None]);
    let reading = |remaining: f64| Reading {
        limit: Some(600.0),
        remaining: Some(remaining),
        reset: None,
    };
    // 15 requests a second against a refill of 10: 5 a second are missing in the end.
    let mut left = 600.0;
    for n in 0..600_u32 {
        let now = t0 + Duration::from_secs_f64(f64::from(n) / 15.0);
        let mark = capacity.mark(now);
        capacity.take(0.0, now);
        left = f64::min(left + 10.0 / 15.0, 600.0) - 1.0;
        capacity.read(reading(left), Reading::default(), now, mark, now);
    }
    let now = t0 + Duration::from_secs(40);
    let [requests, tokens] = capacity.outlook(now);
    assert_eq!(tokens, None);
    let requests = requests.unwrap();
    let gone_in = requests.gone_in.unwrap();
    assert!(
        (gone_in - left / 5.0).abs() < 0.15 * left / 5.0,
        "{requests:?}"
    );
    assert!(
        (requests.share() - left / 600.0).abs() < 0.01,
        "{requests:?}"
    );
    // Who stops does not run into it.
    let [requests, _] = capacity.outlook(now + Duration::from_secs(15));
    assert_eq!(requests.unwrap().gone_in, None);
}

#[test]
fn a_limit_that_is_set_holds_beside_what_headers_say() {
    let start = Instant::now();
    let mut capacity = Capacity::new(start);
    capacity.allow(Some(60.0), None, start);
    let mark = capacity.mark(start);
    capacity.read(
        Reading {
            limit: Some(1000.0),
            remaining: Some(1000.0),
            reset: None,
        },
        Reading::default(),
        start,
        mark,
        start,
    );
    let mut sent = 0;
    while capacity.room(10.0, start) == Room::Free && sent < 1000 {
        capacity.take(10.0, start);
        sent += 1;
    }
    // All but what five seconds' refill spares.
    assert!((59..=60).contains(&sent), "{sent}");
    let later = start + Duration::from_secs(2);
    assert_eq!(capacity.room(10.0, later), Room::Free);
    let [requests, _] = capacity.outlook(later);
    assert_eq!(requests.map(|it| it.limit), Some(60.0));
}

#[test]
fn a_limit_of_tokens_is_said_in_what_is_free() {
    let start = Instant::now();
    let mut capacity = Capacity::new(start);
    capacity.allow(None, Some(6000.0), start);
    capacity.take(5000.0, start);
    let free = capacity.free_below(start).unwrap();
    assert!((900.0..1000.0).contains(&free), "{free}");
    assert_eq!(capacity.room(free * 0.99, start), Room::Free);
    assert!(matches!(capacity.room(1500.0, start), Room::Expected(_)));
    // More than the limit does not wait for ever.
    let full = start + Duration::from_secs(120);
    assert_eq!(capacity.room(50_000.0, full), Room::Free);
}

#[test]
fn what_is_spent_of_a_limit_stays_spent_until_it_changes() {
    let start = Instant::now();
    let mut capacity = Capacity::new(start);
    capacity.allow(Some(1.0), None, start);
    capacity.take(1.0, start);
    capacity.allow(Some(1.0), None, start);
    assert!(matches!(capacity.room(1.0, start), Room::Expected(_)));
    capacity.allow(None, None, start);
    assert_eq!(capacity.room(1.0, start), Room::Free);
}
