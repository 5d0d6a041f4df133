//! The board: dead, paused and full destinations, what waits aside, and what is forgotten.

use super::*;
use crate::schedule::{Left, Rate};

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const REST: Rest = Rest { first: Duration::from_secs(60), max: Duration::from_secs(900) };
const BOUNDS: Bounds =
    Bounds { concurrency: 50, per_destination: 20, messages_per_connection: 100, rest: REST };

fn die(board: &mut Board, route: i64) {
    (0..4).for_each(|_| board.began(route, NOW));
    let words: Vec<Word> = (0..4).map(|_| board.ended(route, Effect::Unreached, NOW, 0)).collect();
    assert_eq!(words.last(), Some(&Word::Died));
}

#[test]
fn a_dead_destination_is_probed_by_one_attempt_and_others_go_on() {
    let mut board = Board::new(BOUNDS, Groups::default(), Vec::new());
    die(&mut board, 1);
    let rooms = board.rooms(NOW, 99);
    let until = rooms.rests_until(1).unwrap();
    assert_eq!((rooms.of(1), rooms.of(2), board.is_blocked(1, NOW)), (0, INITIAL, true));
    assert_eq!(board.rooms(until, 99).of(1), 1);
    board.began(1, until);
    assert_eq!(board.rooms(until, 99).of(1), 0);
    assert_eq!(board.ended(1, Effect::Answered, until, 0), Word::Revived);
    assert_eq!(board.rooms(until, 99).of(1), INITIAL);
}

#[test]
fn hosts_that_say_nothing_take_no_places_for_long_and_their_own_stay_bounded() {
    let mut board = Board::new(BOUNDS, Groups::default(), Vec::new());
    (0..10).for_each(|route| (0..5).for_each(|_| board.began(route, NOW)));
    assert_eq!((board.rooms(NOW, 99).limit(), board.rooms(NOW, 99).of(99)), (0, 0));
    assert!((0..50).all(|_| board.step_aside()));
    let rooms = board.rooms(NOW, 99);
    assert_eq!((rooms.of(0), rooms.of(99), rooms.limit()), (0, INITIAL, 50));
    // As many again, and no more.
    (10..20).for_each(|route| (0..5).for_each(|_| board.began(route, NOW)));
    assert!((0..50).all(|_| board.step_aside()));
    (20..30).for_each(|route| (0..5).for_each(|_| board.began(route, NOW)));
    assert!(!board.step_aside());
    assert_eq!(board.rooms(NOW, 99).limit(), 0);
    board.come_back();
    board.ended(0, Effect::Unreached, NOW, 0);
    assert!(board.step_aside());
    assert_eq!(board.rooms(NOW, 99).limit(), 1);
}

#[test]
fn a_rest_that_the_operator_ends_leaves_one_probe() {
    let mut board = Board::new(BOUNDS, Groups::default(), Vec::new());
    (1..=3).for_each(|route| die(&mut board, route));
    assert!(
        board.end_rests(Some(1), NOW) && !board.end_rests(Some(1), NOW) && !board.end_rests(Some(9), NOW)
    );
    assert_eq!([1, 2].map(|route| board.rooms(NOW, 99).of(route)), [1, 0]);
    board.began(1, NOW);
    board.ended(1, Effect::Unreached, NOW, 0);
    assert!(board.rooms(NOW, 99).rests_until(1).is_some(), "it is dead still");
    assert!(board.end_rests(None, NOW));
    assert_eq!([1, 2, 3].map(|route| board.rooms(NOW, 99).of(route)), [1; 3]);
}

#[test]
fn a_fault_of_ours_kills_no_destination() {
    let mut board = Board::new(BOUNDS, Groups::default(), Vec::new());
    for _ in 0..100 {
        board.began(1, NOW);
        assert_eq!(board.ended(1, Effect::Ours, NOW, 0), Word::Nothing);
    }
    assert!(!board.is_blocked(1, NOW));
}

#[test]
fn a_shape_bounds_all_domains_of_its_receiver_together() {
    let rate = Some(Rate { messages: 3, per: Duration::from_secs(1) });
    let shape = Shape { connections: 2, messages_per_connection: 20, rate };
    let groups = Groups::new(HashMap::from([(1, 0), (2, 0)]), None);
    let mut board = Board::new(BOUNDS, groups, vec![shape]);
    assert_eq!((board.rooms(NOW, 99).of(1), board.messages_per_connection(2)), (2, 20));
    board.began(1, NOW);
    board.began(2, NOW);
    assert_eq!(board.rooms(NOW, 99).of(1), 0);
    board.ended(1, Effect::Answered, NOW, 0);
    board.ended(2, Effect::Answered, NOW, 0);
    assert_eq!(board.rooms(NOW, 99).of(2), 1, "the rate has one left");
}

