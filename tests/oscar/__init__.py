"""django-oscar's own models, with ten primers written without declarations: for kck_suggest.

``python -m tests.oscar FOLDER`` runs in a process of its own (tests/integration/test_oscar.py): the
primers are copied to FOLDER, suggested, written, and then changed rows at random under STRICT.
"""
