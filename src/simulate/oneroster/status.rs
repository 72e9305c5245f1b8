//! Errors as OneRoster says them: `imsx_StatusInfo` in the shape of each version.

use axum::http::StatusCode;
use serde_json::json;

use super::Version;
use crate::simulate::http::Reply;

/// An error answer; `minor` is the code of the version's table.
pub(crate) fn failure(version: Version, status: StatusCode, minor: &str, description: &str) -> Reply {
    let minor = json!({
        "imsx_codeMinorField": [
            { "imsx_codeMinorFieldName": "TargetEndSystem", "imsx_codeMinorFieldValue": minor }
        ]
    });
    let mut body = json!({
        "imsx_codeMajor": "failure",
        "imsx_severity": "error",
        "imsx_description": description,
    });
    if let Some(fields) = body.as_object_mut() {
        match version {
            Version::V1p1 => {
                fields.insert("imsx_messageRefIdentifier".to_owned(), json!("00000000-0000-4000-8000-000000000000"));
                fields.insert("imsx_operationRefIdentifier".to_owned(), json!([]));
                fields.insert("imsx_CodeMinor".to_owned(), minor);
            }
            Version::V1p2 => drop(fields.insert("imsx_CodeMinor".to_owned(), minor)),
        }
    }
    Reply::json(status, body)
}

/// 401.
pub(crate) fn unauthorized(version: Version, description: &str) -> Reply {
    failure(version, StatusCode::UNAUTHORIZED, "unauthorisedrequest", description)
}

/// 404.
pub(crate) fn unknown_object(version: Version) -> Reply {
    failure(
        version,
        StatusCode::NOT_FOUND,
        "unknownobject",
        "there is no object with this sourcedId, or no such endpoint",
    )
}
