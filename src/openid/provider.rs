//! A provider as its discovery document describes it: where people go, what a code is worth, and whether an ID token is its own.

use std::pin::Pin;

use chrono::TimeDelta;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreClientAuthMethod, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreResponseType,
    CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::http::header::CONTENT_TYPE;
use openidconnect::http::{HeaderValue, StatusCode};
use openidconnect::{
    AsyncHttpClient, AuthType, AuthenticationFlow, AuthorizationCode, ClaimsVerificationError, Client, ClientId,
    ClientSecret, CsrfToken, DiscoveryError, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    HttpRequest, HttpResponse, IdToken, IdTokenFields, IdTokenVerifier, IssuerUrl, Nonce, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, StandardErrorResponse, StandardTokenResponse,
    TokenResponse,
};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::feed::courier::{Brought, Courier, NothingCame};
use crate::feed::is_private;
use crate::model::Timestamp;
use crate::openid::claims::{self, Further, Person};
use crate::openid::trouble::Trouble;
use crate::openid::{Settings, Words};

/// How far the provider's clock may be behind ours for an ID token that is just over.
const LEEWAY: TimeDelta = TimeDelta::seconds(60);

/// Signatures that only who has a private key can make; never a shared secret, never none.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// An ID token, not yet verified.
type Vouched = IdToken<Further, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;

/// What comes for a code.
type Tokens = StandardTokenResponse<
    IdTokenFields<
        Further,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;

type Refusal = StandardErrorResponse<CoreErrorResponseType>;

/// The library's client, with our claims and the endpoints that discovery gives.
type OurClient = Client<
    Further,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    Refusal,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

impl<'c> AsyncHttpClient<'c> for Courier {
    type Error = NothingCame;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, NothingCame>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let Brought { status, content_type, body } = self.carry(request).await?;
            // A page of a proxy, most of the time.
            if status >= 500 {
                return Err(NothingCame("it answers that it cannot at present"));
            }
            let mut response = HttpResponse::new(body);
            *response.status_mut() =
                StatusCode::from_u16(status).map_err(|_| NothingCame("its answer has no status"))?;
            if let Some(kind) = content_type.and_then(|it| HeaderValue::try_from(it).ok()) {
                response.headers_mut().insert(CONTENT_TYPE, kind);
            }
            Ok(response)
        })
    }
}

/// One provider, with its keys.
#[derive(Debug)]
pub(super) struct Provider {
    metadata: CoreProviderMetadata,
    courier: Courier,
}

impl Provider {
    /// Asks for the document and the keys it names.
    pub(super) async fn discover(settings: &Settings) -> Result<Self, Trouble> {
        let tls = settings.issuer.starts_with("https:");
        let courier = Courier::new(settings.ca_file.as_deref(), tls);
        let courier = courier.map_err(|error| Trouble::Settings(error.to_string()))?;
        let issuer = IssuerUrl::new(settings.issuer.clone()).map_err(|_| Trouble::Issuer)?;
        let metadata = CoreProviderMetadata::discover_async(issuer, &courier).await;
        let metadata = metadata.map_err(|error| undiscovered(&error))?;
        if !is_private(metadata.authorization_endpoint().url()) {
            return Err(Trouble::Insecure);
        }
        Ok(Self { metadata, courier })
    }

    fn client(&self, settings: &Settings, secret: Option<&SecretString>) -> Result<OurClient, Trouble> {
        let id = ClientId::new(settings.client_id.clone());
        let secret = secret.map(|it| ClientSecret::new(it.expose_secret().to_owned()));
        let back = RedirectUrl::new(settings.back());
        let back = back.map_err(|_| Trouble::Settings("`public_url` is not a URL".to_owned()))?;
        let ways = self.metadata.token_endpoint_auth_methods_supported();
        let by_header = ways.is_none_or(|it| it.contains(&CoreClientAuthMethod::ClientSecretBasic));
        let way = if by_header { AuthType::BasicAuth } else { AuthType::RequestBody };
        let client = OurClient::from_provider_metadata(self.metadata.clone(), id, secret);
        Ok(client.set_redirect_uri(back).set_auth_type(way))
    }

