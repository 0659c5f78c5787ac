"""Samples in, records in the event file.

In reading order:

- `recorder`: where everything observed comes together: steps become windows, windows become records in the event file
- `windows`: sums up the steps of a window into one record, so that nothing is lost but the steps in between
- `latest`: the latest steps as they were, before windows sum them up: written where something breaks
- `step_matrix`: steps that wait to be summed up, as one matrix: a row per step, a column per series (quantity of a column)
- `window_sums`: what the rows of windows come to, for all series at once: last, mean, sum, extremes
- `record_writer`: writes the record of a window: with the ordinary scalars that go with it, and what goes with the first one
- `scalars`: the handful of ordinary scalars that go with a record, for stock dashboards
- `journal`: turns records into the values of an event file: merges a step's records, keeps sessions, shards and column names
- `pending`: a step that has not been written yet
- `emit`: where a journal writes: whole values, or the bytes that they come to
- `frame`: a frame in the session that goes on: its columns, its shards, and its records as the values of an event file
- `event_file`: the event file: record checksums computed natively, and a file that outlives a disk that refuses it for a while
- `spool`: items on their way to a file, in a thread of their own: a disk that takes none for a while is asked again
- `backlog`: items that wait for a file, and how much of what came the file holds
- `refusals`: a disk that takes nothing for a while: why, since when, what that cost, and when it is asked again
- `growing_file`: files that only grow: what is whole on the disk stays, a half-written tail is written again over itself
- `underway`: records on their way into the event file: given to its thread, and not known to be written
- `tail`: what is not yet in the event file, kept beside it: a process that is killed leaves the windows that were open
- `past`: what a folder of event files holds already: how far its training has come, and who wrote in it until when
"""
