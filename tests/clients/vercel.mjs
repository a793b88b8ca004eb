// Makes one call of each kind with the Vercel AI SDK, and sends the spans that it makes over OTLP/gRPC.
//
// node vercel.mjs FOLDER STANDIN COLLECTOR
//
//   FOLDER     has the SDK in its node_modules
//   STANDIN    host:port of the provider
//   COLLECTOR  host:port of the collector's OTLP/gRPC
//
// Every call names itself to the stand-in as KIND@vercel. Prints {"KIND": "trace id"} once the spans are taken.

import { createRequire } from 'node:module';

const [folder, standin, collector] = process.argv.slice(2);
const load = createRequire(`${folder}/`);
const { createOpenAI } = load('@ai-sdk/openai');
const { OTLPTraceExporter } = load('@opentelemetry/exporter-trace-otlp-grpc');
const { resourceFromAttributes } = load('@opentelemetry/resources');
const { NodeTracerProvider, SimpleSpanProcessor } = load('@opentelemetry/sdk-trace-node');
const { embed, generateText, streamText } = load('ai');

const exporter = new OTLPTraceExporter({ url: `http://${collector}` });
const traces = {};
let kind;
let failed = false;
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ 'service.name': 'vercel' }),
  spanProcessors: [
    new SimpleSpanProcessor({
      export(spans, done) {
        exporter.export(spans, (result) => {
          failed ||= result.code !== 0;
          done(result);
        });
      },
      shutdown: () => exporter.shutdown(),
      forceFlush: () => exporter.forceFlush(),
    }),
    {
      onStart(span) {
        traces[kind] = span.spanContext().traceId;
      },
      onEnd() {},
      shutdown: async () => {},
      forceFlush: async () => {},
    },
  ],
});
provider.register();

function model(name) {
  kind = name;
  const headers = { 'x-standin-call': `${kind}@vercel`, 'x-standin-scenario': 'details' };
  return createOpenAI({ apiKey: 'sk-standin', baseURL: `http://${standin}/v1`, headers });
}

const common = { maxRetries: 0, experimental_telemetry: { isEnabled: true, functionId: 'test' } };
const prompt = 'What does a façade cost?';

await generateText({ model: model('chat').chat('o4-mini'), system: 'You are terse.', prompt, ...common });
const stream = streamText({ model: model('chat_streamed').chat('o4-mini'), prompt, ...common });
for await (const _ of stream.textStream);
await embed({ model: model('embeddings').embedding('text-embedding-3-small'), value: prompt, ...common });

await provider.forceFlush();
await provider.shutdown();
console.log(JSON.stringify(traces));
process.exitCode = failed ? 1 : 0;
