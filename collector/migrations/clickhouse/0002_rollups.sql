-- Sums over model calls, filled by materialized views with every insert of spans. What is absent in a span is '' here; a
-- sum is unknown where none of the calls had the count (`…_calls` is 0). Sums are signed: a correction is a row of its own
-- that takes away what was counted twice. `minute` and `day` count from 1970.
CREATE TABLE IF NOT EXISTS usage_1m{local}{on_cluster} (
    minute                UInt32 CODEC(Delta(4), ZSTD(1)),
    call_side             LowCardinality(String),
    is_error              Bool,
    namespace             LowCardinality(String),
    workload              LowCardinality(String),
    service_name          LowCardinality(String),
    provider_name         LowCardinality(String),
    model                 LowCardinality(String),
    operation_name        LowCardinality(String),
    calls                 SimpleAggregateFunction(sum, Int64)  CODEC(ZSTD(1)),
    calls_with_usage      SimpleAggregateFunction(sum, Int64)  CODEC(ZSTD(1)),
    input_calls           SimpleAggregateFunction(sum, Int64)  CODEC(ZSTD(1)),
    input_tokens          SimpleAggregateFunction(sum, Int128) CODEC(ZSTD(1)),
    output_calls          SimpleAggregateFunction(sum, Int64)  CODEC(ZSTD(1)),
    output_tokens         SimpleAggregateFunction(sum, Int128) CODEC(ZSTD(1)),
    cache_read_calls      SimpleAggregateFunction(sum, Int64)  CODEC(ZSTD(1)),
    cache_read_tokens     SimpleAggregateFunction(sum, Int128) CODEC(ZSTD(1)),
    cache_creation_calls  SimpleAggregateFunction(sum, Int64)  CODEC(ZSTD(1)),
    cache_creation_tokens SimpleAggregateFunction(sum, Int128) CODEC(ZSTD(1)),
    reasoning_calls       SimpleAggregateFunction(sum, Int64)  CODEC(ZSTD(1)),
    reasoning_tokens      SimpleAggregateFunction(sum, Int128) CODEC(ZSTD(1)),
    duration              SimpleAggregateFunction(sumMap, Map(UInt16, Int64)) CODEC(ZSTD(1)),
    time_to_first_chunk   SimpleAggregateFunction(sumMap, Map(UInt16, Int64)) CODEC(ZSTD(1))
) ENGINE = {replicated}AggregatingMergeTree({replica})
PARTITION BY intDiv(minute, 1440)
ORDER BY (intDiv(minute, 60), namespace, workload, model, service_name, provider_name, operation_name, call_side, is_error, minute)
SETTINGS ttl_only_drop_parts = 1, {window};

CREATE TABLE IF NOT EXISTS usage_users_1d{local}{on_cluster} (
    day                   UInt32 CODEC(Delta(4), ZSTD(1)),
    call_side             LowCardinality(String),
    is_error              Bool,
    namespace             LowCardinality(String),
    user_id               String                               CODEC(ZSTD(1)),
    calls                 SimpleAggregateFunction(sum, Int64)  CODEC(ZSTD(1)),
    calls_with_usage      SimpleAggregateFunction(sum, Int64)  CODEC(ZSTD(1)),
    input_calls           SimpleAggregateFunction(sum, Int64)  CODEC(ZSTD(1)),
    input_tokens          SimpleAggregateFunction(sum, Int128) CODEC(ZSTD(1)),
    output_calls          SimpleAggregateFunction(sum, Int64)  CODEC(ZSTD(1)),
    output_tokens         SimpleAggregateFunction(sum, Int128) CODEC(ZSTD(1)),
    cache_read_calls      SimpleAggregateFunction(sum, Int64)  CODEC(ZSTD(1)),
    cache_read_tokens     SimpleAggregateFunction(sum, Int128) CODEC(ZSTD(1)),
    cache_creation_calls  SimpleAggregateFunction(sum, Int64)  CODEC(ZSTD(1)),
    cache_creation_tokens SimpleAggregateFunction(sum, Int128) CODEC(ZSTD(1)),
    reasoning_calls       SimpleAggregateFunction(sum, Int64)  CODEC(ZSTD(1)),
    reasoning_tokens      SimpleAggregateFunction(sum, Int128) CODEC(ZSTD(1))
) ENGINE = {replicated}AggregatingMergeTree({replica})
PARTITION BY intDiv(day, 30)
ORDER BY (day, namespace, user_id, call_side, is_error)
SETTINGS ttl_only_drop_parts = 1, {window};

