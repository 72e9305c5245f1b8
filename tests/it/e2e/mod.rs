//! The main job end to end: the program as it is started, simulated sources, the shapes of interface.md.

mod alerts;
mod answers;
mod bad_feeds;
mod bad_setup;
mod bad_uploads;
mod by_hand;
mod catalog;
mod clever;
mod drip;
mod earlier;
mod erase;
mod identity;
mod killed;
mod manual;
mod modes;
mod nights;
mod people;
mod privacy;
mod revert;
mod scenarios;
mod seats_import;
mod three_ways;
mod totals;
mod upkeep;
mod vendors;
