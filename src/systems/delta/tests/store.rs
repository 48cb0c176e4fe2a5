//! What a publish needs of a store: that of two who make an object only one does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::connect::TablePlace;
use super::super::load;
use super::super::testing::{Fault, FaultyStore, TestLake};
use crate::backend::Backend;
use crate::error::ErrorKind;

/// The table's place, as one in a store that nobody has tried yet.
fn untried(lake: &TestLake) -> (TablePlace, Arc<AtomicBool>) {
    let refuses = Arc::<AtomicBool>::default();
    let place = TablePlace {
        refuses: Some(Arc::clone(&refuses)),
        ..lake.backend.lake.place("s", "t").unwrap()
    };
    (place, refuses)
}

#[tokio::test]
async fn a_store_that_overwrites_is_found_out_before_anything_is_published() {
    for fault in [Fault::Overwrites, Fault::RefusesConditions] {
        let lake = TestLake::new();
        let (mut place, refuses) = untried(&lake);
        place.store = FaultyStore::new(place.store, fault);
        let publication = lake.publication(vec![lake.rows("0001-0-0", 0..3).await], 1);
        let error = load::publish(&place, &publication).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:#}");
        assert!(error.hint_text().is_some());
        assert!(!refuses.load(Ordering::Relaxed));
        assert_eq!(lake.backend.describe("s", "t").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_store_that_refuses_is_tried_once() {
    let lake = TestLake::new();
    let (place, refuses) = untried(&lake);
    let publication = lake.publication(vec![lake.rows("0001-0-0", 0..3).await], 1);
    let first = load::publish(&place, &publication).await.unwrap();
    assert!(!first.already);
    assert!(refuses.load(Ordering::Relaxed));
    // Whoever overwrites now is not asked again: the store was tried.
    let (next, second) = (
        FaultyStore::new(Arc::clone(&place.store), Fault::Overwrites),
        lake.publication(vec![lake.rows("0002-0-0", 3..6).await], 2),
    );
    let place = TablePlace {
        store: next,
        ..place
    };
    let second = load::publish(&place, &second).await.unwrap();
    assert!(!second.already);
    assert_eq!(lake.ids().await, (0..6).collect());
}

#[cfg(feature = "s3")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_publishers_in_an_object_store_one_wins() {
    for _ in 0..5 {
        let Some(lake) = TestLake::in_store() else {
            return;
        };
        super::race(lake).await;
    }
}

#[cfg(feature = "s3")]
#[tokio::test]
async fn a_checkpoint_in_an_object_store_keeps_everything() {
    if let Some(lake) = TestLake::in_store() {
        super::checkpoint(lake).await;
    }
}
