"""What a deployment can have wrong: a function a subject, asked by checks, status and the doctor.

In: settings, declarations, and the database as it is now. Out: problems, each with what to do. The
room must not change anything that it looks at. ``registry`` says how to add a subject.
"""
