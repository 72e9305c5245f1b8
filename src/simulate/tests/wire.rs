//! What tests say over HTTP.

use std::collections::BTreeSet;
use std::sync::Once;

use reqwest::Client;
use reqwest::ClientBuilder;
use reqwest::Response;
use reqwest::StatusCode;
use serde_json::Value;

use crate::simulate::Server;

/// A client that sees what is on the wire: no redirects followed.
pub(super) fn client() -> Client {
    builder().build().unwrap()
}

pub(super) fn builder() -> ClientBuilder {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    Client::builder().redirect(reqwest::redirect::Policy::none())
}

pub(super) async fn bearer(server: &Server, path: &str) -> Response {
    let url = format!("{}{path}", server.base_url());
    client().get(url).bearer_auth("mulberry-springs-bearer").send().await.unwrap()
}

pub(super) async fn mulberry(server: &Server, rest: &str) -> Response {
    bearer(server, &format!("/mulberry-springs/ims/oneroster/v1p1/{rest}")).await
}

pub(super) async fn body(response: Response) -> Value {
    let text = response.text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

pub(super) fn count(value: &Value, key: &str) -> usize {
    value[key].as_array().unwrap().len()
}

/// The ids of all pages, by offset and rows received.
pub(super) async fn pull(server: &Server, base: &str, endpoint: &str, token: &str) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut offset = 0;
    loop {
        let url = format!("{base}/{endpoint}?limit=100&offset={offset}&sort=sourcedId&orderBy=asc");
        let response = client().get(url).bearer_auth(token).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{:?}", server.log().last());
        let page = body(response).await;
        let rows = page.as_object().unwrap().values().next().unwrap().as_array().unwrap().clone();
        if rows.is_empty() {
            return ids;
        }
        offset += rows.len();
        ids.extend(rows.iter().map(|row| row["sourcedId"].as_str().unwrap().to_owned()));
    }
}

/// The district's token from Clever's list.
pub(super) async fn clever_token(server: &Server) -> Option<String> {
    let url = format!("{}/oauth/tokens?owner_type=district", server.base_url());
    let response = client().get(url).basic_auth("clever-client", Some("clever-secret")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    body(response).await["data"][0]["access_token"].as_str().map(str::to_owned)
}

pub(super) async fn clever(server: &Server, token: &str, path: &str) -> Response {
    client().get(format!("{}{path}", server.base_url())).bearer_auth(token).send().await.unwrap()
}
