"""``make soak``: a world that never rests, and everything that can go wrong with it, for long.

    python -m tests.soak --changes 100000 --seed 7 --store postgres

Real processes on a server of the soak's own: writers of all kinds, lazy readers, listeners, one
that measures the lag. Faults come at random, from one seed. At each quiet point every stored
product is compared with a compute of the library and with SQL of the soak's own, and every
augment is accounted for. ``run`` tells the story, ``__main__`` takes the arguments.
"""
