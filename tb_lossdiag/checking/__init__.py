"""Folders in, judged runs out: what `tb_lossdiag.diagnose`, `tb_lossdiag.compare` and the command line share.

In reading order:

- `wishes`: settings of a call: those of the configuration file, with what the caller says on top
- `places`: what was named: folders, runs of one, event files
- `aside`: what other packages print goes to standard error meanwhile
- `parts`: what is judged at once: runs that may be halves of one training, read together, so that a big folder is read in pieces
- `known`: verdicts of earlier checks, kept where the user's system keeps what can be made again: runs that have not changed are not read again
- `kept`: the verdicts on a folder's runs as one file: of a run that has not changed nothing is read but its line
- `workers`: who judges: this process, several where there is enough to do for longer than they take to start, or an executor's
- `check`: all parts, in their order
- `left_out`: what lies in a folder and is not judged, and why: silence would read as health
- `verdict`: what a severity means for a folder: the exit code
- `pair`: two runs, judged to be compared
- `shown`: how reports are shown: as text, and as HTML in notebooks
- `found`: a judged run and its findings as objects
- `expected`: what must hold of a report for a test that asks for health
- `report`: `tb_lossdiag.diagnose` and what it returns
- `comparison`: `tb_lossdiag.compare` and what it returns
"""