#[test]
fn domains_that_met_at_a_full_host_share_the_places_of_one_destination() {
    let mut board = Board::new(BOUNDS, Groups::default(), Vec::new());
    let site = Site(9);
    (0..40).for_each(|route| (0..5).for_each(|_| board.began(route, NOW)));
    // The first four domains got all connections; the others gave up, and left their places.
    for route in 4..40 {
        (0..5).for_each(|_| assert_eq!(board.ended(route, Effect::Crowded(site), NOW, 0), Word::Nothing));
    }
    let rooms = board.rooms(NOW, 99);
    let until = rooms.rests_until(39).unwrap();
    assert_eq!((rooms.of(39), rooms.of(99), board.is_blocked(39, NOW)), (0, INITIAL, false));
    let mut rooms = board.rooms(until, 99);
    let mut taken = 0;
    for route in 4..40 {
        let count = rooms.of(route);
        rooms.take(route, count);
        (0..count).for_each(|_| board.began(route, until));
        taken += count;
    }
    assert_eq!((taken, rooms.of(99)), (BOUNDS.per_destination, INITIAL));
    // None of them has room now: the first four by their windows, the others by their site.
    assert_eq!(board.rooms(until, 99).left(), Left::Out((0..40).collect()));
    board.ended(4, Effect::Answered, until, 0);
    assert_eq!(
        (board.rooms(until, 99).of(39), board.rooms(until, 99).left()),
        (1, Left::Out(vec![0, 1, 2, 3, 5, 6, 7]))
    );
    // Those that had the connections are known too once they meet the others there.
    (0..4).for_each(|route| {
        (0..5).for_each(|_| {
            board.ended(route, Effect::Answered, until, 0);
        })
    });
    board.began(0, until);
    board.ended(0, Effect::Crowded(site), until, 0);
    let later = board.rooms(until, 99).rests_until(0).unwrap();
    assert_eq!(board.rooms(later, 99).of(0), 1);
    // An hour later, or by a clock that went back, each domain has a window of its own.
    let forgotten = until.after(Duration::from_secs(3601));
    assert_eq!(
        (board.rooms(forgotten, 99).of(39), board.rooms(Timestamp::from_millis(0), 99).of(39)),
        (INITIAL, INITIAL)
    );
}

#[test]
fn a_shape_has_its_own_places_at_a_full_host() {
    let shape = Shape { connections: 30, messages_per_connection: 20, rate: None };
    let mut board = Board::new(BOUNDS, Groups::new(HashMap::from([(1, 0)]), None), vec![shape]);
    board.began(1, NOW);
    board.ended(1, Effect::Crowded(Site(9)), NOW, 0);
    assert_eq!((board.rooms(NOW, 99).of(1), board.rooms(NOW, 99).rests_until(1)), (INITIAL, None));
}

#[test]
fn what_is_paused_rests_until_it_is_not() {
    let mut board = Board::new(BOUNDS, Groups::default(), Vec::new());
    assert!(board.pause(&[7]).is_empty());
    assert!(board.rooms(NOW, 9).rests_until(7).is_some() && board.is_blocked(7, NOW));
    assert_eq!(board.pause(&[]), [7]);
    assert!(board.rooms(NOW, 9).of(7) > 0);
}

#[test]
fn a_pause_is_of_one_domain_whatever_it_shares_with_others() {
    let shape = Shape { connections: 5, messages_per_connection: 100, rate: None };
    let shaped = HashMap::from([(1, 0), (2, 0)]);
    for (groups, shapes) in [
        (Groups::new(shaped, None), vec![shape]),
        (Groups::new(HashMap::new(), Some(Vec::new())), Vec::new()),
    ] {
        let mut board = Board::new(BOUNDS, groups, shapes);
        board.pause(&[1]);
        let rooms = board.rooms(NOW, 9);
        assert!(board.is_blocked(1, NOW) && rooms.of(1) == 0 && rooms.rests_until(1).is_some());
        assert!(!board.is_blocked(2, NOW) && rooms.of(2) > 0 && rooms.rests_until(2).is_none());
        assert_eq!(board.pause(&[]), [1]);
    }
}

#[test]
fn what_is_not_in_use_is_forgotten_before_memory_grows() {
    let mut board = Board::new(BOUNDS, Groups::default(), Vec::new());
    die(&mut board, -1);
    for route in 0..100_000 {
        board.began(route, NOW);
        board.ended(route, Effect::Answered, NOW, 0);
    }
    assert!(board.known.len() <= 2 * REMEMBERED && board.is_blocked(-1, NOW));
}

#[test]
fn dead_destinations_are_bounded_too_and_those_that_rest_longest_stay() {
    let mut board = Board::new(BOUNDS, Groups::default(), Vec::new());
    for route in 0..40_000 {
        let now = NOW.after(Duration::from_millis(u64::try_from(route).unwrap()));
        board.began(route, now);
        (0..4).for_each(|_| {
            board.ended(route, Effect::Unreached, now, 0);
        });
    }
    assert!(board.known.len() <= DEAD, "{}", board.known.len());
    assert!(board.is_blocked(39_999, NOW) && !board.is_blocked(0, NOW));
}

/// What another process says that rests for these routes until then.
fn resting(routes: &[i64], until: Timestamp) -> Resting {
    let mut said = Resting::default();
    routes.iter().for_each(|route| said.add(Key::Route(*route), &Groups::default(), until));
    said
}

