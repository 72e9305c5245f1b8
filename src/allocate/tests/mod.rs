//! Stories of who gets which seat, and laws over generated districts.
//!
//! The laws run 256 cases each; `PROPTEST_CASES=100000 cargo test --lib allocate::tests::laws` runs as many as one likes. A
//! case that fails is kept in `proptest-regressions/` and tried first from then on.
//!
//! `laws` holds the engine against three things that share no code with it: the checker (`allocate::check`), which derives
//! demand a second time from a stored state; the model in `naive`, which derives everything a third time from what a
//! district was generated from; and the maximum flow of `flow`.
//!
//! # Mistakes made by hand, and what catches each
//!
//! The engine's share of reliability.md's seeded bugs first, then one for each rule of licensing.md. Every one was put in
//! and seen to fail.
//!
//! | mistake | caught by |
//! | --- | --- |
//! | grant before release | `leaving::in_grace_one_leaves_and_one_may_come` |
//! | `<=` for `<` in the total | `leaving::in_grace_one_leaves_and_one_may_come` |
//! | `<=` for `<` in a pool | `serving::another_schools_allotment_is_not_for_me` |
//! | a cut releases | `serving::a_cut_releases_nobody_and_grants_nobody` |
//! | absent = deleted | `leaving::who_is_back_within_the_grace_stays` |
//! | `status` ignored | `assigned::the_first_opening_draws_a_seat_or_waits` |
//! | tie by name | `serving::equals_are_shuffled_by_the_hash_of_district_product_and_user` |
//! | a second snapshot of the same date agrees | `leaving::who_is_back_within_the_grace_stays` |
//! | an upload agrees with itself | `leaving::an_upload_seen_before_does_not_agree_with_itself` |
//! | an exclude ignored | `leaving::an_exclude_is_evidence_even_while_the_grace_runs` |
//! | an exclude held for review | `leaving::a_release_that_is_itself_held_waits_for_the_decision_and_an_exclude_does_not` |
//! | an override ends on its last day | `assigned::a_class_decision_ends_after_its_last_day` |
//! | exceptions of a class ignored | `assigned::an_assigned_class_is_followed_as_it_changes_less_the_excepted` |
//! | staff in a student product | `serving::educators_are_teachers_and_aides` |
//! | one teacher OFF is enough | `leaving::students_of_an_educator_who_is_off_do_not_count_unless_another_is_on` |
//! | `first_use` seats who never opened it | `assigned::the_first_opening_draws_a_seat_or_waits` |
//! | the last day lost | `unclear::a_missing_end_is_the_school_years` |
//! | the first day ignored | `leaving::a_class_that_has_not_begun_gives_no_seat` |
//! | no winter break | `leaving::the_winter_break_ends_nothing_and_the_next_semester_does` |
//! | a pin waits its turn | `serving::the_published_order_is_pinned_returning_waiting_longest_then_grade` |
//! | the wait begins anew every night | `serving::the_published_order_is_pinned_returning_waiting_longest_then_grade` |
//! | who was taken back returns first | `serving::the_published_order_is_pinned_returning_waiting_longest_then_grade` |
//! | the line counts from 0 | `verify::a_line_with_a_gap_is_found` |
//! | places stay behind | `serving::who_waits_and_stops_wanting_leaves_the_line` |
//! | no shuffle where people compete | `serving::among_equals_the_smallest_hashes_are_seated` |
//! | nobody makes room | `placement::each_is_placed_exactly_if_the_flow_grows` |
//! | kept seats move before new ones | `placement::each_is_placed_exactly_if_the_flow_grows` |
//! | a site license counts in the total | `serving::a_site_license_is_outside_the_total` |
//! | room made while over | `serving::while_more_is_in_use_than_bought_nobody_moves_to_a_site_license_to_let_someone_in` |
//! | a bridged seat takes room | `serving::nobody_waits_for_a_seat_that_is_bridged` |
//! | a held user is granted | `serving::a_held_user_keeps_the_place_in_line_and_the_next_is_served` |
//! | overage for ever | `counts::overage_lets_some_in_for_some_days_of_a_spell_and_revokes_nobody` |
//! | taken back at once | `contracts::nothing_is_taken_back_while_no_activity_is_reported` |
//! | a pinned seat taken back | `contracts::among_the_claimed_the_longest_unused_goes_first_and_a_pin_protects` |
//! | the used ones taken back first | `contracts::a_reclaimed_seat_does_not_make_its_user_a_returning_one` |
//! | taken back without activity | `contracts::nothing_is_taken_back_while_no_activity_is_reported` |
//! | a carried seat needs room | `contracts::who_has_a_seat_of_the_old_product_has_one_of_its_successor_even_above_the_seats_bought` |
//! | grace beside the renewal | `contracts::a_successor_that_arrives_late_in_the_catalog_still_carries` |
//! | the smaller of a renewal counts | `counts::while_a_renewal_overlaps_the_larger_counts_and_brings_its_allotments_along` |
//! | all seats in grace | `leaving::in_grace_one_leaves_and_one_may_come` |
//! | the grace shrinks with who leaves | `contracts::in_grace_a_seat_that_was_given_up_is_still_there_for_who_comes_a_week_later` |
//! | inactive for ever | `contracts::an_inactive_subscription_lapses_four_hundred_days_after_it_was_seen` |
//! | lapsed a day early | `leaving::after_four_hundred_days_suspended_seats_end` |
//! | linked accounts counted each | `persons::accounts_count_each_until_the_product_counts_persons` |
//! | a seat does not pass to the other account | `persons::an_exclude_of_one_account_leaves_the_other_in_demand` |
//! | the order of rows | `laws::the_order_of_rows_does_not_matter` |
//! | counters that overflow | `contracts::billions_of_seats_do_not_wrap_around` |

mod accounts;
mod asked;
mod assigned;
mod attending;
mod contracts;
mod counts;
mod edges;
mod examined;
mod flow;
pub(crate) mod generate;
mod laws;
mod leaving;
mod naive;
mod persons;
mod placement;
mod rows;
mod sentences;
mod serving;
mod shown;
mod size;
mod steady;
mod terms;
mod unclear;
mod vendors;
mod verify;
pub(crate) mod world;
