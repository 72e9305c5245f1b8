//! Questions that the command line and the HTTP side both answer: what they need is read from the store here, and put before
//! the pure modules that answer.

mod affected;
mod as_of;
mod explain;
mod find;
mod reports;

pub use affected::{affected, first_affected};
pub use as_of::on_day;
pub use explain::{WhoAndWhat, explain, explain_of};
pub use find::{Names, find, full_name, role_words};
pub use reports::{first_rows, newest_changes, report};
