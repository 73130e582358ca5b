"""The dashboard: lag, rates, failures, the graph and each product, live in a browser.

    path("kck/", include("kck_publish.dashboard.urls"))

It only looks. A page is a subclass of ``page.Page``: one statement of named queries (``asking``),
whose rows become what a template shows; an open page asks for the same as JSON every few seconds.
Its files are served from here, so that it needs no static files and no host but its own.
"""
