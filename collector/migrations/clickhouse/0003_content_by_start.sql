-- A span is known by its ids and its start; its content was known by its ids and its hour. 0 in what was stored before.
ALTER TABLE span_content{local}{on_cluster}
    ADD COLUMN IF NOT EXISTS start_nanos Int64 CODEC(Delta(8), ZSTD(1)),
    MODIFY ORDER BY (hour, trace_id, span_id, start_nanos);
