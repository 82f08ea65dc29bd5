//! The rows of one listener, route, pool and account: one for each class of workers that has sent a share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::{CLASS_OTHER, ROWS_MAX, Row, RowKey};

/// Rows that differ in their class only.
#[derive(Debug)]
pub struct Rows {
    /// Of the class [`CLASS_OTHER`], which also takes what is beyond [`ROWS_MAX`].
    other: Arc<Row>,
    /// Read by every share of a class, written at its first.
    classes: RwLock<Vec<Arc<Row>>>,
    /// Rows of the ledger.
    count: Arc<AtomicUsize>,
}

// === impl Rows ===

impl Rows {
    pub(super) fn new(key: RowKey, count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        let other = Arc::new(Row::new(RowKey { class: CLASS_OTHER.into(), ..key }));
        Self { other, classes: RwLock::default(), count: Arc::clone(count) }
    }

    /// The row of `class`, made at first use.
    pub fn of(&self, class: &str) -> Arc<Row> {
        if class == CLASS_OTHER {
            return Arc::clone(&self.other);
        }
        let known = |rows: &[Arc<Row>]| rows.iter().find(|row| *row.key.class == *class).cloned();
        if let Some(row) = known(&self.classes.read().unwrap_or_else(PoisonError::into_inner)) {
            return row;
        }
        let mut classes = self.classes.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(row) = known(&classes) {
            return row;
        }
        if self.count.fetch_add(1, Ordering::Relaxed) >= ROWS_MAX {
            self.count.fetch_sub(1, Ordering::Relaxed);
            return Arc::clone(&self.other);
        }
        let row = Arc::new(Row::new(RowKey { class: class.into(), ..self.other.key.clone() }));
        classes.push(Arc::clone(&row));
        row
    }

    pub(super) fn all(&self) -> Vec<Arc<Row>> {
        let classes = self.classes.read().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(&self.other).chain(classes.iter()).cloned().collect()
    }
}
