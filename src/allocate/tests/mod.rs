//! Stories of who gets which seat, and laws over generated districts.

mod counts;
mod flow;
mod laws;
mod leaving;
mod placement;
mod serving;
mod size;
mod verify;
mod world;
