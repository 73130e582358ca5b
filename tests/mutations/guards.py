"""The table: what is guarded, the code that guards it, the same without it, the test that fails."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = ROOT / "kck_publish"
INNER = "tests/integration/"
FAULTS = "tests/faults/"
KAFKA = f"{INNER}test_kafka"
NEAR = f"{INNER}test_near"
ROUND_TRIP = f"{INNER}test_round_trip.py::"
QUERYSETS = "tests/integration/test_querysets.py"
NEAR_FILE = "tests/unit/test_near_file.py"
NEAR_FOLLOWS = "tests/acceptance/test_near.py"
NEAR_LIVE = "tests/live/test_near_file.py"


@dataclass(frozen=True)
class Guard:
    """One guard.

    Attributes:
        area: the protocol that it is of.
        name: what it does.
        without: pairs of source text, each found exactly once in the code, and what stands there
            without the guard.
        test: the test that fails then, as pytest is told.
    """

    area: str
    name: str
    without: tuple[tuple[str, str], ...]
    test: str

    @property
    def files(self) -> list[Path]:
        """The file that holds each of the texts."""
        return [place(text) for text, _ in self.without]


@cache
def sources() -> dict[Path, str]:
    """The files of the library's code, as they are before anything is taken out."""
    paths = sorted(path for kind in ("*.py", "*.sql") for path in CODE.rglob(kind))
    return {path: path.read_text() for path in paths}


def check_syntax(path: Path, text: str) -> None:
    """Raise SyntaxError for a text that is no Python; SQL is left to the database."""
    if path.suffix == ".py":
        compile(text, path, "exec")


def place(text: str) -> Path:
    """The one file that holds this text, once.

    Raises:
        LookupError: it is nowhere, or in several places: the table has to be adapted.
    """
    found = [path for path, code in sources().items() for _ in range(code.count(text))]
    if len(found) != 1:
        names = [path.name for path in found]
        raise LookupError(f"found {len(found)} times ({names}), and not once:\n{text}")
    return found[0]


def _guard(area: str, name: str, old: str, new: str, test: str) -> Guard:
    return Guard(area, name, ((old, new),), test)


