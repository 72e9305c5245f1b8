//! Whether people can sign in with their organization.

use crate::config::Settings;
use crate::openid;
use crate::store::Store;

use super::{Findings, State};

const CHECK: &str = "sign-in";

/// With `offline` the provider is not asked.
pub(super) async fn examine(settings: &Settings, store: Option<&Store>, offline: bool, findings: &mut Findings) {
    let Some(oidc) = &settings.http.oidc else { return };
    if let Some(store) = store {
        let known = store.districts().await.unwrap_or_default();
        for (group, district) in oidc.districts() {
            let configured = settings.district.iter().any(|it| it.id == district);
            if !configured && !known.iter().any(|it| it.id.as_str() == district) {
                let message = format!("names district `{district}`, which is not known; check the spelling");
                findings.note(CHECK, group, State::Warning, message);
            }
        }
    }
    if !offline {
        let found = openid::probe(oidc).await;
        findings.result(CHECK, &oidc.issuer, found.map_err(|error| error.to_string()));
    }
}
