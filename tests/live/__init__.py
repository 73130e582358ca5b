"""The live hub: streams over real sockets, from a real server."""
