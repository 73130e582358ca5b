"""One process of a herd: many threads that miss one key at once. Run by ``test_herd.py``.

Prints ``ready`` when all threads are connected, waits for a line on its input, lets them read, and
prints how many computes there were and which answers.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from tests.acceptance.at_once import at_once


def main() -> None:
    import django

    django.setup()
    from django.db import connection

    from tests.catalog import primers

    def slowly(product: str, parameters: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.5)")

    primers.interfere.append(slowly)
    answers = at_once(int(sys.argv[1]), lambda: [primers.ItemTotal.cached.get(group=1)])
    print(json.dumps({"computed": len(primers.computed), "answers": answers}), flush=True)


if __name__ == "__main__":
    main()
