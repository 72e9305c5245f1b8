//! Why a verb is refused.

use crate::model::{Date, DistrictId, ProductCode, SourceId, SubscriptionId};
use crate::run::RunError;
use crate::store::StoreError;

use super::BadFile;

/// A verb that was refused; nothing changed. Users stand in it as the audit shows them.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// No such product.
    #[error("there is no product `{product}`; known are: {known}")]
    NoProduct {
        /// As asked for.
        product: ProductCode,
        /// Those there are.
        known: String,
    },
    /// No such user.
    #[error("district `{district}` has no user `{user}`; `rosterd roster --kind users` lists them")]
    NoUser {
        /// The district.
        district: DistrictId,
        /// As asked for.
        user: String,
    },
    /// No such class.
    #[error("district `{district}` has no class `{class}`; `rosterd roster --kind classes` lists them")]
    NoClass {
        /// The district.
        district: DistrictId,
        /// As asked for.
        class: String,
    },
    /// No such subscription.
    #[error("there is no subscription `{0}` in the catalog of this district")]
    NoSubscription(SubscriptionId),
    /// No such school.
    #[error("there is no school `{0}`: name it by its source id, identifier or NCES number")]
    NoSchool(String),
    /// Nobody is named, or no seats.
    #[error("{0}")]
    Usage(&'static str),
    /// The last day lies in the past.
    #[error("the last day, {until}, is over: today is {today}")]
    Over {
        /// As asked for.
        until: Date,
        /// In the district's time zone.
        today: Date,
    },
    /// The feed says who the educators are (S1.13).
    #[error(
        "district `{0}` is rostered: its educators' products, roles, enrollments and eligibility come from the feed; change \
         them in the rostering platform, and the next sync brings them"
    )]
    Fed(DistrictId),
    /// The product is not for this user.
    #[error("product `{product}` is not for user `{user}`: it is for another audience")]
    Audience {
        /// The product.
        product: ProductCode,
        /// The user.
        user: String,
    },
    /// The account is disabled.
    #[error("user `{0}` is not active: no seat is given to a disabled account")]
    Inactive(String),
    /// No seat is free.
    #[error("{available} licenses available of `{product}`, {needed} needed: nothing was changed")]
    NoSeats {
        /// The product.
        product: ProductCode,
        /// Seats these users could have.
        available: usize,
        /// Seats they need.
        needed: usize,
    },
    /// Nothing to clear.
    #[error("user `{user}` has no override of `{product}`: nothing was changed")]
    NoOverride {
        /// The product.
        product: ProductCode,
        /// The user.
        user: String,
    },
    /// Nothing to unassign.
    #[error("`{target}` is not assigned `{product}`: nothing was changed")]
    NotAssigned {
        /// The product.
        product: ProductCode,
        /// The user or class.
        target: String,
    },
    /// Not in the class.
    #[error("user `{user}` is not enrolled in class `{class}`: nothing was changed")]
    NotEnrolled {
        /// The user.
        user: String,
        /// The class.
        class: String,
    },
    /// Not at the school.
    #[error("user `{user}` has no role at school `{school}`: nothing was changed")]
    NotAtSchool {
        /// The user.
        user: String,
        /// The school.
        school: String,
    },
    /// A user has a role or is no user.
    #[error(
        "user `{0}` would be left without any role: nothing was changed; disable the account instead, or give another role first"
    )]
    LastRole(String),
    /// Nothing to hand on.
    #[error("user `{user}` has no seat of `{product}` that could be handed on: nothing was changed")]
    HasNone {
        /// The product.
        product: ProductCode,
        /// The user.
        user: String,
    },
    /// Has one already.
    #[error("user `{user}` has a seat of `{product}` already: nothing was changed")]
    HasSeat {
        /// The product.
        product: ProductCode,
        /// The user.
        user: String,
    },
    /// The seat is another school's.
    #[error("user `{user}` cannot draw from the allotment of school `{school}`, where this seat is from")]
    OtherPool {
        /// The user.
        user: String,
        /// The school.
        school: SourceId,
    },
    /// The seat would stay where it is: another decision gives it.
    #[error("user `{user}` would keep the seat of `{product}`: another decision gives it; nothing was changed")]
    Keeps {
        /// The product.
        product: ProductCode,
        /// The user.
        user: String,
    },
    /// No such pair.
    #[error("there is no proposal or decision `{0}` in this district; `rosterd identity list` shows them")]
    NoPair(String),
    /// Said already.
    #[error("pair `{id}` is {verdict} already; `rosterd identity undo {id}` takes that back")]
    Decided {
        /// The pair.
        id: String,
        /// What was said.
        verdict: &'static str,
    },
    /// Nothing was said.
    #[error("nothing was said of pair `{0}`: there is nothing to undo")]
    Undecided(String),
    /// Educator access means nothing for this product.
    #[error("product `{0}` does not ask for educator access: its `educator_access` is off in the catalog")]
    NoAccessRule(ProductCode),
    /// Not an educator.
    #[error("user `{0}` is no teacher or aide: access is switched for educators")]
    NoEducator(String),
    /// The school has no allotment to take from.
    #[error("school `{school}` has no allotment of subscription `{subscription}`")]
    NoAllotment {
        /// The subscription.
        subscription: SubscriptionId,
        /// As asked for.
        school: String,
    },
    /// Locked.
    #[error("the allotment of school `{0}` is locked: no seats are moved out of it")]
    Locked(String),
    /// A site license.
    #[error("the allotment of school `{0}` is unlimited: there are no seats to move")]
    SiteLicense(String),
    /// Fewer than asked for.
    #[error("the allotment of school `{school}` has {seats} seats: no more can be moved")]
    TooFew {
        /// As asked for.
        school: String,
        /// Its seats.
        seats: u32,
    },
    /// The file of `seats import` cannot be read.
    #[error(transparent)]
    BadFile(#[from] BadFile),
    /// Nobody is known whose seats could be taken over.
    #[error(
        "the roster of district `{0}` is not known yet: sync it first (a first sync may stay in review), then import the seats"
    )]
    NoRoster(DistrictId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run failed.
    #[error(transparent)]
    Failed(#[from] Box<RunError>),
}

impl Refused {
    /// Whether the caller named something that does not exist, rather than asked for something that may not be.
    pub fn is_usage(&self) -> bool {
        self.is_unknown() || matches!(self, Self::Usage(_) | Self::Over { .. } | Self::BadFile(_))
    }

    /// Whether there is nothing of that name.
    pub fn is_unknown(&self) -> bool {
        matches!(
            self,
            Self::NoProduct { .. }
                | Self::NoUser { .. }
                | Self::NoClass { .. }
                | Self::NoSubscription(_)
                | Self::NoSchool(_)
                | Self::NoPair(_)
        )
    }
}
