//! Who is who (safety.md, Identity): an id is the person, archived and back; an id that is someone else's now waits.

use serde_json::{Value, json};

use crate::support::db::Backend;
use crate::support::vendor::{NIGHT_2, NIGHT_3, NIGHT_4};

use super::revert::{DISTRICT, Installed, on_both};

/// The line of one user with some cells replaced.
fn retell(it: &Installed, user: &str, cells: &[(usize, &str)]) {
    it.edit(|line| {
        let mut all: Vec<String> = line.split(',').map(str::to_owned).collect();
        if all[0] == user {
            for (at, text) in cells {
                (*text).clone_into(&mut all[*at]);
            }
        }
        Some(all.join(","))
    });
}

async fn one(it: &Installed, user: &str) -> Option<Value> {
    let roster = it.roster().await;
    let mut users = roster.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    users.find(|fields| fields["id"] == user)
}

/// P19, T16: other names, another number and another grade are another child. Nothing of it applies before a person decides,
/// and so nobody inherits the seat.
#[tokio::test]
async fn an_id_that_is_someone_elses_now_is_held_and_its_seat_is_not_inherited() {
    on_both(async |it| {
        let user = it.first_holders(1).await.remove(0);
        let (before, seats) = (one(&it, &user).await, it.seats().await["holders"][0].clone());
        let stranger =
            [(6, "quite.other"), (8, "Quite"), (9, "Other"), (11, "ZZ99"), (12, "q@windmill.example"), (16, "12")];
        retell(&it, &user, &stranger);
        let held = it.site.sync(NIGHT_2, DISTRICT).await.exits(3).json();
        assert_eq!(held["holds"][0]["group"], "district/users/reused", "{held}");
        assert_eq!((&held["holds"][0]["count"], &held["changes"]["users"]["changed"]), (&json!(1), &json!(0)));
        assert_eq!(one(&it, &user).await, before);
        assert_eq!(it.seats().await["holders"][0]["since"], seats["since"]);
        it.site.verified().await;

        let run = held["run"].as_str().unwrap();
        it.site.at(NIGHT_3, &["runs", "reject", run]).await.exits(0);
        it.edit(|line| Some(line.replace("Topaz", "Opal")));
        assert_eq!(it.sync(NIGHT_4).await["changes"]["users"]["changed"], 1, "only the other one");
        assert_eq!(one(&it, &user).await, before);
    })
    .await;
}

/// P18: a new name, email, login and grade are the same child as long as the number is; so is everyone who only moves up.
#[tokio::test]
async fn a_new_name_email_or_grade_alone_is_the_same_person() {
    let it = Installed::on(Backend::Sqlite).await.unwrap();
    let user = it.first_holders(1).await.remove(0);
    retell(&it, &user, &[(6, "new.login"), (8, "New"), (9, "Name"), (12, "new@windmill.example"), (16, "12")]);
    let night = it.sync(NIGHT_2).await;
    assert_eq!((&night["holds"], &night["changes"]["users"]["changed"]), (&json!([]), &json!(1)), "{night}");
    assert_eq!(it.first_holders(1).await, [user.as_str()]);
}

/// U9, P27: who leaves and comes back is the same user, restored, and returns before those who wait longer.
#[tokio::test]
async fn a_user_who_comes_back_is_the_same_user_and_returns_first() {
    on_both(async |it| {
        let user = it.first_holders(1).await.remove(0);
        let before = one(&it, &user).await;
        let line = it.line(&user);
        it.lose(std::slice::from_ref(&user));
        it.sync(NIGHT_2).await;
        it.edit(|line| Some(line.replace("Topaz", "Opal")));
        assert_eq!(it.sync(NIGHT_3).await["seats"]["released"], 1);

        it.add(&line);
        let back = it.sync(NIGHT_4).await;
        assert_eq!(back["changes"]["users"]["added"], 1, "a restored record counts as added");
        assert_eq!(one(&it, &user).await, before);
        assert!(it.site.audit(DISTRICT).await.contains("\"user.restored\""));
        let seats = it.seats().await;
        assert_eq!((&seats["waitlist"][0]["user"], &seats["waitlist"][0]["position"]), (&json!(user), &json!(1)));
    })
    .await;
}
