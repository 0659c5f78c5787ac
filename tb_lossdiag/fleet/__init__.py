"""Many runs as one table: what is wrong with a fleet, not with a run.

In reading order:

- `table`: a row per run, with its findings and what was set, in Parquet: the schema is promised
- `over`: which settings the runs with a cause have more often than the others
- `database`: the tables as views of DuckDB, and what is asked of them
- `summary`: which cause, how often, since when, with which settings; the best of the healthy
- `text`: the summary in words
"""