GUARDS = (
    # --- the lazy prime
    Guard(
        "lazy prime",
        "the listener claims before it looks which keys are stored",
        (("        if self._is_made:\n", "        if self._is_made or queries:\n"),),
        f"{INNER}test_lazy_prime.py::test_a_reader_that_adds_after_the_look_sees_the_claim",
    ),
    _guard(
        "lazy prime",
        "a reader that has added looks at the claim",
        "and not seen.includes(Snapshot.parse(claimed))",
        "and False",
        f"{INNER}test_lazy_prime.py::test_a_reader_that_was_overtaken_asks_for_a_refresh",
    ),
    _guard(
        "lazy prime",
        "an add never overwrites",
        '{_ROWS} {ROOM} ON CONFLICT DO NOTHING"',
        "{_ROWS} {ROOM} ON CONFLICT (digest, fingerprint) DO UPDATE SET body = excluded.body, "
        'stamp = excluded.stamp, by = excluded.by"',
        f"{INNER}test_lazy_prime.py::test_a_slow_prime_never_overwrites",
    ),
    _guard(
        "lazy prime",
        "what was added late, and is older than the cursor, is primed",
        "if not Snapshot.parse(entry.stamp).includes(self._since):",
        "if False:",
        f"{INNER}test_lazy_prime.py::test_the_next_batch_primes_what_was_added_late",
    ),
    _guard(
        "lazy prime",
        "a refresh by hand does not overwrite a later state",
        "written(sql.WRITE_LATER, ",
        "written(sql.WRITE, ",
        f"{INNER}test_lazy_prime.py::test_a_slow_refresh_by_hand_never_overwrites_a_later_value",
    ),
    _guard(
        "lazy prime",
        "an augmentable product is primed in one snapshot",
        "    alone = product.augmentable and not connection.savepoint_ids\n",
        "    alone = False\n",
        f"{INNER}test_lazy_prime.py::"
        "test_a_change_committed_while_a_prime_computes_and_handled_later",
    ),
    _guard(
        "lazy prime",
        "and is not stored from a transaction of many snapshots",
        "if not product.augmentable:  # which must come from one snapshot",
        "if True:",
        f"{INNER}test_lazy_prime.py::"
        "test_an_augmented_value_is_not_kept_from_a_transaction_of_many_snapshots",
    ),
    _guard(
        "lazy prime",
        "the claim on what a value was made of counts as that on itself",
        "    return (entry.address, *(read.address for read in entry.reads))",
        "    return (entry.address,)",
        f"{INNER}test_recorded.py::test_the_claim_on_what_was_read_is_looked_at",
    ),
    _guard(
        "lazy prime",
        "the listener adopts only the row that it has looked at",
        "   AND kck_publish_entry.version = excluded.version\n",
        "",
        "tests/contracts/test_stores.py::"
        "test_a_row_that_was_written_anew_since_the_look_is_not_adopted",
    ),
    # --- live
    _guard(
        "live",
        "a version is taken once the row is locked",
        "by = excluded.by, version = nextval('kck_publish_version'),",
        "by = excluded.by, version = excluded.version,",
        "tests/live/test_versions.py::test_of_two_who_write_the_later_has_the_greater_version",
    ),
    _guard(
        "live",
        "a hub that begins sets the versions past the clock",
        "            journal.mark(cursor, place.id)\n            advance_versions(cursor)\n",
        "            journal.mark(cursor, place.id)\n",
        "tests/live/test_versions.py::"
        "test_versions_go_on_above_those_of_a_database_that_was_there_before",
    ),
    _guard(
        "live",
        "who has joined is told nothing of a copy that is older",
        "            key: [mailbox for mailbox in self._keys[key].newcomers if mailbox.joined <= at]\n",
        "            key: list(self._keys[key].newcomers)\n",
        f"{NEAR_LIVE}::test_who_joins_waits_for_a_copy_that_is_no_older",
    ),
    _guard(
        "live",
        "what PostgreSQL has told is followed by no older copy",
        "        if self._asked.get(key, 0.0) > at:\n            return False\n",
        "",
        f"{NEAR_LIVE}::test_what_postgresql_has_told_is_followed_by_no_older_copy",
    ),
    _guard(
        "live",
        "who follows the file learns that the log has forgotten something",
        "        if is_known and _NUMBER.unpack_from(floor)[0] <= self._seen:\n",
        "        if is_known:\n",
        "tests/unit/test_near_log.py::test_what_is_forgotten_may_be_anything",
    ),
    _guard(
        "live",
        "what a client has already is not sent again",
        "        if not self._has(event):\n",
        "        if True:\n",
        "tests/live/test_streams.py::test_a_client_that_comes_back_is_told_what_it_has_missed",
    ),
    _guard(
        "live",
        "a stream gives back the thread of its request",
        "    await threads.release()  # also of what the middleware did with the response\n",
        "",
        "tests/live/test_streams.py::test_a_stream_takes_no_thread_and_no_connection",
    ),
    _guard(
        "live",
        "rights are asked again",
        "                frames += _denied(hub, client, await check(client))\n",
        "",
        "tests/live/test_rights.py::test_a_permission_is_needed_and_its_loss_is_told",
    ),
    _guard(
        "live",
        "a value of a user is only for that user, whatever the permissions say",
        'return not product.primer.per_user or typed["user"] == own',
        "return True",
        "tests/live/test_rest_permissions.py::test_a_user_sees_only_the_own_values",
    ),
    _guard(
        "live",
        "permissions of REST framework are asked about the row",
        "            view.check_object_permissions(asked, rows.get(**row_key))\n",
        "",
        "tests/live/test_rest_permissions.py::"
        "test_a_row_that_is_given_to_another_is_denied_before_the_listener_knows",
    ),
    _guard(
        "live",
        "nor does a class let in everybody",
        "callable(rule) and not isinstance(rule, type)",
        "callable(rule)",
        "tests/live/test_rest_permissions.py::test_lists_that_cannot_work_are_refused",
    ),
    # --- single flight
    _guard(
        "single flight",
        "a key that another reader computes is waited for",
        "zip(keys, rows, strict=True) if ours]",
        "zip(keys, rows, strict=True)]",
        f"{INNER}test_lazy_prime.py::test_many_readers_of_a_cold_key_make_one_compute",
    ),
    _guard(
        "single flight",
        "who has the lock looks again before it computes",
        "            found |= there\n",
        "",
        f"{INNER}test_lazy_prime.py::test_what_was_stored_between_the_miss_and_the_lock_is_taken",
    ),
    # --- stamps
    _guard(
        "stamps",
        "a change that the value's stamp sees is skipped",
        "changes = [change for change in task.changes if not stamp.sees(change.xid)]",
        "changes = list(task.changes)",
        f"{INNER}test_refresh.py::test_a_batch_that_is_repeated_augments_once",
    ),
    _guard(
        "stamps",
        "a key whose changes are not surely in order is primed",
        "if len(changes) > 1 and not change_order.is_sure(changes):",
        "if False:",
        f"{INNER}test_one_row_twice.py::test_a_row_trigger_writes_the_row_again",
    ),
    _guard(
        "stamps",
        "where a transaction has set a row back, the order is not sure",
        "elif change.new == began:",
        "elif False:",
        f"{INNER}test_one_row_twice.py::test_a_row_trigger_writes_the_row_again",
    ),
    _guard(
        "stamps",
        "a reader's value older than the cursor is never augmented",
        "if entry.by == READER and not stamp.includes(self._since):",
        "if False:",
        f"{INNER}test_fencing.py::"
        "test_a_value_that_a_reader_adds_in_the_middle_of_a_batch_is_not_augmented",
    ),
    _guard(
        "stamps",
        "a value that is behind is never augmented",
        "entry.body is None or entry.behind or entry.by == HAND",
        "entry.body is None or entry.by == HAND",
        f"{INNER}test_refresh.py::test_a_failed_key_is_primed_not_augmented",
    ),
    _guard(
        "stamps",
        "a value set by hand is never augmented",
        "entry.body is None or entry.behind or entry.by == HAND",
        "entry.body is None or entry.behind",
        f"{INNER}test_refresh.py::test_a_key_set_by_hand_tells_its_dependents",
    ),
    _guard(
        "stamps",
        "a snapshot is without what its own transaction does",
        "if own is None or not snapshot.sees(int(own)):",
        "if True:",
        f"{INNER}test_snapshots.py::test_a_later_transaction_does_not_hide_that_ours_is_open",
    ),
    _guard(
        "stamps",
        "a value must include the newest of what was put aside under its product",
        "if name not in found or snapshot.includes(found[name]):",
        "if name not in found:",
        f"{INNER}test_huge_changes.py::"
        "test_of_several_parts_the_newest_says_what_a_value_must_include",
    ),
    # --- following
    _guard(
        "following",
        "late commits are found through the cursor's running transactions",
        'LATE = "xid = ANY (kck_publish_running_v1(%(since)s::pg_snapshot))"',
        'LATE = "xid = ANY (kck_publish_running_v1(%(since)s::pg_snapshot)) AND false"',
        f"{INNER}test_refresh.py::test_a_late_commit_augments_once_and_is_not_lost",
    ),
    _guard(
        "following",
        "a batch is computed in one snapshot",
        '_LEVEL = "ISOLATION LEVEL REPEATABLE READ, READ ONLY"',
        '_LEVEL = "ISOLATION LEVEL READ COMMITTED, READ ONLY"',
        f"{INNER}test_refresh.py::test_one_batch_sees_one_snapshot",
    ),
    _guard(
        "following",
        "a cursor of another cluster is recognized",
        "if _value(desk, others, cluster):",
        "if False:",
        f"{FAULTS}test_restored_dump.py",
    ),
    _guard(
        "following",
        "only what every cursor has passed is trimmed",
        "AND pg_visible_in_snapshot(xid, %(until)s::pg_snapshot) AND {aged}",
        "AND {aged}",
        f"{INNER}test_log.py::test_what_a_cursor_has_still_to_see_is_not_trimmed",
    ),
    _guard(
        "following",
        "and the cursor of the slowest shard counts",
        "oldest = min(found, key=",
        "oldest = max(found, key=",
        f"{INNER}test_log.py::test_every_shards_cursor_counts",
    ),
    # --- fencing
    _guard(
        "fencing",
        "a shard has one owner",
        "if not _value(desk, _LOCK, shard):",
        "if False:",
        f"{INNER}test_refresh.py::test_a_shard_has_one_owner",
    ),
    _guard(
        "fencing",
        "a new owner has an epoch of its own",
        "SET epoch = epoch + 1, seen_at",
        "SET seen_at",
        f"{INNER}test_refresh.py::test_a_shard_has_one_owner",
    ),
    _guard(
        "fencing",
        "who has lost the shard does not write",
        "WHERE shard = %s AND epoch = %s AND done::text = %s RETURNING true",
        "WHERE shard = %s AND epoch >= %s AND done::text = %s RETURNING true",
        f"{INNER}test_refresh.py::test_a_worker_whose_shard_has_moved_writes_nothing",
    ),
    _guard(
        "fencing",
        "nor claims",
        'SET claimed = %s WHERE shard = %s AND epoch = %s"',
        'SET claimed = %s WHERE shard = %s AND epoch >= %s"',
        f"{INNER}test_fencing.py::"
        "test_who_has_lost_the_shard_does_not_take_back_the_new_owners_claim",
    ),
    _guard(
        "fencing",
        "the cursor moves only from where it was read",
        "AND done::text = %s RETURNING true",
        "AND %s::text <> '' RETURNING true",
        f"{INNER}test_fencing.py::test_a_batch_is_written_only_from_where_it_was_read",
    ),
    _guard(
        "fencing",
        "an error in the middle of a write undoes the write",
        "        self._waiting.clear()\n",
        "        if self._waiting:\n            self._communicate(last=True)\n",
        f"{INNER}test_fencing.py::test_an_error_in_the_middle_of_a_write_writes_nothing",
    ),
    # --- round trips
    _guard(
        "round trips",
        "what was sent for a fetch is rolled back with its block",
        "            self.execute(_SPOIL)\n",
        "",
        f"{ROUND_TRIP}test_if_the_block_raises_what_was_sent_for_a_fetch_is_rolled_back",
    ),
    _guard(
        "round trips",
        "a connection whose answers nobody has read is closed",
        "                    pgconn.finish()  #",
        "                    pass  #",
        f"{ROUND_TRIP}test_an_interrupted_wait_closes_the_connection",
    ),
    _guard(
        "round trips",
        "a statement that the server has not prepared is not believed to be",
        "                    self._prepared.failed(statement.key)\n",
        "                    pass\n",
        f"{ROUND_TRIP}test_a_statement_that_cannot_be_prepared_is_not_believed_to_be",
    ),
    _guard(
        "round trips",
        "what is prepared is forgotten when the server has none of it",
        "                self._prepared.forget()\n",
        "                pass\n",
        f"{ROUND_TRIP}test_after_discard_all_it_prepares_anew",
    ),
    _guard(
        "round trips",
        "what is prepared is forgotten when Django's connection is told to",
        "        _known.get(connection, {}).clear()\n",
        "        pass\n",
        f"{INNER}test_kept_cursor.py::test_a_session_that_is_cleaned_before_each_transaction",
    ),
    _guard(
        "round trips",
        "a miss begins once more when what it had prepared is gone",
        "        if not isinstance(error.__cause__, STALE):\n",
        "        if True:\n",
        f"{INNER}test_kept_cursor.py::test_a_miss_is_prepared_too_and_outlives_discard_all",
    ),
    _guard(
        "round trips",
        "more changes than come with the snapshot are asked for",
        "    if len(rows) > FIRST:\n",
        "    if False:\n",
        f"{INNER}test_log.py::test_more_changes_than_come_with_the_snapshot",
    ),
    # --- own writes
    _guard(
        "own writes",
        "asynchronous code reads the near store at once where its thread has written nothing",
        ".get(product) == _count",
        ".get(product) is not None",
        f"{INNER}test_async_reads.py::test_own_writes_of_asynchronous_code_are_seen",
    ),
    _guard(
        "own writes",
        "and where its request has written nothing",
        "return context not in _wrote  # nobody else has its thread",
        "return True",
        f"{INNER}test_async_reads.py::test_own_writes_of_asynchronous_code_are_seen",
    ),
    _guard(
        "own writes",
        "nothing is stored that is not committed",
        "    if uncommitted:\n",
        "    if False:\n",
        f"{INNER}test_own_writes.py::"
        "test_a_value_of_a_savepoint_that_django_does_not_know_is_not_stored",
    ),
    _guard(
        "own writes",
        "inside the transaction that has written, nothing older is served",
        "if self._own is not None and not self._own.settled(",
        "if self._own and not self._own.uncommitted and not self._own.settled(",
        f"{INNER}test_own_writes.py::test_inside_the_transaction_that_has_written",
    ),
    _guard(
        "own writes",
        "nor after it, until the listener has passed the write",
        "if self._own is not None and not self._own.settled(",
        "if self._own is not None and self._own.uncommitted and not self._own.settled(",
        f"{INNER}test_own_writes.py::"
        "test_after_the_commit_before_the_listener_has_passed_and_after",
    ),
    _guard(
        "own writes",
        "nor between the batches of a cascade",
        "        if over_products:\n            return self.handled\n",
        "",
        f"{INNER}test_own_writes.py::test_between_the_batches_of_a_cascade",
    ),
    _guard(
        "own writes",
        "what is handled says nothing of a value that was read before",
        "    if any(_rests_on_progress(own, entry, over_products) for entry in reading.entries.values()):",
        "    if False:",
        f"{INNER}test_own_writes.py::"
        "test_a_batch_between_the_questions_for_the_value_and_for_what_is_handled",
    ),
    _guard(
        "own writes",
        "the next request is held to what the browser brings along",
        "for write in self.brought if write.touch(settings)",
        "for write in self.brought if False",
        f"{INNER}test_read_your_writes.py::"
        "test_the_next_request_sees_the_write_and_others_are_not_bothered",
    ),
    _guard(
        "own writes",
        "of two transactions, both must be in the value",
        "return all(map(state.sees, self.xids))",
        "return state.sees(max(self.xids))",
        f"{INNER}test_read_your_writes.py::test_two_transactions_are_both_waited_for",
    ),
    _guard(
        "own writes",
        "a session that was closed is not forgotten",
        "                self._lost = [cursor.fetchone()[0]]",
        "                pass",
        f"{INNER}test_read_your_writes.py::test_a_session_that_cannot_be_asked_any_more",
    ),
    _guard(
        "own writes",
        "what an earlier request wrote in the session is not this one's",
        "for name, xid in found.items() if mark.taken.get(name) != xid}",
        "for name, xid in found.items()}",
        f"{INNER}test_read_your_writes.py::test_a_session_that_serves_many_browsers",
    ),
    # --- images
    _guard(
        "images",
        "a setting is pinned on which the text of a captured column depends",
        "    JOIN settings ON name = ANY (types)\n",
        "    JOIN settings ON false\n",
        f"{INNER}test_pinned_settings.py::test_the_writers_settings_change_no_image",
    ),
    _guard(
        "images",
        "and all are where its type is not known",
        "OR name = ANY ({known}::text[]))",
        "OR true)",
        f"{INNER}test_pinned_settings.py::test_the_writers_settings_change_no_image",
    ),
    _guard(
        "images",
        "or where somebody has made the cast to text",
        "OR EXISTS (SELECT FROM pg_cast WHERE",
        "OR EXISTS (SELECT FROM pg_cast WHERE false AND",
        f"{INNER}test_pinned_settings.py::test_the_writers_settings_change_no_image",
    ),
    _guard(
        "images",
        "an array and a domain are what they are made of",
        "    WHERE typtype = 'd' OR typoutput = 'pg_catalog.array_out'::regproc\n",
        "    WHERE false\n",
        f"{INNER}test_pinned_settings.py::test_the_writers_settings_change_no_image",
    ),
    _guard(
        "images",
        "a type that is changed by hand is pinned by the next look",
        "    done += pinned_settings.pin_missing(",
        "    (lambda *_, **__: None)(",
        f"{INNER}test_pinned_settings.py"
        "::test_a_type_that_is_changed_by_hand_is_pinned_by_the_next_look",
    ),
    # --- falling asleep
    _guard(
        "falling asleep",
        "those who may have read the old word are waited for",
        "        return _numbers(running), [",
        "        return frozenset(), [",
        f"{INNER}test_falling_asleep.py",
    ),
    _guard(
        "falling asleep",
        "they are asked for after the word is given",
        "            self._flag(trip, True)\n"
        '            _alone(trip, "SELECT pg_current_xact_id()")\n'
        "            running = trip.execute(_RUNNING)\n",
        '            _alone(trip, "SELECT pg_current_xact_id()")\n'
        "            running = trip.execute(_RUNNING)\n"
        "            self._flag(trip, True)\n",
        f"{INNER}test_falling_asleep.py",
    ),
    _guard(
        "falling asleep",
        "a younger transaction has ended, so that the snapshot lists them all",
        '            _alone(trip, "SELECT pg_current_xact_id()")\n',
        "",
        f"{INNER}test_falling_asleep.py",
    ),
    _guard(
        "falling asleep",
        "there is a look after the word is given",
        "        is_quiet, pause = self.is_quiet(answers), CLOSE_POLL\n",
        "        is_quiet, pause = True, CLOSE_POLL\n",
        f"{INNER}test_falling_asleep.py",
    ),
    _guard(
        "falling asleep",
        "and another after the last one has ended: look who, then drain",
        "while (is_quiet or not self.look(once=True)) and not self.stopping:",
        "while (pause > CLOSE_POLL and not uncertain or is_quiet or not self.look(once=True)):",
        f"{INNER}test_falling_asleep.py",
    ),
    _guard(
        "falling asleep",
        "writers above READ COMMITTED always ring",
        "IF (current_setting('transaction_isolation') NOT IN "
        "('read committed', 'read uncommitted')\n"
        "        AND NOT EXISTS (SELECT FROM kck_publish_listener WHERE kind = 'quiet'))\n"
        "       OR EXISTS",
        "IF EXISTS",
        f"{INNER}test_falling_asleep.py",
    ),
    _guard(
        "falling asleep",
        "writers ring when a listener sleeps",
        "EXISTS (SELECT FROM kck_publish_listener WHERE asleep)",
        "false",
        f"{INNER}test_falling_asleep.py",
    ),
    _guard(
        "falling asleep",
        "a capture trigger calls the doorbell when a listener sleeps, or above READ COMMITTED",
        "FOUND OR current_setting('transaction_isolation') <> 'read committed'",
        "FOUND",
        f"{INNER}test_falling_asleep.py",
    ),
    _guard(
        "falling asleep",
        "a capture trigger looks whether a listener sleeps",
        "PERFORM FROM kck_publish_listener WHERE asleep LIMIT 1;",
        "PERFORM FROM kck_publish_listener WHERE false LIMIT 1;",
        f"{INNER}test_capture.py::test_the_doorbell_rings_only_for_what_is_logged",
    ),
    _guard(
        "falling asleep",
        "what was put aside is handled before it rests",
        "        return any(place.backlog for place in self.owned.values())",
        "        return False",
        f"{INNER}test_huge_changes.py::test_what_is_put_aside_while_falling_asleep_is_handled",
    ),
    _guard(
        "falling asleep",
        "what a batch has left, and nobody rings for, gets it up",
        "        return not (self._has_left or self.has_backlog)",
        "        return not self.has_backlog",
        f"{INNER}test_sleeping_on.py",
    ),
    _guard(
        "falling asleep",
        "a batch that was not made has left all",
        "        had_left, self._has_left = self._has_left, True\n",
        "        had_left = self._has_left\n",
        f"{INNER}test_sleeping_on.py::test_what_a_lock_has_kept_from_being_handled",
    ),
    _guard(
        "falling asleep",
        "a ring of others is heard, whoever else has rung with it",
        "self.others_rang = not sessions <= {self._desk.info.backend_pid}",
        "self.others_rang = self._desk.info.backend_pid not in sessions",
        f"{INNER}test_doorbell.py::test_our_own_ring_is_told_from_that_of_somebody_else",
    ),
    _guard(
        "falling asleep",
        "the listener's own ring is looked for, too",
        "        return bool(sessions)\n",
        "        return self.others_rang\n",
        f"{INNER}test_sleeping_on.py::test_what_the_write_of_a_batch_has_found_moved",
    ),
    _guard(
        "falling asleep",
        "a load that it is behind of gets it up",
        "while not self.stopping and busy < BUSY:",
        "while not self.stopping:",
        f"{INNER}test_sleeping_on.py::test_a_load_that_it_is_behind_of_gets_it_up",
    ),
    _guard(
        "falling asleep",
        "so do several writers at once, who wait for each other to ring",
        "if at_once or self.is_crowded else 0",
        "if at_once else 0",
        f"{INNER}test_sleeping_on.py::test_writers_at_once_get_it_up",
    ),
    _guard(
        "falling asleep",
        "a batch that a lock has stopped is no reason to sleep",
        "if not uncertain and (is_quiet or self.may_rest):",
        "if not uncertain:",
        f"{INNER}test_sleeping_on.py::test_it_does_not_fall_asleep_on_what_a_lock_has_stopped",
    ),
    _guard(
        "falling asleep",
        "what a transaction has announced in one schema is not taken for another's",
        "OR current_setting('kck_publish.rang', true) IS DISTINCT FROM {rang})",
        ")",
        "tests/deployments/test_schemas.py"
        "::test_a_transaction_that_writes_in_two_schemas_rings_for_both",
    ),
    _guard(
        "falling asleep",
        "a transaction announces a source once, and not once a session",
        "(current_setting({wrote}, true) IS DISTINCT FROM pg_current_xact_id()::text",
        "(current_setting({wrote}, true) IS NULL",
        f"{INNER}test_capture.py"
        "::test_a_transaction_announces_a_source_once_and_again_after_a_savepoint",
    ),
    _guard(
        "falling asleep",
        "the library's own rows ring too",
        "        cursor.execute(RING)\n\n\n_LOG_WHOLE",
        "        pass\n\n\n_LOG_WHOLE",
        f"{INNER}test_log.py::test_a_request_rings_for_a_listener_that_sleeps",
    ),
    _guard(
        "falling asleep",
        "what nobody rang for is counted, before the round handles it",
        "if not (self.is_due and any_unseen(self._desk, self._owned.values())):",
        "if True:",
        f"{INNER}test_doorbell.py::test_a_change_that_nobody_rang_for_is_found_and_counted",
    ),
    _guard(
        "falling asleep",
        "a LISTEN connection that has become deaf is replaced",
        "        self._listen()\n        if not heard or",
        "        if not heard or",
        f"{FAULTS}test_outages.py::test_a_listen_connection_that_is_half_open_is_noticed",
    ),
    # --- one snapshot
    _guard(
        "one snapshot",
        "NULLs are not unique: a row that was read is not the only one",
        "        if any(value is None for value in each.values()):  # which",
        "        if False:  # which",
        "tests/zoo/test_nulls.py::test_a_change_of_a_row_with_null_reads_two_of_them",
    ),
    # --- unchanged stops
    _guard(
        "unchanged stops",
        "equal bytes are not written",
        "    if before is None or not _same(before, entry):",
        "    if True:",
        f"{INNER}test_refresh.py::test_an_unchanged_value_is_not_written_and_wakes_nobody",
    ),
    # --- failures
    _guard(
        "failures",
        "a clock that is put right while a listener runs is noticed",
        "if self._offset < before - NOTICED:",
        "if False:",
        f"{INNER}test_schedule.py::test_nor_is_one_that_is_put_right_while_a_listener_runs",
    ),
    _guard(
        "failures",
        "a value whose refresh failed is marked as behind",
        "    cursor.execute(_BEHIND, identities(addresses))\n",
        "",
        f"{INNER}test_refresh.py::test_a_failing_compute_keeps_the_old_value_and_is_tried_again",
    ),
    _guard(
        "failures",
        "a computing connection that an error has spoiled is recovered",
        "cursor.execute(BACK)",
        "pass",
        f"{INNER}test_refresh.py::test_a_database_error_spoils_no_other_key",
    ),
    # --- sharing
    _guard(
        "sharing",
        "the dead are buried",
        "            (_BURY, [settings.SILENCE]),\n",
        '            ("SELECT 1", []),\n',
        f"{INNER}test_shares.py::test_the_dead_are_buried_and_the_living_are_not",
    ),
    _guard(
        "sharing",
        "a process number that is used again is not the dead one's",
        "              ELSE a.backend_start <= l.started_at END)",
        "              ELSE true END)",
        f"{INNER}test_shares.py::test_a_backend_that_got_a_dead_ones_number_does_not_keep_it_alive",
    ),
    _guard(
        "sharing",
        "the silent are ended",
        "SELECT l.name, pg_terminate_backend(a.pid) FROM kck_publish_listener l",
        "SELECT l.name, false FROM kck_publish_listener l",
        f"{INNER}test_shares.py::test_the_silent_are_ended_and_those_who_speak_are_not",
    ),
    _guard(
        "sharing",
        "and only they",
        "greatest(l.seen_at, l.busy_until) < clock_timestamp() - make_interval(secs => %s)",
        "greatest(l.seen_at, l.busy_until) < clock_timestamp() + make_interval(secs => %s)",
        f"{INNER}test_shares.py::test_the_silent_are_ended_and_those_who_speak_are_not",
    ),
    _guard(
        "sharing",
        "more than the fair part is let go of",
        "[: max(0, len(self._owned) - part)]:",
        "[:0]:",
        f"{INNER}test_shares.py::test_a_part_of_the_shards_is_let_go_of_once_there_is_another",
    ),
    # --- capture
    _guard(
        "capture",
        "one at a time installs",
        "        cursor.execute(_LOCK)\n        ",
        "        ",
        f"{INNER}test_capture_install.py::test_several_may_install_at_once",
    ),
    _guard(
        "capture",
        "suppress is of the transaction, not of the session",
        "set_config('kck_publish.suppress', %s, true)",
        "set_config('kck_publish.suppress', %s, false)",
        "tests/deployments/test_steering.py",
    ),
    _guard(
        "capture",
        "a transaction that a block has spoken to is told again that nothing is suppressed",
        "(local == NOTHING and raw not in _holding)",
        "local == NOTHING",
        f"{INNER}test_steering.py::test_a_savepoint_of_the_block_that_is_rolled_back_after_it",
    ),
    _guard(
        "capture",
        "a pooler's client asks for its transaction before that ends",
        "            yield\n            own_pooled_writes.record(raw)",
        "            yield",
        "tests/deployments/test_own_writes.py",
    ),
    _guard(
        "capture",
        "where a subscription writes the triggers are row triggers",
        'by_row=sql.SQL("is_subscribed" if op != "truncate" else "false")',
        'by_row=sql.SQL("false")',
        "tests/deployments/test_logical_replication.py",
    ),
    _guard(
        "capture",
        "and no others, or a row of one's own would be written down twice",
        "IF {by_row} AND is_partitioned THEN",
        "IF false THEN",
        "tests/deployments/test_logical_replication.py::test_partitions_that_a_subscription_writes",
    ),
    _guard(
        "capture",
        "of a row that a statement has changed several times each version is told once",
        "IF written > 1 OR current_setting('kck_publish.moved', true) <> '' THEN",
        "IF false THEN",
        f"{INNER}test_one_row_twice.py::test_a_row_that_points_to_itself",
    ),
    _guard(
        "capture",
        "and so is one whose key has changed, where no other column counts",
        "IF written > 1 OR current_setting('kck_publish.moved', true) <> '' THEN",
        "IF written > 1 THEN",
        f"{INNER}test_one_row_twice.py::test_a_row_that_points_to_itself",
    ),
    _guard(
        "capture",
        "what MERGE may have moved to another partition is announced",
        "    IF TG_NARGS > 0 THEN\n",
        "    IF false THEN\n",
        f"{INNER}test_capture.py::test_a_row_that_merge_moves_to_another_partition",
    ),
    # --- old and new code
    _guard(
        "old and new code",
        "what other code holds of a key that has changed is removed",
        "if chunk.touched or chunk.removals:",
        "if False:",
        f"{INNER}test_refresh.py::"
        "test_values_of_another_version_of_the_code_are_removed_when_a_key_changes",
    ),
    # --- recorded dependencies
    _guard(
        "recorded dependencies",
        "who stores edges asks again if what was read has moved",
        "       WHEN s.version IS NOT NULL THEN h.version <> s.version",
        "       WHEN s.version IS NOT NULL THEN false",
        f"{INNER}test_recorded.py::test_overwritten_while_a_reader_computes",
    ),
    _guard(
        "recorded dependencies",
        "or is just being written",
        " WHERE CASE WHEN h.digest IS NULL THEN s.stored OR e.digest IS NOT NULL",
        " WHERE CASE WHEN h.digest IS NULL THEN s.stored AND e.digest IS NULL",
        f"{INNER}test_recorded.py::test_being_written_while_a_reader_stores",
    ),
    _guard(
        "recorded dependencies",
        "a refresh of what was read is logged",
        "        edges.log_refreshes(cursor, others)",
        "        pass",
        f"{INNER}test_recorded.py::test_a_refresh_reaches_those_who_have_read_it",
    ),
    _guard(
        "recorded dependencies",
        "what was computed within and not stored hands its reads on",
        "        scope.inherit(answer)",
        "        pass",
        f"{INNER}test_recorded.py::test_what_was_computed_within_and_never_stored_counts",
    ),
    _guard(
        "recorded dependencies",
        "a value that was computed from itself is refused",
        "    cycles.refuse(inner.product.name, keys, inner.reads, inner.over)\n",
        "",
        f"{INNER}test_recorded.py::test_a_ring_that_is_stored_is_named_and_turns_no_further",
    ),
    # --- limits
    _guard(
        "limits",
        "the server ends a compute's queries",
        "                before = _set(connection, limit)\n",
        "                pass\n",
        f"{INNER}test_time_limit.py::test_a_reader_in_a_thread_is_cut_off_in_its_queries",
    ),
    _guard(
        "limits",
        "and not those of its session",
        "                _execute(connection, _RESTORE, before)\n",
        "                pass\n",
        f"{INNER}test_time_limit.py::test_the_sessions_own_timeout_holds_where_it_is_shorter",
    ),
    _guard(
        "limits",
        "what a compute makes of being cut off does not count",
        "    if (cut := limit.cut_off) is not None:\n        raise cut\n",
        "",
        f"{INNER}test_time_limit.py::test_a_compute_within_one_is_cut_off_with_it",
    ),
    _guard(
        "limits",
        "the main thread is interrupted",
        "            raise Cut(alarm)\n",
        "            pass\n",
        "tests/unit/test_alarm.py::test_the_outer_one_rings_within_the_inner_one_and_the_inner_one_first",
    ),
    _guard(
        "limits",
        "one that takes long within its limit is not taken for silent",
        "WHERE greatest(l.seen_at, l.busy_until) < ",
        "WHERE l.seen_at < ",
        "tests/acceptance/test_hanging.py::"
        "test_one_that_takes_long_within_its_limit_is_computed_once",
    ),
    # --- products over products
    _guard(
        "products over products",
        "what a batch has left is looked at again",
        "        left = self.left[key]\n",
        "        return True\n",
        f"{INNER}test_chains.py::test_a_reader_adds_what_it_made_of_the_old_value",
    ),
    _guard(
        "products over products",
        "and must be the batch's own work",
        "        if entry.by != LISTENER or entry.behind:\n            return False\n",
        "        if entry.by != LISTENER or entry.behind:\n            return True\n",
        f"{INNER}test_chains.py::test_a_slow_reader_adds_the_old_value_after_the_batch",
    ),
    _guard(
        "products over products",
        "of a compute that was given the refreshed value",
        "        return left.saw is None or refreshed in left.saw",
        "        return True",
        f"{INNER}test_chains.py::test_a_compute_that_has_not_looked_is_done_again",
    ),
    _guard(
        "products over products",
        "only the batch's own words are passed over",
        "        if not token or token != self.token or (left",
        "        if (left",
        f"{INNER}test_chains.py::test_what_is_set_by_hand_meanwhile_reaches_those_over_it",
    ),
    _guard(
        "products over products",
        "no stamp tells that a cascade was reached",
        "        mine.xids.clear()  # no stamp tells that it was reached\n",
        "",
        f"{INNER}test_chains.py::test_what_a_reader_has_added_before_the_look_is_made_anew_at_once",
    ),
    _guard(
        "products over products",
        "a domain that cannot be asked ends no listener",
        "            except Exception as error:  # the user's: the others are kept up",
        "            except Fenced as error:",
        f"{INNER}test_domains.py::test_a_listener_starts_though_a_domain_fails",
    ),
    # --- the auditor
    _guard(
        "the auditor",
        "a difference must survive a second look",
        'finding.kind != "different" or suspects.get(finding.key) == version:',
        "True:",
        f"{INNER}test_commands.py::test_verify_does_not_count_what_a_second_look_does_not_find",
    ),
    _guard(
        "the auditor",
        "what waits for a listener does not count",
        "        return any(entry.by == HAND or not stamp.sees(xid) for xid in xids)",
        "        return False",
        f"{INNER}test_commands.py::test_verify_does_not_count_what_waits_for_a_listener",
    ),
    # --- reading the near store
    _guard(
        "reading the near store",
        "the copy of another database is not read",
        "not self._is_of_ours(owner.cluster.rpartition",
        "not bool(owner.cluster.rpartition",
        f"{NEAR}_guards.py::test_a_process_of_another_database_reads_nothing_of_the_copy",
    ),
    _guard(
        "reading the near store",
        "the store is asked for what a browser brings along",
        "if context is not None and (context.brings or context.has_written):",
        "if context is not None and context.has_written:",
        f"{NEAR}_guards.py::test_what_a_browser_brings_along_is_not_hidden_by_the_copy",
    ),
    _guard(
        "reading the near store",
        "and by a request that has written in a session now closed",
        "if context is not None and (context.brings or context.has_written):",
        "if context is not None and context.brings:",
        f"{NEAR}_guards.py::test_a_session_that_the_request_has_closed_is_not_forgotten",
    ),
    _guard(
        "reading the near store",
        "a token is kept until the copy has the write",
        "handled = all_handled and shown(now)",
        "handled = all_handled",
        f"{NEAR}_guards.py::test_a_browser_keeps_its_token_until_the_copy_has_the_write",
    ),
    _guard(
        "reading the near store",
        "a session that has written asks the store",
        "        if self.name not in own_session_writes.here.quiet and not _is_quiet(self.product, near):\n"
        "            return None\n",
        "",
        f"{NEAR}.py::test_own_writes_are_visible_at_once_and_until_the_copy_has_them",
    ),
    _guard(
        "reading the near store",
        "until the copy, too, has the write",
        "if own.handled and not progress.has_copied(tuple(own.xids), rows[0][6]):",
        "if False:",
        f"{NEAR}.py::test_own_writes_are_visible_at_once_and_until_the_copy_has_them",
    ),
    _guard(
        "reading the near store",
        "a session that has stored a key itself asks the store",
        "if found or (stored is not None and not near.sees(stored)):",
        "if found:",
        f"{NEAR}.py::test_hand_written_keys_arrive_and_are_seen_by_who_wrote_them",
    ),
    _guard(
        "reading the near store",
        "a compute asks the store",
        "if scope is None and settings.NEAR is not None:",
        "if settings.NEAR is not None:",
        f"{NEAR}.py::test_a_compute_never_reads_the_copy",
    ),
    _guard(
        "reading the near store",
        "also for what could be served as it is",
        "(memo() is not None or running() is not None):\n            return None",
        "memo() is not None:\n            return None",
        f"{NEAR}.py::test_a_compute_never_reads_the_copy",
    ),
    _guard(
        "reading the near store",
        "a request's memo is looked at first",
        "if not looked and (memo() is not None or running() is not None):",
        "if not looked and running() is not None:",
        f"{NEAR}_guards.py::test_in_a_request_what_was_read_once_stays",
    ),
    _guard(
        "reading the near store",
        "a value whose refresh failed is judged by the store",
        "        entry.behind\n        # It stands on",
        "        False\n        # It stands on",
        f"{NEAR}.py::test_what_is_behind_is_judged_by_the_store",
    ),
    _guard(
        "reading the near store",
        "so is all when the listener may be behind",
        "if max(near.lag, self.options.lag_outside()) > behind.total_seconds():",
        "if False:",
        f"{NEAR}.py::test_what_is_behind_is_judged_by_the_store",
    ),
    _guard(
        "reading the near store",
        "what has expired is not served",
        "        or expired(entry)\n        or (entry.soft",
        "        or (entry.soft",
        f"{NEAR}.py::test_an_expired_value_is_not_served",
    ),
    _guard(
        "reading the near store",
        "what wants a refresh is judged by the store",
        "or (entry.soft_expire is not None and entry.soft_expire <= clock.now())",
        "or False",
        f"{NEAR}_guards.py::test_a_value_that_wants_a_refresh_asks_for_it",
    ),
    _guard(
        "reading the near store",
        "switched off, it is not read",
        "wanted = not now.wrong and now.values.ENABLED and now.values.NEAR is not None",
        "wanted = not now.wrong and now.values.NEAR is not None",
        f"{NEAR}_guards.py::test_switched_off_nothing_is_read_in_it",
    ),
    _guard(
        "reading the near store",
        "nothing is read without a lease",
        "            return None\n        try:\n            data: bytes | None",
        "            pass\n        try:\n            data: bytes | None",
        f"{NEAR_FILE}::test_without_a_lease_nothing_is_read",
    ),
    _guard(
        "reading the near store",
        "nor are many",
        "            return [None] * len(names)\n        try:",
        "            pass\n        try:",
        f"{NEAR_FILE}::test_without_a_lease_nothing_is_read",
    ),
    _guard(
        "reading the near store",
        "nor under one of before it was said that nothing is read",
        "lease if lease.at >= self._since else Lease(0.0, 0.0, -1.0)",
        "lease",
        f"{NEAR_FILE}::test_a_lease_of_an_earlier_look_does_not_count_once_it_was_said_that_"
        "nothing_is_read",
    ),
    _guard(
        "reading the near store",
        "that nothing is read is not said again while the file has a lease",
        "                if now >= self._written.until:\n",
        "                if now >= self._lease.until:\n",
        f"{NEAR_FILE}::test_who_asks_again_and_again_without_a_lease_sees_the_next_one",
    ),
    _guard(
        "reading the near store",
        "nor under a lease where the owner is not known",
        '        done = owner.done if owner is not None else ""\n',
        "        if owner is None:\n            return None\n        done = owner.done\n",
        f"{NEAR_FILE}::test_that_nothing_is_read_is_not_said_under_a_lease",
    ),
    _guard(
        "reading the near store",
        "a file that was cut short is not read",
        "if is_cut_short(env, self.path) or read_owner",
        "if read_owner",
        f"{NEAR_FILE}::test_who_reads_a_file_that_was_cut_short_goes_on",
    ),
    _guard(
        "reading the near store",
        "a file of an earlier start of the host is not read",
        "return owner if owner.boot == boot() else None",
        "return owner",
        f"{NEAR_FILE}::test_a_file_of_an_earlier_start_of_the_host_is_begun_anew",
    ),
    _guard(
        "reading the near store",
        "it is closed before a fork",
        "    for reader in readers.values():\n        reader.close()\n",
        "",
        f"{NEAR_FILE}::test_nothing_is_shared_over_a_fork",
    ),
    _guard(
        "reading the near store",
        "and opened by nobody before the fork is done",
        "if open_files.forking:  # nothing may be open when the child begins",
        "if False:",
        f"{NEAR_FILE}::test_nobody_opens_it_while_the_process_forks",
    ),
    _guard(
        "reading the near store",
        "the child has a reader of its own",
        "    readers.clear()  # a lock",
        "    pass  # a lock",
        f"{NEAR_FILE}::test_nothing_is_shared_over_a_fork",
    ),
    Guard(
        "reading the near store",
        "what is known of a record is said of its version alone",
        (
            ("found = _known.get(record)", 'found = _known.get(b"")'),
            ("_known[record] = etag_of(body)", '_known[b""] = etag_of(body)'),
        ),
        f"{NEAR_FILE}::test_the_tag_of_a_record_is_that_of_its_own_body",
    ),
    # --- paths
    _guard(
        "paths",
        "what rows were before the batch is followed, too, where several tables tell a key",
        "        self._old = old if tree.spanning else None\n",
        "        self._old = None\n",
        f"{INNER}test_paths.py::test_what_changes_together_is_found_by_what_it_was",
    ),
    _guard(
        "paths",
        "a row that may have been the only one on the way touches the key of none",
        "return parts if node.sure else Parts(parts | self._absent(node, parts))",
        "return parts",
        f"{INNER}test_paths.py::test_the_first_row_and_the_last_on_the_way_count",
    ),
    _guard(
        "paths",
        "a key whose row on the way has changed is primed, and not augmented",
        "        if not exact:\n            task.changes = None\n",
        "",
        f"{INNER}test_paths.py::test_a_changed_row_is_shown_to_augment_with_what_its_paths_lead_to",
    ),
    _guard(
        "paths",
        "a change that touches one key by both of its versions is shown to it once",
        "        if place not in seen:  # both versions of a row may touch one key\n",
        "        if True:\n",
        f"{INNER}test_paths.py::test_a_changed_row_is_shown_to_augment_with_what_its_paths_lead_to",
    ),
    _guard(
        "paths",
        "nothing is told from old rows of which some are put aside",
        "        if product.name in self._behind and dependency.spanning:\n",
        "        if False:\n",
        f"{INNER}test_paths.py::test_rows_on_the_way_that_are_put_aside",
    ),
    # --- products from querysets
    _guard(
        "products from querysets",
        "a condition that does not hold for all rows tells no key",
        '            within = always and part.connector == "AND" and not part.negated\n',
        '            within = always and part.connector == "AND"\n',
        "tests/integration/test_querysets.py::test_a_condition_that_is_negated_tells_no_key",
    ),
    _guard(
        "products from querysets",
        "what cannot be seen through touches all keys",
        "    for node in tree.nodes:\n        node.columns, node.params, node.where = None, {}, []\n",
        "    return\n",
        "tests/integration/test_querysets.py::test_what_cannot_be_seen_through_touches_all_keys",
    ),
    _guard(
        "products from querysets",
        "a condition that holds without a row excuses no row of an outer join",
        "        if table.outer and asked.rejects_nothing():\n",
        "        if False:\n",
        "tests/integration/test_querysets.py::test_a_row_that_was_missing_counts",
    ),
    _guard(
        "products from querysets",
        "what a subquery asks tells the keys of its own rows alone",
        "        if len(inside) < len(nodes):\n",
        "        if False:\n",
        "tests/integration/test_querysets.py::test_a_condition_within_an_annotation_tells_its_own_rows",
    ),
    _guard(
        "products from querysets",
        "a query of a form that was not read at start is refused",
        "        return constants is not None and _hold(constants, notes.values)\n",
        "        return constants is None or _hold(constants, notes.values)\n",
        "tests/integration/test_querysets.py::test_a_query_of_another_form_is_refused_when_it_comes",
    ),
    _guard(
        "products from querysets",
        "one NULL in what is selected makes NOT IN fail for all rows",
        "    if not always and (target.null or table.outer):\n",
        "    if False:\n",
        "tests/integration/test_querysets.py::test_a_null_among_what_is_not_in_counts_for_all",
    ),
    _guard(
        "products from querysets",
        "behind the last row that is kept others may come first",
        "            if index < len(keys) or not more:  # behind the last one held others may come first\n",
        "            if True:\n",
        f"{QUERYSETS}::test_a_slice_is_amended_from_its_reserve",
    ),
    _guard(
        "products from querysets",
        "a slice whose reserve is used up is primed",
        "        if more and (self.high is None or len(kept) < self.high):\n",
        "        if False:\n",
        f"{QUERYSETS}::test_a_slice_is_amended_from_its_reserve",
    ),
    _guard(
        "products from querysets",
        "what an extreme was before it left is not known by what is left",
        "            return _Gone(known)\n",
        "            return state\n",
        f"{QUERYSETS}::test_numbers_are_amended",
    ),
    _guard(
        "products from querysets",
        "the order of two texts is the database's",
        '        raise Reprime("the order of texts is the database\'s")\n',
        "        return self.text < other.text\n",
        f"{QUERYSETS}::test_groups_are_amended",
    ),
    _guard(
        "products from querysets",
        "what the queryset makes of a number is not taken for the number",
        "    if [(answer,) for answer in answers] == rows and type(answers[0]) is type(rows[0][0]):\n",
        "    if True:\n",
        f"{QUERYSETS}::test_what_cannot_be_amended_is_primed",
    ),
    _guard(
        "products from querysets",
        "a constant that is another one for some parameters is refused",
        "    return all(values[place] == value for place, value in constants.items())\n",
        "    return True\n",
        f"{QUERYSETS}::test_constants_that_depend_on_the_parameter_are_refused",
    ),
    _guard(
        "products from querysets",
        "so is one of a prefetch, which stands in no text",
        "        if executed and not _has_prefetches_of_its_own(answer):\n",
        "        if executed:\n",
        f"{QUERYSETS}::test_so_they_are_where_the_value_is_primed[a prefetch]",
    ),
    _guard(
        "products from querysets",
        "what is prefetched by a path stands in no text, either",
        '    return " ".join(getattr(each, "prefetch_to", each) for each in _prefetches(answer))\n',
        '    return ""\n',
        f"{QUERYSETS}::test_so_they_are_where_the_value_is_primed[what is prefetched]",
    ),
    _guard(
        "products from querysets",
        "a query that finds nothing has a text to compare",
        "sql, given = query.get_compiler(settings.DATABASE, elide_empty=False)",
        "sql, given = query.get_compiler(settings.DATABASE)",
        f"{QUERYSETS}::test_a_query_that_finds_nothing[rows]",
    ),
    _guard(
        "products from querysets",
        "a row that may be before the end of a primed slice has it primed",
        "        if not later:\n",
        "        if False:\n",
        f"{QUERYSETS}::test_a_row_behind_a_slice_that_is_primed_changes_nothing",
    ),
    _guard(
        "products from querysets",
        "a slice that is not full has no end",
        "        if not isinstance(rows, list) or len(rows) != self.count:\n",
        "        if not rows:\n",
        f"{QUERYSETS}::test_a_row_behind_a_slice_that_is_primed_changes_nothing",
    ),
    _guard(
        "products from querysets",
        "an amended value is never of a query that was not read at start",
        "self._has(*self._text_of(made)) or False",
        "self._has(*self._text_of(made)) is not False",
        f"{QUERYSETS}::test_a_count_of_another_form_is_refused_when_it_comes",
    ),
    _guard(
        "products from querysets",
        "NaN fulfils what Python says it does not",
        "            return MAYBE\n        return None if value is None else bool(sure(value, given))\n",
        "            return False\n        return None if value is None else bool(sure(value, given))\n",
        "tests/integration/test_kept_fields.py::test_numbers_that_python_compares_otherwise",
    ),
    # --- following for the near store
    _guard(
        "following for the near store",
        "one process of a host follows",
        "            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "",
        f"{NEAR_FILE}::test_one_process_follows",
    ),
    _guard(
        "following for the near store",
        "who may not have seen the registration is waited for",
        "while unaware and not stopped.wait(CLOSE_POLL):",
        "while False:",
        f"{NEAR}.py::test_who_wrote_before_the_follower_was_registered_is_waited_for",
    ),
    _guard(
        "following for the near store",
        "one that truncates is waited for, too",
        "'ExclusiveLock',\n                'AccessExclusiveLock')",
        "'ExclusiveLock')",
        f"{NEAR}_guards.py::test_a_transaction_that_writes_entries_is_waited_for_however_it_writes",
    ),
    _guard(
        "following for the near store",
        "writers above READ COMMITTED always tell",
        "IF current_setting('transaction_isolation') IN ('read committed', 'read uncommitted')\n"
        "       AND NOT EXISTS (SELECT FROM kck_publish_consumer",
        "IF NOT EXISTS (SELECT FROM kck_publish_consumer",
        f"{NEAR}_guards.py::"
        "test_who_began_before_the_follower_and_writes_after_it_tells_all_the_same",
    ),
    Guard(
        "following for the near store",
        "the lease counts from before the look",
        (
            (
                "        at = clock()\n        with self._near.desk.cursor() as cursor:\n",
                "        with self._near.desk.cursor() as cursor:\n",
            ),
            (
                "            if seen.keys is None:\n",
                "            at = clock()\n            if seen.keys is None:\n",
            ),
        ),
        f"{NEAR}_guards.py::test_the_lease_counts_from_before_the_look",
    ),
    _guard(
        "following for the near store",
        "ahead of a look only what is newer is copied",
        " and version_in(held) < version:",
        ":",
        f"{NEAR}.py::test_an_earlier_value_is_not_copied_over_a_later_one",
    ),
    Guard(
        "following for the near store",
        "and nothing in the middle of a look",
        (
            ("        if not self._writing.acquire(blocking=False):\n", "        if False:\n"),
            ("            self._writing.release()\n", "            pass\n"),
        ),
        f"{NEAR}.py::test_nothing_is_copied_in_the_middle_of_a_look",
    ),
    _guard(
        "following for the near store",
        "what is not stored any more is not held any more",
        "self._put(file, found, gone, owner=",
        "self._put(file, found, (), owner=",
        f"{NEAR}.py::test_what_another_session_changes_arrives",
    ),
    _guard(
        "following for the near store",
        "a truncated store empties it",
        'None if len(keys) > MANY or "" in keys else keys',
        "keys",
        f"{NEAR}_guards.py::test_what_it_was_not_told_of_key_by_key_is_not_held_any_more",
    ),
    _guard(
        "following for the near store",
        "a crash of the server begins it anew",
        "if not journal.is_unbroken(cursor, owner.consumer):",
        "if False:",
        f"{NEAR}_guards.py::test_what_it_was_not_told_of_key_by_key_is_not_held_any_more",
    ),
    _guard(
        "following for the near store",
        "so does being forgotten",
        "    if not registered:\n        raise Forgotten(consumer.name)\n",
        "",
        f"{NEAR}_guards.py::test_what_it_was_not_told_of_key_by_key_is_not_held_any_more",
    ),
    _guard(
        "following for the near store",
        "and another cluster or database",
        "if owner.cluster != cluster_of(cursor):",
        "if False:",
        f"{NEAR}_guards.py::test_the_copy_of_another_database_is_not_gone_on_with",
    ),
    _guard(
        "following for the near store",
        "only what all have copied is trimmed",
        "(SELECT min(pg_snapshot_xmin(done)) FROM kck_publish_consumer\n",
        "(SELECT max(pg_snapshot_xmin(done)) FROM kck_publish_consumer\n",
        f"{NEAR}_guards.py::test_what_one_of_two_has_not_copied_is_not_trimmed",
    ),
    _guard(
        "following for the near store",
        "a value that became too large is let go of",
        "gone = [*gone, *(entry.address for entry in large)]",
        "gone = [*gone]",
        f"{NEAR_FILE}::test_what_is_too_large_is_said_and_not_held",
    ),
    _guard(
        "following for the near store",
        "what is read least makes way",
        "        if self._usage.used > self._usage.most:\n",
        "        if False:\n",
        f"{NEAR_FILE}::test_what_is_read_least_makes_way",
    ),
    _guard(
        "following for the near store",
        "and what is read stays",
        "        if size is not None:\n            self._held[name] = size\n            if",
        "        if size is not None:\n            self._held = {name: size, **self._held}\n"
        "            if",
        f"{NEAR_FILE}::test_what_is_read_least_makes_way",
    ),
    _guard(
        "following for the near store",
        "much is written in parts",
        "            if room < 0 and parts[-1]:",
        "            if False:",
        f"{NEAR_FILE}::test_all_that_is_held_may_be_written_at_once",
    ),
    _guard(
        "following for the near store",
        "what somebody has taken away is made anew",
        "            if not (file.is_in_place() and os.path.exists(door_of(self._path))):",
        "            if False:",
        f"{NEAR_FOLLOWS}::test_what_somebody_has_taken_away_is_made_anew",
    ),
    _guard(
        "following for the near store",
        "what a reader finds damaged is set aside",
        "            if clock() - self._damaged > DAMAGES:",
        "            if False:",
        f"{NEAR}_guards.py::test_what_only_a_reader_finds_damaged_is_made_anew",
    ),
    # --- followers
    _guard(
        "followers",
        "the cursor moves once the batch is handled",
        "            self.settle(self._handler(changes))\n            self.move(until)\n",
        "            self.move(until)\n            self.settle(self._handler(changes))\n",
        f"{INNER}test_follower.py::test_a_batch_that_failed_comes_again",
    ),
    _guard(
        "followers",
        "the place within a large snapshot is written down after each page",
        "            self.move(done, until, seq)\n",
        "",
        f"{INNER}test_follower.py::"
        "test_what_is_much_comes_in_pages_and_goes_on_after_the_last_handled",
    ),
    _guard(
        "followers",
        "and what has been committed since is not of these pages",
        "seq > %(seq)s AND pg_visible_in_snapshot(xid, %(until)s::pg_snapshot)",
        "seq > %(seq)s",
        f"{INNER}test_follower.py::"
        "test_what_is_much_comes_in_pages_and_goes_on_after_the_last_handled",
    ),
    _guard(
        "followers",
        "one process follows under a name",
        "cursor.execute(_LOCK, [name])",
        'cursor.execute("SELECT true")',
        f"{INNER}test_follower.py::test_a_second_process_waits_until_the_first_has_ended",
    ),
    _guard(
        "followers",
        "the log is kept for each",
        "WHERE kind NOT IN ('near', 'stored') AND state <> 'forgotten'",
        "WHERE kind NOT IN ('near', 'stored', 'changes')",
        f"{INNER}test_follower.py::test_the_log_is_kept_for_it_until_it_is_forgotten",
    ),
    _guard(
        "followers",
        "one of another cluster begins anew",
        "    if not is_of_this_cluster:",
        "    if False:",
        f"{INNER}test_follower.py::test_in_another_cluster_it_builds_anew",
    ),
    _guard(
        "followers",
        "a reader's add is told to those who follow what is stored",
        "                        WHERE kind = 'stored' AND state <> 'forgotten');",
        "                        WHERE false);",
        f"{INNER}test_follower.py::test_what_a_reader_adds_comes_too",
    ),
    # --- answers of views
    _guard(
        "answers of views",
        "an action of the project's own behind the mixin is left as it is",
        "if self._known and function not in self._known:",
        "if False:",
        f"{INNER}test_rest_framework_actions.py::"
        "test_a_router_serves_the_actions_of_the_plain_view[Hiding]",
    ),
    _guard(
        "answers of views",
        "a view's own get_object goes the plain way",
        "    if type(view).get_object is not GenericAPIView.get_object:\n        raise PlainWay",
        "    if False:\n        raise PlainWay",
        f"{INNER}test_rest_framework_permissions.py::test_an_own_get_object_is_asked",
    ),
    _guard(
        "answers of views",
        "related rows of a view's own go the plain way",
        "and all(map(_is_usual, prefetched))",
        "",
        f"{INNER}test_rest_framework_shapes.py::"
        "test_a_shape_is_answered_as_by_the_plain_view[prefetched rows of its own]",
    ),
    _guard(
        "answers of views",
        "what is not known of a query goes the plain way",
        "name in _REPRODUCED or getattr(whole, name, _NOTHING) == said",
        "True",
        f"{INNER}test_rest_framework_shapes.py::"
        "test_a_shape_is_answered_as_by_the_plain_view[distinct by a field]",
    ),
    _guard(
        "answers of views",
        "an annotation that a method may show is the primer's own",
        "and (not product.field_reads.opaque or _are_its_own(query, product))",
        "",
        f"{INNER}test_rest_framework_shapes.py::"
        "test_a_shape_is_answered_as_by_the_plain_view[annotated otherwise]",
    ),
    _guard(
        "answers of views",
        "permissions that are joined look at the row if one of them does",
        "return any(map(_looks, operands))",
        "return False",
        f"{INNER}test_rest_framework_permissions.py::test_who_looks_at_a_row_is_known",
    ),
    _guard(
        "answers of views",
        "object permissions look at the row in its table",
        "kept = view.object_permissions_from_cache and issubclass(",
        "kept = issubclass(",
        f"{INNER}test_rest_framework_permissions.py::test_a_right_that_is_taken_back_ends_at_once",
    ),
    _guard(
        "answers of views",
        "what chooses the rows of a serializer is depended on",
        "self.depends_on = [*self.depends_on, *self.row_reads.dependencies]",
        "pass",
        f"{INNER}test_rest_framework_rows.py::test_a_change_of_what_chooses_rows_counts[a column]",
    ),
    _guard(
        "answers of views",
        "rows that are chosen by the time are refused",
        "if self._conditions is not None and self._texts(queryset) != self._conditions:",
        "if False:",
        f"{INNER}test_rest_framework_rows.py::test_rows_by_another_value_than_at_start_are_refused",
    ),
    _guard(
        "answers of views",
        "a row that the product leaves out is not taken for none",
        "if asked or not is_whole(queryset) or product.row_reads.chosen:",
        "if asked or not is_whole(queryset):",
        f"{INNER}test_rest_framework_rows.py::"
        "test_a_view_gives_the_rows_that_its_product_leaves_out",
    ),
    _guard(
        "answers of views",
        "a product that leaves out related rows answers for no view",
        " or product.row_reads.prefetched)",
        ")",
        f"{INNER}test_rest_framework_rows.py::"
        "test_a_view_gives_the_related_rows_that_its_product_leaves_out",
    ),
    _guard(
        "answers of views",
        "a write with If-Match locks the row first",
        '    rows.filter(pk=row.pk).values_list("pk").first()\n',
        "",
        f"{INNER}test_rest_framework_preconditions.py::"
        "test_of_two_that_saw_the_same_the_second_is_refused",
    ),
    _guard(
        "answers of views",
        "a parameter leads out of no path",
        "        _check_path(self.url, parameters)\n",
        "",
        f"{INNER}test_remote.py::test_a_parameter_leads_out_of_no_path",
    ),
    _guard(
        "Kafka",
        "an offset moves only from the one that the process expects",
        "    if cursor.rowcount == 0:\n        raise Moved(where.name)\n",
        "",
        f"{KAFKA}_consume.py::test_of_two_that_handle_the_same_messages_one_commits",
    ),
    _guard(
        "Kafka",
        "a later message of a key leaves out the earlier one that waits for its retry",
        "            if self._consumer.supersedes and wanted:\n",
        "            if False:\n",
        f"{KAFKA}_consume.py::test_an_old_retried_message_overwrites_nothing_newer",
    ),
    _guard(
        "Kafka",
        "what is not newer than the row changes nothing",
        '            act += sql.SQL(" WHERE (({}) < ({})) IS NOT false").format(',
        '            _ = sql.SQL(" WHERE (({}) < ({})) IS NOT false").format(',
        f"{KAFKA}_consume.py::test_the_version_guard",
    ),
    _guard(
        "Kafka",
        "what a consumer has written is not sent",
        "        if topic == cls.topic or cls.forward is False:\n            return False\n",
        "",
        f"{KAFKA}_relay.py::test_origins_and_suppressed_changes_are_not_sent_and_counted",
    ),
    _guard(
        "Kafka",
        "a message after a refused one of its key waits",
        "                    if key is not None:\n                        held.add(key)\n",
        "",
        f"{KAFKA}_relay.py::test_a_message_too_large_is_kept_and_holds_up_no_other_key",
    ),
    _guard(
        "Kafka",
        "what is not acknowledged is sent again before the cursor moves",
        '            elif why or result != "":\n',
        "            elif False:\n",
        f"{KAFKA}_relay.py::test_a_broker_that_is_away_loses_nothing_and_is_named",
    ),
    _guard(
        "Kafka",
        "a page that is under way holds up the keys of those before it",
        "        before = [one.held for one in self._under_way]\n",
        "        before: list[set[bytes]] = []\n",
        f"{KAFKA}_relay.py::test_pages_are_sent_while_the_ones_before_wait_and_keep_the_order",
    ),
    _guard(
        "Kafka",
        "a dead letter that the broker refuses is not shown again with each round",
        " AND (tell_at IS NULL OR tell_at <= %s)\n",
        " AND %s IS NOT NULL\n",
        f"{KAFKA}_consume.py::test_a_dead_letter_that_is_too_large_is_named_and_holds_up_no_other",
    ),
    _guard(
        "Kafka",
        "a topic that was filled once is told of what is gone",
        "            if gone:\n                self.stored(gone)\n",
        "",
        f"{KAFKA}_relay.py::test_what_is_removed_while_the_log_was_not_kept_is_told",
    ),
    _guard(
        "Kafka",
        "a product that is older than the stored one is left out",
        "            if last is not None and last[0] == site and last[1] > _moment(read_at):\n",
        "            if False:\n",
        f"{KAFKA}_consume.py::test_a_topic_product_is_read_as_any_product",
    ),
    _guard(
        "Kafka",
        "a retry leaves out the earlier message of its key that is due later",
        "                    if self._consumer.supersedes:  # an",
        "                    if False:  # an",
        f"{KAFKA}_rows.py::test_a_later_message_whose_retry_comes_first_leaves_out_the_earlier_one",
    ),
    _guard(
        "Kafka",
        "the time that a message gives is written, and not the save's",
        "    if field.attname in given:\n        return getattr(instance, field.attname)\n",
        "",
        f"{KAFKA}_rows.py::test_a_time_that_django_sets_is_the_messages",
    ),
    _guard(
        "Kafka",
        "a waiting message is left out for a later one of its row, not of its key",
        "            identity = self._consumer.identity(message)\n",
        "            identity = message.digest\n",
        f"{KAFKA}_rows.py::"
        "test_a_message_is_left_out_for_a_later_one_of_its_row_and_not_of_its_key",
    ),
    _guard(
        "Kafka",
        "messages without a key do not leave each other out",
        "        if message.raw_key is not None:  # those without",
        "        if True:  # those without",
        f"{KAFKA}_rows.py::test_messages_without_a_key_do_not_leave_each_other_out",
    ),
    _guard(
        "Kafka",
        "failures of a topic that was made anew are set aside",
        '            if known is not None and id_ and known[1] not in ("", id_):\n',
        "            if False:\n",
        f"{KAFKA}_outages.py::test_failures_outlive_their_topic",
    ),
    _guard(
        "Kafka",
        "a lock that others hold is no failure of the message",
        "        if _is_contended(error):\n            raise error\n",
        "",
        f"{KAFKA}_rows.py::test_a_lock_of_others_is_no_fault_of_the_message",
    ),
    _guard(
        "sharing",
        "of a session of another role the signs of life tell",
        "CASE WHEN a.backend_start IS NULL\n",
        "CASE WHEN false\n",
        f"{INNER}test_shares.py::test_a_session_of_another_role_is_judged_by_its_signs_of_life",
    ),
    _guard(
        "sharing",
        "whoever is not in the table any more connects again",
        '    if count == 0:\n        logger.warning("Our row',
        '    if False:\n        logger.warning("Our row',
        f"{FAULTS}test_unlisted.py::test_it_writes_itself_anew[listener]",
    ),
    _guard(
        "sharing",
        "what is open is let go after each loss",
        "                self.let_go()\n",
        "",
        f"{FAULTS}test_guilty_computes.py::"
        "test_a_guilty_call_fails_and_the_others_go_on[domain-end_session]",
    ),
    # --- another future of the database
    _guard(
        "another future",
        "values of another future of the database are begun anew",
        "        if stores.current().examine(self._desk):",
        "        if False:",
        f"{FAULTS}test_failover.py::test_a_promoted_standby_that_lacked_the_last_commits[redis]",
    ),
    _guard(
        "another future",
        "the database alone tells of another timeline",
        "        if self.began != self.cluster:",
        "        if False:",
        f"{FAULTS}test_failover.py::"
        "test_a_promoted_standby_that_lacked_the_last_commits[memcached]",
    ),
    _guard(
        "another future",
        "a database that has claimed less than the marker says was set back",
        "if not Snapshot.parse(self.claimed).includes(Snapshot.parse(marker.claimed)):",
        "if False:",
        f"{FAULTS}test_failover.py::test_a_server_that_was_set_back[redis]",
    ),
    _guard(
        "another future",
        "values of an earlier start of the cache's server are begun anew",
        "if marker.server and server and marker.server != server:",
        "if False:",
        "tests/deployments/test_redis.py::test_a_redis_that_is_set_back",
    ),
    _guard(
        "another future",
        "who adds when its row has gone sees a claim",
        "        cursor.execute(generation.CLAIM)\n",
        "",
        "tests/contracts/test_generations.py::test_a_reader_who_adds_when_its_row_has_gone[redis]",
    ),
    _guard(
        "another future",
        "a process looks at the marker once a second",
        "return time.monotonic() - self._looked < TRUSTED",
        "return True",
        "tests/contracts/test_generations.py::test_other_processes_see_it_within_a_second[redis]",
    ),
    _guard(
        "another future",
        "near stores are told, and look at the marker anew",
        "    journal.tell_all(cursor)\n    for old",
        "    for old",
        "tests/contracts/test_generations.py::test_near_stores_are_told[redis]",
    ),
    _guard(
        "another future",
        "shards are taken again when the store is begun anew",
        "                listener_shard.release(self._desk, self._owned.popitem()[1])\n",
        "                break\n",
        "tests/contracts/test_generations.py::"
        "test_shards_are_taken_again_so_that_eager_products_are_primed[redis]",
    ),
    _guard(
        "another future",
        "states of another cluster tell nothing of own writes",
        "       s.cluster <> {cluster}, ({foreign})",
        "       false, ({foreign})",
        f"{FAULTS}test_restored_dump.py::test_a_restored_dump_is_primed_anew[a young cluster]",
    ),
    _guard(
        "another future",
        "states of another timeline tell nothing of own writes",
        "SELECT generation <> %s OR cluster <> {TIMELINE} FROM kck_publish_generation",
        "SELECT generation <> %s FROM kck_publish_generation",
        f"{FAULTS}test_failover.py::test_own_writes_before_the_listener_has_looked[redis]",
    ),
    # --- paused products
    _guard(
        "paused products",
        "a batch that writes after the resume asks through the log itself",
        " WHERE product NOT IN (SELECT product FROM paused)\n",
        " WHERE false\n",
        f"{INNER}test_pausing.py::test_a_batch_that_began_before_the_resume",
    ),
    _guard(
        "paused products",
        "a batch notes what it postpones under a lock of the pause",
        " FOR KEY SHARE\n), note AS (",
        "\n), note AS (",
        f"{INNER}test_pausing.py::test_a_resume_waits_for_a_batch_that_writes",
    ),
    _guard(
        "paused products",
        "what is postponed is behind: it is primed, and never augmented",
        "act = Act.NOTHING if entry is None else Act.MARK",
        "act = Act.NOTHING",
        f"{INNER}test_pausing.py::test_changes_are_kept_and_nothing_is_computed",
    ),
    _guard(
        "paused products",
        "what depends on it is told when it is resumed, and not before",
        '        if fate.what == "postponed":\n            return fate\n',
        "",
        f"{INNER}test_pausing.py::test_what_depends_on_it_follows_when_it_is_resumed[since]",
    ),
    # --- operators
    _guard(
        "operators",
        "a page of the admin is for those who may see it",
        "            if not self.has_view_permission(request):\n                raise PermissionDenied\n",
        "",
        "tests/operated/test_admin.py::test_pages_are_closed_to_whoever_has_no_permission",
    ),
    _guard(
        "operators",
        "an act is for operators, whatever the page shows",
        "        if not may_operate(request):\n            raise PermissionDenied\n        name =",
        "        name =",
        "tests/operated/test_admin.py::test_acts_are_for_operators",
    ),
    _guard(
        "operators",
        "a value is shown with the permission, where its product allows it",
        "        if not may_see_value(request, product):\n            raise PermissionDenied\n",
        "",
        "tests/operated/test_admin.py::test_a_value_is_shown_with_the_permission_alone",
    ),
    _guard(
        "operators",
        "an act on all that match is asked about",
        "if (act.confirm or everything) and",
        "if act.confirm and",
        "tests/operated/test_admin.py::test_all_products_that_match_are_paused",
    ),
    _guard(
        "operators",
        "what depends on what is removed by hand is told",
        "    refreshes.log(cursor, refreshes.REFRESHED, declared)\n",
        "",
        "tests/operated/test_admin.py::test_what_depends_on_what_is_removed_is_told",
    ),
    _guard(
        "operators",
        "a page of entries goes on behind the rows that it has looked at",
        "Place(*end) if looked >= look else None",
        "None",
        "tests/operated/test_admin.py::test_pages_follow_each_other",
    ),
    _guard(
        "operators",
        "a resume of all that match leaves what else is paused alone",
        "names = _matching(request, paused_products.all_paused())",
        "names = paused_products.all_paused()",
        "tests/operated/test_admin.py::test_all_products_that_match_are_resumed",
    ),
    _guard(
        "operators",
        "what errors say is hidden where values are",
        "    return {name for name in names if not may_be_shown(products.get("
        "name.removesuffix(DOMAIN)))}\n",
        "    return set()\n",
        "tests/operated/test_admin.py::test_messages_are_hidden_where_values_are",
    ),
    _guard(
        "operators",
        "another session under the process id of a dead listener is no listener",
        "           AND coalesce(a.backend_start <= l.started_at, true))",
        "           )",
        f"{INNER}test_health.py::test_another_session_under_the_number_of_a_dead_listener",
    ),
    # --- the dashboard
    _guard(
        "the dashboard",
        "a user of no staff and without the permission sees nothing",
        " and (is_staff(user) or has_permission(user, OPERATE))",
        "",
        "tests/dashboard/test_access.py::test_who_may_look",
    ),
    _guard(
        "the dashboard",
        "a key, which may be a customer's, is for those who operate",
        '"sees_keys": may(self.request, OPERATE)',
        '"sees_keys": True',
        "tests/dashboard/test_pages.py::test_keys_and_messages_are_for_those_who_may",
    ),
    _guard(
        "the dashboard",
        "what an error says is for those who may view values",
        '"sees_values": may(self.request, VIEW_VALUE)',
        '"sees_values": True',
        "tests/dashboard/test_pages.py::test_keys_and_messages_are_for_those_who_may",
    ),
)
