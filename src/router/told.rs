//! A decision in words, and as it is serialized.

use std::{fmt, time::Duration};

use serde::{Serialize, Serializer};

use super::decision::{Decision, Obstacle, Reason, Terms, Weighed};

/// A time to wait, as a person reads it.
pub(super) struct Wait(pub(super) Duration);

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            short @ ..1000 => write!(f, "{} ms", short.max(1)),
            _ => write!(f, "{:.1} s", self.0.as_secs_f64()),
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}: ", self.pool, self.policy)?;
        match (self.target(), &self.reason, self.retry_in) {
            (Some(target), Some(reason), _) => write!(f, "{target} is picked ({reason})")?,
            (Some(target), None, _) => write!(f, "{target} is picked")?,
            (None, _, Some(wait)) => {
                write!(f, "nobody is free, the first in about {}", Wait(wait))?;
            }
            (None, ..) => f.write_str("nobody may serve")?,
        }
        for (index, candidate) in self.candidates.iter().enumerate() {
            f.write_str("\n  ")?;
            candidate.tell(f, self.chosen == Some(index))?;
        }
        Ok(())
    }
}

impl Weighed {
    fn tell(&self, f: &mut fmt::Formatter<'_>, picked: bool) -> fmt::Result {
        write!(f, "{}: ", self.target)?;
        match (picked, &self.obstacle) {
            (true, None) => f.write_str("picked")?,
            (true, Some(obstacle)) => write!(f, "picked, though {obstacle}")?,
            (false, None) => f.write_str("free")?,
            (false, Some(obstacle)) => write!(f, "{obstacle}")?,
        }
        if let Some(score) = self.score {
            write!(f, "; score {score:.3}")?;
        }
        match &self.terms {
            Some(terms) => write!(f, " from {terms}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "quality {:.2}", self.quality)?;
        if self.scores >= 0.5 {
            write!(f, " ({:.0} scored)", self.scores)?;
        }
        write!(f, ", form {:.2}", self.validity)?;
        write!(f, ", health {:.2}", self.health)?;
        if self.in_time < 1.0 {
            write!(f, ", in time {:.2}", self.in_time)?;
        }
        if self.cost > 0.0 {
            write!(f, ", cost ${:.6}", self.cost)?;
        }
        if let Some(latency) = self.latency {
            write!(f, ", usually {}", Wait(latency))?;
        }
        if self.probe {
            f.write_str(", a probe")?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct ToldObstacle {
    kind: &'static str,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
}

impl Obstacle {
    /// Returns the stable snake-case name of its kind, as used in metrics and where it is serialized.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Excluded => "excluded",
            Self::Strict => "strict",
            Self::Dialect => "dialect",
            Self::Operation(_) => "operation",
            Self::ContextWindow { .. } => "context_window",
            Self::MaxOutput { .. } => "max_output",
            Self::Images => "images",
            Self::Tools => "tools",
            Self::JsonMode => "json_mode",
            Self::Bound => "bound",
            Self::TooLong(_) => "too_long",
            Self::Parameter(_) => "parameter",
            Self::UnknownModel(_) => "unknown_model",
            Self::Drained => "drained",
            Self::Pinned => "pinned",
            Self::RateLimited(_) => "rate_limited",
            Self::NoRoom(_) => "no_room",
            Self::Returning => "returning",
            Self::Broken(_) => "broken",
            Self::Unauthorized(_) => "unauthorized",
            Self::Tried => "tried",
            Self::Score => "score",
        }
    }
}

impl Serialize for Obstacle {
    /// Writes its kind, its text and, where it has a duration, the seconds.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = match self {
            Self::TooLong(time)
            | Self::UnknownModel(time)
            | Self::RateLimited(time)
            | Self::NoRoom(time)
            | Self::Broken(time)
            | Self::Unauthorized(time) => Some(time),
            _ => None,
        };
        let text = self.to_string();
        let seconds = time.map(Duration::as_secs_f64);
        ToldObstacle {
            kind: self.kind(),
            text,
            seconds,
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
struct ToldReason<'a> {
    kind: &'static str,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<&'a Obstacle>,
}

impl Serialize for Reason {
    /// Writes its kind, its text and, where another was preferred, which one and what stood
    /// against it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (kind, instead) = match self {
            Self::Preferred => ("preferred", None),
            Self::Instead { of, because } => ("instead", Some((&**of, because))),
            Self::LeastBad => ("least_bad", None),
            Self::Canary => ("canary", None),
            Self::Observed => ("observed", None),
            Self::Shadow => ("shadow", None),
        };
        let text = self.to_string();
        let (of, because) = instead.unzip();
        ToldReason {
            kind,
            text,
            of,
            because,
        }
        .serialize(serializer)
    }
}

#[allow(clippy::ref_option, reason = "serde gives the field as it is")]
pub(super) fn seconds<S: Serializer>(
    time: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn weighed(target: &str, obstacle: Option<Obstacle>) -> Weighed {
        let terms = Terms {
            quality: 0.7,
            quality_sd: 0.0,
            level: 0.7,
            task_effect: 0.0,
            drift: 0.0,
            scores: 12.0,
            validity: 0.99,
            health: 0.5,
            in_time: 1.0,
            cost: 0.0,
            latency: Some(Duration::from_millis(1500)),
            probe: false,
        };
        Weighed {
            target: target.into(),
            model: target.into(),
            terms: Some(terms),
            score: Some(0.34),
            obstacle,
        }
    }

    fn decision() -> Decision {
        let limited = Obstacle::RateLimited(Duration::from_secs(3));
        let mut excluded = weighed("c", Some(Obstacle::Excluded));
        (excluded.terms, excluded.score) = (None, None);
        Decision {
            pool: "chat".into(),
            policy: "adaptive",
            candidates: vec![
                weighed("a", Some(limited.clone())),
                weighed("b", None),
                excluded,
            ],
            chosen: Some(1),
            reason: Some(Reason::Instead {
                of: "a".into(),
                because: limited,
            }),
            retry_in: None,
            number: 7,
            seed: 1,
            propensity: Some(1.0),
            scores: 12.0,
        }
    }

    #[test]
    fn a_decision_is_told_in_a_few_lines() {
        let mut decision = decision();
        assert_eq!(
            decision.to_string(),
            "chat, adaptive: b is picked (a: rate limited for 3.0 s)\n  \
             a: rate limited for 3.0 s; score 0.340 from quality 0.70 (12 scored), form 0.99, \
             health 0.50, usually 1.5 s\n  \
             b: picked; score 0.340 from quality 0.70 (12 scored), form 0.99, health 0.50, \
             usually 1.5 s\n  \
             c: excluded by the caller"
        );
        (decision.chosen, decision.reason) = (None, None);
        assert!(
            decision
                .to_string()
                .starts_with("chat, adaptive: nobody may serve\n")
        );
        decision.retry_in = Some(Duration::from_millis(250));
        let text = decision.to_string();
        assert!(
            text.starts_with("chat, adaptive: nobody is free, the first in about 250 ms\n"),
            "{text}"
        );
    }

    #[test]
    fn a_decision_is_serialized_with_seconds_and_texts() {
        let mut decision = decision();
        decision.retry_in = Some(Duration::from_millis(250));
        decision.candidates[1].score = Some(f64::NEG_INFINITY);
        let told = serde_json::to_value(&decision).unwrap();
        let limited = json!({
            "kind": "rate_limited",
            "text": "rate limited for 3.0 s",
            "seconds": 3.0,
        });
        assert_eq!(told["retry_in_s"], 0.25);
        assert_eq!(told["candidates"][0]["obstacle"], limited);
        assert_eq!(told["candidates"][0]["terms"]["latency_s"], 1.5);
        assert_eq!(told["candidates"][0]["terms"]["quality"], 0.7);
        assert_eq!(told["candidates"][1]["score"], json!(null));
        let text = "a: rate limited for 3.0 s";
        assert_eq!(
            told["reason"],
            json!({"kind": "instead", "text": text, "of": "a", "because": limited})
        );
        assert_eq!(
            serde_json::to_value(Reason::LeastBad).unwrap(),
            json!({"kind": "least_bad", "text": "nobody is free, least bad"})
        );
    }
}
