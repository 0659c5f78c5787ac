"""The TensorBoard plugin: loader, routes and the built page.

In reading order:

- `loader`: what TensorBoard imports at every start. Nothing here may raise: that would take TensorBoard down for everyone
- `plugin`: what TensorBoard sees of the tab at its start: a name, a page and fixed GET routes. What answers is imported for the first request
- `strangers`: requests that another web page makes a browser send: they get no answer and cost no work
- `routes`: the tab's routes: each parses a request, asks the backend, responds
- `query`: query parameters of the routes; every error is a sentence with a 4xx status
- `backend`: runs and their diagnoses, kept until something new was recorded
- `cache`: runs, diagnoses and answers, kept until something new was recorded, and no more bytes of them than was allowed
- `background`: work that nobody waits for: runs are judged whether or not somebody asks again
- `quiet`: when a listing still holds: nothing was written since
- `configuration`: the configuration beside the runs, as the command line reads it; edited, it counts from the next request
- `summary`: one run as a row of the overview
- `sparkline`: a curve as a word, for that row
- `table_answer`: a table of a run as bytes: what was recorded, or what is derived from it
- `table_bytes`: tables as bytes, thinned so that no spike is lost: every bucket keeps its extremes and what was not a number
"""
