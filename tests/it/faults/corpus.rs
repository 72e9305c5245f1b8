//! The corpora of the fuzz targets, through the same functions as the fuzzer's (`fuzz/`).

use std::path::Path;

#[expect(unreachable_pub, reason = "the fuzz targets are another crate, and call these")]
#[path = "../../../fuzz/src/entries.rs"]
mod entries;

fn replay(target: &str, entry: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut replayed = 0;
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        // the beginning of each as well: what breaks off is the commonest damage
        for end in [data.len(), data.len() / 2, data.len() / 3, 1.min(data.len()), 0] {
            entry(&data[..end]);
        }
        replayed += 1;
    }
    assert!(replayed >= 5, "{target}: {replayed} files");
}

#[test]
fn the_corpora_of_the_fuzz_targets_are_read_or_refused() {
    replay("json_page", entries::json_page);
    replay("csv", entries::csv);
    replay("zip", entries::zip);
    replay("link", entries::link);
    replay("configuration", entries::configuration);
}
