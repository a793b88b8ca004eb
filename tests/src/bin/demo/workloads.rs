//! Who calls, and what for.

use meshtap_tests::client::Call;
use meshtap_tests::standin::scenario::Scenario;
use meshtap_tests::workload::Workload;
use serde_json::json;

/// A workload and what it asks, over and over.
#[derive(Clone, Copy)]
pub(super) struct Profile {
    pub(super) name: &'static str,
    namespace: &'static str,
    questions: &'static [Question],
}

#[derive(Clone, Copy)]
struct Question {
    model: &'static str,
    text: &'static str,
    way: Way,
    scenario: Scenario,
    /// Milliseconds between two events of the answer.
    pace: u64,
}

#[derive(Clone, Copy)]
enum Way {
    /// One body.
    Whole,
    /// A stream that ends with usage.
    Counted,
    /// A stream without usage.
    Uncounted,
    /// A stream that is closed after a few chunks.
    Cancelled,
}

pub(super) const ALL: [Profile; 3] = [
    Profile {
        name: "checkout",
        namespace: "shop",
        questions: &[
            ask("gpt-4o-mini", "Is this address complete?", Way::Whole, Scenario::Answer, 0),
            ask("gpt-4o", "Which carrier delivers to Zürich?", Way::Counted, Scenario::ToolCall, 40),
            ask("gpt-4o-mini", "Write the confirmation of an order.", Way::Counted, Scenario::Answer, 25),
            ask("gpt-4o-mini", "Is this a fraud?", Way::Whole, Scenario::Error429, 0),
        ],
    },
    Profile {
        name: "support-bot",
        namespace: "support",
        questions: &[
            ask("gpt-4.1", "My parcel is late. Where is it?", Way::Counted, Scenario::Answer, 45),
            ask("gpt-4.1", "Summarize the conversation so far.", Way::Uncounted, Scenario::Answer, 30),
            ask("gpt-4.1-mini", "Which team should take this ticket?", Way::Whole, Scenario::ToolCall, 0),
            ask("gpt-4.1", "Explain the refund, step by step.", Way::Cancelled, Scenario::Answer, 60),
            ask("gpt-4.1", "What are your opening hours?", Way::Counted, Scenario::ErrorInStream, 30),
        ],
    },
    Profile {
        name: "search",
        namespace: "catalog",
        questions: &[
            ask("o4-mini", "Rank these products for the query.", Way::Whole, Scenario::Details, 0),
            ask("gpt-4o-mini", "Rewrite the query.", Way::Whole, Scenario::Answer, 0),
            ask("o4-mini", "Why is this product first?", Way::Counted, Scenario::Details, 50),
            ask("gpt-4o-mini", "Translate the query.", Way::Whole, Scenario::Error500, 0),
            ask("gpt-4o", "Describe the picture.", Way::Counted, Scenario::ResetMidStream, 20),
        ],
    },
];

const fn ask(model: &'static str, text: &'static str, way: Way, scenario: Scenario, pace: u64) -> Question {
    Question { model, text, way, scenario, pace }
}

impl Profile {
    pub(super) fn workload(&self) -> Workload {
        Workload::new(self.name, self.namespace)
    }

    /// The `n`th call of this workload.
    pub(super) fn call(&self, n: usize) -> Call {
        let question = &self.questions[n % self.questions.len()];
        let context = "The customer wrote twice. ".repeat(1 + n % 7);
        let messages = json!([
            {"role": "system", "content": format!("You work for {}. {context}", self.namespace)},
            {"role": "user", "content": question.text},
        ]);
        let call = Call::chat(&format!("{}-{n}", self.name), question.model)
            .scenario(question.scenario)
            .think_ms(180 + 37 * (n as u64 % 11) + 3 * question.pace)
            .chunk_ms(question.pace)
            .set("messages", messages);
        match question.way {
            Way::Whole => call,
            Way::Counted => call.streamed().with_usage(),
            Way::Uncounted => call.streamed(),
            Way::Cancelled => call.streamed().with_usage().cancelled_after(6),
        }
    }
}
