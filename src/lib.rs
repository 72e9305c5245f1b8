//! `rosterd`: plan-and-apply for school rosters and the license seats that follow from them.
