//! Stories of who gets which seat, and laws over generated districts.

mod assigned;
mod contracts;
mod counts;
mod flow;
mod generate;
mod laws;
mod leaving;
mod naive;
mod persons;
mod placement;
mod serving;
mod size;
mod unclear;
mod vendors;
mod verify;
mod world;
