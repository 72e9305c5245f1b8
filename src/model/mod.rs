//! The nouns: roster records in OneRoster's words, licenses in `licensing.md`'s, and nothing that does work.
//!
//! | noun | what it is |
//! | --- | --- |
//! | [`Record`] | one thing a feed tells: a school, session, course, class, user or enrollment |
//! | [`Roster`] | all records of one district, by kind and id |
//! | [`Product`], [`Subscription`] | what is licensed, and what was bought |
//! | [`Seat`], [`Waiting`] | who has a seat, and who is in line for one |
//! | [`Alert`] | what someone should look at before it hurts |
//! | [`Baseline`] | all the store knows of one district, at one revision |

mod alert;
mod baseline;
mod by_key;
mod catalog;
mod contract;
mod enrollment;
mod grade;
mod id;
mod identity;
mod kind;
mod loss;
mod marks;
mod mode;
mod notice;
mod personal;
mod record;
mod roster;
mod run;
pub(crate) mod schema;
mod seat;
mod shared;
mod support;
mod time;
mod view;

pub use alert::{Acknowledged, Alert, AlertKind, Daily, DailyKey};
pub use baseline::{Baseline, Decision, DistrictState, HeldChange, PendingReview, SourceMark, Verdict};
pub(crate) use by_key::sort_to_last;
pub use by_key::{ByKey, Enrollments};
pub use catalog::{
    Access, Allotment, Audience, Basis, Catalog, CountBy, LastDay, Level, Overage, Product, Seats, Shrink, Status,
    Subscription, SubscriptionStatus,
};
pub use contract::{ContractChange, Offer, Offered, Purchase, RuleChange, TermChange, Terms};
pub use enrollment::{Enrollment, EnrollmentKey, Period};
pub use grade::canonical_grade;
pub use id::{AlertId, DistrictId, InvalidDistrictId, ProductCode, RunId, SourceId, SubscriptionId};
pub use identity::{LinkDecision, LinkKind, LinkVerdict};
pub use kind::{Kind, Verb};
pub use loss::RecentLoss;
pub use marks::{Edit, Edits, KnownRows, Marks, NextRows, RowMark, Same};
pub use mode::{Disconnection, DistrictMode, ModeEntry, Modes, Proposal};
pub use notice::{About, Message, Notice, NoticeKind, ToldAlert};
pub use personal::Personal;
pub use record::{Class, Course, Fingerprint, Org, Record, Role, RoleName, RosterRecord, Session, User, is_personal};
pub(crate) use roster::Known;
pub use roster::Roster;
pub use run::{
    AlertCounts, AuditSpan, Changed, Counts, HoldDecision, HoldRecord, LeftAlone, Need, PlanView, Reverted, RunRecord,
    RunStatus, SeatCounts, SnapshotSummary, Trigger, Warning,
};
pub use seat::{
    Assignment, EducatorAccess, Ended, Leaving, Override, OverrideKind, Pool, ReleaseReason, Remembered, Seat,
    SeatState, Spell, Target, Waiting,
};
pub(crate) use shared::{Shared, Texts};
pub use support::{Link, Support};
pub use time::{Date, EndDates, Timestamp};
pub use view::{Layers, Overlay, View};
