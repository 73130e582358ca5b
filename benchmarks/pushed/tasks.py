"""procrastinate's job, in the module that its Django app looks for."""

from __future__ import annotations

from procrastinate.contrib.django import app

from benchmarks.pushed.echo import echo


@app.task(name="told")  # type: ignore[untyped-decorator, unused-ignore]
def told(pk: int, number: int) -> None:
    """Say that it was called."""
    echo(pk, number)
