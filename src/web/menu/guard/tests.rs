//! How often somebody may try, with a clock that is moved by hand.

use super::*;
use futures_util::future::join_all;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7));

#[tokio::test(start_paused = true)]
async fn ten_thousand_guesses_from_one_network_are_hardly_checked_and_lock_nobody_else_out() {
    let guard = Guard::new(120);
    let (began, mut checked) = (Instant::now(), 0);
    for _ in 0..10_000 {
        checked += usize::from(guard.attempt("mise/admin", HERE).await.is_ok());
    }
    assert!(checked <= 10 + usize::try_from(began.elapsed().as_secs() / 90).unwrap() + 1, "{checked}");
    assert!(guard.attempt("mise/admin", ELSEWHERE).await.is_ok(), "the owner is elsewhere");
}

#[tokio::test(start_paused = true)]
async fn guesses_from_everywhere_wait_and_are_not_refused() {
    let guard = Guard::new(120);
    for n in 0..=255_u8 {
        for third in 0..2 {
            let ip = IpAddr::V4(std::net::Ipv4Addr::new(10, n, third, 1));
            assert!(guard.attempt("mise/admin", ip).await.is_ok());
        }
    }
    let began = Instant::now();
    assert!(guard.attempt("mise/admin", HERE).await.is_ok());
    assert!(began.elapsed() > LONGEST / 2, "{:?}", began.elapsed());
    let began = Instant::now();
    assert!(guard.attempt("other/admin", HERE).await.is_ok());
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_was_right_does_not_count() {
    let guard = Guard::new(120);
    for _ in 0..1000 {
        let attempting = guard.attempt("mise/admin", HERE).await.unwrap();
        guard.forgive(&attempting);
    }
}

#[tokio::test(start_paused = true)]
async fn records_of_strangers_are_bounded_and_what_is_left_out_is_counted() {
    let guard = Guard::new(120);
    let mut kept = 0;
    for _ in 0..1000 {
        kept += usize::from(matches!(guard.room_for_record(HERE), Room::For { .. }));
    }
    assert_eq!(kept, 12);
    tokio::time::advance(MINUTE).await;
    assert!(matches!(guard.room_for_record(HERE), Room::For { left_out: 988 }));
}

#[tokio::test(start_paused = true)]
async fn who_has_no_place_to_wait_is_not_counted_and_one_network_fills_no_account_s_places() {
    let guard = Guard::new(120);
    // An account that is guessed at from everywhere.
    for n in 0..=255_u8 {
        let ip = IpAddr::V4(std::net::Ipv4Addr::new(10, n, 0, 1));
        let _ = guard.attempt("mise/admin", ip).await;
    }
    // Many at once out of one IPv6 /48: they get four places, and the owner one.
    let of = |n: u16| IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 1, n << 8, 0, 0, 0, 1));
    let many = join_all((0..64).map(|n| guard.attempt("mise/admin", of(n))));
    let owner = guard.attempt("mise/admin", HERE);
    let (many, owner) = tokio::join!(many, owner);
    assert_eq!(many.iter().filter(|one| one.is_ok()).count(), 4);
    assert!(owner.is_ok());
    // They were turned away, so their networks have all of theirs left.
    for _ in 0..OF_BOTH {
        assert!(guard.attempt("other/admin", of(63)).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_at_one_account_are_checked_one_after_the_other() {
    let guard = Guard::new(120);
    for n in 0..=255_u8 {
        let _ = guard.attempt("mise/admin", IpAddr::V4(std::net::Ipv4Addr::new(10, n, 0, 1))).await;
    }
    let began = Instant::now();
    let ip = |n: u8| IpAddr::V4(std::net::Ipv4Addr::new(192, 0, n, 1));
    let many = join_all((0..20).map(|n| guard.attempt("mise/admin", ip(n)))).await;
    let checked = u32::try_from(many.iter().filter(|one| one.is_ok()).count()).unwrap();
    assert!((7..=9).contains(&checked), "{checked}");
    assert!(began.elapsed() >= LONGEST * (checked - 2), "{checked} in {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_was_there_before_waits_for_no_stranger_and_no_neighbour() {
    let guard = Guard::new(120);
    for n in 0..600_u32 {
        let _ =
            guard.attempt("mise/admin", IpAddr::V4(std::net::Ipv4Addr::from(0x0a00_0001 + (n << 8)))).await;
    }
    for _ in 0..100 {
        let _ = guard.attempt("mise/admin", HERE).await;
    }
    assert!(guard.attempt("mise/admin", HERE).await.is_err(), "a neighbour has used it up");
    let began = Instant::now();
    for _ in 0..OF_DEVICE {
        assert!(guard.attempt_from("mise/admin", Some("mark"), HERE).await.is_ok());
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(
        guard.attempt_from("mise/admin", Some("mark"), HERE).await.is_err(),
        "it fails as often as others"
    );
    assert!(guard.attempt_from("ume/admin", Some("mark"), ELSEWHERE).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn pages_hide_no_guess_and_guesses_at_a_store_are_counted_however_many_come() {
    let guard = Guard::new(120);
    for _ in 0..1000 {
        let _ = guard.room_for_record(HERE);
    }
    assert!(matches!(guard.room_for_refusal("mise/admin", HERE), Room::For { left_out: 0 }));
    let (mut kept, mut counted) = (1, 0);
    let mut count = |guard: &Guard, ip| match guard.room_for_refusal("mise/admin", ip) {
        Room::For { left_out } | Room::OfStore { left_out } => {
            kept += 1;
            counted += left_out;
        }
        Room::None => {}
    };
    for _ in 0..1000 {
        count(&guard, HERE);
    }
    tokio::time::advance(MINUTE).await;
    count(&guard, HERE);
    assert_eq!(kept + counted, 1002, "all of them are written down or counted");
    assert!(kept < 20, "{kept}");
    // Strangers that use all of the room up leave room for a line of a store's own.
    for n in 0..5000_u32 {
        let ip = IpAddr::V4(std::net::Ipv4Addr::from(0x0a00_0001 + (n << 8)));
        let _ = guard.room_for_refusal(&format!("nowhere{n}/admin"), ip);
    }
    assert!(matches!(guard.room_for_refusal("ume/admin", ELSEWHERE), Room::OfStore { .. }));
    guard.leave_out(Some("ume/admin"), 7);
    tokio::time::advance(MINUTE).await;
    match guard.room_for_refusal("ume/admin", ELSEWHERE) {
        Room::For { left_out } | Room::OfStore { left_out } => assert_eq!(left_out, 7),
        Room::None => panic!("nothing is said of a store's sign-ins"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_gets_three_one_time_passwords_a_day_and_what_was_not_sent_does_not_count() {
    let guard = Guard::new(120);
    for _ in 0..10 {
        let spent = guard.spend(Budget::Password(1, "hana@example.jp")).unwrap();
        guard.forgive(&spent);
    }
    for n in 0..10_i64 {
        let is_sent = guard.spend(Budget::Password(n, " Hana@example.jp")).is_some();
        assert_eq!(is_sent, n < 3, "{n}");
    }
    let of_store = (0..100).filter(|_| guard.spend(Budget::People(7)).is_some()).count();
    assert_eq!(of_store, 60);
    let new = (0..100).filter(|_| guard.spend(Budget::NewCredential(7)).is_some()).count();
    assert_eq!(new, 20);
}

#[tokio::test(start_paused = true)]
async fn who_signs_in_all_the_time_waits() {
    let guard = Guard::new(120);
    let mut times = 0;
    while guard.may_sign_in("mise/admin").is_ok() {
        let attempting = guard.attempt("mise/admin", HERE).await.unwrap();
        guard.succeeded(&attempting, "mise/admin");
        times += 1;
    }
    assert_eq!(times, OF_PERSON);
    assert!(guard.may_sign_in("mise/hanako").is_ok());
}
