-- A span is known by its ids and its start. The index takes the place of the one that knew it by its ids alone.
DROP INDEX spans_by_id;
CREATE UNIQUE INDEX spans_by_id ON spans (trace_id, span_id, start_unix_nanos);
