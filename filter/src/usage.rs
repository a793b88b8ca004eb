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
    pub reasoning_tokens: Option<u64>,
}

/// Token counts as the conventions mean them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub cache_read_tokens: Option<u64>,
    pub reasoning_tokens: Option<u64>,
}

impl Usage {
    pub fn is_absent(&self) -> bool {
        *self == Self::default()
    }
}

/// The counting rule of OpenAI and what is compatible with it: the prompt count includes cached tokens, the completion
/// count includes reasoning.
/// <https://platform.openai.com/docs/api-reference/chat/object#chat/object-usage>
pub fn openai(reported: Reported) -> Usage {
    Usage {
        input_tokens: reported.input_tokens,
        output_tokens: with_reasoning(reported),
        cache_read_tokens: reported.cache_read_tokens,
        reasoning_tokens: reported.reasoning_tokens,
    }
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
