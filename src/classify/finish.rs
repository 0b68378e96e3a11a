use super::{
    class::{Class, Verdict},
    codes::Word,
};

/// Why a model stopped generating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Finish {
    /// It was done, or called a tool, or gave a reason that we do not know.
    Done,
    /// It reached a token limit that the caller can set.
    Length,
    /// It reached the end of its own context window.
    Window,
    /// A content filter or refusal ended the output.
    Filtered,
    /// Its output was malformed.
    Malformed,
    /// The provider ran out of resources.
    Overloaded,
    /// The provider failed.
    Failed,
    /// The provider gave up waiting for the model.
    TimedOut,
}

impl Finish {
    /// Reads a finish or stop reason in any provider's words.
    ///
    /// All these enumerations are open: an unknown reason is [`Done`](Self::Done).
    #[must_use]
    pub fn from_reason(reason: &str) -> Self {
        match Word::of(reason).as_str() {
            "length" | "maxtokens" | "maxoutputtokens" => Self::Length,
            "modellength" | "modelcontextwindowexceeded" => Self::Window,
            "contentfilter"
            | "contentfiltered"
            | "refusal"
            | "safety"
            | "recitation"
            | "blocklist"
            | "prohibitedcontent"
            | "spii"
            | "language"
            | "modelarmor"
            | "guardrailintervened"
            | "errortoxic" => Self::Filtered,
            "malformedfunctioncall"
            | "malformedmodeloutput"
            | "malformedresponse"
            | "malformedtooluse"
            | "missingthoughtsignature"
            | "noimage"
            | "other"
            | "toomanytoolcalls"
            | "unexpectedtoolcall" => Self::Malformed,
            "insufficientsystemresource" => Self::Overloaded,
            "error" | "errorlimit" => Self::Failed,
            "timeout" => Self::TimedOut,
            image if image.starts_with("image") => Self::Filtered,
            _ => Self::Done,
        }
    }

    /// Returns the one that matters of several choices' reasons: the first that is not good.
    pub(crate) fn of_choices(self, earlier: Option<Self>) -> Self {
        earlier
            .filter(|earlier| *earlier != Self::Done)
            .unwrap_or(self)
    }

    /// Whether the provider failed, whatever came before.
    pub(crate) fn is_failure(self) -> bool {
        matches!(self, Self::Overloaded | Self::Failed)
    }

    /// Judges an answer that ended with this reason; `answered` tells whether it was empty.
    pub(crate) fn judge(self, answered: bool) -> Verdict {
        match self {
            Self::Done if answered => Verdict::new(Class::Success),
            // The caller set the cap: nobody else would have done better under it. But an answer
            // of which nothing had come by then counts against the model.
            Self::Length if answered => Verdict::new(Class::Degraded)
                .with_neutral(true)
                .with_failover(false),
            Self::Done | Self::Length | Self::Window | Self::Malformed => {
                Verdict::new(Class::Degraded)
            }
            // Not neutral: unlike a filter on the prompt, it tells of this model at this task.
            Self::Filtered => Verdict::new(Class::ContentFilter),
            Self::Overloaded => Verdict::new(Class::Overloaded),
            Self::Failed => Verdict::new(Class::ServerError),
            Self::TimedOut => Verdict::new(Class::Timeout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_every_provider_are_known() {
        for (expected, reasons) in [
            (
                Finish::Done,
                "stop tool_calls function_call end_turn stop_sequence tool_use pause_turn STOP \
                 COMPLETE something_new FINISH_REASON_UNSPECIFIED",
            ),
            (
                Finish::Length,
                "length max_tokens MAX_TOKENS max_output_tokens",
            ),
            (Finish::Window, "model_length model_context_window_exceeded"),
            (
                Finish::Filtered,
                "content_filter refusal SAFETY RECITATION BLOCKLIST PROHIBITED_CONTENT SPII \
                 LANGUAGE IMAGE_SAFETY IMAGE_PROHIBITED_CONTENT MODEL_ARMOR content_filtered \
                 guardrail_intervened ERROR_TOXIC",
            ),
            (
                Finish::Malformed,
                "MALFORMED_FUNCTION_CALL UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS \
                 MALFORMED_RESPONSE MISSING_THOUGHT_SIGNATURE NO_IMAGE malformed_model_output \
                 malformed_tool_use OTHER",
            ),
            (Finish::Overloaded, "insufficient_system_resource"),
            (Finish::Failed, "error ERROR ERROR_LIMIT"),
            (Finish::TimedOut, "TIMEOUT"),
        ] {
            for reason in reasons.split_whitespace() {
                assert_eq!(Finish::from_reason(reason), expected, "{reason}");
            }
        }
    }

    #[test]
    fn only_the_callers_cap_is_neutral() {
        assert!(Finish::Length.judge(true).neutral);
        for (finish, answered) in [
            (Finish::Length, false),
            (Finish::Window, true),
            (Finish::Done, false),
            (Finish::Filtered, true),
        ] {
            assert!(!finish.judge(answered).neutral, "{finish:?} {answered}");
        }
    }
}
