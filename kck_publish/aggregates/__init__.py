"""Products of aggregates, declared instead of written: see ``primer``. Above ``primers``.

``columns`` and ``conditions`` say what SQL and Python see alike, ``base`` what an aggregate is;
``count_sum_min_max``, ``counted_values`` and ``lists`` are the aggregates, ``gathering`` computes
them, ``product`` keeps them up, and ``stored_state`` puts their states behind the shown value.

To add an aggregate, ask what must be kept so that a row can be added to it and taken away. A count
of each value: ``counted_values``. A median goes there: its result is one number, but it is found
from the counts of all values. A number or two that SQL computes itself: ``count_sum_min_max``. Rows
in an order: ``lists``. Name the class here and in ``kck_publish``.
"""

from .base import Aggregate
from .count_sum_min_max import Average, Count, Max, Min, Sum
from .counted_values import Histogram, Set
from .lists import Ordered, Top
from .primer import AggregatePrimer

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
