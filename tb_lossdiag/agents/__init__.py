"""Doors for coding agents: what they ask of runs, and how.

In reading order:

- `tools`: what may be asked: a folder's runs, a diagnosis, a rule, a comparison
- `server`: the same by the Model Context Protocol
"""
