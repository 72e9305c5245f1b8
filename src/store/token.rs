//! Tokens of the HTTP interface, kept as hashes (safety.md, People's data).

use crate::model::{DistrictId, Timestamp};
use crate::store::column::Table;
use crate::store::db::{Sql, statements};
use crate::store::{Queue, QueueError, StoreError};

const TABLE: Table = Table("token");

statements! {
    PUT_TOKEN = Sql::portable(
        "INSERT INTO token (name, hash, scopes, districts, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (name) DO NOTHING",
    );
    TOKENS = Sql::portable(
        "SELECT name, hash, scopes, districts, created_at, revoked_at FROM token ORDER BY name",
    );
    TOKEN_BY_HASH = Sql::portable(
        "SELECT name, hash, scopes, districts, created_at, revoked_at FROM token
         WHERE hash = $1 AND revoked_at IS NULL",
    );
    REVOKE_TOKEN = Sql::portable(
        "UPDATE token SET revoked_at = $2 WHERE name = $1 AND revoked_at IS NULL",
    );
}

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its name, for the audit and for revoking.
    pub name: String,
    /// The hash of its secret, in hex.
    pub hash: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Where; empty: in all districts.
    pub districts: Vec<DistrictId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is void.
    pub revoked_at: Option<Timestamp>,
}

type TokenColumns = (String, String, String, String, i64, Option<i64>);

fn token(columns: TokenColumns) -> Result<Token, StoreError> {
    let (name, hash, scopes, districts, created_at, revoked_at) = columns;
    Ok(Token {
        name,
        hash,
        scopes: TABLE.json("scopes", &scopes)?,
        districts: TABLE.json("districts", &districts)?,
        created_at: TABLE.instant("created_at", created_at)?,
        revoked_at: TABLE.instant_if("revoked_at", revoked_at)?,
    })
}

impl Queue {
    /// Keeps a new token; `hash` is that of its secret. Names are unique for ever: the audit names them.
    pub async fn create_token(
        &self,
        name: &str,
        hash: &str,
        scopes: &[String],
        districts: &[DistrictId],
        at: Timestamp,
    ) -> Result<(), QueueError> {
        let mut tx = self.db.write().await?;
        let query = tx.query(PUT_TOKEN).bind(name).bind(hash).bind(TABLE.to_json(scopes)?);
        let query = query.bind(TABLE.to_json(districts)?).bind(at.millis());
        if query.execute().await? != 1 {
            return Err(QueueError::TokenExists(name.to_owned()));
        }
        Ok(tx.commit().await?)
    }

    /// All tokens, revoked ones too, by name.
    pub async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let mut tx = self.db.read().await?;
        let rows: Vec<TokenColumns> = tx.query(TOKENS).fetch_all().await?;
        rows.into_iter().map(token).collect()
    }

    /// The token with this hash, unless revoked.
    pub async fn token_by_hash(&self, hash: &str) -> Result<Option<Token>, StoreError> {
        let mut tx = self.db.read().await?;
        let row = tx.query(TOKEN_BY_HASH).bind(hash).fetch_optional().await?;
        row.map(token).transpose()
    }

    /// Makes a token void; false if there is none of that name, or it is void already.
    pub async fn revoke_token(&self, name: &str, at: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.db.write().await?;
        let revoked = tx.query(REVOKE_TOKEN).bind(name).bind(at.millis()).execute().await?;
        tx.commit().await?;
        Ok(revoked == 1)
    }
}
