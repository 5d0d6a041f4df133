//! Errands in the store, on both engines: of several processes one runs each, and a dead one's is taken over.

use crate::store::{on_both, open};
use anshin::mail::Timestamp;
use anshin::store::{Errand, Store};
use anshin::vault::Indexed;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn an_errand_is_one_processs_until_it_is_done_or_its_time_is_over() {
    on_both(|url, vault| async move {
        let (one, _) = open(&url, &vault).await;
        let two = Store::open(&url, &vault.file).await.unwrap();
        let guard = vault.index.of(Indexed::Told { conversation: 0, what: "a report" });
        let now = Timestamp::now();
        let until = now.after(MINUTE);
        assert_eq!(one.take_errand(&guard, now, until).await.unwrap(), Errand::Ours);
        assert_eq!(two.take_errand(&guard, now, until).await.unwrap(), Errand::Theirs);
        // The first is dead.
        assert_eq!(two.take_errand(&guard, until, until.after(MINUTE)).await.unwrap(), Errand::Ours);
        assert_eq!(one.take_errand(&guard, until, until.after(MINUTE)).await.unwrap(), Errand::Theirs);
        // It did not come to anything: anybody's at once.
        two.end_errand(&guard, None).await.unwrap();
        assert_eq!(one.take_errand(&guard, now, until).await.unwrap(), Errand::Ours);
        one.end_errand(&guard, Some(now.after(10 * MINUTE))).await.unwrap();
        for store in [&one, &two] {
            let later = now.after(5 * MINUTE);
            assert_eq!(store.take_errand(&guard, later, later.after(MINUTE)).await.unwrap(), Errand::Done);
        }
        let other = vault.index.of(Indexed::Told { conversation: 0, what: "another report" });
        let (first, second) =
            tokio::join!(one.take_errand(&other, now, until), two.take_errand(&other, now, until));
        let ours =
            [first.unwrap(), second.unwrap()].into_iter().filter(|errand| *errand == Errand::Ours).count();
        assert_eq!(ours, 1, "of two at once");
    });
}
