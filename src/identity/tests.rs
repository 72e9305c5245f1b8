use super::Strength;
use super::keys::{Key, compare};
use crate::model::{Personal, User};

fn user(number: &str, state: &str, name: &str, email: &str) -> User {
    let some = |text: &str| (!text.is_empty()).then(|| Personal::new(text));
    User {
        id: "u".into(),
        roles: Vec::new(),
        active: true,
        given_name: some(name),
        family_name: some("Hill"),
        email: some(email),
        username: None,
        grades: vec!["3".to_owned()],
        student_number: some(number),
        state_id: some(state),
    }
}

#[test]
fn a_strong_key_proposes_and_a_differing_one_speaks_against() {
    let strong = compare(&user("1", "", "Ann", ""), &user("1", "", "ann", "")).unwrap();
    assert_eq!((strong.strength, strong.keys), (Strength::Strong, vec![Key::StudentNumber, Key::Name, Key::Grade]));
    let apart = compare(&user("1", "A", "Ann", ""), &user("1", "B", "Ann", "")).unwrap();
    assert_eq!((apart.strength, apart.against), (Strength::Weak, vec![Key::StateId]));
    assert!(apart.score < strong.score);
}

/// P18, P45, S2.11.
#[test]
fn weak_keys_make_a_lower_list_and_never_twins_siblings_or_namesakes() {
    let namesake = compare(&user("", "", "Ann", ""), &user("", "", "Ann", "")).unwrap();
    assert_eq!(namesake.strength, Strength::Weak);
    assert_eq!(compare(&user("1", "", "Ann", ""), &user("2", "", "Ann", "")), None, "numbers of their own");
    assert_eq!(compare(&user("", "", "Ann", "a@x"), &user("", "", "Bea", "a@x")), None, "siblings share an email");
    assert_eq!(compare(&user("", "", "Ann", ""), &user("", "", "Bea", "")), None, "twins");
}
