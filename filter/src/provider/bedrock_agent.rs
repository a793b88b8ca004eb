//! Bedrock agents: counted, and how they ended. Their traces hold the token counts of single steps, which no sum of ours
//! could call the counts of the call. <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_InvokeAgent.html>

use super::fields::NOTHING;
use super::{Adapter, Operation};

pub static INVOKE_AGENT: Adapter = Adapter::new("bedrock.agent", Operation::InvokeAgent, &NOTHING, &NOTHING);
