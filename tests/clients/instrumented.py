"""Makes one call of each kind with the official SDKs under an instrumentation, and sends its spans over OTLP/gRPC.

instrumented.py INSTRUMENTATION STANDIN COLLECTOR

  INSTRUMENTATION  opentelemetry | openllmetry | openinference | langsmith
  STANDIN          host:port of the provider
  COLLECTOR        host:port of the collector's OTLP/gRPC

Every call names itself to the stand-in as KIND@INSTRUMENTATION, and lies in a trace of its own, whose ids are printed as
one JSON object: {"KIND": "trace id"}. Ends with 1 when a call or the export fails.
"""

import json
import os
import sys

instrumentation, standin, collector = sys.argv[1:]
if instrumentation == "langsmith":
    os.environ.update(
        LANGSMITH_TRACING="true",
        LANGSMITH_OTEL_ENABLED="true",
        LANGSMITH_OTEL_ONLY="true",
        LANGSMITH_API_KEY="none",
        # Nothing listens there: what is not sent over OTLP is lost.
        LANGSMITH_ENDPOINT="http://127.0.0.1:9",
    )

import anthropic
import openai
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult


class Counted(OTLPSpanExporter):
    """Remembers whether every batch was taken."""

    failed = 0

    def export(self, spans):
        result = super().export(spans)
        self.failed += result is not SpanExportResult.SUCCESS
        return result


exporter = Counted(endpoint=f"http://{collector}", insecure=True)
provider = TracerProvider(resource=Resource.create({"service.name": instrumentation}))
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)

MESSAGES = [{"role": "system", "content": "You are terse."}, {"role": "user", "content": "What does a façade cost?"}]


def instrument():
    if instrumentation == "opentelemetry":
        from opentelemetry.instrumentation.genai.anthropic import AnthropicInstrumentor
        from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
    elif instrumentation == "openllmetry":
        from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
        from opentelemetry.instrumentation.openai import OpenAIInstrumentor
    elif instrumentation == "openinference":
        from openinference.instrumentation.anthropic import AnthropicInstrumentor
        from openinference.instrumentation.openai import OpenAIInstrumentor
    else:
        return
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    AnthropicInstrumentor().instrument(tracer_provider=provider)


def clients(kind):
    headers = {"x-standin-call": f"{kind}@{instrumentation}", "x-standin-scenario": "details"}
    openai_client = openai.OpenAI(
        api_key="sk-standin", base_url=f"http://{standin}/v1", default_headers=headers, max_retries=0
    )
    anthropic_client = anthropic.Anthropic(
        api_key="sk-standin", base_url=f"http://{standin}", default_headers=headers, max_retries=0
    )
    if instrumentation == "langsmith":
        from langsmith.wrappers import wrap_anthropic, wrap_openai

        return wrap_openai(openai_client), wrap_anthropic(anthropic_client)
    return openai_client, anthropic_client


def chat(client, _):
    client.chat.completions.create(model="o4-mini", messages=MESSAGES, temperature=0.5, max_tokens=256)


def chat_streamed(client, _):
    usage = {"include_usage": True}
    for _ in client.chat.completions.create(model="o4-mini", messages=MESSAGES, stream=True, stream_options=usage):
        pass


def embeddings(client, _):
    client.embeddings.create(model="text-embedding-3-small", input="What does a façade cost?")


def responses(client, _):
    client.responses.create(model="o4-mini", input="What does a façade cost?")


def messages(_, client):
    client.messages.create(model="claude-sonnet-4-5", max_tokens=256, system="You are terse.", messages=MESSAGES[1:])


def messages_streamed(_, client):
    arguments = {"model": "claude-sonnet-4-5", "max_tokens": 256, "messages": MESSAGES[1:]}
    for _ in client.messages.create(stream=True, **arguments):
        pass


def call(kind, make):
    with trace.get_tracer("test").start_as_current_span(kind) as span:
        make(*clients(kind))
        return format(span.get_span_context().trace_id, "032x")


def main():
    instrument()
    kinds = [chat, chat_streamed, embeddings, responses, messages, messages_streamed]
    if instrumentation == "langsmith":
        # Its wrapper fails on streams of this release of Anthropic's SDK.
        kinds.remove(messages_streamed)
    traces = {make.__name__: call(make.__name__, make) for make in kinds}
    if instrumentation == "langsmith":
        from langsmith import run_trees

        run_trees.get_cached_client().flush()
    provider.shutdown()
    print(json.dumps(traces))
    return min(exporter.failed, 1)


sys.exit(main())
