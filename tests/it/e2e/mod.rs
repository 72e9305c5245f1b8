//! The main job end to end: the program as it is started, simulated sources, the shapes of interface.md.

mod clever;
mod nights;
mod three_ways;
