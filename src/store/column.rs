//! Columns and the values they stand for. What cannot be read names its table and column, never its content.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};

use crate::model::{Date, Kind, Timestamp};
use crate::store::StoreError;

/// A text of a page, where it stands unless it is written with a backslash: millions of texts need not be kept to be looked up.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// A flag of a page, where it is 0 or 1.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u8")]
pub(super) struct Digit(bool);

impl TryFrom<u8> for Digit {
    type Error = &'static str;

    fn try_from(digit: u8) -> Result<Self, Self::Error> {
        match digit {
            0 => Ok(Self(false)),
            1 => Ok(Self(true)),
            _ => Err("neither 0 nor 1"),
        }
    }
}

impl From<Digit> for bool {
    fn from(Digit(flag): Digit) -> Self {
        flag
    }
}

/// A table, for reading its columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table(pub(super) &'static str);

impl Table {
    pub(super) fn corrupt(self, field: &'static str) -> StoreError {
        StoreError::CorruptRow { table: self.0, field }
    }

    /// An instant from its milliseconds.
    pub(super) fn instant(self, field: &'static str, millis: i64) -> Result<Timestamp, StoreError> {
        Timestamp::from_millis(millis).ok_or_else(|| self.corrupt(field))
    }

    pub(super) fn instant_if(self, field: &'static str, millis: Option<i64>) -> Result<Option<Timestamp>, StoreError> {
        millis.map(|it| self.instant(field, it)).transpose()
    }

    pub(super) fn date_if(self, field: &'static str, text: Option<&str>) -> Result<Option<Date>, StoreError> {
        text.map(|it| it.parse().map_err(|_| self.corrupt(field))).transpose()
    }

    /// A fieldless enum from the word serde gives it.
    pub(super) fn word<T: DeserializeOwned>(self, field: &'static str, text: &str) -> Result<T, StoreError> {
        let reader: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
        T::deserialize(reader).map_err(|_| self.corrupt(field))
    }

    pub(super) fn kind(self, text: &str) -> Result<Kind, StoreError> {
        Kind::from_plural(text).ok_or_else(|| self.corrupt("kind"))
    }

    /// A value from its JSON.
    pub(super) fn json<T: DeserializeOwned>(self, field: &'static str, text: &str) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|_| self.corrupt(field))
    }

    /// A value's JSON.
    pub(super) fn to_json<T: Serialize + ?Sized>(self, value: &T) -> Result<String, StoreError> {
        serde_json::to_string(value).map_err(|_| StoreError::Unwritable { table: self.0 })
    }

    /// The word serde gives a fieldless enum.
    pub(super) fn to_word<T: Serialize>(self, value: &T) -> Result<String, StoreError> {
        match serde_json::to_value(value) {
            Ok(serde_json::Value::String(word)) => Ok(word),
            _ => Err(StoreError::Unwritable { table: self.0 }),
        }
    }
}
