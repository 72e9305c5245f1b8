//! `rosterd token`: bearer tokens of the HTTP side. The secret is shown once, only its hash is kept.

use clap::Subcommand;
use serde_json::json;

use crate::clock;
use crate::command::{CommandError, Session};
use crate::http::tokens::{self, Scope};
use crate::model::DistrictId;

/// Bearer tokens
#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Make one; the secret is shown once
    Create {
        /// Its name, for the audit and for revoking
        #[arg(long, value_name = "N")]
        name: String,
        /// What it may do: read, people, sync, approve, manage, activity, access, admin
        #[arg(long = "scope", value_name = "S", required = true, value_parser = scope)]
        scopes: Vec<Scope>,
        /// Only in these districts
        #[arg(long = "district", value_name = "D")]
        districts: Vec<String>,
    },
    /// Those there are
    List,
    /// Make one void at once
    Revoke {
        /// Its name
        name: String,
    },
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).ok_or_else(|| format!("expected one of {}", Scope::ALL.map(Scope::as_str).join(", ")))
}

impl Token {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let queue = &session.office.queue;
        match self {
            Self::Create { name, scopes, districts } => {
                let mut known: Vec<DistrictId> = Vec::new();
                for id in districts {
                    known.push(session.district(id).await?);
                }
                let secret = tokens::new_secret();
                let words: Vec<String> = scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
                let hash = tokens::hash(&secret);
                let created = queue.create_token(name, &hash, &words, &known, clock::real_now()).await;
                created.map_err(|error| CommandError::Failed(error.to_string()))?;
                if session.output.json {
                    let document = json!({ "name": name, "scopes": words, "districts": known, "token": secret });
                    session.output.document(&document)?;
                } else {
                    session.output.line(&secret)?;
                    crate::command::output::tell("keep it now: only its hash is stored, and it is not shown again");
                }
            }
            Self::List => {
                let all = queue.tokens().await?;
                if session.output.json {
                    let rows: Vec<serde_json::Value> = all
                        .iter()
                        .map(|it| {
                            json!({ "name": it.name, "scopes": it.scopes, "districts": it.districts,
                                    "created_at": it.created_at, "revoked_at": it.revoked_at })
                        })
                        .collect();
                    session.output.document(&rows)?;
                } else {
                    let rows = all.iter().map(|it| {
                        let districts: Vec<&str> = it.districts.iter().map(DistrictId::as_str).collect();
                        vec![
                            it.name.clone(),
                            it.scopes.join(" "),
                            if districts.is_empty() { "all".to_owned() } else { districts.join(" ") },
                            it.created_at.to_string(),
                            it.revoked_at.map(|at| at.to_string()).unwrap_or_default(),
                        ]
                    });
                    session.output.table(&["NAME", "SCOPES", "DISTRICTS", "CREATED", "REVOKED"], rows.collect())?;
                }
            }
            Self::Revoke { name } => {
                if !queue.revoke_token(name, clock::real_now()).await? {
                    return Err(CommandError::Usage(format!("there is no token `{name}` in force")));
                }
                crate::command::output::tell(&format!("token `{name}` is void"));
            }
        }
        Ok(0)
    }
}