    /// Where a person goes to be asked.
    pub(super) fn way(&self, settings: &Settings, words: Words) -> Result<Url, Trouble> {
        let Words { state, nonce, verifier } = words;
        let client = self.client(settings, None)?;
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier));
        let more = std::iter::once("profile").chain(settings.scopes.iter().map(String::as_str));
        let (url, _, _) = client
            .authorize_url(
                AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
                move || CsrfToken::new(state),
                move || Nonce::new(nonce),
            )
            .add_scopes(more.map(|it| Scope::new(it.to_owned())))
            .set_pkce_challenge(challenge)
            .url();
        Ok(url)
    }

    /// The tokens of a code.
    pub(super) async fn exchange(
        &self,
        settings: &Settings,
        code: String,
        verifier: String,
        secret: Option<&SecretString>,
    ) -> Result<Tokens, Trouble> {
        let client = self.client(settings, secret)?;
        let request = client.exchange_code(AuthorizationCode::new(code)).map_err(|_| Trouble::Document)?;
        let request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier));
        let answer = request.request_async(&self.courier).await;
        answer.map_err(|error| refused(&error))
    }

    /// Whom tokens vouch for: signed by a key of this provider, for this client, not over, of the sign-in with this nonce.
    pub(super) fn person(
        &self,
        settings: &Settings,
        tokens: &Tokens,
        nonce: &Nonce,
        now: Timestamp,
    ) -> Result<Person, Trouble> {
        let vouched: &Vouched = tokens.id_token().ok_or(Trouble::Answer)?;
        let (issuer, keys) = (self.metadata.issuer().clone(), self.metadata.jwks().clone());
        let verifier: IdTokenVerifier<'_, CoreJsonWebKey> =
            IdTokenVerifier::new_public_client(ClientId::new(settings.client_id.clone()), issuer, keys)
                .set_allowed_algs(ALGORITHMS)
                .set_time_fn(move || now.instant() - LEEWAY);
        let claims = vouched.claims(&verifier, nonce).map_err(|error| unverified(&error))?;
        claims::person(claims, &settings.groups_claim)
    }
}

fn undiscovered(error: &DiscoveryError<NothingCame>) -> Trouble {
    match error {
        DiscoveryError::Request(nothing) => Trouble::Silent(nothing.0),
        DiscoveryError::Response(status, ..) if *status != StatusCode::OK => Trouble::Status(status.as_u16()),
        DiscoveryError::Validation(_) => Trouble::Issuer,
        _ => Trouble::Document,
    }
}

fn refused(error: &RequestTokenError<NothingCame, Refusal>) -> Trouble {
    match error {
        RequestTokenError::Request(nothing) => Trouble::Silent(nothing.0),
        RequestTokenError::ServerResponse(answer) => match answer.error() {
            CoreErrorResponseType::InvalidGrant => Trouble::Spent,
            CoreErrorResponseType::InvalidClient | CoreErrorResponseType::UnauthorizedClient => Trouble::Client,
            _ => Trouble::Answer,
        },
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => Trouble::Answer,
    }
}

/// The library's own messages quote what they compare.
fn unverified(error: &ClaimsVerificationError) -> Trouble {
    match error {
        ClaimsVerificationError::SignatureVerification(_) => Trouble::Signature,
        ClaimsVerificationError::Expired(_) => Trouble::Token("it is over"),
        ClaimsVerificationError::InvalidAudience(_) => Trouble::Token("it is for another client"),
        ClaimsVerificationError::InvalidIssuer(_) => Trouble::Token("it is of another issuer"),
        ClaimsVerificationError::InvalidNonce(_) => Trouble::Token("it is of another sign-in"),
        _ => Trouble::Token("it is not as OpenID Connect has it"),
    }
}
