use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use crate::{
    dialect::{Dialect, Refusal},
    router::Unavailable,
};

/// A caller that is told to come back within this time should.
const WORTH_A_RETRY: Duration = Duration::from_secs(60);

/// Builds the answer to a request that nobody serves now, as the caller's SDK expects errors.
pub(crate) fn refuse(dialect: &dyn Dialect, why: &Unavailable) -> Response<Bytes> {
    let status = if why.is_nobody_free() {
        StatusCode::TOO_MANY_REQUESTS
    } else {
        StatusCode::BAD_REQUEST
    };
    let message = why.to_string();
    let retry_after = why.retry_in();
    let body = dialect.refusal(&Refusal {
        status,
        message: &message,
        retry_after,
        quota: false,
    });
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if let Some(wait) = retry_after {
        // Whole seconds, rounded up: earlier would be too early.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    if retry_after.is_none_or(|wait| wait > WORTH_A_RETRY) {
        headers.insert("x-should-retry", HeaderValue::from_static("false"));
    }
    response
}
