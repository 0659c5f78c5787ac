"""Turns a diagnosis into what people and programs read.

In reading order:

- `document`: the diagnosis as a JSON document: the same for the plugin and `tb-lossdiag check --format json`
- `formats`: the files that a diagnosis can be: the command line's `--format`, the tab's `/report` and its page all offer these
- `findings`: what every report does with findings: walks through them, and puts their steps and numbers into words
- `words`: the few words of reports that belong to no rule, in the languages of the tab
- `advice`: advice as it stands in a terminal, laid out once for many runs
- `text`: the diagnosis for people at a terminal
- `markdown`: the diagnosis as Markdown, for an issue or a pull request
- `page`: the diagnosis as one HTML file to hand round, a summary first
- `spreadsheet`: the diagnosis as CSV: one row per finding, symptoms behind their cause
- `sarif`: the diagnosis as SARIF 2.1.0, which code hosts show beside a change
- `script_lines`: which line of the script a finding is about
- `plain`: a document as renderers may print it: the same, without control characters
- `limits`: how far a status carries, in sentences: which rules could not look, and what would let them
- `restarts`: where a run was taken up again, and how much of it was done again
- `live_reports`: when findings were reported while the training ran
- `baseline`: findings that were there before: a project with old findings can still let only new ones fail its checks
- `comparison`: two runs side by side as a JSON document: findings fixed, new and still there, where curves part
- `settings`: what was set for a run, as far as its records tell
- `measures`: what a run came to, beside what is wrong with it: when it ran, where its losses ended, what was set
- `curve_differences`: where the curves of two runs part: the first step at which their levels differ by more than noise explains
- `level_differences`: at which levels two runs begin and end
- `data_differences`: how the data of two runs differ, as far as check-ups saw them
- `comparison_text`: a comparison in words: for a terminal and as Markdown
- `reference`: the rule reference as Markdown, from the same texts that the tab and `tb-lossdiag explain` show
"""
