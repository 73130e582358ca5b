"""Following the log until told to stop: what the listener, the near store and a ``Follower`` share.

``process`` connects and, when the connection is lost, connects again; ``loop`` looks, lingers,
falls asleep and waits for a ring; ``doorbell`` is what rings.
"""
