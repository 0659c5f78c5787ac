"""What `tasks.py` runs besides tests.

- `answers`: what the tab's routes answer, for the page's types
- `http_api`: the answers in the description of the routes
- `auditing`: asks for known vulnerabilities of what is pinned
- `classified`: asks whether the package index knows our classifiers
- `site`: the documentation site in both languages
- `notebook`: a page of the manual as a notebook, run by Jupyter
- `links`: which links of built pages lead nowhere
- `costs`: what recording costs, as the READMEs' and the manual's table
- `translations`: the catalogues of translations
"""
