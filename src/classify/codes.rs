//! The words that providers use in `code`, `type` and `status`, and what they mean.
//!
//! One table for all providers: the words hardly collide, and gateways mix them.

use super::class::Scope;

/// What an error code tells, the less telling first: where an error carries several codes, the
/// greatest meaning wins (a quota code beside a rate-limit type is a quota error).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Meaning {
    /// The request is wrong: as much as a status of 400 tells.
    Caller,
    /// The provider failed: as much as a status of 500 tells.
    Server,
    /// Something was not found: as much as a status of 404 tells.
    NotFound,
    RateLimit,
    Timeout,
    Overload,
    Auth,
    /// This model cannot take this request.
    Model,
    /// The model's output was malformed.
    Malformed,
    /// The prompt was refused by a filter.
    Filter,
    /// Money, or a cap that waiting does not lift.
    Quota,
}

/// Returns what a code means, or `None` where it is unknown.
pub(super) fn meaning(code: &str) -> Option<Meaning> {
    let word = Word::of(code);
    let word = word.as_str();
    let listed = |(words, _): &&(&[&str], Meaning)| words.contains(&word);
    if let Some((_, meaning)) = WORDS.iter().find(listed) {
        return Some(*meaning);
    }
    // Families that grow: project_spend_limit_exceeded, unsupported_value, ….
    if word.contains("spendlimit") || word.contains("usagelimit") {
        Some(Meaning::Quota)
    } else if word.contains("contentpolicy") || word.contains("contentfilter") {
        Some(Meaning::Filter)
    } else if word.starts_with("unsupported") {
        Some(Meaning::Model)
    } else {
        None
    }
}

/// Returns which rate a code is about.
pub(super) fn scope(code: &str) -> Option<Scope> {
    match Word::of(code).as_str() {
        "requests" => Some(Scope::Requests),
        "tokens" => Some(Scope::Tokens),
        _ => None,
    }
}

/// A code without what differs between providers: case, `_`, `-`, spaces, a final "Error" or
/// "Exception". Longer ones than any known are cut, which keeps them unknown.
pub(super) struct Word {
    bytes: [u8; Self::MAX],
    len: usize,
}

impl Word {
    const MAX: usize = 48;

    pub(super) fn of(code: &str) -> Self {
        let mut word = Self {
            bytes: [0; Self::MAX],
            len: 0,
        };
        let letters = code.bytes().filter(u8::is_ascii_alphanumeric);
        for (slot, letter) in word.bytes.iter_mut().zip(letters) {
            *slot = letter.to_ascii_lowercase();
            word.len += 1;
        }
        word
    }

    pub(super) fn as_str(&self) -> &str {
        let letters = self.bytes.get(..self.len).unwrap_or_default();
        let word = std::str::from_utf8(letters).unwrap_or_default();
        let bare = word.strip_suffix("exception").unwrap_or(word);
        let bare = bare.strip_suffix("error").unwrap_or(bare);
        if bare.is_empty() { word } else { bare }
    }
}

