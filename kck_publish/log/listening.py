"""Which listeners are connected, as the sessions of the server show it."""

from __future__ import annotations

# Of a row ``l`` of kck_publish_listener. The process id of one that is dead may be another
# session's by now, which began after it had announced itself: soon after a restart of the server
# that is likely. When a session of another role began is not shown to everybody.
CONNECTED = """
EXISTS (SELECT FROM pg_stat_activity a
         WHERE a.pid = l.backend AND a.datname = current_database()
           AND coalesce(a.backend_start <= l.started_at, true))
"""
#: Whether any is.
LISTENING = f"""
SELECT EXISTS (SELECT FROM kck_publish_listener l WHERE l.kind = 'listener' AND {CONNECTED})
"""
