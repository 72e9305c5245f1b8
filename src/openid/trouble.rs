//! What can go wrong between a provider and us, in words for operators. Nothing that somebody sent is quoted: codes, tokens and
//! claims stay out of every log.

/// Why somebody was not signed in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    /// No answer.
    #[error("the provider does not answer: {0}; check `http.oidc.issuer`, and that this machine may connect to it")]
    Silent(&'static str),
    /// Something else answers.
    #[error(
        "`http.oidc.issuer` answers {0} where its discovery document should be: check the address; with \
         /.well-known/openid-configuration after it a browser shows the document"
    )]
    Status(u16),
    /// It is no discovery document, or none that is enough.
    #[error(
        "what `http.oidc.issuer` answers is no discovery document of OpenID Connect with keys and endpoints: check the address"
    )]
    Document,
    /// It is another one's.
    #[error(
        "the discovery document is of another issuer: write `http.oidc.issuer` as its `issuer` has it, to the last slash"
    )]
    Issuer,
    /// People would be sent over plain http.
    #[error("the provider's page for signing in is not https: people must not give their passwords there")]
    Insecure,
    /// Our own settings cannot be used.
    #[error("`http.oidc`: {0}")]
    Settings(String),
    /// The provider does not take us for who we say.
    #[error("the provider does not know this client: check `http.oidc.client_id` and `http.oidc.client_secret`")]
    Client,
    /// The code is used up, too old, or of another sign-in.
    #[error("the provider no longer takes the code")]
    Spent,
    /// What came for the code is no answer to it.
    #[error("the provider's answer to a code is not as OpenID Connect has it")]
    Answer,
    /// The ID token is signed by somebody else.
    #[error("the ID token is not signed by a key of the provider")]
    Signature,
    /// The ID token is genuine and not for this sign-in.
    #[error("the ID token is refused: {0}")]
    Token(&'static str),
    /// No groups.
    #[error("the ID token has no claim `{0}`: have the provider send it, or name another by `http.oidc.groups_claim`")]
    Groups(String),
    /// More groups than fit into an ID token.
    #[error(
        "the claim `{0}` was left out because the person is in too many groups: have the provider send only those that are \
         assigned to this application, or application roles"
    )]
    TooManyGroups(String),
}
