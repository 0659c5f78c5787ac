"""Logs that are no event files: JSON, lines of it, and tables, as other people's loops leave them. A file may hold several runs.

In reading order:

- `names`: which files are taken for logs, in a folder that is looked through and where somebody names one; what their runs are called
- `text`: rows of lines: JSON, the dictionaries that trainers print, and what they print behind a step
- `pairs`: those lines: verl's, torchtitan's, nanoGPT's
- `blocks`: lines below one that names a step: Coqui's
- `whole`: rows of a file that is one JSON document, such as Transformers' `trainer_state.json`
- `separated`: rows of comma-separated tables: Lightning's, W&B's, Ultralytics', Keras', Stable-Baselines3's
- `row`: what a row says: numbers by tag
- `clock`: which column counts the steps, and which tells the time
- `file`: a file's runs: sessions told apart, as much of each as is kept of event files
- `beside`: the logs of a folder, for a data provider that knows event files only
"""
