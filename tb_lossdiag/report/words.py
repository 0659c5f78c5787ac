"""The few words of reports that belong to no rule, in the languages of the tab."""

from __future__ import annotations

from collections.abc import Mapping

from tb_lossdiag.diagnosis.rule import Text

_WORDS: Mapping[str, Text] = {
    "error": Text("error"),
    "warning": Text("warning"),
    "info": Text("info"),
    "healthy": Text("healthy"),
    "broken": Text("broken"),
    "nothing found": Text("nothing found"),
    "too early": Text("too early"),
    "too little recorded": Text("too little recorded"),
    "judged by": Text(
        "by {judged} of {all} rules; {rest} had nothing to look at, so this is no proof of health"
    ),
    "no loss": Text("no rule that judges a loss could: record one with add_diagnostics(loss=…)"),
    "unlock": Text("would unlock {count}: {how}"),
    "unreadable": Text("unreadable"),
    "findings": Text("findings"),
    "with findings": Text("with findings"),
    "clear": Text("clear"),
    "not evaluated": Text("not evaluated"),
    "nothing here": Text("with nothing of their kind here"),
    "nothing of the kind": Text("nothing of their kind here"),
    "failed": Text("failed"),
    "report": Text("Diagnosis of Loss Doctor"),
    "run": Text("run"),
    "state": Text("state"),
    "length of run": Text("optimizer steps"),
    "length": Text("{count} steps"),
    "length of one": Text("{count} step"),
    "rules": Text("rules: {counts}"),
    "step": Text("step {first}"),
    "steps": Text("steps {first} to {last}"),
    "threshold": Text(" (threshold {value})"),
    "it explains": Text("It explains:"),
    "explains": Text("explains"),
    "quantity": Text("quantity"),
    "column": Text("column"),
    "at": Text("steps"),
    "observed": Text("observed"),
    "bound": Text("threshold"),
    "not evaluated here": Text("Not evaluated:"),
    "accepted": Text("accepted: {code} {message} Reason: {reason}"),
    "accepted here": Text("Accepted:"),
    "manual": Text("more on a rule, with or without a network: {command}"),
    "known": Text("in the baseline"),
    "from scalars": Text(
        "read from plain scalars ({scalars}); record with tb_lossdiag.SummaryWriter for gradients, clipping and updates"
    ),
    "unread": Text(
        "not read, since nobody knows these scalars: {tags}; --map learning_rate=TAG (or loss, validation_loss, global_norm …) says what one is"
    ),
    "live": Text("reported live: {moments}"),
    "live appeared": Text("at step {step}"),
    "live cleared": Text("cleared at step {step}"),
    "list": Text(", "),
    "next": Text("; "),
    "colon": Text("{what}: {words}"),
    "aside": Text("{what} ({words})"),
    "live past": Text("Reported live, no longer found:"),
    "thinned": Text("TensorBoard kept only a sample of: {names}"),
    "damaged": Text(
        "Left out, because they are not what was written (damaged on disk or on the way): at least {count} records"
    ),
    "restarts": Text("Restarts: {restarts}"),
    "restart resumed": Text("resumed at step {step}"),
    "restart went back": Text("went back to step {step}"),
    "restart renumbered": Text("step numbers began again at {named}, shown from {step} on"),
    "restart beside": Text("another writer recorded the same from step {step} on"),
    "further": Text("and {count} more"),
    "undone": Text("{what} ({count} records of earlier sessions are hidden)"),
    "nothing new": Text("nothing"),
    "comparison": Text("{a} compared with {b}"),
    "fixed": Text("Fixed"),
    "new": Text("New"),
    "still": Text("Still there"),
    "unclear": Text("Judged in only one of them"),
    "curves": Text("Where the curves part"),
    "facts": Text("What differs"),
    "part at": Text("at step {step}: {a} and {b}"),
    "together": Text("not beyond noise"),
    "identical": Text("identical"),
    "more": Text("and {count} more columns part later"),
}


def word(name: str, language: str, **values: object) -> str:
    """A word or short sentence.

    >>> word("steps", "en", first=1, last=2)
    'steps 1 to 2'
    """
    text = _WORDS[name].in_language(language)
    return text.format(**values) if values else text
