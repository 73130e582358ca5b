"""Which listeners are connected, and which shards are owned: SQL that asks the server itself."""

from __future__ import annotations

# Of a row ``l`` of kck_publish_listener. The process id of one that is dead may be another
# session's by now, which began after it had announced itself: soon after a restart of the server
# that is likely. When a session of another role began is not shown to everybody.
CONNECTED = """
EXISTS (SELECT FROM pg_stat_activity a
         WHERE a.pid = l.backend AND a.datname = current_database()
           AND coalesce(a.backend_start <= l.started_at, true))
"""
# Of a row ``s`` of kck_publish_shard: whether some listener owns it.
OWNED = """
EXISTS (SELECT FROM pg_locks k JOIN pg_database d ON d.oid = k.database
         WHERE k.locktype = 'advisory' AND k.classid = 'kck_publish_shard'::regclass
           AND k.objid = s.shard AND k.objsubid = 2 AND k.granted
           AND d.datname = current_database())
"""
#: Whether any is connected.
LISTENING = f"""
SELECT EXISTS (SELECT FROM kck_publish_listener l WHERE l.kind = 'listener' AND {CONNECTED})
"""
