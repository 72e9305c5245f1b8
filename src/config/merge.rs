//! Later files win; lists of tables merge by `id` (interface.md, Command line, `--config`).

use toml::{Table, Value};

/// Lays `top` over `base`.
pub(super) fn over(base: &mut Table, top: Table) {
    for (key, value) in top {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => over(below, above),
            (Some(Value::Array(below)), Value::Array(above)) if have_ids(below) && have_ids(&above) => {
                by_id(below, above);
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// What a member of a list goes by.
pub(super) fn id(value: &Value) -> Option<&str> {
    value.as_table()?.get("id")?.as_str()
}

fn have_ids(list: &[Value]) -> bool {
    !list.is_empty() && list.iter().all(|value| id(value).is_some())
}

fn by_id(below: &mut Vec<Value>, above: Vec<Value>) {
    for value in above {
        let twin = below.iter_mut().find(|other| id(other) == id(&value));
        match (twin, value) {
            (Some(Value::Table(twin)), Value::Table(value)) => over(twin, value),
            (_, value) => below.push(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_file_changes_one_district_and_adds_another() {
        let mut base: Table =
            "[http]\nlisten = 1\n[[district]]\nid = \"a\"\nname = \"A\"\nzone = \"X\"".parse().unwrap();
        let top = "[[district]]\nid = \"a\"\nname = \"B\"\n[[district]]\nid = \"c\"".parse().unwrap();
        over(&mut base, top);
        let expected: Table =
            "[http]\nlisten = 1\n[[district]]\nid = \"a\"\nname = \"B\"\nzone = \"X\"\n[[district]]\nid = \"c\""
                .parse()
                .unwrap();
        assert_eq!(base, expected);
    }
}