#[test]
fn what_rests_for_this_process_alone_is_passed_by_and_not_put_off() {
    let mut board = Board::new(BOUNDS, Groups::default(), Vec::new());
    die(&mut board, 1);
    let alone = board.rooms(NOW, 99).rests_until(1).unwrap();
    board.hear(vec![Resting::default()]);
    let rooms = board.rooms(NOW, 99);
    assert_eq!((rooms.rests_until(1), rooms.of(1), rooms.left()), (None, 0, Left::Out(vec![1])));
    // Where all rest it is put off until the first of them probes.
    let first = NOW.after(Duration::from_secs(9));
    board.hear(vec![resting(&[1], first), resting(&[1, 2], NOW.after(Duration::from_secs(999)))]);
    assert_eq!(board.rooms(NOW, 99).rests_until(1), Some(first));
    // Who suspects itself is nobody to leave it to.
    board.hear(vec![Resting { suspects_itself: true, ..Resting::default() }]);
    assert_eq!(board.rooms(NOW, 99).rests_until(1), Some(alone));
    board.hear(Vec::new());
    assert_eq!(board.rooms(NOW, 99).rests_until(1), Some(alone));
    assert_eq!(board.rooms(alone, 99).of(1), 1, "and probed, as ever");
}

#[test]
fn however_many_rest_for_this_process_alone_a_look_names_few_of_them() {
    let mut board = Board::new(BOUNDS, Groups::default(), Vec::new());
    (0..2_000).for_each(|route| die(&mut board, route));
    board.end_rests(None, NOW);
    (0..2_000).for_each(|route| {
        board.began(route, NOW);
        board.ended(route, Effect::Unreached, NOW, 0);
    });
    board.hear(vec![Resting::default()]);
    board.suspicion.ends();
    let rooms = board.rooms(NOW, 99);
    let Left::Out(named) = rooms.left() else { panic!("no smarthost") };
    assert_eq!(named.len(), NAMED);
    let rests: Vec<Timestamp> = (0..2_000).filter_map(|route| rooms.rests_until(route)).collect();
    assert!(rests.len() == 2_000 - NAMED && rests.iter().all(|until| until.since(NOW) == 8 * BRIEFLY));
    assert!((0..2_000).all(|route| rooms.of(route) == 0));
}

#[test]
fn what_could_not_be_reached_is_left_to_whoever_may_reach_it_and_tried_where_nobody_can() {
    let mut board = Board::new(BOUNDS, Groups::default(), Vec::new());
    let mut delivery = 0;
    let mut fails = |board: &mut Board, now| {
        board.began(1, now);
        delivery += 1;
        let left = board.leave((delivery, 1), now, Duration::ZERO);
        assert!(!board.leave((delivery, 1), now, Duration::ZERO), "a delivery is left once");
        board.ended(1, Effect::Unreached, now, 0);
        left
    };
    assert!(!fails(&mut board, NOW), "nobody is there");
    board.hear(vec![Resting::default()]);
    assert!(fails(&mut board, NOW));
    assert_eq!((board.rooms(NOW, 99).of(1), board.rooms(NOW, 99).rests_until(1)), (0, None));
    assert!(board.resting(NOW) != Resting::default(), "the others hear of it");
    // The other could not reach it either.
    board.hear(vec![resting(&[1], NOW.after(LEFT))]);
    assert!(board.rooms(NOW, 99).of(1) > 0 && !fails(&mut board, NOW));
    // One that answered a moment ago is busy.
    board.hear(vec![Resting::default()]);
    board.began(1, NOW);
    board.ended(1, Effect::Answered, NOW, 0);
    assert!(!fails(&mut board, NOW) && board.rooms(NOW, 99).of(1) > 0);
    assert!(fails(&mut board, NOW.after(LEFT)));
}

#[test]
fn who_can_reach_nobody_takes_one_probe_at_a_time_while_others_are_there_and_everything_where_none_is() {
    let mut board = Board::new(BOUNDS, Groups::default(), Vec::new());
    let fail = |board: &mut Board, routes: std::ops::Range<i64>| {
        for route in routes {
            board.began(route, NOW);
            board.ended(route, Effect::Unreached, NOW, 0);
        }
    };
    fail(&mut board, 0..4);
    assert!(!board.suspects_itself() && board.rooms(NOW, 99).limit() == 50, "alone");
    // What the other does not reach either is no reason.
    board.hear(vec![resting(&[0, 1, 2, 3], NOW.after(LEFT))]);
    fail(&mut board, 0..4);
    assert!(!board.suspects_itself());
    board.hear(vec![Resting::default()]);
    fail(&mut board, 4..8);
    assert!(board.suspects_itself() && board.resting(NOW).suspects_itself);
    let later = NOW.after(Duration::from_secs(60));
    assert_eq!([NOW, later].map(|now| board.rooms(now, 99).limit()), [0, 1]);
    board.began(9, later);
    assert_eq!(board.rooms(later, 99).limit(), 0);
    board.ended(9, Effect::Answered, later, 0);
    assert!(!board.suspects_itself() && board.rooms(later, 99).limit() == 50);
}
