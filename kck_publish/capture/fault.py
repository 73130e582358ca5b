"""The faults of a trigger, and the cure of each."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from . import catalog, record_change_sql


@dataclass(frozen=True)
class Fault:
    """A trigger that does not do its work.

    Attributes:
        table: the table, or partition, on which it should be.
        trigger: its name.
        problem: "missing", "disabled" or "outdated".
        why: more about it, for the message; may be empty.
        cure: what to do about it, where that is not the same for all with the problem.
    """

    table: str
    trigger: str
    problem: str
    why: str = ""
    cure: str = ""

    def __str__(self) -> str:
        what = f"Trigger {self.trigger} of table {self.table} is {self.problem}"
        cure = self.cure or CURES[self.problem]
        return f"{what}{' (' + self.why + ')' if self.why else ''}: {cure}"


CURES = {
    "disabled": "its changes are not captured. Run `manage.py pgtrigger enable`.",
    "missing": "its changes are not captured. Run `manage.py migrate`.",
    "outdated": ("it captures what another version of the code asks for. Run `manage.py migrate`."),
}
_NO_COLUMN = (
    "each write has all that depends on the table primed, and fails until a listener or `migrate` "
    "has seen to it. Give the model the columns that the table has, and run `manage.py migrate`."
)

_NO_TABLE = (
    "its changes are not captured, and `migrate` cannot help. Depend on the tables under it, or "
    "set `refresh_every` for what is read of it."
)

_NO_ROW_TRIGGER = (
    "the changes that a subscription applies are not captured, as they fire row triggers alone. A "
    "running listener sees to it within POLL_INTERVAL; `manage.py migrate` does at once."
)


def fault_of(found: catalog.Found, hash: str) -> Fault | None:
    """The fault of a trigger, if there is one.

    Args:
        found: the trigger as it is.
        hash: of its SQL as it should be.
    """

    def fault(problem: str, why: str = "", cure: str = "") -> Fault:
        return Fault(found.relation, found.trigger, problem, why, cure)

    if not found.is_table:
        return fault("missing", "this is no table, and only tables can be captured", _NO_TABLE)
    if found.hash is None:
        return fault("missing")
    if not found.enabled:
        return fault("disabled")
    if found.missing_columns:
        why = f"the table has no stored column {', '.join(found.missing_columns)}"
        return fault("outdated", why, _NO_COLUMN)
    if found.subscribed and not found.by_row:
        return fault("outdated", "logical replication writes its table", _NO_ROW_TRIGGER)
    if found.hash == record_change_sql.COARSE:
        return fault("outdated", "the columns of its table have changed since it was installed")
    return fault("outdated") if found.hash != hash else None


def explain(error: psycopg.Error) -> None:
    """Say of a write's error that the capture is the cause, if so."""
    if "kck_publish_" in (error.diag.context or ""):
        error.add_note(
            "A column that kck_publish captures was renamed or dropped outside of `migrate`. A "
            "running listener sees to it within POLL_INTERVAL; `manage.py migrate` does at once."
        )
