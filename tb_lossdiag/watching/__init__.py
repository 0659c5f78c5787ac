"""Runs that are still going on, from outside: what appears, what clears, what has stopped moving.

In reading order:

- `oversight`: looks at folders again and again; only what has changed is judged
- `state`: what is known of a run from one look to the next, and what a new look says of it
- `event`: something that is said of a run, for people and programs
- `gauges`: what is known of the runs as numbers with labels, few of them
- `prometheus`: these, for Prometheus to fetch
- `otel`: these, sent by OpenTelemetry
"""
