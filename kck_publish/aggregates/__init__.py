"""Products of aggregates, declared instead of written: see ``primer``. Above ``primers``.

``columns`` and ``conditions`` say what SQL and Python see alike, ``base`` what an aggregate is;
``scalars``, ``tallies`` and ``lists`` are the aggregates, ``gathering`` computes them and
``product`` keeps them up.

To add an aggregate, derive it from ``Aggregate``, in ``tallies`` if it is amended from counts of
values (a median) and in ``scalars`` if it is one number; name it here and in ``kck_publish``.
"""

from .base import Aggregate
from .lists import Ordered, Top
from .primer import AggregatePrimer
from .scalars import Average, Count, Max, Min, Sum
from .tallies import Histogram, Set

__all__ = [
    "Aggregate",
    "AggregatePrimer",
    "Average",
    "Count",
    "Histogram",
    "Max",
    "Min",
    "Ordered",
    "Set",
    "Sum",
    "Top",
]
