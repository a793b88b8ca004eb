-- Statements end with a semicolon at the end of a line. Words in braces stand for what one server and a cluster write
-- differently; collector/src/store/clickhouse/layout.rs replaces them.

-- One row per span. Sorted by hour first, so that a time range reads few granules whatever else is asked; `hour` counts
-- hours since 1970. A span that comes again has the same sorting key and falls together in a merge; reads do not wait
-- for that. `version` falls with the time of insertion: the first one stored wins.
CREATE TABLE IF NOT EXISTS spans{local}{on_cluster} (
    trace_id                    FixedString(16)          CODEC(ZSTD(1)),
    span_id                     FixedString(8)           CODEC(NONE),
    parent_span_id              Nullable(FixedString(8)) CODEC(ZSTD(1)),
    name                        LowCardinality(String),
    kind                        LowCardinality(String),
    start_time                  DateTime64(9, 'UTC')     CODEC(Delta(8), ZSTD(1)),
    duration_nanos              UInt64                   CODEC(T64, ZSTD(1)),
    hour                        UInt32 MATERIALIZED toUInt32(intDiv(toUnixTimestamp64Nano(start_time), 3600000000000)) CODEC(Delta(4), ZSTD(1)),
    status                      LowCardinality(String),
    status_message              Nullable(String)         CODEC(ZSTD(1)),
    trace_state                 Nullable(String)         CODEC(ZSTD(1)),
    scope_name                  LowCardinality(Nullable(String)),
    scope_version               LowCardinality(Nullable(String)),
    service_name                LowCardinality(Nullable(String)),
    service_namespace           LowCardinality(Nullable(String)),
    namespace                   LowCardinality(Nullable(String)),
    workload                    LowCardinality(Nullable(String)),
    pod                         LowCardinality(Nullable(String)),
    call_side                   LowCardinality(Nullable(String)),
    operation_name              LowCardinality(Nullable(String)),
    provider_name               LowCardinality(Nullable(String)),
    request_model               LowCardinality(Nullable(String)),
    response_model              LowCardinality(Nullable(String)),
    response_id                 Nullable(String)         CODEC(ZSTD(1)),
    finish_reasons              Array(LowCardinality(String)),
    stream                      Nullable(Bool),
    user_id                     Nullable(String)         CODEC(ZSTD(1)),
    session_id                  Nullable(String)         CODEC(ZSTD(1)),
    input_tokens                Nullable(UInt64)         CODEC(T64, ZSTD(1)),
    output_tokens               Nullable(UInt64)         CODEC(T64, ZSTD(1)),
    cache_read_input_tokens     Nullable(UInt64)         CODEC(T64, ZSTD(1)),
    cache_creation_input_tokens Nullable(UInt64)         CODEC(T64, ZSTD(1)),
    reasoning_output_tokens     Nullable(UInt64)         CODEC(T64, ZSTD(1)),
    usage_source                LowCardinality(Nullable(String)),
    time_to_first_chunk_nanos   Nullable(UInt64)         CODEC(T64, ZSTD(1)),
    time_to_first_content_nanos Nullable(UInt64)         CODEC(T64, ZSTD(1)),
    end_cause                   LowCardinality(Nullable(String)),
    error_type                  LowCardinality(Nullable(String)),
    http_status_code            Nullable(UInt16)         CODEC(T64, ZSTD(1)),
    attributes                  String                   CODEC(ZSTD(1)),
    resource                    LowCardinality(String),
    events                      String                   CODEC(ZSTD(1)),
    links                       String                   CODEC(ZSTD(1)),
    has_content                 Bool,
    version                     UInt64                   CODEC(Delta(8), ZSTD(1)),
    INDEX spans_by_trace trace_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX spans_by_user user_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX spans_by_session session_id TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = {replicated}ReplacingMergeTree({replica,}version)
PARTITION BY toDate(start_time)
PRIMARY KEY (hour, ifNull(namespace, ''), ifNull(workload, ''), ifNull(request_model, ''))
ORDER BY (hour, ifNull(namespace, ''), ifNull(workload, ''), ifNull(request_model, ''), start_time, trace_id, span_id)
SETTINGS ttl_only_drop_parts = 1, {window};

-- What messages say, apart from the spans: with a retention and with grants of its own.
CREATE TABLE IF NOT EXISTS span_content{local}{on_cluster} (
    trace_id    FixedString(16)      CODEC(ZSTD(1)),
    span_id     FixedString(8)       CODEC(NONE),
    start_time  DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    hour        UInt32 MATERIALIZED toUInt32(intDiv(toUnixTimestamp64Nano(start_time), 3600000000000)) CODEC(Delta(4), ZSTD(1)),
    attributes  String               CODEC(ZSTD(3)),
    events      String               CODEC(ZSTD(3)),
    version     UInt64               CODEC(Delta(8), ZSTD(1))
) ENGINE = {replicated}ReplacingMergeTree({replica,}version)
PARTITION BY toDate(start_time)
PRIMARY KEY (hour, trace_id)
ORDER BY (hour, trace_id, span_id)
SETTINGS ttl_only_drop_parts = 1, index_granularity = 2048, {window};
