//! Grades: CEDS codes, whatever the source wrote.

/// The CEDS code of a grade as sources write it (`2`, `Kindergarten`, `K`, `Gr 7` …); what is not known stays as it came.
pub fn canonical_grade(text: &str) -> String {
    let trimmed = text.trim();
    let folded = trimmed.to_lowercase();
    let word = folded.trim_start_matches("grade").trim_start_matches("gr").trim_start_matches('.').trim();
    if let Ok(number) = word.parse::<u8>()
        && (1..=13).contains(&number)
    {
        return format!("{number:02}");
    }
    match word {
        "0" | "00" | "k" | "kg" | "kindergarten" => "KG".to_owned(),
        "it" | "infanttoddler" | "infant/toddler" => "IT".to_owned(),
        "pr" | "preschool" => "PR".to_owned(),
        "pk" | "prek" | "pre-k" | "prekindergarten" | "pk3" | "pk4" => "PK".to_owned(),
        "tk" | "transitionalkindergarten" => "TK".to_owned(),
        "ps" | "postsecondary" | "postgraduate" => "PS".to_owned(),
        "ug" | "ungraded" => "UG".to_owned(),
        "other" => "Other".to_owned(),
        _ => trimmed.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grades_become_ceds_codes_and_the_unknown_stays() {
        let read = ["2", "02", "K", "Kindergarten", "Gr 7", "13", "PostGraduate", "Year 9"].map(canonical_grade);
        assert_eq!(read, ["02", "02", "KG", "KG", "07", "13", "PS", "Year 9"]);
    }
}
