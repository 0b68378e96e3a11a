use std::{fmt, sync::Arc};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, uri::Authority};
use subtle::ConstantTimeEq as _;

use super::{Shared, answer::Failure};
use crate::{classify::is_json, dialect::stream::decode_base64, router::BuildError};

/// Shorter ones can be guessed.
const SHORTEST: usize = 16;

/// What whoever asks must know.
pub(super) struct Token(Box<[u8]>);

impl Token {
    pub(super) fn new(token: &str) -> Result<Self, BuildError> {
        if token.len() < SHORTEST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BuildError::new(format!(
                "the admin token must have at least {SHORTEST} characters, all of them visible ASCII"
            )));
        }
        Ok(Self(token.as_bytes().into()))
    }

    /// Whether a request knows it. Takes as long for one that is nearly right as for any other of its
    /// length.
    fn is_known_by(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return false;
        };
        let Some((scheme, given)) = split(value.as_bytes()) else {
            return false;
        };
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return self.0.ct_eq(given).into();
        }
        let mut pair = Vec::new();
        if !(scheme.eq_ignore_ascii_case(b"basic") && decode_base64(given, &mut pair)) {
            return false;
        }
        // A user name has no colon, and any will do.
        let colon = pair.iter().position(|byte| *byte == b':');
        let password = colon.and_then(|colon| pair.get(colon + 1..));
        password.is_some_and(|password| self.0.ct_eq(password).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Splits a scheme from what it is given.
fn split(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = value.iter().position(|byte| *byte == b' ')?;
    Some((value.get(..space)?, value.get(space..)?.trim_ascii()))
}

/// Lets in who knows the token, and what comes from where it should.
pub(super) async fn check(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    if let Some(token) = &shared.token
        && !token.is_known_by(headers)
    {
        return unauthorized();
    }
    if let Err(failure) = check_origin(request.method(), request.uri(), headers) {
        return failure.into_response();
    }
    next.run(request).await
}

/// A browser asks for the password, and other programs read what is missing.
fn unauthorized() -> Response {
    let message =
        "the admin token is needed: as a bearer token, or as the password to any user name";
    let mut response = Failure::new(StatusCode::UNAUTHORIZED, message).into_response();
    for scheme in [
        "Basic realm=\"outcome-gateway\", charset=\"UTF-8\"",
        "Bearer realm=\"outcome-gateway\"",
    ] {
        let scheme = HeaderValue::from_static(scheme);
        response
            .headers_mut()
            .append(header::WWW_AUTHENTICATE, scheme);
    }
    response
}

/// Refuses what a page of another origin has a browser send: it would come with the password that the
/// browser knows.
fn check_origin(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Failure> {
    if [Method::GET, Method::HEAD].contains(method) {
        return Ok(());
    }
    let own = headers
        .get(header::HOST)
        .and_then(|host| Authority::try_from(host.as_bytes()).ok())
        .or_else(|| uri.authority().cloned());
    let foreign = match headers.get(header::ORIGIN) {
        Some(origin) => {
            let origin = origin.to_str().ok().and_then(|it| it.parse::<Uri>().ok());
            let origin = origin.and_then(|origin| origin.into_parts().authority);
            !matches!((origin, own), (Some(origin), Some(own)) if origin == own)
        }
        None => headers
            .get("sec-fetch-site")
            .is_some_and(|site| site != "same-origin" && site != "none"),
    };
    if foreign {
        let message = "the page of another origin may not do this";
        return Err(Failure::new(StatusCode::FORBIDDEN, message));
    }
    let content_type = headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    // A form of any page can be sent by POST, but not as JSON; and no form sends DELETE.
    let explains = uri.path().ends_with("/explain");
    if *method == Method::POST && !explains && !content_type.is_some_and(is_json) {
        let message = "the content-type must be application/json";
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    Ok(())
}

/// Headers by which a browser takes the page for itself alone, and keeps nothing of it.
const HARDENED: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

pub(super) async fn harden(mut response: Response) -> Response {
    for (name, value) in HARDENED {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "correct-horse-battery";

    fn knows(authorization: &str) -> bool {
        let value = HeaderValue::from_str(authorization).unwrap();
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
        Token::new(TOKEN).unwrap().is_known_by(&headers)
    }

    #[test]
    fn f41_a_token_is_a_bearer_token_or_the_password_of_anybody() {
        // "me:correct-horse-battery", ":correct-horse-battery" and so on.
        for good in [
            "Bearer correct-horse-battery",
            "bearer  correct-horse-battery ",
            "Basic bWU6Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5",
            "basic OmNvcnJlY3QtaG9yc2UtYmF0dGVyeQ==",
        ] {
            assert!(knows(good), "{good}");
        }
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer correct-horse-batter",
            "Bearer correct-horse-battery2",
            "correct-horse-battery",
            "Digest correct-horse-battery",
            "Basic correct-horse-battery",
            "Basic Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5",
            "Basic bWU6Y29ycmVjdC1ob3JzZS1iYXR0ZXI=",
            "Basic Og==",
            "Basic ===",
        ] {
            assert!(!knows(bad), "{bad}");
        }
    }

    #[test]
    fn f41_a_token_that_could_be_guessed_or_not_be_sent_is_refused() {
        for bad in [
            "",
            "short",
            "fifteen-letters",
            "has a space in the middle",
            "é-0123456789-abcdef",
        ] {
            let error = Token::new(bad).unwrap_err().to_string();
            assert!(error.contains("at least 16"), "{error}");
            assert!(bad.is_empty() || !error.contains(bad));
        }
        assert_eq!(format!("{:?}", Token::new(TOKEN).unwrap()), "Token(..)");
    }
}
