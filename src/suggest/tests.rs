use super::{in_increments, word};

/// S4.33.
#[test]
fn seats_are_bought_in_increments_that_cover_what_is_missing() {
    let bought = [1, 100, 101, 250, 251, 500, 501, 601, 760, 1000].map(in_increments);
    assert_eq!(bought, [100, 100, 250, 250, 500, 500, 600, 750, 1000, 1000]);
}

#[test]
fn a_command_can_be_pasted_whatever_an_id_holds() {
    assert_eq!(["PB-1", "a b|c", "o'x"].map(word), ["PB-1", "'a b|c'", "'o'\\''x'"]);
}
