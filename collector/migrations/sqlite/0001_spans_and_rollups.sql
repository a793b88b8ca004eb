-- What all spans of one sender share. `digest` stands for the columns after it; `last_day` is that of the latest span,
-- in days since 1970, and says when a row is needed no more.
CREATE TABLE sources (
    id            INTEGER PRIMARY KEY,
    digest        BLOB    NOT NULL UNIQUE,
    resource      TEXT    NOT NULL,
    pod           TEXT,
    scope_name    TEXT,
    scope_version TEXT,
    last_day      INTEGER NOT NULL
) STRICT;

-- What calls are summed up by, for rows and for rollups.
CREATE TABLE keys (
    id                INTEGER PRIMARY KEY,
    digest            BLOB    NOT NULL UNIQUE,
    call_side         TEXT,
    is_error          INTEGER NOT NULL,
    service_name      TEXT,
    service_namespace TEXT,
    namespace         TEXT,
    workload          TEXT,
    operation_name    TEXT,
    provider_name     TEXT,
    request_model     TEXT,
    response_model    TEXT,
    last_day          INTEGER NOT NULL
) STRICT;

-- With what the packed columns of this file are compressed.
CREATE TABLE dictionary (
    content BLOB NOT NULL
) STRICT;

-- `attributes`, `events` and `links` are packed, and NULL when there are none.
CREATE TABLE spans (
    id                          INTEGER PRIMARY KEY,
    trace_id                    BLOB    NOT NULL,
    span_id                     BLOB    NOT NULL,
    parent_span_id              BLOB,
    start_unix_nanos            INTEGER NOT NULL,
    duration_nanos              INTEGER NOT NULL,
    source                      INTEGER NOT NULL,
    key                         INTEGER NOT NULL,
    name                        TEXT    NOT NULL,
    kind                        TEXT    NOT NULL,
    status                      TEXT    NOT NULL,
    status_message              TEXT,
    trace_state                 TEXT,
    response_id                 TEXT,
    finish_reasons              TEXT,
    stream                      INTEGER,
    user_id                     TEXT,
    session_id                  TEXT,
    input_tokens                INTEGER,
    output_tokens               INTEGER,
    cache_read_input_tokens     INTEGER,
    cache_creation_input_tokens INTEGER,
    reasoning_output_tokens     INTEGER,
    usage_source                TEXT,
    time_to_first_chunk_nanos   INTEGER,
    time_to_first_content_nanos INTEGER,
    end_cause                   TEXT,
    error_type                  TEXT,
    http_status_code            INTEGER,
    attributes                  BLOB,
    events                      BLOB,
    links                       BLOB
) STRICT;

CREATE UNIQUE INDEX spans_by_id ON spans (trace_id, span_id);
CREATE INDEX spans_by_start ON spans (start_unix_nanos);

-- What messages say, packed, with a retention of its own.
CREATE TABLE content (
    span             INTEGER PRIMARY KEY,
    start_unix_nanos INTEGER NOT NULL,
    attributes       BLOB,
    events           BLOB
) STRICT;

CREATE INDEX content_by_start ON content (start_unix_nanos);

-- Sums over model calls, kept in the transaction that stores them. Token sums are in two halves of 32 bits, each of
-- which may grow beyond that; NULL where no call had the count.
CREATE TABLE usage_1m (
    minute              INTEGER NOT NULL,
    key                 INTEGER NOT NULL,
    calls               INTEGER NOT NULL,
    calls_with_usage    INTEGER NOT NULL,
    input_high          INTEGER,
    input_low           INTEGER,
    output_high         INTEGER,
    output_low          INTEGER,
    cache_read_high     INTEGER,
    cache_read_low      INTEGER,
    cache_creation_high INTEGER,
    cache_creation_low  INTEGER,
    reasoning_high      INTEGER,
    reasoning_low       INTEGER,
    PRIMARY KEY (minute, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_users_1d (
    day                 INTEGER NOT NULL,
    namespace           TEXT    NOT NULL,
    user_id             TEXT    NOT NULL,
    call_side           TEXT    NOT NULL,
    is_error            INTEGER NOT NULL,
    calls               INTEGER NOT NULL,
    calls_with_usage    INTEGER NOT NULL,
    input_high          INTEGER,
    input_low           INTEGER,
    output_high         INTEGER,
    output_low          INTEGER,
    cache_read_high     INTEGER,
    cache_read_low      INTEGER,
    cache_creation_high INTEGER,
    cache_creation_low  INTEGER,
    reasoning_high      INTEGER,
    reasoning_low       INTEGER,
    PRIMARY KEY (day, namespace, user_id, call_side, is_error)
) STRICT, WITHOUT ROWID;

-- Histograms: how many calls of five minutes fell into a bucket (collector/src/store/histogram.rs). `measure` is 0 for
-- the duration, 1 for the time to the first chunk.
CREATE TABLE latency_5m (
    five_minutes INTEGER NOT NULL,
    key          INTEGER NOT NULL,
    measure      INTEGER NOT NULL,
    bucket       INTEGER NOT NULL,
    calls        INTEGER NOT NULL,
    PRIMARY KEY (five_minutes, key, measure, bucket)
) STRICT, WITHOUT ROWID;
