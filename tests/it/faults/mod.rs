//! Faults put in on purpose: power cuts, failing disks, killed and stopped processes, cut connections, bodies that break off,
//! pages that drift. Each has a small round that runs with the tests, and a large one by command (README.md, Tests and figures).

mod corpus;
mod cut;
mod drift;
mod failing;
mod failpoints;
mod image;
mod killed;
mod nights;
mod power;
mod several;
mod stopped;
mod story;
mod truncated;
