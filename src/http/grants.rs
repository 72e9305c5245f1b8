//! What somebody may do, and where. Grants add up, each in its own districts: who may read everywhere and approve in one district
//! approves nothing in another.

use crate::http::tokens::Scope;
use crate::model::DistrictId;
use crate::openid;

/// Where something may be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// In all districts, also those to come.
    Everywhere,
    /// In these alone.
    Within(Vec<DistrictId>),
}

impl Reach {
    /// In none.
    pub(crate) const NOWHERE: Self = Self::Within(Vec::new());

    /// As settings and tokens write it: an empty list is all districts.
    pub(crate) fn of(districts: Vec<DistrictId>) -> Self {
        if districts.is_empty() { Self::Everywhere } else { Self::Within(districts) }
    }

    /// Whether a district is in it.
    pub(crate) fn has(&self, district: &DistrictId) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Within(districts) => districts.contains(district),
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Within(mut districts), Self::Within(more)) => {
                districts.extend(more);
                districts.sort();
                districts.dedup();
                Self::Within(districts)
            }
            (Self::Everywhere, _) | (_, Self::Everywhere) => Self::Everywhere,
        }
    }
}

/// Some scopes, where they are granted.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    /// By their words.
    pub(crate) scopes: Vec<String>,
    /// Where.
    pub(crate) reach: Reach,
}

impl Grant {
    fn gives(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|it| it == scope.as_str() || it == Scope::Admin.as_str())
    }
}

/// All that one caller was granted.
#[derive(Clone, Debug)]
pub(crate) struct Grants(pub(crate) Vec<Grant>);

impl Grants {
    /// Scopes in some districts, as a token has them.
    pub(crate) fn one(scopes: Vec<String>, districts: Vec<DistrictId>) -> Self {
        Self(vec![Grant { scopes, reach: Reach::of(districts) }])
    }

    /// What the settings give the members of some groups.
    pub(crate) fn of_groups(settings: &openid::Settings, ids: &[String]) -> Self {
        let of = settings.group.iter().filter(|it| ids.contains(&it.id));
        let grant = |it: &openid::Group| Grant {
            scopes: it.scopes.clone(),
            reach: Reach::of(it.districts.iter().map(|id| DistrictId::new(id.as_str())).collect()),
        };
        Self(of.map(grant).collect())
    }

    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where a scope is granted; none if it is nowhere.
    pub(crate) fn reach(&self, scope: Scope) -> Option<Reach> {
        self.0.iter().filter(|it| it.gives(scope)).map(|it| it.reach.clone()).reduce(Reach::and)
    }

    /// Whether a scope is granted in a district.
    pub(crate) fn give(&self, scope: Scope, district: &DistrictId) -> bool {
        self.0.iter().any(|it| it.gives(scope) && it.reach.has(district))
    }
}

/// Whether groups name scopes and districts by words that can be such; the message names the group.
pub(crate) fn check(settings: &openid::Settings) -> Result<(), String> {
    for group in &settings.group {
        if let Some(word) = group.scopes.iter().find(|it| Scope::parse(it).is_none()) {
            let known = Scope::ALL.map(Scope::as_str).join(", ");
            return Err(format!("http.oidc.group `{}`: there is no scope `{word}`; they are {known}", group.id));
        }
        for district in &group.districts {
            DistrictId::parse(district).map_err(|error| format!("http.oidc.group `{}`: {error}", group.id))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(groups: &[&str]) -> Grants {
        let settings: openid::Settings = toml::from_str(
            "issuer = \"https://id.example.com\"\nclient_id = \"rosterd\"\npublic_url = \"https://rosterd.example.com\"\n\
             [[group]]\nid = \"readers\"\nscopes = [\"read\"]\n\
             [[group]]\nid = \"oak\"\nscopes = [\"approve\", \"people\"]\ndistricts = [\"oak\"]\n\
             [[group]]\nid = \"elm\"\nscopes = [\"approve\"]\ndistricts = [\"elm\", \"oak\"]\n\
             [[group]]\nid = \"head\"\nscopes = [\"admin\"]\ndistricts = [\"elm\"]\n",
        )
        .unwrap();
        Grants::of_groups(&settings, &groups.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())
    }

    fn within(districts: &[&str]) -> Reach {
        Reach::Within(districts.iter().map(|it| DistrictId::new(*it)).collect())
    }

    /// Least privilege: a scope of one group does not reach into the districts of another.
    #[test]
    fn groups_add_up_and_each_scope_stays_in_the_districts_of_its_own_group() {
        let both = granted(&["readers", "oak", "unknown"]);
        assert_eq!(both.reach(Scope::Read), Some(Reach::Everywhere));
        assert_eq!(both.reach(Scope::Approve), Some(within(&["oak"])));
        assert_eq!(both.reach(Scope::Sync), None);
        let (oak, elm) = (DistrictId::new("oak"), DistrictId::new("elm"));
        assert!(both.give(Scope::Approve, &oak) && !both.give(Scope::Approve, &elm) && both.give(Scope::Read, &elm));
        let three = granted(&["elm", "oak", "head"]);
        assert_eq!(three.reach(Scope::Approve), Some(within(&["elm", "oak"])));
        assert_eq!(
            three.reach(Scope::People),
            Some(within(&["elm", "oak"])),
            "`admin` is every scope, in its districts"
        );
        assert_eq!(three.reach(Scope::Sync), Some(within(&["elm"])));
    }

    #[test]
    fn who_is_in_no_group_of_the_settings_is_granted_nothing() {
        for groups in [&["others"][..], &[]] {
            let none = granted(groups);
            assert!(none.is_empty() && Scope::ALL.into_iter().all(|it| none.reach(it).is_none()));
        }
    }

    #[test]
    fn a_token_has_its_scopes_in_its_districts_and_without_districts_everywhere() {
        let some = Grants::one(vec!["read".to_owned()], vec![DistrictId::new("oak")]);
        assert_eq!((some.reach(Scope::Read), some.reach(Scope::People)), (Some(within(&["oak"])), None));
        let all = Grants::one(vec!["admin".to_owned()], Vec::new());
        assert!(Scope::ALL.into_iter().all(|it| all.reach(it) == Some(Reach::Everywhere)));
    }
}