const WORDS: &[(&[&str], Meaning)] = &[
    (
        &[
            "insufficientquota",
            "creditbalanceexhausted",
            "billing",
            "billinghardlimitreached",
            "billingnotactive",
            "insufficientbalance",
            "insufficientcredits",
            "insufficientfunds",
            "paymentrequired",
            "quotaexceeded",
            "servicequotaexceeded",
        ],
        Meaning::Quota,
    ),
    (
        &[
            "datainspectionfailed",
            "invalidprompt",
            "moderationblocked",
            "prohibitedcontent",
            "promptblocked",
            "responsibleaipolicyviolation",
        ],
        Meaning::Filter,
    ),
    (
        &[
            "jsonvalidatefailed",
            "malformedfunctioncall",
            "outputparsefailed",
            "toolusefailed",
        ],
        Meaning::Malformed,
    ),
    (
        &[
            "contextlengthexceeded",
            "contextwindowexceeded",
            "deploymentnotfound",
            "exceedcontextsize",
            "invalidmodel",
            "modeldecommissioned",
            "modelnotactive",
            "modelnotavailable",
            "modelnotfound",
            "modelnotsupported",
            "notsupported",
            "operationnotsupported",
            "tokenslimitreached",
            "unknownmodel",
        ],
        Meaning::Model,
    ),
    (
        &[
            "accessdenied",
            "accountdeactivated",
            "apikeyexpired",
            "apikeyinvalid",
            "apikeyserviceblocked",
            "authentication",
            "expiredtoken",
            "incompletesignature",
            "incorrectapikey",
            "invalidapikey",
            "invalidapitoken",
            "invalidauthentication",
            "invalidorganization",
            "invalidsignature",
            "missingauthenticationtoken",
            "permission",
            "permissiondenied",
            "tokenexpired",
            "unauthenticated",
            "unauthorized",
            "unrecognizedclient",
            "unsupportedcountryregionterritory",
        ],
        Meaning::Auth,
    ),
    (
        &[
            "capacityexceeded",
            "engineoverloaded",
            "insufficientsystemresource",
            "modelnotready",
            "modeloverloaded",
            "overloaded",
            "serverbusy",
            "serverisoverloaded",
            "serveroverloaded",
            "serviceunavailable",
            "unavailable",
        ],
        Meaning::Overload,
    ),
    (
        &[
            "deadlineexceeded",
            "gatewaytimeout",
            "modeltimeout",
            "requesttimeout",
            "timeout",
        ],
        Meaning::Timeout,
    ),
    (
        &[
            // Mistral's number for it.
            "1300",
            "provisionedthroughputexceeded",
            "queueexceeded",
            "ramplimitexceeded",
            "ratelimit",
            "ratelimited",
            "ratelimitexceeded",
            "ratelimitreached",
            "requestlimitexceeded",
            "requests",
            "resourceexhausted",
            "slowdown",
            "throttled",
            "throttling",
            "tokens",
            "toomanyrequests",
        ],
        Meaning::RateLimit,
    ),
    (&["notfound", "resourcenotfound"], Meaning::NotFound),
    (
        &[
            "aborted",
            "api",
            "badgateway",
            "dataloss",
            "internal",
            "internalfailure",
            "internalserver",
            "model",
            "modelstream",
            "processing",
            "server",
            "upstream",
        ],
        Meaning::Server,
    ),
    (
        &[
            "badrequest",
            "failedprecondition",
            "invalidargument",
            "invalidrequest",
            "outofrange",
            "unprocessableentity",
            "validation",
        ],
        Meaning::Caller,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_code_are_one_word() {
        for code in ["not_found_error", "NotFoundError", "NOT_FOUND", "not-found"] {
            assert_eq!(meaning(code), Some(Meaning::NotFound), "{code}");
        }
        for code in [
            "ThrottlingException",
            "throttlingException",
            "rate_limit_error",
        ] {
            assert_eq!(meaning(code), Some(Meaning::RateLimit), "{code}");
        }
    }

    #[test]
    fn families_are_known_by_a_part() {
        assert_eq!(
            meaning("project_spend_limit_exceeded"),
            Some(Meaning::Quota)
        );
        assert_eq!(
            meaning("organization_usage_limit_exceeded"),
            Some(Meaning::Quota)
        );
        assert_eq!(meaning("content_policy_violation"), Some(Meaning::Filter));
        assert_eq!(meaning("unsupported_value"), Some(Meaning::Model));
        assert_eq!(
            meaning("unsupported_country_region_territory"),
            Some(Meaning::Auth)
        );
        assert_eq!(meaning("service_tier_capacity_exceeded"), None);
        assert_eq!(meaning("error"), None);
        assert_eq!(meaning(""), None);
        assert_eq!(meaning(&"requests".repeat(40)), None);
    }

    #[test]
    fn every_word_is_written_as_it_is_looked_up() {
        for word in WORDS.iter().flat_map(|(words, _)| *words) {
            assert_eq!(Word::of(word).as_str(), *word);
        }
    }
}
