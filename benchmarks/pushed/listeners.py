"""django-pgpubsub's callbacks, imported when the app is ready, as its README says."""

from __future__ import annotations

from typing import Any

import pgpubsub

from benchmarks.pushed.channels import LockableChannel, PubsubChannel
from benchmarks.pushed.echo import echo


@pgpubsub.post_save_listener(PubsubChannel)  # type: ignore[untyped-decorator, unused-ignore]
def pubsub(old: Any, new: Any) -> None:
    """Say that it was called."""
    echo(new.pk, new.pages)


@pgpubsub.post_save_listener(LockableChannel)  # type: ignore[untyped-decorator, unused-ignore]
def lockable(old: Any, new: Any) -> None:
    """Say that it was called."""
    echo(new.pk, new.pages)
