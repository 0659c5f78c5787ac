"""What `tasks.py` runs besides tests.

- `auditing`: asks for known vulnerabilities of what is pinned
- `translations`: the catalogues of translations
"""
