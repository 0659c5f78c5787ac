"""From TensorBoard's data provider to runs: the one way in for the plugin and the command line.

In reading order:

- `reader`: reads runs through a `DataProvider`, keeping what cannot change
- `names`: the names of all runs, asked of a provider that may fail at one of them
- `plan`: which scalars of a run are which quantity: decided from the tags alone, before anything is read
- `styles`: under which tags training frameworks write their loss, learning rate and gradient norm
- `agents`: under which tags reinforcement learning and preference tuning log what they do
- `durations`: under which tags loops log how long a step takes and how much it holds
- `experts`: under which tags the trainers of mixtures log how tokens are shared out
- `scalars`: runs that nobody instrumented: plain scalars in their event files, read through the data provider
- `unread`: scalars of a run that nobody knows, and what each may be
- `series`: scalars that were read, as tables: resumes undone, totals summed, clocks aligned
- `own_values`: what a loop hands over by `extra` under a name that agents' logs use
- `again`: where plain scalars go back to an earlier step
- `folder`: a folder of event files and logs, as a data provider gives them; nothing that lies in it may make reading give up
- `remote`: folders that are not on this machine, through fsspec: listed there, and their files kept here as a copy
- `remote_copy`: files from elsewhere, kept here: one that has grown costs what is new of it
- `contents`: what event files of a run say by tag, of what is read here: plain scalars and our own records. All else is passed over
- `written`: one tag as it stands in event files: steps and wall times in the order in which they were written
- `curves`: plain scalars as they stand in event files: numbers by tag, without an object for each of them
- `payloads`: our own records as they stand in event files: views of the bytes that were read, where TensorBoard would make two copies of them
- `logs`: other people's logs that are no event files, as runs of plain scalars
- `event_names`: which files are event files
- `tensors`: tensors as they stand in files, as arrays
- `files`: event files as they lie in a folder: whatever is in them, reading ends, and what is damaged costs only itself
- `stamps`: what tells that files of runs are as they were when they were read, without reading them
- `bounds`: what steps and wall times can be: a file may say anything
- `sessions`: which records of a folder stand: a later session undoes what it did again, frame by frame
- `assemble`: puts sessions and shards together: what a resume undid is dropped, columns are united, the last word on a step counts
- `tails`: tail files beside event files (see `recording/tail.py`), as the newest records of a local folder's runs
- `phases`: sub-runs that are halves of one training: `x/train` and `x/validation` are the run `x`
"""

from tb_lossdiag.reader.bounds import DAMAGED
from tb_lossdiag.reader.folder import event_folders, open_folder
from tb_lossdiag.reader.logs.beside import with_logs
from tb_lossdiag.reader.names import run_names
from tb_lossdiag.reader.phases import family
from tb_lossdiag.reader.reader import Listing, Reader
from tb_lossdiag.reader.scalars import DEFAULT_LIMIT, LeftOut, Scalars
from tb_lossdiag.reader.tails import with_tails

__all__ = [
    "DAMAGED",
    "DEFAULT_LIMIT",
    "LeftOut",
    "Listing",
    "Reader",
    "Scalars",
    "event_folders",
    "family",
    "open_folder",
    "run_names",
    "with_logs",
    "with_tails",
]
