//! Faults put in on purpose: power cuts, failing disks, stopped processes, cut connections, bodies that break off, pages that
//! drift. Each has a small round that runs with the tests, and a large one by command (README.md, Tests and figures).

mod failing;
mod image;
mod power;
mod story;
