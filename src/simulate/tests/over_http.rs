use reqwest::Response;
use reqwest::StatusCode;
use serde_json::Value;
use serde_json::json;

use super::serve;
use super::wire::bearer;
use super::wire::body;
use super::wire::builder;
use super::wire::client;
use super::wire::count;
use super::wire::mulberry;
use super::wire::pull;
use crate::simulate::Version;
use crate::simulate::http::encode;
use crate::simulate::oauth1;

#[tokio::test]
async fn one_roster_1_2_with_oauth_2_serves_every_record_of_mulberry_springs() {
    let server = serve("").await;
    let response = client()
        .post(server.token_url("mulberry-springs"))
        .basic_auth("mulberry-springs-client", Some("mulberry-springs-client-secret"))
        .form(&[
            ("grant_type", "client_credentials"),
            ("scope", "https://purl.imsglobal.org/spec/or/v1p2/scope/roster-core.readonly"),
        ])
        .send()
        .await
        .unwrap();
    let token = body(response).await["access_token"].as_str().unwrap().to_owned();
    let base = server.oneroster_url("mulberry-springs", Version::V1p2);
    for (endpoint, expected) in [("orgs", 4), ("classes", 119), ("users", 268), ("enrollments", 1855)] {
        assert_eq!(pull(&server, &base, endpoint, &token).await.len(), expected, "{endpoint}");
    }
    let nested = client().get(format!("{base}/schools/x/classes")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(nested.status(), StatusCode::NOT_FOUND);
    let wrong_version = server.oneroster_url("mulberry-springs", Version::V1p1);
    let refused = client().get(format!("{wrong_version}/orgs")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN, "the scope is 1.2's");
    server.stop().await;
}

#[tokio::test]
async fn a_signed_request_is_good_once() {
    let server = serve("").await;
    let uri = format!("{}/users", server.oneroster_url("mulberry-springs", Version::V1p1));
    let filter = "role='student' AND status='active'";
    let now = crate::simulate::clock::unix_seconds().to_string();
    let oauth = [
        ("oauth_consumer_key", "mulberry-springs-key"),
        ("oauth_nonce", "n-1"),
        ("oauth_signature_method", "HMAC-SHA256"),
        ("oauth_timestamp", now.as_str()),
    ];
    let all = [("limit", "5"), ("filter", filter)].into_iter().chain(oauth);
    let all: Vec<_> = all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let base = oauth1::base_string("GET", &uri, &all);
    let signature = oauth1::signature("HMAC-SHA256", &base, "mulberry-springs-secret", "").unwrap();
    let fields: Vec<_> = oauth.iter().map(|(name, value)| format!("{name}=\"{}\"", encode(value))).collect();
    let header = format!("OAuth {}, oauth_signature=\"{}\"", fields.join(", "), encode(&signature));
    let send = || {
        let request = client().get(format!("{uri}?limit=5&filter={}", encode(filter)));
        request.header("authorization", &header).send()
    };
    let first = send().await.unwrap();
    assert_eq!(first.headers()["x-total-count"], "248");
    assert_eq!(count(&body(first).await, "users"), 5);
    let again = send().await.unwrap();
    assert_eq!(again.status(), StatusCode::UNAUTHORIZED);
    let refused = body(again).await;
    assert_eq!(refused["imsx_CodeMinor"]["imsx_codeMinorField"][0]["imsx_codeMinorFieldValue"], "unauthorisedrequest");
}

#[tokio::test]
async fn users_have_the_shape_of_their_version() {
    let server = serve("").await;
    let id = "486ae4a6-7845-4127-b835-4cca207f035d";
    let old = body(mulberry(&server, &format!("users/{id}")).await).await["user"].clone();
    assert_eq!((&old["role"], &old["enabledUser"]), (&json!("administrator"), &json!("true")));
    assert_eq!(old["orgs"][0]["type"], "org");
    let path = format!("/mulberry-springs/ims/oneroster/rostering/v1p2/users/{id}");
    let new = body(bearer(&server, &path).await).await["user"].clone();
    assert_eq!((new.get("role"), new.get("orgs")), (None, None));
    assert_eq!(new["roles"][0]["role"], "siteAdministrator");
    assert_eq!(new["primaryOrg"]["sourcedId"], old["orgs"][0]["sourcedId"]);
    let href = new["primaryOrg"]["href"].as_str().unwrap();
    assert!(href.starts_with(&server.oneroster_url("mulberry-springs", Version::V1p2)), "{href}");
}

#[tokio::test]
async fn pages_say_the_total_and_link_the_others() {
    let server = serve("").await;
    let response = mulberry(&server, "enrollments?limit=1000&offset=0").await;
    assert_eq!(response.headers()["x-total-count"], "1855");
    let link = response.headers()["link"].to_str().unwrap().to_owned();
    assert!(link.contains("/enrollments?limit=1000&offset=1000>; rel=\"next\""), "{link}");
    let last = mulberry(&server, "enrollments?limit=1000&offset=1000").await;
    assert!(!last.headers()["link"].to_str().unwrap().contains("next"));
    assert_eq!(count(&body(last).await, "enrollments"), 855);
    let beyond = body(mulberry(&server, "enrollments?offset=5000").await).await;
    assert_eq!(beyond, json!({ "enrollments": [] }));
    assert_eq!(count(&body(mulberry(&server, "users").await).await, "users"), 100, "100 rows unless asked");
}

#[tokio::test]
async fn filters_sorts_and_fields_work_and_nonsense_is_400() {
    let server = serve("").await;
    server.set_day(2);
    let changed = mulberry(&server, &format!("enrollments?filter={}", encode("dateLastModified<'2025-12-01'"))).await;
    assert_eq!(changed.headers()["x-total-count"], "29", "what day 2 added is dated 2025-10-07");
    let either = encode("role='teacher' OR role='administrator'");
    let either = mulberry(&server, &format!("users?limit=1&filter={either}")).await;
    assert_eq!(either.headers()["x-total-count"], "20");
    let fields = body(mulberry(&server, "users?limit=1&fields=sourcedId,role").await).await;
    assert_eq!(fields["users"][0].as_object().unwrap().len(), 2);
    let down = body(mulberry(&server, "classes?limit=2&sort=title&orderBy=desc").await).await;
    assert!(down["classes"][0]["title"].as_str() >= down["classes"][1]["title"].as_str());
    for nonsense in [
        "users?limit=0",
        "users?offset=-1",
        "users?sort=shoeSize",
        "users?fields=shoeSize",
        "users?filter=shoeSize%3D%2742%27",
        "users?filter=role",
        "users?orderBy=dsc",
    ] {
        assert_eq!(mulberry(&server, nonsense).await.status(), StatusCode::BAD_REQUEST, "{nonsense}");
    }
}

#[tokio::test]
async fn nested_routes_and_singles_find_theirs() {
    let server = serve("").await;
    let school = "c1b50cbc-d34b-4105-a276-5a836ea2a7b6";
    let total = |response: &Response| response.headers()["x-total-count"].to_str().unwrap().to_owned();
    assert_eq!(total(&mulberry(&server, &format!("schools/{school}/students")).await), "72");
    assert_eq!(total(&mulberry(&server, &format!("schools/{school}/classes")).await), "42");
    assert_eq!(total(&mulberry(&server, "schools").await), "3");
    assert_eq!(total(&mulberry(&server, "teachers").await), "16");
    assert_eq!(total(&mulberry(&server, "terms").await), "1");
    let class = "41465be3-a2f9-40c0-a01d-9150333ee2eb";
    assert_eq!(total(&mulberry(&server, &format!("classes/{class}/teachers")).await), "1");
    assert_eq!(total(&mulberry(&server, &format!("schools/{school}/classes/{class}/students")).await), "12");
    assert_eq!(mulberry(&server, "users/nobody").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(mulberry(&server, "pets").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_classlink_proxy_serves_by_application_and_its_encoded_id() {
    let server = serve("").await;
    let list = client().get(format!("{}/applications?limit=10000", server.base_url()));
    let list = body(list.bearer_auth("classlink-partner").send().await.unwrap()).await;
    let application = &list["applications"][0];
    assert_eq!((&application["tenant_name"], &application["enabled"]), (&json!("mulberry-springs"), &json!("true")));
    let id = application["oneroster_application_id"].as_str().unwrap();
    assert!(id.starts_with("%2F"), "{id}");
    let url = format!("{}/{id}/ims/oneroster/v1p1/users?limit=5", server.base_url());
    let page = client().get(&url).bearer_auth(application["bearer"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(
        (&page.headers()["x-count"], &page.headers()["x-total-count"]),
        (&"5".parse().unwrap(), &"268".parse().unwrap())
    );
    assert_eq!(client().get(&url).bearer_auth("wrong").send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_levers_work_over_http_and_are_not_counted() {
    let server = serve("").await;
    let post = async |path: &str, value: Value| {
        let request = client().post(format!("{}{path}", server.base_url()));
        let request = request.header("content-type", "application/json").body(value.to_string());
        request.send().await.unwrap()
    };
    assert_eq!(body(post("/_simulate/day", json!({ "day": 2 })).await).await["day"], 2);
    assert_eq!(server.day(), 2);
    let refused = post("/_simulate/quirks", json!({ "quirks": "no-totl" })).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(body(refused).await["message"], "unknown quirk `no-totl`; did you mean `no-total`?");
    assert_eq!(body(post("/_simulate/quirks", json!({ "quirks": "no-total" })).await).await["quirks"], "no-total");
    let about = body(client().get(format!("{}/_simulate/", server.base_url())).send().await.unwrap()).await;
    assert_eq!(about["districts"][1]["oauth1"]["key"], "mulberry-springs-key");
    assert_eq!(server.requests(), 0);
    mulberry(&server, "orgs?limit=1").await;
    let logged = server.log();
    let expected = ("GET", "/mulberry-springs/ims/oneroster/v1p1/orgs?limit=1", 200);
    assert_eq!((logged[0].method.as_str(), logged[0].path.as_str(), logged[0].status), expected);
}

#[tokio::test]
async fn answers_are_gzipped_for_who_accepts_it() {
    let server = serve("").await;
    let plain = builder().build().unwrap();
    let url = format!("{}/users", server.oneroster_url("mulberry-springs", Version::V1p1));
    let request = plain.get(url).bearer_auth("mulberry-springs-bearer").header("accept-encoding", "gzip");
    assert_eq!(request.send().await.unwrap().headers()["content-encoding"], "gzip");
}
