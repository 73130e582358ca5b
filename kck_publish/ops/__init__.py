"""The operator's tasks: prime domains, explain a key, verify values, draw the graph.

In: names of products and keys. Out: reports that commands print; repairs are requests in the log,
done by whoever follows it. The room must not know of commands, arguments or exit statuses.
"""
