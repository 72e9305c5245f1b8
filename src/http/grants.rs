//! What somebody may do, and where. Grants add up, each in its own districts: who may read everywhere and approve in one district
//! approves nothing in another.

use crate::http::tokens::Scope;
use crate::model::DistrictId;

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

    /// Where a scope is granted; none if it is nowhere.
    pub(crate) fn reach(&self, scope: Scope) -> Option<Reach> {
        self.0.iter().filter(|it| it.gives(scope)).map(|it| it.reach.clone()).reduce(Reach::and)
    }

    /// Whether a scope is granted in a district.
    pub(crate) fn give(&self, scope: Scope, district: &DistrictId) -> bool {
        self.0.iter().any(|it| it.gives(scope) && it.reach.has(district))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(districts: &[&str]) -> Option<Reach> {
        Some(Reach::Within(districts.iter().map(|it| DistrictId::new(*it)).collect()))
    }

    #[test]
    fn a_token_has_its_scopes_in_its_districts_and_without_districts_everywhere() {
        let some = Grants::one(vec!["read".to_owned()], vec![DistrictId::new("oak")]);
        assert_eq!((some.reach(Scope::Read), some.reach(Scope::People)), (within(&["oak"]), None));
        let all = Grants::one(vec!["admin".to_owned()], Vec::new());
        assert!(Scope::ALL.into_iter().all(|it| all.reach(it) == Some(Reach::Everywhere)));
    }
}
