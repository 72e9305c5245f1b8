//! What a child process costs: processor time of all its threads, and the most memory it had at once.

use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// What one run of a program cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// User and system, in hundredths of a second as the kernel counts.
    pub(crate) cpu: f64,
    /// From start to end.
    pub(crate) wall: f64,
    /// Resident, in megabytes.
    pub(crate) memory: f64,
    /// What of `cpu` the database's server took.
    pub(crate) server: f64,
}

/// The name in a process's `stat`, and the numbers after it.
fn stat(process: &str) -> Option<(String, Vec<u64>)> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (name, numbers) = text.split_once('(')?.1.rsplit_once(')')?;
    Some((name.to_owned(), numbers.split_whitespace().map(|it| it.parse().unwrap_or_default()).collect()))
}

/// Two neighbors of a process's `stat`, counted from after its name.
fn ticks(process: &str, first: usize) -> u64 {
    let (_, numbers) = stat(process).unwrap();
    numbers[first] + numbers[first + 1]
}

/// Ticks of processor time that children who have ended took: cutime and cstime.
fn of_children() -> u64 {
    ticks("self", 13)
}

/// Seconds of processor time that the `PostgreSQL` of this machine has taken so far, with that of connections which ended.
pub(crate) fn of_postgres() -> f64 {
    let mut all = 0;
    for entry in std::fs::read_dir("/proc").unwrap() {
        let Some((name, numbers)) = entry.unwrap().file_name().to_str().and_then(stat) else { continue };
        if name == "postgres" {
            all += numbers[11] + numbers[12];
            // Only the first of them has children.
            all += numbers[13] + numbers[14];
        }
    }
    f64::from(u32::try_from(all).unwrap()) / 100.0
}

/// Seconds of processor time of a process and all its threads so far: utime and stime.
pub(crate) fn of_process(process: u32) -> f64 {
    f64::from(u32::try_from(ticks(&process.to_string(), 11)).unwrap()) / 100.0
}

fn high_water(process: u32) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok()? / 1024.0)
}

/// Runs `command` to its end.
pub(crate) fn of(command: &mut Command) -> (Cost, ExitStatus) {
    let (before, begun) = (of_children(), Instant::now());
    let mut child = command.spawn().unwrap();
    let mut memory = 0.0_f64;
    let status = loop {
        if let Some(now) = high_water(child.id()) {
            memory = memory.max(now);
        }
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let ticks = of_children() - before;
    let cpu = f64::from(u32::try_from(ticks).unwrap()) / 100.0;
    (Cost { cpu, wall: begun.elapsed().as_secs_f64(), memory, server: 0.0 }, status)
}

/// The one in the middle.
pub(crate) fn median(mut all: Vec<Cost>) -> Cost {
    all.sort_by(|one, other| one.cpu.total_cmp(&other.cpu));
    all[all.len() / 2]
}
