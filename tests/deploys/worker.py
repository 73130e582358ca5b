"""Reads and writes as one version of the code does: ``python -m tests.deploys.worker ROUNDS``.

Prints, as JSON, what was wrong, how many reads there were, and how many were found stored.
"""

from __future__ import annotations

import json
import random
import sys
from typing import Any


def main(rounds: int) -> dict[str, Any]:
    """Write and read so many times; with none, compare every row under every lookup."""
    from tests.deploys import models

    Thing: Any = models.Thing  # noqa: N806
    name = "title" if models.NEW else "name"
    pks = list(Thing.objects.values_list("pk", flat=True))
    wrong: list[str] = []
    for number in range(rounds):
        pk = random.choice(pks)
        Thing.objects.filter(pk=pk).update(**{name: f"{name}-{number}-{pk}", "size": number % 3})
        found = Thing.cached.get(pk=pk)  # one's own write, or a later one of the other version
        if f"-{pk}" not in getattr(found, name):
            wrong.append(f"{pk} is called {getattr(found, name)}")
    if rounds:
        return {"wrong": wrong}
    return {
        "wrong": [one for pk in pks for one in _differences(Thing, pk)],
        "reads": len(pks),
        "served": sum(_is_served(Thing, pk) for pk in pks),
    }


def _is_served(model: Any, pk: int) -> bool:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        model.cached.get(pk=pk)
    return not any("deploys_thing" in one["sql"] for one in queries)


def _differences(model: Any, pk: int) -> list[str]:
    from tests.deploys.models import NEW
    from tests.kinds.alike import differences

    expected = model.objects.get(pk=pk)
    name = "title" if NEW else "name"
    lookup = {name: getattr(expected, name)}
    found = [model.cached.get(pk=pk), model.cached.get(**lookup)]
    found += [one for one in model.cached.filter(size=expected.size) if one.pk == pk]
    wrong = [one for each in found for one in differences(each, expected)]
    return wrong if len(found) == 3 else [*wrong, f"{pk} is not in its list"]


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(main(int(sys.argv[1]))))
