//! Token counts: what a provider reported -> what the conventions mean.
//!
//! The rule, in one place: `input_tokens` includes cached tokens, the `cache_*` counts are subsets of it;
//! `output_tokens` includes reasoning tokens. What the wire does not say stays absent.

/// Token counts as the wire carried them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Reported {
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub total_tokens: Option<u64>,
    pub cache_read_tokens: Option<u64>,
    pub cache_creation_tokens: Option<u64>,
    pub reasoning_tokens: Option<u64>,
    /// What the results of the provider's own tools cost as input.
    pub tool_use_tokens: Option<u64>,
    pub billed_input_tokens: Option<u64>,
    pub billed_output_tokens: Option<u64>,
}

impl Reported {
    /// What this lacks, from another source.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.or(other.input_tokens),
            output_tokens: self.output_tokens.or(other.output_tokens),
            total_tokens: self.total_tokens.or(other.total_tokens),
            cache_read_tokens: self.cache_read_tokens.or(other.cache_read_tokens),
            cache_creation_tokens: self.cache_creation_tokens.or(other.cache_creation_tokens),
            reasoning_tokens: self.reasoning_tokens.or(other.reasoning_tokens),
            tool_use_tokens: self.tool_use_tokens.or(other.tool_use_tokens),
            billed_input_tokens: self.billed_input_tokens.or(other.billed_input_tokens),
            billed_output_tokens: self.billed_output_tokens.or(other.billed_output_tokens),
        }
    }
}

/// Token counts as the conventions mean them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub total_tokens: Option<u64>,
    pub cache_read_tokens: Option<u64>,
    pub cache_creation_tokens: Option<u64>,
    pub reasoning_tokens: Option<u64>,
}

impl Usage {
    pub fn is_absent(&self) -> bool {
        *self == Self::default()
    }

    /// Without what no count can be: numbers of the wire, and sums.
    #[must_use]
    pub fn certain(self) -> Self {
        let certain = |count: Option<u64>| count.filter(|count| i64::try_from(*count).is_ok());
        Self {
            input_tokens: certain(self.input_tokens),
            output_tokens: certain(self.output_tokens),
            total_tokens: certain(self.total_tokens),
            cache_read_tokens: certain(self.cache_read_tokens),
            cache_creation_tokens: certain(self.cache_creation_tokens),
            reasoning_tokens: certain(self.reasoning_tokens),
        }
    }
}

/// What is reported is what is meant.
fn as_reported(reported: Reported) -> Usage {
    Usage {
        input_tokens: reported.input_tokens,
        output_tokens: reported.output_tokens,
        total_tokens: reported.total_tokens,
        cache_read_tokens: reported.cache_read_tokens,
        cache_creation_tokens: reported.cache_creation_tokens,
        reasoning_tokens: reported.reasoning_tokens,
    }
}

/// Stands for a count that the wire had and that no count can be: more than any, so that no sum with it is one either.
pub const IMPOSSIBLE: u64 = u64::MAX;

/// The sum, absent when the first is.
fn plus(count: Option<u64>, more: impl IntoIterator<Item = Option<u64>>) -> Option<u64> {
    more.into_iter().flatten().fold(count, |sum, more| sum.map(|sum| sum.saturating_add(more)))
}

/// OpenAI and what is compatible with it: the prompt count includes cached tokens, the completion count includes
/// reasoning. <https://platform.openai.com/docs/api-reference/chat/object#chat/object-usage>
pub fn openai(reported: Reported) -> Usage {
    Usage { output_tokens: with_reasoning(reported), ..as_reported(reported) }
}

/// Embeddings and rerankings have no output: a lone total is the input.
pub fn input_only(reported: Reported) -> Usage {
    Usage { input_tokens: reported.input_tokens.or(reported.total_tokens), ..as_reported(reported) }
}

/// Some compatible servers leave reasoning out of the completion count; their own total gives them away.
fn with_reasoning(reported: Reported) -> Option<u64> {
    let output = reported.output_tokens?;
    let (Some(input), Some(reasoning), Some(total)) =
        (reported.input_tokens, reported.reasoning_tokens, reported.total_tokens)
    else {
        return Some(output);
    };
    let apart = input.saturating_add(output).saturating_add(reasoning);
    Some(if reasoning > 0 && total == apart { output.saturating_add(reasoning) } else { output })
}

/// Anthropic and Bedrock: the input count leaves out what was read from and written to the cache.
/// <https://opentelemetry.io/docs/specs/semconv/gen-ai/anthropic/>
pub fn cache_apart(reported: Reported) -> Usage {
    let cached = [reported.cache_read_tokens, reported.cache_creation_tokens];
    Usage { input_tokens: plus(reported.input_tokens, cached), ..as_reported(reported) }
}

/// Gemini: thoughts are not part of the candidates' count, nor tool results of the prompt's.
/// <https://ai.google.dev/api/generate-content#UsageMetadata>
pub fn gemini(reported: Reported) -> Usage {
    let output = match (reported.output_tokens, reported.reasoning_tokens) {
        (None, Some(thoughts)) => Some(thoughts),
        (output, thoughts) => plus(output, [thoughts]),
    };
    Usage {
        input_tokens: plus(reported.input_tokens, [reported.tool_use_tokens]),
        output_tokens: output,
        ..as_reported(reported)
    }
}

/// Cohere: what is billed counts. <https://docs.cohere.com/reference/chat>
pub fn billed(reported: Reported) -> Usage {
    Usage {
        input_tokens: reported.billed_input_tokens.or(reported.input_tokens),
        output_tokens: reported.billed_output_tokens.or(reported.output_tokens),
        ..as_reported(reported)
    }
}

/// Where the counts of a span came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageSource {
    /// The provider's own, final figures.
    Provider,
    /// The provider's own, but the answer ended before it was finished.
    ProviderPartial,
    Absent,
}

impl UsageSource {
    pub fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::ProviderPartial => "provider_partial",
            Self::Absent => "absent",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(input: u64, output: u64, reasoning: u64, total: u64) -> Option<u64> {
        let reported = Reported {
            input_tokens: Some(input),
            output_tokens: Some(output),
            total_tokens: Some(total),
            reasoning_tokens: Some(reasoning),
            ..Reported::default()
        };
        openai(reported).output_tokens
    }

    #[test]
    fn reasoning_is_part_of_the_output() {
        assert_eq!(output(10, 50, 40, 60), Some(50), "included, as OpenAI does");
        assert_eq!(output(10, 10, 40, 60), Some(50), "left out, and the total shows it");
        assert_eq!(output(10, 10, 0, 20), Some(10));
        assert_eq!(output(10, u64::MAX, 5, 7), Some(u64::MAX), "nonsense does not overflow");
    }

    #[test]
    fn absent_stays_absent() {
        assert!(openai(Reported::default()).is_absent());
        let only_input = Reported { input_tokens: Some(0), ..Reported::default() };
        assert_eq!(openai(only_input), Usage { input_tokens: Some(0), ..Usage::default() });
    }
}
