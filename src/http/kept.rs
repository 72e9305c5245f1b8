//! Something of each district, kept in memory from one request to the next. Where it is missing or out of date one request reads
//! it, and the others of that district wait for that.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use tokio::sync::Mutex;

use crate::model::DistrictId;
use crate::store::StoreError;

/// When somebody asked last.
#[derive(Debug)]
pub(crate) struct Asked(std::sync::Mutex<Instant>);

impl Asked {
    pub(crate) fn at(at: Instant) -> Self {
        Self(std::sync::Mutex::new(at))
    }

    pub(crate) fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(crate) fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is kept of each district.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    entries: RwLock<BTreeMap<DistrictId, Arc<T>>>,
    reading: RwLock<BTreeMap<DistrictId, Arc<Mutex<()>>>>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { entries: RwLock::default(), reading: RwLock::default() }
    }
}

impl<T> Kept<T> {
    /// What is kept of a district, however old.
    pub(crate) fn known(&self, district: &DistrictId) -> Option<Arc<T>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).get(district).cloned()
    }

    /// Whether a district is being read.
    pub(crate) fn is_reading(&self, district: &DistrictId) -> bool {
        let reading = self.reading.read().unwrap_or_else(PoisonError::into_inner);
        reading.get(district).is_some_and(|turn| turn.try_lock().is_err())
    }

    /// What is kept if it is `fresh`, and otherwise what `read` brings.
    pub(crate) async fn get(
        &self,
        district: &DistrictId,
        fresh: impl Fn(&T) -> bool,
        read: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<Arc<T>, StoreError> {
        let known = || self.known(district).filter(|it| fresh(it));
        if let Some(entry) = known() {
            return Ok(entry);
        }
        let turn = {
            let mut reading = self.reading.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(reading.entry(district.clone()).or_default())
        };
        let _turn = turn.lock().await;
        if let Some(entry) = known() {
            return Ok(entry);
        }
        let read = read.await;
        if matches!(read, Err(StoreError::NoDistrict { .. })) {
            self.reading.write().unwrap_or_else(PoisonError::into_inner).remove(district);
            self.forget(|it| it == district);
        }
        let entry = Arc::new(read?);
        self.entries.write().unwrap_or_else(PoisonError::into_inner).insert(district.clone(), Arc::clone(&entry));
        Ok(entry)
    }

    /// Drops districts that are gone.
    pub(crate) fn forget(&self, gone: impl Fn(&DistrictId) -> bool) {
        self.entries.write().unwrap_or_else(PoisonError::into_inner).retain(|district, _| !gone(district));
    }

    /// Everything that is kept.
    pub(crate) fn all(&self) -> BTreeMap<DistrictId, Arc<T>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