-- A duration of n nanoseconds falls into bucket b of a histogram where 2^((b-1)/8) < n <= 2^(b/8), decided by the exponent
-- and the fraction of its floating-point form, as collector/src/store/histogram.rs does.
CREATE MATERIALIZED VIEW IF NOT EXISTS usage_1m_view{on_cluster} TO usage_1m{local} AS
WITH
    reinterpretAsUInt64(toFloat64(greatest(s.duration_nanos, 1))) AS duration_bits,
    bitAnd(duration_bits, 4503599627370495) AS duration_part,
    toUInt16((bitShiftRight(duration_bits, 52) - 1023) * 8
        + (duration_part > 0) + (duration_part > 407610591105403) + (duration_part > 852113092622101) + (duration_part > 1336846507715111)
        + (duration_part > 1865452045155277) + (duration_part > 2441900471263451) + (duration_part > 3070521937417133) + (duration_part > 3756038507177095)) AS duration_bucket,
    reinterpretAsUInt64(toFloat64(greatest(ifNull(s.time_to_first_chunk_nanos, 0), 1))) AS chunk_bits,
    bitAnd(chunk_bits, 4503599627370495) AS chunk_part,
    toUInt16((bitShiftRight(chunk_bits, 52) - 1023) * 8
        + (chunk_part > 0) + (chunk_part > 407610591105403) + (chunk_part > 852113092622101) + (chunk_part > 1336846507715111)
        + (chunk_part > 1865452045155277) + (chunk_part > 2441900471263451) + (chunk_part > 3070521937417133) + (chunk_part > 3756038507177095)) AS chunk_bucket
SELECT
    toUInt32(intDiv(toUnixTimestamp64Nano(s.start_time), 60000000000)) AS minute,
    assumeNotNull(s.call_side) AS call_side,
    s.status = 'error' OR s.error_type IS NOT NULL AS is_error,
    ifNull(s.namespace, '') AS namespace,
    ifNull(s.workload, '') AS workload,
    ifNull(s.service_name, '') AS service_name,
    ifNull(s.provider_name, '') AS provider_name,
    coalesce(s.request_model, s.response_model, '') AS model,
    ifNull(s.operation_name, '') AS operation_name,
    count() AS calls,
    countIf(s.input_tokens IS NOT NULL OR s.output_tokens IS NOT NULL) AS calls_with_usage,
    count(s.input_tokens) AS input_calls,
    sum(toInt128(ifNull(s.input_tokens, 0))) AS input_tokens,
    count(s.output_tokens) AS output_calls,
    sum(toInt128(ifNull(s.output_tokens, 0))) AS output_tokens,
    count(s.cache_read_input_tokens) AS cache_read_calls,
    sum(toInt128(ifNull(s.cache_read_input_tokens, 0))) AS cache_read_tokens,
    count(s.cache_creation_input_tokens) AS cache_creation_calls,
    sum(toInt128(ifNull(s.cache_creation_input_tokens, 0))) AS cache_creation_tokens,
    count(s.reasoning_output_tokens) AS reasoning_calls,
    sum(toInt128(ifNull(s.reasoning_output_tokens, 0))) AS reasoning_tokens,
    sumMap(map(duration_bucket, toInt64(1))) AS duration,
    sumMapIf(map(chunk_bucket, toInt64(1)), s.time_to_first_chunk_nanos IS NOT NULL) AS time_to_first_chunk
FROM spans{local} AS s
WHERE s.call_side IS NOT NULL
GROUP BY minute, call_side, is_error, namespace, workload, service_name, provider_name, model, operation_name;

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_users_1d_view{on_cluster} TO usage_users_1d{local} AS
SELECT
    toUInt32(intDiv(toUnixTimestamp64Nano(s.start_time), 86400000000000)) AS day,
    assumeNotNull(s.call_side) AS call_side,
    s.status = 'error' OR s.error_type IS NOT NULL AS is_error,
    ifNull(s.namespace, '') AS namespace,
    ifNull(s.user_id, '') AS user_id,
    count() AS calls,
    countIf(s.input_tokens IS NOT NULL OR s.output_tokens IS NOT NULL) AS calls_with_usage,
    count(s.input_tokens) AS input_calls,
    sum(toInt128(ifNull(s.input_tokens, 0))) AS input_tokens,
    count(s.output_tokens) AS output_calls,
    sum(toInt128(ifNull(s.output_tokens, 0))) AS output_tokens,
    count(s.cache_read_input_tokens) AS cache_read_calls,
    sum(toInt128(ifNull(s.cache_read_input_tokens, 0))) AS cache_read_tokens,
    count(s.cache_creation_input_tokens) AS cache_creation_calls,
    sum(toInt128(ifNull(s.cache_creation_input_tokens, 0))) AS cache_creation_tokens,
    count(s.reasoning_output_tokens) AS reasoning_calls,
    sum(toInt128(ifNull(s.reasoning_output_tokens, 0))) AS reasoning_tokens
FROM spans{local} AS s
WHERE s.call_side IS NOT NULL
GROUP BY day, call_side, is_error, namespace, user_id;

-- Hours of usage_1m and days of usage_users_1d that were found equal to a recount from rows, with the calls they had
-- then: reads use a rollup where it still has so many, and rows elsewhere. The same on every server of a cluster.
CREATE TABLE IF NOT EXISTS rollup_checks{on_cluster} (
    rollup     LowCardinality(String),
    bucket     UInt32,
    calls      Int64,
    checked_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = {replicated}ReplacingMergeTree({everywhere,}checked_at)
ORDER BY (rollup, bucket);
